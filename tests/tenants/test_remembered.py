"""What is remembered of a bearer ends with its token; ages are made, not waited for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from relay.database.driver import Record
from relay.database.engine import dsn
from relay.database.line import Line, connector
from relay.errors import Unauthorized
from relay.secrets import KeyRing, new_secret_key
from relay.tenants.authenticate import SKEW_S, Authenticator, TokenRow
from relay.tenants.remembered import AGE_MAX_S, NOTICED_S
from relay.tenants.tokens import IssuedToken, secret_context
from tests.relay_app import Relay, fixture_relay, signed
from tests.waiting import PATIENCE_S

NOW_S = 1_800_000_000
GONE = "UPDATE tokens SET revoked_at = now()"
DISABLED = "UPDATE tenants SET enabled = false"


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        yield running


@pytest.fixture
async def token(relay: Relay) -> IssuedToken:
    return await relay.add_tenant()


class Clock:
    """Stands still but for what passes from one request to the next."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.pause_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Watched(Authenticator):
    """Counts what is read of tokens; once, something may happen while an answer is on its way."""

    reads = 0
    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def _fetch(self, row: TokenRow) -> Record | None:
        self.reads += 1
        record = await super()._fetch(row)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return record


@pytest.fixture
async def authenticator(relay: Relay, clock: Clock) -> AsyncIterator[Watched]:
    line = Line(connector(dsn(relay.database_url)), durable=False)
    authenticator = Watched(line, relay.keys, clock=clock)
    yield authenticator
    await authenticator.aclose()
    await line.aclose()


@pytest.fixture
def all_is_old(clock: Clock) -> Any:
    """Call it, and changes of tokens and tenants are looked for at each request from now on."""

    def pass_more_than_that() -> None:
        clock.pause_s = NOTICED_S + 0.1

    return pass_more_than_that


def header_of(token: IssuedToken, *, is_jwt: bool) -> str:
    return f"Bearer {signed(token, now_s=NOW_S) if is_jwt else token.api_key}"


async def code_of(authenticator: Authenticator, header: str, *, now_s: float = NOW_S) -> int:
    """0 for who is let in."""
    clock = authenticator._clock  # noqa: SLF001 (the test's own)
    assert isinstance(clock, Clock)
    clock.now_s += clock.pause_s
    try:
        await authenticator.authenticate(header, now_s=now_s)
    except Unauthorized as error:
        return error.code
    return 0


@pytest.mark.parametrize("is_jwt", [False, True])
@pytest.mark.parametrize(("change", "code"), [(GONE, 1002), (DISABLED, 1000)])
async def test_a_known_bearer_is_refused_once_its_token_is(
    relay: Relay,
    token: IssuedToken,
    authenticator: Authenticator,
    all_is_old: Any,
    *,
    is_jwt: bool,
    change: str,
    code: int,
) -> None:
    """Revoked or disabled: at most `NOTICED_S` later, API keys and JWTs alike."""
    header = header_of(token, is_jwt=is_jwt)
    known = await code_of(authenticator, header)
    await relay.rows(change)
    at_once = await code_of(authenticator, header)

    all_is_old()
    later = [await code_of(authenticator, header) for _ in range(2)]

    assert (known, at_once, later) == (0, 0, [code, code])


@pytest.mark.parametrize("is_jwt", [False, True])
async def test_a_tenant_that_is_enabled_again_is_let_in(
    relay: Relay,
    token: IssuedToken,
    authenticator: Authenticator,
    all_is_old: Any,
    *,
    is_jwt: bool,
) -> None:
    """A refusal is not remembered for longer than a welcome."""
    header = header_of(token, is_jwt=is_jwt)
    await relay.rows(DISABLED)
    before = await code_of(authenticator, header)
    await relay.rows("UPDATE tenants SET enabled = true")

    all_is_old()

    assert (before, await code_of(authenticator, header)) == (1000, 0)


@pytest.mark.parametrize("spelling", ["Bearer {}", "bearer  {}", " Bearer {} ", "BEARER {}"])
async def test_a_known_jwt_ends_with_its_time(
    token: IssuedToken, authenticator: Authenticator, spelling: str
) -> None:
    """However it is spelt: no cache of headers serves it, and none holds it."""
    header = spelling.format(signed(token, now_s=NOW_S))
    known = [await code_of(authenticator, header) for _ in range(2)]

    late = await code_of(authenticator, header, now_s=NOW_S + 1800 + SKEW_S)
    early = await code_of(authenticator, header, now_s=NOW_S - 6 - SKEW_S)

    assert (known, late, early) == ([0, 0], 1004, 1003)
    assert authenticator._by_header == {}  # noqa: SLF001 (what is promised of it)


