"""What a tenant does about tenants of its own, with a key of scope `manage`."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any

import pytest
from sqlalchemy import text

from relay.desk.codes import make_codes
from relay.desk.limits import set_limits
from relay.desk.tasks import release
from relay.desk.tenants import TenantChanges, change_tenant, remove_tenant
from relay.desk.tokens import revoke_token
from relay.limits.tables import LimitKind
from relay.money import decimal_of
from relay.tenants.scope import Scope
from relay.tenants.tokens import IssuedToken
from tests.limits.limiting import read_tokens_anew
from tests.proxy.keys import NOT_FOR_IT, asked, data, key
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, TEXT2VIDEO, Relay, fixture_relay
from tests.waiting import wait_until

UNKNOWN = (400, 1201, "name: there is no such tenant")


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        await running.add_channel()
        yield running


async def token_of(relay: Relay, by: Any, name: str, **body: Any) -> IssuedToken:
    made = await data(relay, by, "POST", f"/relay/tenants/{name}/tokens", body)
    return IssuedToken(tenant=name, **{**made, "scope": Scope(made["scope"])})


async def test_a_tenant_opens_sets_and_closes_tenants_of_its_own(relay: Relay) -> None:
    """By what it calls them; what was sold keeps its factor, and the next task has the new one."""
    await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    body = {"name": "eu", "factor": "1.3", "limits": {"month": "2", "in_flight": 5}}
    opened = await data(relay, top, "POST", "/relay/tenants", body)
    token = await token_of(relay, top, "eu", scope="manage")

    first = await data(relay, token, "POST", TEXT2VIDEO, CLIP)
    changed = await data(relay, top, "POST", "/relay/tenants/eu", {"factor": 2})
    read_tokens_anew(relay)
    second = await data(relay, token, "POST", TEXT2VIDEO, CLIP)
    listed = await data(relay, top, "GET", "/relay/tenants")
    costs = [
        (await data(relay, token, "GET", f"/relay/tasks/{one['task_id']}"))["held"]
        for one in (first, second)
    ]

    assert (opened["name"], opened["factor"], opened["opened_by"]) == ("eu", "1.3", top.id)
    assert {one["kind"]: one["allowed"] for one in opened["limits"]} == {
        "month": "2",
        "in_flight": 5,
    }
    assert (changed["factor"], costs) == ("2", ["0.546", "0.84"])
    assert [(one["name"], one["limits"][0]["taken"]) for one in listed] == [("eu", "1.386")]
    assert (await data(relay, top, "GET", "/relay/tenants/eu/tokens"))[0]["id"] == token.id
    assert (await asked(relay, top, "POST", "/relay/tenants/eu/close"))[:2] == (400, 1201)
    await data(relay, top, "POST", "/relay/tenants/eu", {"enabled": False})
    read_tokens_anew(relay)
    assert (await asked(relay, token, "GET", TEXT2VIDEO))[:2] == (401, 1000)
    secret = await data(relay, top, "POST", "/relay/tenants/eu/webhook-secret", {})
    assert secret["secret"].startswith("whsec_")
    for one in await relay.rows("SELECT id FROM tasks"):
        await relay.act(release, one["id"])
    await relay.rows("UPDATE tasks SET next_look_at = NULL")
    assert (await data(relay, top, "POST", "/relay/tenants/eu/close"))["is_closed"]
    assert await data(relay, top, "GET", "/relay/tenants") == []
    assert await asked(relay, top, "POST", "/relay/tenants/eu", {}) == UNKNOWN
    assert (await relay.audit()).ok


async def test_who_an_operator_shut_out_is_not_let_in_by_its_parent(relay: Relay) -> None:
    """Nor by shutting it out once more; what the parent shut out, either lets in."""
    await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    await data(relay, top, "POST", "/relay/tenants", {"name": "eu"})

    async def operator(*, enabled: bool) -> None:
        async with relay.sessions.begin() as session:
            await change_tenant(session, ACTOR, "acme/eu", TenantChanges(enabled=enabled))

    async def parent(*, enabled: bool) -> Any:
        return (await asked(relay, top, "POST", "/relay/tenants/eu", {"enabled": enabled}))[2]

    assert not (await parent(enabled=False))["enabled"]
    assert (await parent(enabled=True))["enabled"]
    await operator(enabled=False)
    await parent(enabled=False)
    assert await parent(enabled=True) == (
        "enabled: only your provider lets it in again; nothing was changed"
    )
    await operator(enabled=True)
    await parent(enabled=False)
    assert (await parent(enabled=True))["enabled"]
    await parent(enabled=False)
    await operator(enabled=False)
    assert "only your provider" in await parent(enabled=True)


async def test_what_is_asked_amiss_is_refused_and_changes_nothing(relay: Relay) -> None:
    """One sentence with the field; another tenant's, and its keys, do not exist."""
    call = await relay.add_tenant()
    await relay.add_tenant("other")
    top, stranger = await key(relay, Scope.MANAGE), await key(relay, Scope.MANAGE, "other")
    await data(relay, top, "POST", "/relay/tenants", {"name": "eu"})
    below = await token_of(relay, top, "eu", scope="manage")
    before = await relay.rows("SELECT * FROM tenants ORDER BY id")

    for name, body, field in (
        ("", {"name": "eu"}, "name: there is one already"),
        ("", {"name": "a/b"}, "name: "),
        ("", {"name": " "}, "name: "),
        ("", {}, "body: "),
        ("", {"name": "us", "factor": "0.9"}, "factor: "),
        ("", {"name": "us", "factor": "NaN"}, "factor: "),
        ("", {"name": "us", "factor": "1.0000001"}, "factor: "),
        ("", {"name": "us", "limits": {"month": "-1"}}, "limits: "),
        ("", {"name": "us", "quota": "5"}, "body: "),
        ("/eu", {"factor": "1001"}, "factor: "),
        ("/eu", {"limits": {"days": "1"}}, "limits: "),
    ):
        status, code, told = await asked(relay, top, "POST", f"/relay/tenants{name}", body)
        assert (status, code, told[: len(field)]) == (400, 1201, field)
    for path in ("eu", "eu/close", "eu/tokens", "eu/webhook-secret", "acme%2Feu", "%25"):
        assert await asked(relay, stranger, "POST", f"/relay/tenants/{path}", {}) == UNKNOWN
    assert await asked(relay, stranger, "GET", "/relay/tenants/eu/tokens") == UNKNOWN
    for act in ("revoke", "rotate", "limits"):
        answer = await asked(relay, stranger, "POST", f"/relay/tokens/{below.id}/{act}", {})
        assert answer[:2] == (400, 1201)
    assert await data(relay, stranger, "GET", "/relay/tenants") == []
    for token in (call, await key(relay, Scope.READ)):
        for method in ("GET", "POST"):
            assert (await asked(relay, token, method, "/relay/tenants", {}))[:2] == NOT_FOR_IT
    assert (await asked(relay, below, "POST", "/relay/tenants", {"name": "x"}))[:2] == NOT_FOR_IT
    assert await data(relay, below, "GET", "/relay/tenants") == []
    assert await relay.rows("SELECT * FROM tenants ORDER BY id") == before


