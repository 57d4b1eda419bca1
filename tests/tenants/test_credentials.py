"""Point 2: the three ways in, and how everything else is refused."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest

from relay.desk.tokens import rotate_token
from relay.errors import Unauthorized
from relay.tenants.authenticate import SKEW_S
from relay.tenants.remembered import NOTICED_S
from relay.tenants.tokens import IssuedToken, looks_like_jwt, revoke_token
from tests.relay_app import ACTOR, Relay, fixture_relay, signed
from tests.tenants.forged import encoded, forge
from tests.waiting import wait_until

QUESTION = "/v1/videos/text2video/no-such-task"
NOT_OURS = (401, 1002, "api key not found")
NOT_SIGNED = (
    401,
    1002,
    "Authorization is invalid: access key not found, or the signature does not match",
)


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        yield running


async def ask(relay: Relay, authorization: str | bytes | None) -> httpx.Response:
    headers = {} if authorization is None else {b"authorization": _bytes(authorization)}
    return await relay.client.get(QUESTION, headers=headers)


async def refused(relay: Relay, authorization: str | bytes | None) -> tuple[int, int, str]:
    body = (response := await ask(relay, authorization)).json()
    assert set(body) == {"code", "message", "request_id"}
    return response.status_code, body["code"], body["message"]


async def is_let_in(relay: Relay, bearer: str) -> bool:
    """Whether the question for an unknown task is answered at all."""
    found = await refused(relay, f"Bearer {bearer}")
    assert found[0] in (400, 401), found
    return found[:2] == (400, 1201)


async def is_changed(relay: Relay, bearer: str, *, since_s: float, is_welcome: bool) -> bool:
    """Whether it is let in, or refused, as it is to be; whoever asks 2 s after the change must be.

    However long the answer takes: a busy machine is no old memory.
    """
    asked_after_s = time.monotonic() - since_s
    if await is_let_in(relay, bearer) is is_welcome:
        return True
    assert asked_after_s < NOTICED_S + 0.1
    return False


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


async def test_three_ways_in(relay: Relay) -> None:
    """The API key; a JWT as SDKs sign it; a ready-made one without `typ`, with further claims."""
    token = await relay.add_tenant()
    now = int(time.time())
    claims = {"iss": token.access_key, "exp": now + 1800, "nbf": now - 5}

    assert await is_let_in(relay, token.api_key)
    assert await is_let_in(relay, signed(token))
    assert await is_let_in(relay, forge(claims, secret=token.secret_key))
    assert await is_let_in(
        relay,
        forge(
            claims | {"iat": now + 10**6, "aud": "x", "sub": 5, "jti": None},
            secret=token.secret_key,
            header={"alg": "HS256", "typ": "at+jwt", "kid": "1"},
        ),
    )
    assert await is_let_in(relay, forge(claims | {"exp": now + 0.5}, secret=token.secret_key))
    no_nbf = {"iss": token.access_key, "exp": now + 60}
    assert await is_let_in(relay, forge(no_nbf, secret=token.secret_key))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", " Bearer", "Bearer  "])
async def test_the_scheme_is_read_leniently(relay: Relay, scheme: str) -> None:
    """HTTP's schemes have no case, and clients put two spaces."""
    token = await relay.add_tenant()

    assert (await ask(relay, f"{scheme} {token.api_key}")).status_code == 400


async def test_without_a_header_it_is_1001(relay: Relay) -> None:
    """As Kling's live answer: "Authorization is empty"."""
    for nothing in (None, "", "  "):
        assert await refused(relay, nothing) == (401, 1001, "Authorization is empty")


