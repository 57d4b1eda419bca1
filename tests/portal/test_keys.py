"""A tenant's keys, limits, sub-tenants and browsers: shown, changed, refused beside the field."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.desk.limits import raise_limit, set_limits
from relay.limits.tables import LimitKind
from relay.logins.portal import open_portal_session
from relay.tenants.scope import Scope
from tests.portal.keys import add_key
from tests.portal.visiting import Visit, visiting
from tests.relay_app import ACTOR, Relay, bearer, fixture_relay
from tests.waiting import settle_for

EVIL = "\"'><img src=x onerror=alert(1)>"
SECRET = re.compile(r'data-copy="([^"]+)"')


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url, portal=True) as running:
        await running.add_channel()
        yield running


async def limits_of(relay: Relay, token_id: int) -> dict[str, int]:
    rows = await relay.rows("SELECT kind, allowed FROM limits WHERE token_id = $1", token_id)
    return {row["kind"]: row["allowed"] for row in rows}


async def newest_key(relay: Relay) -> Any:
    return await relay.row("SELECT * FROM tokens ORDER BY id DESC LIMIT 1")


async def test_a_key_is_made_shown_once_and_works(relay: Relay) -> None:
    """With its bounds; its secrets stand on that answer alone, and no markup of its name does."""
    await relay.add_tenant()
    async with visiting(relay) as ann:
        until = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
        made = await ann.post(
            "/tokens/make",
            name=EVIL,
            scope="call",
            until=until,
            addresses="127.0.0.1\uff0c10.0.0.0/8",
            endpoints="text2video",
            models="kling-v3、kling-v2-6",
            queue="5m",
        )
        assert made.status_code == 200, made.text
        row = await newest_key(relay)
        assert (row["name"], row["scope"], row["queue_s"]) == (EVIL, "call", 300)
        assert (row["addresses"], row["models"]) == (
            ["127.0.0.1/32", "10.0.0.0/8"],
            ["kling-v2-6", "kling-v3"],
        )
        assert (row["endpoints"], row["made_by_id"]) == (["text2video"], ann.token_id)
        assert row["expires_at"] > datetime.now(UTC) + timedelta(days=8)
        api_key, access_key, secret_key, dotenv = SECRET.findall(made.text)[:4]
        assert row["access_key"] == access_key
        assert all(one in dotenv for one in (api_key, access_key, secret_key, "/kling"))
        answer = await relay.client.get(
            "/relay/balance", headers={"Authorization": f"Bearer {api_key}"}
        )
        assert answer.status_code == 200
        page = (await ann.get("/tokens")).text
        assert not [one for one in (api_key, secret_key) if one in page]
        assert "<img src=x" not in page
        assert "&lt;img src=x" in page


async def test_what_a_key_cannot_have_is_told_beside_its_field(relay: Relay) -> None:
    """And nothing is made, not even the key without it."""
    await relay.add_tenant()
    async with visiting(relay) as ann:
        await relay.rows("UPDATE tokens SET models = '{kling-v3}' WHERE id = $1", ann.token_id)
        before = await relay.row("SELECT count(*) FROM tokens")
        for field, value in (
            ("scope", "all"),
            ("until", "soon"),
            ("until", "2001-01-01"),
            ("addresses", "somewhere"),
            ("endpoints", "no-such"),
            ("models", "kling-v1"),
            ("queue", "never"),
            ("name", "x" * 101),
        ):
            wrong = {"scope": "call", field: value}
            answer = await ann.post("/tokens/make", **wrong)
            assert (answer.status_code, f'id="{field}-error"' in answer.text) == (422, True), wrong
        assert await relay.row("SELECT count(*) FROM tokens") == before


async def test_a_key_gets_new_ones_and_ends(relay: Relay) -> None:
    """One that came of the visitor's own; what others had is theirs, and any may be ended."""
    call = await relay.add_tenant()
    async with visiting(relay) as ann:
        child = await add_key(relay, "ci", made_by=ann.token_id)
        page = await ann.read("/tokens")
        assert f"/portal/tokens/{child.id}/rotate" in page
        assert f"/portal/tokens/{call.id}/rotate" not in page
        assert f"/portal/tokens/{call.id}/limits" in page
        assert f"/portal/tokens/{ann.token_id}/limits" not in page

        wrong = await ann.post(f"/tokens/{child.id}/rotate", keep_hours="721")
        assert (wrong.status_code, 'id="keep_hours-error"' in wrong.text) == (422, True)
        foreign = await ann.post(f"/tokens/{call.id}/rotate", keep_hours="1")
        assert (foreign.status_code, "to no others" in foreign.text) == (422, True)
        given = await ann.post(f"/tokens/{child.id}/rotate", keep_hours="1")
        api_key = SECRET.findall(given.text)[0]
        assert api_key != child.api_key
        assert "in 1 hour" in await ann.read("/tokens") or "59 min" in await ann.read("/tokens")

        for token_id in (call.id, child.id):
            ended = await ann.post(f"/tokens/{token_id}/revoke", leaked="on")
            assert ended.headers["location"] == "/portal/tokens?said=done"
        acts = await relay.rows(
            "SELECT act, actor, reason FROM changes WHERE act IN ('token.rotate', 'token.revoke')"
            " ORDER BY id"
        )
        assert [tuple(row) for row in acts] == [
            ("token.rotate", "tenant:acme", None),
            ("token.revoke", "tenant:acme", "leaked"),
            ("token.revoke", "tenant:acme", "leaked"),
        ]
        assert "revoked" not in await ann.read("/tokens")
        assert "revoked" in await ann.read("/tokens", all="on")


