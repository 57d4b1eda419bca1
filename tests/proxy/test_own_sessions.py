"""Who is in the portal, as a tenant's programs are told it."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.desk.portal import end_own_session, enter_portal_by_link, link_tenant
from relay.desk.tokens import issue_token, rotate_token
from relay.logins.portal import open_portal_session, read_portal_sessions
from relay.tenants.scope import Scope
from tests.admin.office import act
from tests.relay_app import ACTOR, Relay, bearer, fixture_relay

NONE_SUCH = (400, 1201)


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        await running.add_tenant()
        await running.add_tenant("other")
        yield running


async def key(relay: Relay, scope: Scope = Scope.CALL, name: str = "acme") -> Any:
    async with relay.sessions.begin() as session:
        return await issue_token(session, ACTOR, name, relay.keys, scope=scope)


async def enter(relay: Relay, token: Any, address: str = "10.0.0.7") -> int:
    async with relay.sessions.begin() as session:
        await open_portal_session(session, token.id, address=address, agent="Firefox")
    newest = await relay.row("SELECT max(id) FROM portal_sessions")
    return int(newest[0])


async def asked(relay: Relay, token: Any, method: str, path: str) -> tuple[int, int, Any]:
    answer = await relay.client.request(method, f"/relay/sessions{path}", headers=bearer(token))
    told = answer.json()
    return answer.status_code, told["code"], told.get("data")


async def ids(relay: Relay, token: Any) -> list[int]:
    return [one["id"] for one in (await asked(relay, token, "GET", ""))[2]]


async def test_a_key_sees_those_who_entered_by_it(relay: Relay) -> None:
    """One of scope manage all of its tenant's; none another tenant's."""
    call, read, manage = [await key(relay, one) for one in Scope]
    stranger = await key(relay, Scope.MANAGE, "other")
    by_call, by_read, by_manage, by_stranger = [
        await enter(relay, one) for one in (call, read, manage, stranger)
    ]

    assert await ids(relay, call) == [by_call]
    assert await ids(relay, read) == [by_read]
    assert sorted(await ids(relay, manage)) == [by_call, by_read, by_manage]
    assert await ids(relay, stranger) == [by_stranger]
    (shown,) = (await asked(relay, call, "GET", ""))[2]
    assert (shown["token_id"], shown["address"], shown["agent"]) == (call.id, "10.0.0.7", "Firefox")
    assert shown["seen_at"] >= shown["created_at"] > 0


async def test_of_support_it_is_told_that_it_is_in(relay: Relay) -> None:
    """By a link of its own: to be logged out as any, and neither its address nor its browser."""
    manage = await key(relay, Scope.MANAGE)
    made = await act(relay, link_tenant, "acme", relay.keys, is_for_support=True)
    sent = await act(relay, link_tenant, "acme", relay.keys)
    for link in (made, sent):
        await enter_portal_by_link(
            relay.sessions, link.key, address="198.51.100.9", agent="Support's own"
        )

    tenants, support = (await asked(relay, manage, "GET", ""))[2]
    assert (tenants["is_support"], tenants["address"]) == (False, "198.51.100.9")
    assert (support["is_support"], support["address"], support["agent"]) == (True, None, None)
    noted = await relay.rows("SELECT after FROM changes WHERE act = 'portal.log_in' ORDER BY id")
    assert [json.loads(row["after"]) for row in noted] == [{"support_by": str(ACTOR)}, {}]
    async with relay.sessions() as session:
        row = await relay.row("SELECT id FROM tenants WHERE name = 'acme'")
        listed = await read_portal_sessions(session, row["id"])
    assert [one.support_by for one in listed] == [None, str(ACTOR)]
    assert {one.address for one in listed} == {"198.51.100.9"}, "operators are told all"
    ended = await asked(relay, manage, "POST", f"/{support['id']}/end")
    assert ended[:2] == (200, 0)


async def test_a_session_is_ended_by_whom_it_is_shown_to(relay: Relay) -> None:
    """Noted once, again is no error; another's does not exist."""
    call, read, manage = [await key(relay, one) for one in Scope]
    stranger = await key(relay, Scope.MANAGE, "other")
    by_call, by_manage = await enter(relay, call), await enter(relay, manage)
    for token, path in (
        (read, f"/{by_call}/end"),
        (call, f"/{by_manage}/end"),
        (stranger, f"/{by_call}/end"),
        *((manage, f"/{odd}/end") for odd in ("0", "x", "9" * 30, "%00")),
    ):
        assert (await asked(relay, token, "POST", path))[:2] == NONE_SUCH, path
    assert sorted(await ids(relay, manage)) == [by_call, by_manage]

    for _ in range(2):
        ended = await asked(relay, call, "POST", f"/{by_call}/end")
        assert ended == (200, 0, {"id": by_call, "is_ended": True})
    assert await ids(relay, manage) == [by_manage]
    await asked(relay, manage, "POST", f"/{by_manage}/end")
    noted = await relay.rows("SELECT actor FROM changes WHERE act = 'portal.end_session'")
    assert [row["actor"] for row in noted] == ["tenant:acme"] * 2


async def test_a_replaced_key_logs_nobody_out(relay: Relay) -> None:
    """Whoever found it is not to keep its owner from looking."""
    manage = await key(relay, Scope.MANAGE)
    await act(relay, rotate_token, manage.id, relay.keys, keep_s=3600)
    inside = await enter(relay, manage)

    assert (await asked(relay, manage, "POST", f"/{inside}/end"))[:2] == (403, 1103)
    assert await ids(relay, manage) == [inside]
    acme = await relay.row("SELECT id FROM tenants WHERE name = 'acme'")
    await act(relay, end_own_session, acme["id"], inside)
    assert await ids(relay, manage) == []