async def test_whatever_no_token_of_ours_made_is_answered_alike(relay: Relay) -> None:
    """401/1002 in one wording, so that nobody learns which part was right.

    One for whatever is shaped like a JWT, which speaks of what signs it, and one for the rest.
    """
    token = await relay.add_tenant()
    other = await relay.add_tenant("other")
    now = int(time.time())
    claims: dict[str, Any] = {"iss": token.access_key, "exp": now + 1800, "nbf": now - 5}
    good = forge(claims, secret=token.secret_key)
    head, body, mac = good.split(".")
    none = encoded(b'{"alg":"none"}')
    wrong = "x" * 43
    bearers = {
        "unknown key": "sk-" + "x" * 48,
        "a prefix of the key": token.api_key[:-1],
        "the key in other case": token.api_key.swapcase(),
        "the access key": token.access_key,
        "the secret key": token.secret_key,
        "the pair": f"{token.access_key}|{token.secret_key}",
        "garbage": "eyJ.eyJ.x",
        "empty parts": "ey..",
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.{mac}",
        "alg none": f"{none}.{body}.",
        "alg none, signed": f"{none}.{body}.{mac}",
        "alg None": encoded(b'{"alg":"None"}') + f".{body}.",
        "no alg": forge(claims, secret=token.secret_key, header={"typ": "JWT"}),
        "alg of a list": forge(claims, secret=token.secret_key, header={"alg": ["HS256"]}),
        "alg of an object": forge(claims, secret=token.secret_key, header={"alg": {}}),
        "HS512": forge(claims, secret=token.secret_key, header={"alg": "HS512"}, digest="sha512"),
        "HS512 named, HS256 made": forge(claims, secret=token.secret_key, header={"alg": "HS512"}),
        "RS256 with the secret as key": forge(
            claims, secret=token.secret_key, header={"alg": "RS256"}
        ),
        "ES256": forge(claims, secret=token.secret_key, header={"alg": "ES256"}),
        "wrong secret": forge(claims, secret=wrong),
        "empty secret": forge(claims, secret=""),
        "another tenant's secret": forge(claims, secret=other.secret_key),
        "unknown issuer": forge(claims | {"iss": "f" * 32}, secret=wrong),
        "another's name": forge(claims | {"iss": other.access_key}, secret=token.secret_key),
        "issuer is the API key": forge(claims | {"iss": token.api_key}, secret=token.secret_key),
        "issuer is a number": forge(claims | {"iss": token.id}, secret=token.secret_key),
        "issuer is a list": forge(claims | {"iss": [token.access_key]}, secret=token.secret_key),
        "issuer with a NUL": forge(claims | {"iss": "a\x00"}, secret=wrong),
        "issuer is half a surrogate pair": forge(claims | {"iss": "\ud800"}, secret=wrong),
        "no issuer": forge({"exp": now + 60}, secret=token.secret_key),
        "body changed": f"{head}.{encoded(b'{}')}.{mac}",
        "mac cut": good[:-4],
        "expired and forged": forge(claims | {"exp": 1}, secret=wrong),
        "early and forged": forge(claims | {"nbf": now + 9999}, secret=wrong),
        "payload is a list": forge(b"[]", secret=token.secret_key),
        "payload is no JSON": forge(b"{", secret=token.secret_key),
        "payload is not UTF-8": forge(b'{"iss":"\xff"}', secret=token.secret_key),
        "payload is deep": forge(b"[" * 3000, secret=token.secret_key),
        "header is a list": forge(claims, secret=token.secret_key, header=b"[]"),
        "header is deep": forge(claims, secret=token.secret_key, header=b'{"a":' * 900),
        "b64 false": forge(claims, secret=token.secret_key, header={"alg": "HS256", "b64": False}),
        "kid of a number": forge(
            claims, secret=token.secret_key, header={"alg": "HS256", "kid": 1}
        ),
        "100 KB": "ey" + "x" * 100_000,
        "100 KB of a JWT": forge(claims | {"x": "y" * 100_000}, secret=token.secret_key),
        "latin-1": "sk-é",
        "a space inside": "sk- x",
    }

    answers = {name: await refused(relay, f"Bearer {bearer}") for name, bearer in bearers.items()}

    assert {
        name: answer
        for name, answer in answers.items()
        if answer != (NOT_SIGNED if looks_like_jwt(bearers[name]) else NOT_OURS)
    } == {}
    assert await is_let_in(relay, good)


@pytest.mark.parametrize(
    "authorization",
    [
        *("Basic dXNlcjpwYXNz", "Token x", "Bearer", "Bearer ", "sk-alone", "Bearer\tx"),
        *("Digest Bearer x", ",", b"Bearer \xff\xfe", b"\xff", b"Bearer \x80.\x80.\x80"),
    ],
)
async def test_other_schemes_are_refused_alike(relay: Relay, authorization: str | bytes) -> None:
    """Only `Bearer`, and something behind it."""
    assert await refused(relay, authorization) == NOT_OURS