async def test_what_a_key_opens_is_bounded_as_it_is_and_ends_with_it(relay: Relay) -> None:
    """Its limits, gates and groups; revoked, it takes tenants and all their keys along.

    A key that others made for such a tenant ends too. It is let in again by another key of the
    parent's, and then by that one no more.
    """
    await relay.add_tenant()
    top, other = await key(relay, Scope.MANAGE), await key(relay, Scope.MANAGE)
    async with relay.sessions.begin() as session:
        own = {LimitKind.MONTH: 2 * CLIP_MICROS}
        await set_limits(session, ACTOR, own, token_id=top.id, zone=UTC)
    await relay.rows("UPDATE tokens SET models = '{kling-v3}' WHERE id = $1", top.id)
    opened = await data(relay, top, "POST", "/relay/tenants", {"name": "eu", "factor": "1.3"})
    kept = await data(relay, other, "POST", "/relay/tenants", {"name": "us"})
    by_top = await token_of(relay, top, "eu", scope="manage")
    by_other, beside = await token_of(relay, other, "eu"), await token_of(relay, top, "us")
    of_us = await token_of(relay, other, "us")
    grandchild = await data(relay, by_top, "POST", "/relay/tokens", {})
    refused = await asked(relay, top, "POST", "/relay/tenants/eu", {"limits": {"month": "0.9"}})
    taken_away = await asked(relay, top, "POST", "/relay/tenants/eu", {"limits": {"month": None}})

    taken = [await asked(relay, by_other, "POST", TEXT2VIDEO, CLIP) for _ in range(2)]
    wrong = await asked(relay, by_other, "POST", TEXT2VIDEO, CLIP | {"model_name": "kling-v2-6"})
    listed = await data(relay, by_top, "GET", "/relay/tokens")
    async with relay.sessions.begin() as session:
        await revoke_token(session, ACTOR, top.id)
    read_tokens_anew(relay)

    assert [one["allowed"] for one in opened["limits"]] == [decimal_of(2 * CLIP_MICROS)]
    assert kept["limits"] == []
    assert (refused[:2], taken_away[:2]) == ((400, 1201), (400, 1201))
    assert [answer[:2] for answer in taken] == [(200, 0), (429, 1102)]  # of 0.84 at 0.546 each
    assert wrong[:2] == NOT_FOR_IT
    assert {one["made_by"] for one in listed} == {None, by_top.id}
    live = await relay.rows("SELECT id FROM tokens WHERE revoked_at IS NULL")
    gone = {top.id, by_top.id, by_other.id, beside.id, grandchild["id"]}
    assert not {row["id"] for row in live} & gone
    assert {row["id"] for row in live} >= {other.id, of_us.id}
    states = await data(relay, other, "GET", "/relay/tenants")
    assert {one["name"]: one["enabled"] for one in states} == {"eu": False, "us": True}
    noted = await relay.rows(
        "SELECT after FROM changes WHERE act = 'tenant.change' AND actor = $1", str(ACTOR)
    )
    assert any(f'"opened_by": {top.id}' in row["after"] for row in noted)

    again = await data(relay, other, "POST", "/relay/tenants/eu", {"enabled": True})
    token = await token_of(relay, other, "eu")
    async with relay.sessions.begin() as session:
        await revoke_token(session, ACTOR, top.id, is_leaked=True)
    assert (again["enabled"], again["opened_by"]) == (True, None)
    assert (await asked(relay, token, "GET", TEXT2VIDEO))[:2] == (200, 0)


