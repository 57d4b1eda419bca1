"""What a key made never does more than that key, and what an operator set of it stays."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from relay.desk.errors import DeskError, NotPossible, Unusable
from relay.desk.gates import GateChanges, set_gates
from relay.desk.limits import set_limits
from relay.desk.portal import link_tenant
from relay.desk.tokens import change_token, revoke_token
from relay.limits.tables import LimitKind
from relay.money import decimal_of
from relay.tenants.scope import Scope
from tests.admin.office import act
from tests.limits.limiting import read_tokens_anew
from tests.proxy.keys import asked, data, key, made_by
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, TEXT2VIDEO, Relay, fixture_relay
from tests.tasks.waiting import is_a_lock_waited_for
from tests.waiting import wait_until

LATE, SOON = datetime(2100, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)
FIVE, NINE = {LimitKind.DAY: 5}, {LimitKind.DAY: 9}
LESS, MORE = GateChanges(models=["kling-v3"]), GateChanges(models=["kling-v3", "kling-v1"])
ROUNDS = 5


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        await running.add_channel()
        yield running


async def row_of(relay: Relay, token: Any) -> Any:
    return await relay.row("SELECT * FROM tokens WHERE id = $1", token.id)


async def limits_of(relay: Relay, token: Any) -> dict[str, int]:
    rows = await relay.rows("SELECT kind, allowed FROM limits WHERE token_id = $1", token.id)
    return {one["kind"]: one["allowed"] for one in rows}


async def test_what_a_key_made_is_narrowed_with_it(relay: Relay) -> None:
    """Down to the last one, and a sub-tenant; what is widened again leaves them as they are."""
    await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    child = await made_by(relay, top, scope="manage", models=["kling-v3", "kling-v2-6"])
    last = await made_by(relay, child, expires_at=4_000_000_000_000)
    other = await made_by(relay, await key(relay, Scope.MANAGE))
    await data(relay, child, "POST", "/relay/tenants", {"name": "eu"})
    gates = GateChanges(
        models=["kling-v2-6"], expires_at=LATE, addresses=["127.0.0.0/8", "10.0.0.0/8"]
    )

    async with relay.sessions.begin() as session:
        first = await set_gates(session, ACTOR, gates, token_id=top.id)
        second = await change_token(session, ACTOR, top.id, groups=["eu"])
        allowed = {LimitKind.DAY: CLIP_MICROS, LimitKind.IN_FLIGHT: 2}
        third = await set_limits(session, ACTOR, allowed, token_id=top.id, zone=UTC)
    read_tokens_anew(relay)

    assert first == second == third == first | second | third
    assert (first.tokens, first.tenants) == ((child.id, last.id), ("acme/eu",))
    for one in (child, last):
        row = await row_of(relay, one)
        assert (row["models"], row["groups"]) == (["kling-v2-6"], ["eu"])
        assert row["addresses"] == ["127.0.0.0/8", "10.0.0.0/8"]
        assert row["operator_set"] is None, "it is their maker's"
        assert await limits_of(relay, one) == {"day": CLIP_MICROS, "in_flight": 2}
    assert (await row_of(relay, child))["expires_at"] == LATE
    assert (await row_of(relay, last))["expires_at"].year == 2096, "its own is sooner"
    assert (await row_of(relay, other))["models"] is None
    below = await relay.row("SELECT * FROM tenants WHERE name = 'acme/eu'")
    assert (below["models"], below["groups"]) == (["kling-v2-6"], ["eu"])
    of_tenant = await relay.rows(
        "SELECT allowed FROM limits WHERE tenant_id = $1 AND token_id IS NULL", below["id"]
    )
    assert sorted(one["allowed"] for one in of_tenant) == [2, CLIP_MICROS]
    assert (await asked(relay, last, "POST", TEXT2VIDEO, CLIP))[:2] == (403, 1103)
    noted = await relay.rows(
        "SELECT subject_kind, act FROM changes WHERE after->>'narrowed_with' = $1 ORDER BY id",
        str(top.id),
    )
    assert [tuple(one) for one in noted] == [
        *(("token", "gate.set"), ("token", "gate.set"), ("tenant", "gate.set")),
        *(("token", "token.change"), ("token", "token.change"), ("tenant", "tenant.change")),
        *(("token", "limit.set"), ("token", "limit.set"), ("tenant", "limit.set")),
    ]

    await act(relay, set_gates, GateChanges(models=None), token_id=top.id)
    assert (await row_of(relay, last))["models"] == ["kling-v2-6"]
    beyond = {"day": decimal_of(CLIP_MICROS + 1)}
    assert (await asked(relay, child, "POST", f"/relay/tokens/{last.id}/limits", beyond))[1] == 1201
    assert (await relay.audit()).ok


async def test_a_key_narrows_what_it_made_with_all_that_came_of_that(relay: Relay) -> None:
    """The answer names these; what would leave one of them with nothing is refused."""
    await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    child = await made_by(relay, top, scope="manage")
    last, reader = await made_by(relay, child), await made_by(relay, child, scope="read")
    path = f"/relay/tokens/{child.id}"

    told = await data(relay, top, "POST", path, {"models": ["kling-v3"]})
    limited = await data(relay, top, "POST", f"{path}/limits", {"day": "5"})

    assert told["narrowed"] == limited["narrowed"] == [last.id, reader.id]
    assert (await row_of(relay, last))["models"] == ["kling-v3"]
    wider = {"day": "6"}
    for by in (top, child):
        assert (await asked(relay, by, "POST", f"/relay/tokens/{last.id}/limits", wider))[1] == 1201
    for body, field in (({"scope": "call"}, "scope"), ({"scope": "read"}, "scope")):
        status, _, why = await asked(relay, top, "POST", path, body)
        assert (status, why.split(":")[0]) == (400, field)
    await data(relay, top, "POST", f"/relay/tokens/{last.id}", {"models": ["kling-v3"]})
    status, _, why = await asked(relay, top, "POST", path, {"models": ["kling-v2-6"]})
    assert (status, f"key {last.id}" in why) == (400, True)
    assert (await row_of(relay, child))["models"] == ["kling-v3"]
    await act(relay, revoke_token, reader.id)
    await data(relay, top, "POST", path, {"scope": "call"})
    read_tokens_anew(relay)
    assert (await asked(relay, child, "POST", "/relay/tokens", {}))[:2] == (403, 1103)
    status, _, why = await asked(relay, top, "POST", f"/relay/tokens/{last.id}", {"scope": "read"})
    assert (status, why.split(":")[0]) == (400, "scope"), "its maker may not read all"


async def test_an_operator_gives_no_key_more_than_what_it_came_of(relay: Relay) -> None:
    """That one is widened first: who has it is shown the other's keys, and would have it all."""
    await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    await act(relay, set_gates, GateChanges(models=["kling-v3"]), token_id=top.id)
    async with relay.sessions.begin() as session:
        await set_limits(session, ACTOR, {LimitKind.DAY: 5}, token_id=top.id, zone=UTC)
    child = await made_by(relay, top)

    with pytest.raises(Unusable):
        await act(relay, set_gates, GateChanges(models=None), token_id=child.id)
    for more in (6, None):
        wider = {LimitKind.DAY: more}
        with pytest.raises(Unusable):
            await act(relay, set_limits, wider, token_id=child.id, zone=UTC)