NO_TIMES = (
    *('"exp":null', '"exp":"9999999999"', '"exp":true', '"exp":[]', '"exp":NaN', '"exp":1e400'),
    *('"exp":Infinity', '"exp":-Infinity', '"exp":1' + "0" * 400, '"exp":1' + "0" * 5000),
    *('"exp":9999999999,"nbf":null', '"exp":9999999999,"nbf":"1"', '"exp":9999999999,"nbf":NaN'),
    *('"exp":9999999999,"nbf":false', '"exp":9999999999,"nbf":{}', '"exp":{"a":1}', '"nbf":0'),
)


async def test_times_that_are_no_times_are_refused(relay: Relay) -> None:
    """Signed with the right secret; NaN would be neither early nor late, infinity never late."""
    token = await relay.add_tenant()

    answers = {
        times[:40]: await refused(
            relay,
            "Bearer "
            + forge(f'{{"iss":"{token.access_key}",{times}}}'.encode(), secret=token.secret_key),
        )
        for times in NO_TIMES
    }

    assert {times: answer for times, answer in answers.items() if answer != NOT_SIGNED} == {}


async def test_late_and_early_are_told_to_who_holds_the_secret(relay: Relay) -> None:
    """Within the skew of a minute it is taken; a second beyond it is 1004, or 1003."""
    token = await relay.add_tenant()
    authenticate = relay_authenticate(relay)
    now = 1_800_000_000

    def at(**claims: float) -> str:
        payload = {"iss": token.access_key, "exp": now + 1800, "nbf": now - 5} | claims
        return f"Bearer {forge(payload, secret=token.secret_key)}"

    assert (await authenticate(at(exp=now - SKEW_S + 1), now_s=now)).tenant == "acme"
    assert (await authenticate(at(nbf=now + SKEW_S), now_s=now)).tenant == "acme"
    assert (await authenticate(at(exp=now - SKEW_S + 0.5), now_s=now)).tenant == "acme"
    for claims, code in (({"exp": now - SKEW_S}, 1004), ({"nbf": now + SKEW_S + 1}, 1003)):
        with pytest.raises(Unauthorized) as raised:
            await authenticate(at(**claims), now_s=now)
        assert (raised.value.http_status, raised.value.code) == (401, code)


async def test_a_cached_jwt_ends_when_its_time_ends(relay: Relay) -> None:
    """It was verified a moment ago; the clock is asked every time."""
    token = await relay.add_tenant()
    authenticate = relay_authenticate(relay)
    now = 1_800_000_000
    claims = {"iss": token.access_key, "exp": now + 1}
    bearer = f"Bearer {forge(claims, secret=token.secret_key)}"
    await authenticate(bearer, now_s=now)

    with pytest.raises(Unauthorized, match="expired"):
        await authenticate(bearer, now_s=now + SKEW_S + 1)


async def test_live_answers_of_late_and_early_have_klings_words(relay: Relay) -> None:
    """Through HTTP: 401/1004 and 401/1003."""
    token = await relay.add_tenant()
    now = int(time.time())

    late = await refused(relay, f"Bearer {signed(token, now_s=now - 3600)}")
    early = await refused(relay, f"Bearer {signed(token, nbf=now + 3600)}")

    assert late == (401, 1004, "Authorization has expired")
    assert early == (401, 1003, "Authorization is not yet valid")


async def test_a_revoked_token_stops_within_two_seconds(relay: Relay) -> None:
    """API key and JWTs alike, also one that was verified a moment before; others go on."""
    token, other = await relay.add_tenant(), await relay.add_tenant("other")
    ready_made = signed(token)
    assert await is_let_in(relay, ready_made)
    assert await is_let_in(relay, token.api_key)

    async with relay.sessions.begin() as session:
        assert (await revoke_token(session, token.id))[0]

    revoked_s = time.monotonic()
    for bearer in (ready_made, token.api_key):
        await wait_until(partial(is_changed, relay, bearer, since_s=revoked_s, is_welcome=False))
        answer = NOT_SIGNED if looks_like_jwt(bearer) else NOT_OURS
        assert await refused(relay, f"Bearer {bearer}") == answer
    assert not await is_let_in(relay, signed(token, now_s=int(time.time()) - 1))
    assert await is_let_in(relay, other.api_key)


