"""Until when, from where and for what a key or a tenant is let in."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.desk.gates import GateChanges, set_gates
from relay.errors import AccessExpired, AddressNotAllowed
from relay.tenants.gate import Gate
from tests.limits.limiting import further_token, read_tokens_anew
from tests.relay_app import ACTOR, CLIP, Relay, bearer, fixture_relay, signed

NOW_S = 1_800_000_000.0


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as relay:
        yield relay


async def let_in(
    relay: Relay, *, tenant: str | None = None, token_id: int | None = None, **changes: Any
) -> None:
    async with relay.sessions.begin() as session:
        await set_gates(session, ACTOR, GateChanges(**changes), tenant=tenant, token_id=token_id)
    read_tokens_anew(relay)


def test_a_gate_is_judged_by_the_moment_and_the_address() -> None:
    """To the second, and by networks; an address that cannot be read is in none."""
    gate = Gate(datetime.fromtimestamp(NOW_S, UTC), ("10.0.0.0/8", "2001:db8::/32"))

    for address in ("10.1.2.3", "::ffff:10.9.9.9", "2001:db8::7"):
        gate.check_entry(address, now_s=NOW_S - 1)
    for address in ("11.0.0.1", "", "unknown", "2001:db9::1"):
        with pytest.raises(AddressNotAllowed):
            gate.check_entry(address, now_s=NOW_S - 1)
    with pytest.raises(AccessExpired):
        gate.check_entry("10.1.2.3", now_s=NOW_S)


async def test_a_key_that_is_remembered_is_judged_by_its_time_and_address_each_time(
    relay: Relay,
) -> None:
    """By its API key and by a JWT; refused once its moment has come, though nothing was changed."""
    await relay.add_channel()
    token = await relay.add_tenant()
    headers = [bearer(token), {"Authorization": f"Bearer {signed(token)}"}]
    soon = datetime.now(UTC) + timedelta(seconds=600)
    await let_in(relay, token_id=token.id, expires_at=soon)
    authenticate = relay.faces.kling._authenticator.authenticate  # noqa: SLF001 (time is its argument)

    for header in headers:
        spelt = header["Authorization"]
        for _ in range(2):
            await authenticate(spelt, now_s=soon.timestamp() - 1, address="127.0.0.1")
        with pytest.raises(AccessExpired):
            await authenticate(spelt, now_s=soon.timestamp(), address="127.0.0.1")

    await let_in(relay, token_id=token.id, expires_at=None)
    await let_in(relay, tenant="acme", addresses=["127.0.0.0/8", "203.0.113.7"])
    for header in headers:
        spelt, now_s = header["Authorization"], datetime.now(UTC).timestamp()
        await authenticate(spelt, now_s=now_s, address="203.0.113.7")
        with pytest.raises(AddressNotAllowed):
            await authenticate(spelt, now_s=now_s, address="203.0.113.8")
    assert (await relay.submit(token)).json()["code"] == 0
    await let_in(relay, tenant="acme", addresses=["203.0.113.7"])
    told = await relay.submit(token)
    assert (told.status_code, told.json()["code"]) == (403, 1103)
    assert "not taken from 127.0.0.1" in told.json()["message"]


async def test_endpoints_and_models_bound_creates_alone(relay: Relay) -> None:
    """Of the key and of the tenant at once: what both allow passes, whatever the spelling.

    What it made it may still query, and other keys are not bound by it.
    """
    await relay.add_channel()
    token = await relay.add_tenant()
    other = await further_token(relay)
    made = (await relay.submit(token)).json()["data"]["task_id"]
    await let_in(relay, token_id=token.id, models=["Kling-V3"])
    await let_in(relay, tenant="acme", endpoints=["text2video", "tts"])

    async def code_of(body: dict[str, str], path: str = "/v1/videos/text2video") -> tuple[int, int]:
        told = await relay.submit(token, body, path=path)
        return told.status_code, told.json()["code"]

    before = await relay.rows("SELECT id FROM tasks")
    assert await code_of({**CLIP, "model_name": "kling-v2-5-turbo"}) == (403, 1103)
    assert await code_of({"text": "hello"}, "/v1/audio/tts") == (403, 1103)
    assert await code_of({**CLIP, "image": "https://a.test/a.png"}, "/v1/videos/image2video") == (
        403,
        1103,
    )
    assert len(await relay.rows("SELECT id FROM tasks")) == len(before)
    assert await code_of({**CLIP, "model_name": "KLING-v3"}) != (403, 1103)
    assert await code_of(CLIP) == (200, 0)
    assert (await relay.get(token, made)).status_code == 200
    assert (await relay.submit(other, {**CLIP, "model_name": "kling-v2-5-turbo"})).json()[
        "code"
    ] == 0