async def test_an_api_key_is_known_by_its_whole_header(
    token: IssuedToken, authenticator: Authenticator
) -> None:
    """Neither a part of a known header nor more than it is known."""
    header = header_of(token, is_jwt=False)
    known = await code_of(authenticator, header)

    others = [await code_of(authenticator, other) for other in (header[:-1], header + "x", "")]

    assert (known, others) == (0, [1002, 1002, 1001])


async def test_a_jwt_survives_the_rotation_of_the_key_that_seals(
    relay: Relay, token: IssuedToken, authenticator: Authenticator, all_is_old: Any
) -> None:
    """Its secret is sealed anew, by the same key or a newer one, and is the same secret."""
    header = header_of(token, is_jwt=True)
    known = await code_of(authenticator, header)
    await _seal(relay, token, token.secret_key, relay.keys)

    all_is_old()

    assert (known, await code_of(authenticator, header)) == (0, 0)
    fresh = f"Bearer {signed(token, now_s=NOW_S + 1)}"
    assert await code_of(authenticator, fresh) == 0


async def test_a_jwt_ends_with_the_secret_that_signed_it(
    relay: Relay, token: IssuedToken, authenticator: Authenticator, all_is_old: Any
) -> None:
    """Another secret in its place refuses the JWT that was known, and takes its own."""
    header = header_of(token, is_jwt=True)
    known = await code_of(authenticator, header)
    other = await relay.add_tenant("other")
    await _seal(relay, token, other.secret_key, relay.keys)

    all_is_old()
    refused = [await code_of(authenticator, header) for _ in range(2)]
    await _seal(relay, token, token.secret_key, relay.keys)

    assert (known, refused, await code_of(authenticator, header)) == (0, [1002, 1002], 0)


async def test_a_known_jwt_ends_when_its_secret_cannot_be_opened(
    relay: Relay, token: IssuedToken, authenticator: Authenticator, all_is_old: Any
) -> None:
    """The operator dropped the sealing key; what was opened before is not served for it."""
    header = header_of(token, is_jwt=True)
    known = await code_of(authenticator, header)
    await _seal(relay, token, token.secret_key, KeyRing.parse(new_secret_key("gone")))

    all_is_old()

    assert (known, await code_of(authenticator, header)) == (0, 1002)
    assert await code_of(authenticator, header_of(token, is_jwt=False)) == 0


@pytest.mark.parametrize("is_jwt", [False, True])
async def test_a_bearer_is_read_once_until_something_changes(
    relay: Relay,
    token: IssuedToken,
    authenticator: Watched,
    all_is_old: Any,
    *,
    is_jwt: bool,
) -> None:
    """However many looks for changes there are; nobody's bearer is remembered as such too."""
    headers = [header_of(token, is_jwt=is_jwt), "Bearer sk-nobodys"]
    all_is_old()

    counts = []
    for change in (None, None, "UPDATE tenants SET multiplier = 2", None):
        if change:
            await relay.rows(change)
        for header in headers:
            await code_of(authenticator, header)
        counts.append(authenticator.reads)

    assert counts == [2, 2, 4, 4]


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO tenants (name, account_id) SELECT 'new', min(id) FROM accounts",
        "DELETE FROM tenants WHERE name = 'unused'",
        "UPDATE tokens SET api_key_hint = 'abcd'",
        "DELETE FROM tokens",
        "INSERT INTO tokens (tenant_id, api_key_hash) SELECT min(id), '\\x00' FROM tenants",
        "INSERT INTO operators (name, role) VALUES ('ann', 'owner')",
    ],
)
async def test_every_kind_of_change_is_counted(relay: Relay, change: str) -> None:
    """By whomever it is made, and once it is committed: the count is seen with it."""
    await relay.add_tenant("acme")
    await relay.rows(
        "INSERT INTO tenants (name, account_id) SELECT 'unused', min(id) FROM accounts"
    )
    before = await relay.rows("SELECT number FROM token_changes")

    await relay.rows(change)

    assert await relay.rows("SELECT number FROM token_changes") > before


async def test_a_change_waits_for_nobody_who_has_not_committed(
    relay: Relay, token: IssuedToken, database_url: str
) -> None:
    """A forgotten psql with another tenant in it does not keep a token from being revoked."""
    await relay.add_tenant("other")
    psql = await asyncpg.connect(dsn(database_url))
    transaction = psql.transaction()
    await transaction.start()
    await psql.execute("UPDATE tenants SET multiplier = 2 WHERE name = 'other'")

    await asyncio.wait_for(
        relay.rows("UPDATE tokens SET revoked_at = now() WHERE id = $1", token.id), PATIENCE_S
    )
    ((before,),) = await relay.rows("SELECT number FROM token_changes")
    await transaction.commit()
    await psql.close()

    assert await relay.rows("SELECT number FROM token_changes") > [(before,)]