async def test_nothing_is_opened_beside_the_end_of_the_key_that_opens_it(relay: Relay) -> None:
    """Of ten rounds at once, each leaves no tenant that is let in, and no key."""
    await relay.add_tenant()
    for number in range(10):
        top = await key(relay, Scope.MANAGE)

        async def end(token: Any = top) -> None:
            async with relay.sessions.begin() as session:
                await revoke_token(session, ACTOR, token.id)

        await asyncio.gather(
            asked(relay, top, "POST", "/relay/tenants", {"name": f"a{number}"}),
            end(),
            asked(relay, top, "POST", "/relay/tenants", {"name": f"b{number}"}),
        )
    assert await relay.rows("SELECT id FROM tenants WHERE parent_id IS NOT NULL AND enabled") == []


async def test_renaming_takes_those_below_along(relay: Relay) -> None:
    """The parent finds them by the same names; an operator by the new ones."""
    await relay.add_tenant()
    top = await key(relay, Scope.MANAGE)
    await data(relay, top, "POST", "/relay/tenants", {"name": "eu"})
    async with relay.sessions.begin() as session:
        await change_tenant(session, ACTOR, "acme", TenantChanges(name="acme-2"))
    read_tokens_anew(relay)

    assert [one["name"] for one in await data(relay, top, "GET", "/relay/tenants")] == ["eu"]
    assert (await token_of(relay, top, "eu")).id
    assert (await relay.row("SELECT name FROM tenants WHERE parent_id IS NOT NULL"))["name"] == (
        "acme-2/eu"
    )


async def test_an_act_beside_ones_own_removal_is_answered_as_to_who_was_removed(
    relay: Relay,
) -> None:
    """Each waits for the other: the act gives way, and is not told to try again."""
    await relay.add_tenant("gone", quota_micros=0)
    manage = await key(relay, Scope.MANAGE, "gone")
    async with relay.sessions.begin() as session:
        codes = await make_codes(
            *(session, ACTOR, "gifts"),
            amount_micros=5,
            count=1,
            expires_at=None,
            currency="USD",
        )
    waits = (
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )

    async with relay.sessions.begin() as removing:
        await removing.execute(text("SELECT 1 FROM accounts FOR NO KEY UPDATE"))
        acting = asyncio.create_task(
            asked(relay, manage, "POST", "/relay/redeem", {"code": codes[0].code})
        )
        await wait_until(lambda: relay.rows(waits))
        await remove_tenant(removing, ACTOR, "gone")

    status, code, _ = await acting
    assert (status, code) == (401, 1000)
    assert await relay.rows("SELECT 1 FROM codes WHERE redeemed_at IS NOT NULL") == []