async def test_a_rotated_token_has_two_pairs_of_keys_for_a_while(relay: Relay) -> None:
    """Both are the same token; the old ones end when they are to, or with the next rotation."""
    first, other = await relay.add_tenant(), await relay.add_tenant("other")

    async def rotate(keep_s: int) -> IssuedToken:
        async with relay.sessions.begin() as session:
            return await rotate_token(session, ACTOR, first.id, relay.keys, keep_s=keep_s)

    def ways(token: IssuedToken) -> tuple[str, str]:
        return signed(token), token.api_key

    remembered = signed(first)
    assert await is_let_in(relay, remembered)
    assert await is_let_in(relay, first.api_key)
    second = await rotate(60)
    assert (second.id, second.tenant) == (first.id, "acme")
    for bearer in ways(second):
        welcome = partial(is_changed, relay, bearer, since_s=time.monotonic(), is_welcome=True)
        await wait_until(welcome)
    for bearer in (remembered, *ways(first)):
        assert await is_let_in(relay, bearer)

    await relay.rows("UPDATE tokens SET former_until = now() WHERE id = $1", first.id)
    changed_s = time.monotonic()
    for bearer in (remembered, *ways(first)):
        await wait_until(partial(is_changed, relay, bearer, since_s=changed_s, is_welcome=False))
        assert (await refused(relay, f"Bearer {bearer}"))[:2] == (401, 1004)
    forged = forge({"iss": first.access_key, "exp": time.time() + 60}, secret=second.secret_key)
    assert await refused(relay, f"Bearer {forged}") == NOT_SIGNED

    third, fourth = await rotate(60), await rotate(0)
    for bearer in (*ways(first), *ways(second), *ways(third)):
        answer = NOT_SIGNED if looks_like_jwt(bearer) else NOT_OURS

        async def is_forgotten(bearer: str = bearer, answer: Any = answer) -> bool:
            return bool(await refused(relay, f"Bearer {bearer}") == answer)

        await wait_until(is_forgotten)
    for bearer in (*ways(fourth), *ways(other)):
        assert await is_let_in(relay, bearer)


async def test_a_disabled_tenant_is_told_so_only_with_its_secret(relay: Relay) -> None:
    """1000 to who proves the key; 1002 as ever to who does not."""
    token = await relay.add_tenant()
    await relay.rows("UPDATE tenants SET enabled = false")

    assert (await refused(relay, f"Bearer {token.api_key}"))[:2] == (401, 1000)
    assert (await refused(relay, f"Bearer {signed(token)}"))[:2] == (401, 1000)
    forged = forge({"iss": token.access_key, "exp": time.time() + 60}, secret="x" * 43)
    assert await refused(relay, f"Bearer {forged}") == NOT_SIGNED


async def test_a_new_token_works_though_it_was_asked_for_before(relay: Relay) -> None:
    """A key that was unknown a moment ago is remembered as unknown for two seconds at most."""
    token = await relay.add_tenant()
    await relay.rows("UPDATE tokens SET revoked_at = now()")
    assert not await is_let_in(relay, token.api_key)
    await relay.rows("UPDATE tokens SET revoked_at = NULL")

    assert token.api_key
    now_s = time.monotonic()
    await wait_until(partial(is_changed, relay, token.api_key, since_s=now_s, is_welcome=True))


async def test_a_secret_that_cannot_be_opened_locks_out_signers_only(relay: Relay) -> None:
    """Its sealing key is gone: JWTs are refused as unknown, the API key goes on."""
    token = await relay.add_tenant()
    await relay.rows("UPDATE tokens SET secret_key_sealed = 'gone:AAAA'")

    assert await refused(relay, f"Bearer {signed(token)}") == NOT_SIGNED
    assert await is_let_in(relay, token.api_key)


async def test_one_strange_bearer_does_not_disturb_the_others(relay: Relay) -> None:
    """Look-ups share a statement: a value that no database takes must not fail its neighbours."""
    tokens = [await relay.add_tenant(f"t{number}") for number in range(5)]
    strange = forge({"iss": "\ud800", "exp": time.time() + 60}, secret="x" * 43)

    answers = await asyncio.gather(
        *(ask(relay, f"Bearer {strange}") for _ in range(5)),
        *(ask(relay, f"Bearer {signed(token)}") for token in tokens),
    )

    assert [answer.status_code for answer in answers] == [401] * 5 + [400] * 5


def relay_authenticate(relay: Relay) -> Any:
    return relay.faces.kling._authenticator.authenticate  # noqa: SLF001 (time is its argument)