async def test_what_a_key_may_is_changed_from_its_form(relay: Relay) -> None:
    """What was typed anew alone: a day that nobody touched stays the moment that it is."""
    await relay.add_tenant()
    async with visiting(relay) as ann:
        await ann.post("/tokens/make", name="ci", scope="call", models="kling-v3")
        made = await newest_key(relay)
        there, ends_at = f"/tokens/{made['id']}/change", datetime(2100, 1, 1, 8, tzinfo=UTC)
        await relay.rows("UPDATE tokens SET expires_at = $2 WHERE id = $1", made["id"], ends_at)
        page = await ann.read(there)
        assert ('value="2100-01-01"' in page, 'value="kling-v3"' in page) == (True, True)
        same = {"name": "ci", "scope": "call", "until": "2100-01-01", "models": "kling-v3"}

        for field, value in (("until", "soon"), ("scope", "all"), ("endpoints", "x")):
            wrong = await ann.post(there, **same | {field: value})
            assert (wrong.status_code, f'id="{field}-error"' in wrong.text) == (422, True), field
        changed = await ann.post(there, **same | {"scope": "read", "models": ""})
        assert changed.headers["location"] == "/portal/tokens?said=saved"
        row = await newest_key(relay)
        assert (row["scope"], row["models"], row["expires_at"]) == ("read", None, ends_at)
        assert there in await ann.read("/tokens")
        own = f"/tokens/{ann.token_id}/change"
        assert own not in await ann.read("/tokens")
        assert "Your key changes those" in await ann.read(own)
        assert (await ann.post(own, name="me", scope="manage")).status_code == 422