async def test_the_count_comes_to_no_number_again(relay: Relay, token: IssuedToken) -> None:
    """Though an old backup was restored, or the count set back by whatever means."""
    numbers = []
    for _ in range(2):
        await relay.rows("UPDATE tokens SET revoked_at = now() WHERE id = $1", token.id)
        numbers += await relay.rows("SELECT number FROM token_changes")
        await relay.rows("UPDATE token_changes SET number = 0")

    assert numbers[0] < numbers[1]


async def test_a_change_is_counted_whatever_the_search_path(
    token: IssuedToken, database_url: str
) -> None:
    """pg_dump's data, and careful people, write with none."""
    psql = await asyncpg.connect(dsn(database_url))
    before = await psql.fetchval("SELECT number FROM token_changes")
    await psql.execute("SET search_path = ''")

    await psql.execute("UPDATE public.tokens SET revoked_at = now() WHERE id = $1", token.id)

    assert await psql.fetchval("SELECT number FROM public.token_changes") > before
    await psql.close()


async def test_a_change_is_counted_in_whatever_schema(
    token: IssuedToken, database_url: str
) -> None:
    """The relay's role may have one of its own, which is in nobody else's search path."""
    psql = await asyncpg.connect(dsn(database_url))
    before = await psql.fetchval("SELECT number FROM token_changes")
    await psql.execute("ALTER SCHEMA public RENAME TO kling")

    await psql.execute("UPDATE kling.tokens SET revoked_at = now() WHERE id = $1", token.id)

    assert await psql.fetchval("SELECT number FROM kling.token_changes") > before
    await psql.close()


async def test_a_transaction_is_counted_once(token: IssuedToken, database_url: str) -> None:
    """However many rows it changes, before and behind a savepoint: the counter has one version."""
    assert token.id
    psql = await asyncpg.connect(dsn(database_url))
    before = await psql.fetchval("SELECT number FROM token_changes")
    versions = "SELECT n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = 'token_changes'"
    async with psql.transaction():
        await psql.execute(
            "INSERT INTO tenants (name, account_id)"
            " SELECT n, (SELECT min(id) FROM accounts) FROM generate_series(1, 100) n"
        )
        async with psql.transaction():
            await psql.execute("UPDATE tenants SET multiplier = 2")
        await psql.execute("SET CONSTRAINTS ALL IMMEDIATE")  # as the commit does
        counted = await psql.fetchval(versions)

    assert counted == 1
    assert await psql.fetchval("SELECT number FROM token_changes") > before
    await psql.close()


async def test_an_uncounted_change_is_noticed_within_a_minute(
    relay: Relay,
    token: IssuedToken,
    authenticator: Authenticator,
    all_is_old: Any,
    clock: Clock,
) -> None:
    """Its triggers were switched off; the minute is made, not waited for."""
    header = header_of(token, is_jwt=True)
    known = await code_of(authenticator, header)
    await relay.rows("ALTER TABLE tokens DISABLE TRIGGER changes_are_counted")
    await relay.rows(GONE)
    all_is_old()
    unnoticed = await code_of(authenticator, header)

    clock.pause_s = AGE_MAX_S

    assert (known, unnoticed, await code_of(authenticator, header)) == (0, 0, 1002)


async def test_a_new_key_is_let_in_though_it_was_refused_before(
    relay: Relay, authenticator: Authenticator, all_is_old: Any
) -> None:
    """An operator takes over a key that a tenant uses already."""
    other = await relay.add_tenant("other")
    header = header_of(other, is_jwt=False)
    await relay.rows("UPDATE tokens SET api_key_hash = api_key_hash || '\\x00'")
    refused = await code_of(authenticator, header)
    await relay.rows("UPDATE tokens SET api_key_hash = substr(api_key_hash, 1, 32)")

    all_is_old()

    assert (refused, await code_of(authenticator, header)) == (1002, 0)


@pytest.mark.parametrize("is_jwt", [False, True])
async def test_what_was_read_before_a_change_is_not_remembered_after_it(
    relay: Relay,
    token: IssuedToken,
    authenticator: Watched,
    all_is_old: Any,
    *,
    is_jwt: bool,
) -> None:
    """Its token is revoked, and that is noticed, while the answer about it is on its way."""
    header = header_of(token, is_jwt=is_jwt)
    other = header_of(await relay.add_tenant("other"), is_jwt=False)
    all_is_old()

    async def revoke_and_notice() -> None:
        await relay.rows("UPDATE tokens SET revoked_at = now() WHERE id = $1", token.id)
        assert await code_of(authenticator, other) == 0

    authenticator.meanwhile = revoke_and_notice
    first = await code_of(authenticator, header)

    assert (first, await code_of(authenticator, header)) == (0, 1002)


async def _seal(relay: Relay, token: IssuedToken, secret_key: str, keys: KeyRing) -> None:
    sealed = keys.seal(secret_key, context=secret_context(token.id))
    await relay.rows("UPDATE tokens SET secret_key_sealed = $1 WHERE id = $2", sealed, token.id)