async def test_what_an_operator_set_of_a_key_is_lifted_by_no_key(relay: Relay) -> None:
    """By none that made it: neither at once, nor by way of less; the operator lifts it."""
    await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    child = await made_by(relay, top, endpoints=["text2video"])
    path = f"/relay/tokens/{child.id}"
    gates = GateChanges(models=["kling-v3"], expires_at=SOON, addresses=["127.0.0.1"])
    await act(relay, set_gates, gates, token_id=child.id)
    await act(relay, change_token, child.id, groups=["eu"], scope=Scope.CALL)
    async with relay.sessions.begin() as session:
        allowed = {LimitKind.DAY: 5_000_000}
        await set_limits(session, ACTOR, allowed, token_id=child.id, zone=UTC)

    wrongs: list[dict[str, Any]] = [
        {"models": None},
        {"models": ["kling-v3", "kling-v1"]},
        {"expires_at": None},
        {"addresses": None},
        {"groups": None},
        {"scope": "manage"},
    ]
    for wrong in wrongs:
        status, code, why = await asked(relay, top, "POST", path, wrong)
        assert (status, code, why.split(":")[0]) == (400, 1201, *wrong), why
    await data(relay, top, "POST", path, {"endpoints": None, "models": ["kling-v3"], "name": "x"})
    shown = next(
        one for one in await data(relay, top, "GET", "/relay/tokens") if one["id"] == child.id
    )
    assert shown["set_by_provider"] == ["addresses", "expires_at", "groups", "models", "scope"]
    limits = f"{path}/limits"
    for day in (None, "5.1"):
        assert (await asked(relay, top, "POST", limits, {"day": day}))[1] == 1201
    await data(relay, top, "POST", limits, {"day": "2"})
    for day in (None, "5.1"):
        assert (await asked(relay, top, "POST", limits, {"day": day}))[1] == 1201
    await data(relay, top, "POST", limits, {"day": "5"})

    await act(relay, set_gates, GateChanges(models=None), token_id=child.id)
    assert (await data(relay, top, "POST", path, {"models": ["kling-v1"]}))["models"]
    assert (await data(relay, top, "POST", path, {"models": None}))["models"] is None