async def test_limits_are_set_of_others_to_the_micro(relay: Relay) -> None:
    """What is not changed stays, and a raise with it; what is wrong stands beside its field."""
    call = await relay.add_tenant()
    await relay.submit(call)
    async with visiting(relay) as ann:
        there = f"/tokens/{call.id}/limits"
        saved = await ann.post(there, month="1.000001", in_flight="4", task="2")
        assert saved.headers["location"] == "/portal/tokens?said=saved"
        assert await limits_of(relay, call.id) == {
            "month": 1_000_001,
            "in_flight": 4,
            "task": 2_000_000,
        }
        assert "0.42" in await ann.read("/tokens")
        async with relay.sessions.begin() as session:
            until = datetime.now(UTC) + timedelta(hours=5)
            more = LimitKind.MONTH, 7_000_000
            await raise_limit(session, ACTOR, *more, until=until, token_id=call.id)
        page = await ann.read(there)
        assert 'name="month" type="text" value="7"' in page
        await settle_for(1.1, because="limits are set once a second, by a bound of the relay's own")
        assert (await ann.post(there, month="7", in_flight="")).status_code == 303
        assert await limits_of(relay, call.id) == {"month": 1_000_001}
        raised = await relay.row("SELECT raised FROM limits WHERE token_id = $1", call.id)
        assert raised["raised"] == 7_000_000

        for field, value in (("month", "x"), ("day", "1.0000001"), ("in_flight", "1.5")):
            wrong = await ann.post(there, **{"month": "7", field: value})
            assert (wrong.status_code, f'id="{field}-error"' in wrong.text) == (422, True)
        own = await ann.post(f"/tokens/{ann.token_id}/limits", day="1")
        assert (own.status_code, "not itself" in own.text) == (422, True)
        assert await limits_of(relay, call.id) == {"month": 1_000_001}


async def test_limits_are_shown_to_whom_they_bound(relay: Relay) -> None:
    """Those of the tenant to who sees all of it; to a key that creates its own alone."""
    await relay.add_tenant()
    async with relay.sessions.begin() as session:
        of_all = {LimitKind.DAY: 3_210_000}
        await set_limits(session, ACTOR, of_all, tenant="acme", zone=UTC)
    for scope in Scope:
        async with visiting(relay, scope=scope) as ann:
            async with relay.sessions.begin() as session:
                of_own = {LimitKind.WEEK: 1_230_000}
                await set_limits(session, ACTOR, of_own, token_id=ann.token_id, zone=UTC)
            page = await ann.read("/tokens/limits")
            assert ("3.21" in page, "1.23" in page) == (scope is not Scope.CALL, True)


async def sub_tenants(relay: Relay) -> list[tuple[Any, ...]]:
    rows = await relay.rows(
        "SELECT name, resale, enabled, removed_at IS NULL FROM tenants"
        " WHERE parent_id IS NOT NULL ORDER BY id"
    )
    return [(row[0], str(row[1].normalize()), row[2], row[3]) for row in rows]


async def test_a_sub_tenant_is_opened_changed_and_closed(relay: Relay) -> None:
    """With a key of its own; whatever is refused is told, and nothing of it done."""
    await relay.add_tenant()
    async with visiting(relay) as ann:
        assert "None yet" in await ann.read("/tokens/tenants")
        for field, wrong in (
            ("name", {"name": "", "factor": "1"}),
            ("factor", {"name": "eu", "factor": "0.9"}),
            ("factor", {"name": "eu", "factor": "x"}),
            ("name", {"name": "a/b", "factor": "1"}),
        ):
            answer = await ann.post("/tokens/tenants/open", **wrong)
            assert (answer.status_code, f'id="{field}-error"' in answer.text) == (422, True), wrong
        assert await sub_tenants(relay) == []
        opened = await ann.post("/tokens/tenants/open", name="eu west", factor="1.3", day="50")
        there = "/tokens/tenants/eu%20west"
        assert opened.headers["location"] == f"/portal{there}/keys?said=added"
        assert await sub_tenants(relay) == [("acme/eu west", "1.3", True, True)]

        made = await ann.post("/tokens/make", below="eu west", scope="call")
        key = {"Authorization": f"Bearer {SECRET.findall(made.text)[0]}"}
        assert (await relay.client.get("/relay/prices", headers=key)).status_code == 200
        row = await newest_key(relay)
        assert f"/portal/tokens/{row['id']}/revoke?below=eu%20west" in await ann.read(
            f"{there}/keys"
        )
        given = await ann.post(f"/tokens/{row['id']}/rotate", below="eu west", keep_hours="0")
        assert given.status_code == 200

        await settle_for(1.1, because="limits are set once a second")
        changed = await ann.post(f"{there}/change", factor="1.4", month="70")
        assert changed.headers["location"] == "/portal/tokens/tenants?said=saved"
        assert await sub_tenants(relay) == [("acme/eu west", "1.4", False, True)]
        kinds = await relay.rows("SELECT kind, allowed FROM limits WHERE token_id IS NULL")
        assert [tuple(one) for one in kinds] == [("month", 70_000_000)]
        closed = await ann.post(f"{there}/close")
        assert closed.headers["location"] == "/portal/tokens/tenants?said=removed"
        assert [row[3] for row in await sub_tenants(relay)] == [False]
        assert (await ann.get(f"{there}/keys")).status_code == 404


async def test_browsers_are_shown_and_logged_out(relay: Relay) -> None:
    """All of the tenant's to who may manage it; whoever ends its own is at the door."""
    await relay.add_tenant()
    async with visiting(relay) as ann, visiting(relay, scope=Scope.CALL) as bob:
        async with relay.sessions.begin() as session:
            await open_portal_session(session, bob.token_id, address="10.9.8.7", agent=EVIL)
        page = await ann.read("/tokens/sessions")
        assert ("10.9.8.7" in page, page.count('/end"')) == (True, 3)
        assert "<img src=x" not in (await ann.get("/tokens/sessions")).text
        assert (await bob.read("/tokens/sessions")).count('/end"') == 2
        ids = [row["id"] for row in await relay.rows("SELECT id FROM portal_sessions ORDER BY id")]
        assert (await bob.post(f"/tokens/sessions/{ids[0]}/end")).status_code == 404
        done = await ann.post(f"/tokens/sessions/{ids[2]}/end")
        assert done.headers["location"] == "/portal/tokens/sessions?said=done"
        left = await bob.post(f"/tokens/sessions/{ids[1]}/end")
        assert left.headers["location"] == "/portal/login?said=left"
        assert (await bob.get("/tokens/sessions")).status_code == 303
        assert (await ann.read("/tokens/sessions")).count('/end"') == 1


async def test_what_a_scope_may_not_is_neither_shown_nor_done(relay: Relay) -> None:
    """Each page that takes another one says so, and nothing was changed."""
    call = await relay.add_tenant()
    for scope in (Scope.CALL, Scope.READ):
        async with visiting(relay, scope=scope) as ann:
            assert (await ann.get("/tokens")).headers["location"] == "/portal/tokens/limits"
            assert "Sub-tenants" not in await ann.read("/tokens/limits")
            before = await relay.rows("SELECT id FROM changes ORDER BY id")
            for path in ("/tokens/tenants", f"/tokens/{call.id}/rotate", "/callbacks/notices"):
                assert (await ann.get(path)).status_code == 403, path
            await refused(ann, call.id)
            assert await relay.rows("SELECT id FROM changes ORDER BY id") == before
    assert (await relay.client.get("/relay/balance", headers=bearer(call))).status_code == 200


async def refused(ann: Visit, token_id: int) -> None:
    for path, fields in (
        ("/tokens/make", {"scope": "call"}),
        (f"/tokens/{token_id}/revoke", {}),
        (f"/tokens/{token_id}/rotate", {"keep_hours": "1"}),
        (f"/tokens/{token_id}/limits", {"day": "1"}),
        ("/tokens/tenants/open", {"name": "x", "factor": "1"}),
        ("/callbacks/signature", {"rotate": "on"}),
        ("/callbacks/notices/add", {"kind": "mail", "to": "a@b.test", "lang": "en"}),
    ):
        assert (await ann.post(path, **fields)).status_code == 403, path