async def test_what_is_widened_while_its_maker_is_narrowed_is_no_more_than_that(
    relay: Relay,
) -> None:
    """It waits, and is judged by what is in force then; what is made meanwhile is bounded too."""
    await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    middle = await key(relay, Scope.MANAGE, made_by_id=top.id)
    child = await key(relay, made_by_id=middle.id)
    gates, limits = (
        partial(set_gates, token_id=middle.id),
        partial(set_limits, token_id=middle.id, zone=UTC),
    )
    for narrow, to, widened in (
        (gates, LESS, partial(act, relay, set_gates, MORE, token_id=child.id, by_id=top.id)),
        (
            *(limits, FIVE),
            partial(act, relay, set_limits, NINE, token_id=child.id, by_id=top.id, zone=UTC),
        ),
        (gates, LESS, partial(key, relay, made_by_id=middle.id)),
        (limits, FIVE, partial(key, relay, made_by_id=middle.id)),
    ):
        async with relay.sessions.begin() as session:
            await narrow(session, ACTOR, to)
            meanwhile = asyncio.create_task(as_told(widened()))
            await wait_until(partial(is_locked_out, relay, meanwhile))
        await meanwhile
        assert await wider_than_their_makers(relay) == []
        await relay.rows("UPDATE tokens SET models = NULL")
        await relay.rows("DELETE FROM limits")


async def test_a_key_that_is_narrowed_at_once_with_others_leaves_nothing_wider(
    relay: Relay,
) -> None:
    """It makes keys meanwhile, they make others, and another one widens what it made."""
    await relay.add_tenant()
    for _ in range(ROUNDS):
        top = await key(relay, Scope.MANAGE)
        middle = await key(relay, Scope.MANAGE, made_by_id=top.id)
        child = await key(relay, Scope.MANAGE, made_by_id=middle.id)

        async def narrow(token_id: int = middle.id) -> None:
            async with relay.sessions.begin() as session:
                await set_gates(session, ACTOR, LESS, token_id=token_id)
                await set_limits(session, ACTOR, FIVE, token_id=token_id, zone=UTC)

        made = [key(relay, made_by_id=one.id) for one in (middle, child, middle, child)]
        widened = act(relay, set_gates, MORE, token_id=child.id, by_id=top.id)
        await asyncio.gather(*map(as_told, (*made[:2], widened, narrow(), *made[2:])))

    assert await wider_than_their_makers(relay) == []


async def as_told(done: Awaitable[Any]) -> None:
    """Do it, or be refused."""
    with contextlib.suppress(DeskError):
        await done


async def wider_than_their_makers(relay: Relay) -> list[Any]:
    return await relay.rows(
        "SELECT c.id FROM tokens c JOIN tokens m ON m.id = c.made_by_id"
        " LEFT JOIN limits l ON l.token_id = m.id LEFT JOIN limits n ON n.token_id = c.id"
        " WHERE m.models IS NOT NULL AND c.models IS NULL OR NOT c.models <@ m.models"
        " OR l.allowed IS NOT NULL AND n.allowed IS NULL OR n.allowed > l.allowed"
    )


async def is_locked_out(relay: Relay, waiting: asyncio.Task[None]) -> bool:
    """Whether it waits for somebody, or is over."""
    return waiting.done() or await is_a_lock_waited_for(relay)


async def test_a_portal_key_that_expired_is_no_way_in_and_no_end(relay: Relay) -> None:
    """A link says so while it is there; the one after it has its bounds, and may come in."""
    await relay.add_tenant()

    async def link() -> int:
        async with relay.sessions.begin() as session:
            return (await link_tenant(session, ACTOR, "acme", relay.keys)).token_id

    first = await link()
    await relay.rows(
        "UPDATE tokens SET expires_at = now() - interval '1 hour', models = '{kling-v3}'"
        " WHERE id = $1",
        first,
    )
    with pytest.raises(NotPossible, match="has expired"):
        await link()
    await act(relay, revoke_token, first)
    second = await relay.row("SELECT * FROM tokens WHERE id = $1", await link())
    assert (second["expires_at"], second["models"]) == (None, ["kling-v3"])
    await relay.rows("UPDATE tokens SET expires_at = '2090-01-01Z' WHERE id = $1", second["id"])
    await act(relay, revoke_token, second["id"])
    third = await relay.row("SELECT * FROM tokens WHERE id = $1", await link())
    assert third["expires_at"] == SOON, "one that is still to come stays"
