"""The portal's door: who comes in, as what, and what is believed of a form."""

import asyncio
from datetime import UTC
from typing import Any

import httpx
import pytest

from relay.desk.gates import GateChanges, set_gates
from relay.desk.limits import set_limits
from relay.desk.portal import end_sessions_of, link_tenant
from relay.desk.tokens import revoke_token, rotate_token
from relay.limits.tables import LimitKind
from relay.logins.links import make_link
from relay.logins.portal import make_portal_link
from relay.tenants.scope import Scope
from tests.admin.office import act
from tests.console.visiting import browser as office_browser
from tests.portal.visiting import COOKIE, OURS, browser, visiting
from tests.relay_app import ACTOR, Relay, fixture_relay


async def sessions_of(relay: Relay) -> list[Any]:
    return await relay.rows("SELECT * FROM portal_sessions ORDER BY id")


async def link(relay: Relay, tenant: str = "acme") -> str:
    async with relay.sessions.begin() as session:
        return (await link_tenant(session, ACTOR, tenant, relay.keys)).key


async def enter(client: httpx.AsyncClient, **fields: str) -> httpx.Response:
    return await client.post("/portal/login", data=fields, headers=OURS)


async def test_where_it_is_off_there_is_nothing(database_url: str) -> None:
    """Its path is then one of Kling's that there is not, with the answer that any such has."""
    async with fixture_relay(database_url) as relay, browser(relay) as client:
        portal, other = [(await client.get(path)).json() for path in ("/portal", "/nothing")]
        assert (portal["code"], portal["message"]) == (other["code"], other["message"])
        assert "set-cookie" not in (await client.get("/portal/login")).headers


async def test_nobody_comes_in_without_a_session(database_url: str) -> None:
    """Every page leads to the door, sets no cookie, and keeps nothing of who came."""
    async with fixture_relay(database_url, portal=True) as relay, browser(relay) as client:
        for path in ("", "/tasks", "/tasks/1", "/nothing", "/tokens"):
            answer = await client.get(f"/portal{path}")
            assert (answer.status_code, "set-cookie" in answer.headers) == (303, False)
            assert answer.headers["location"].startswith("/portal/login")
        client.cookies.set(COOKIE, "chosen-by-somebody")
        assert (await client.get("/portal")).status_code == 303
        page = await client.get("/portal/login")
        assert page.headers["cache-control"] == "no-store"
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert await sessions_of(relay) == []


async def test_kling_s_paths_get_no_cookie(database_url: str) -> None:
    """Nor is a session good for them: a browser is no program."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        async with visiting(relay) as ann:
            answer = await ann.client.get("/relay/balance")
            assert answer.status_code == 401
            answer = await ann.client.get("/kling/v1/videos/text2video")
            assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
        answer = await relay.submit(token)
        assert "set-cookie" not in answer.headers


async def test_a_link_lets_in_once(database_url: str) -> None:
    """Its page shows a button and uses nothing up; it is of a token that nobody has the keys of."""
    async with fixture_relay(database_url, portal=True) as relay, browser(relay) as client:
        await relay.add_tenant()
        first, key = await link(relay), await link(relay)
        for _ in range(2):
            assert f'value="{key}"' in (await client.get(f"/portal/enter?key={key}")).text
        far = OURS | {"host": "10.0.0.7:8790", "origin": "http://10.0.0.7:8790"}
        answer = await client.post("/portal/enter", data={"key": key}, headers=far)
        assert (answer.status_code, await sessions_of(relay)) == (403, [])

        answer = await client.post("/portal/enter", data={"key": key}, headers=OURS)
        assert (answer.status_code, answer.headers["location"]) == (303, "/portal")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "acme" in (await client.get("/portal")).text
        client.cookies.clear()
        again = await client.post("/portal/enter", data={"key": key}, headers=OURS)
        assert (again.status_code, "This link is over" in again.text) == (403, True)

        portals = await relay.rows("SELECT id, scope FROM tokens WHERE name = 'portal'")
        assert [row["scope"] for row in portals] == ["manage"], "one, however many links"
        (opened,) = await sessions_of(relay)
        assert opened["token_id"] == portals[0]["id"]
        noted = await relay.rows("SELECT act, actor FROM changes WHERE act = 'portal.log_in'")
        assert [tuple(row) for row in noted] == [("portal.log_in", "tenant:acme")]
        await relay.rows("UPDATE portal_links SET expires_at = now() WHERE used_at IS NULL")
        late = await client.post("/portal/enter", data={"key": first}, headers=OURS)
        assert late.status_code == 403


async def test_a_portal_token_that_comes_again_is_bounded_as_before(database_url: str) -> None:
    """Its tenant revokes it, and the next link is of one with its limits, and what they count."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        await relay.add_tenant()
        async with relay.sessions.begin() as session:
            first = (await link_tenant(session, ACTOR, "acme", relay.keys)).token_id
        keys = await act(relay, rotate_token, first, relay.keys)
        allowed = {LimitKind.DAY: 600_000, LimitKind.IN_FLIGHT: 1, LimitKind.RATE: 5}
        await act(relay, set_limits, allowed, token_id=first, zone=UTC)
        await act(relay, set_gates, GateChanges(models=["kling-v3"]), token_id=first)
        assert (await relay.submit(keys)).status_code == 200
        bounds = "SELECT id, kind, allowed, taken FROM limits ORDER BY id"
        before = await relay.rows(bounds)

        of_link = first
        for _ in range(2):
            await act(relay, revoke_token, of_link)
            async with relay.sessions.begin() as session:
                of_link = (await link_tenant(session, ACTOR, "acme", relay.keys)).token_id
        assert of_link == first + 2
        keys = await act(relay, rotate_token, of_link, relay.keys)
        refused = await relay.submit(keys)

        assert await relay.rows(bounds) == before
        assert {row["taken"] for row in before if row["kind"] == "in_flight"} == {1}
        row = await relay.row("SELECT models FROM tokens WHERE id = $1", of_link)
        assert (refused.status_code, row["models"]) == (429, ["kling-v3"])


async def test_a_link_into_one_site_opens_no_other(database_url: str) -> None:
    """A tenant's link is none of the console's, whose visitors may do all; nor the other way."""
    async with fixture_relay(database_url, portal=True) as relay, browser(relay) as client:
        await relay.add_tenant()
        of_tenant = await link(relay)
        async with relay.sessions.begin() as session:
            of_machine = await make_link(session, system_user="root")
        async with office_browser(relay) as office:
            answer = await office.post("/console/enter", data={"key": of_tenant}, headers=OURS)
            assert answer.status_code == 403
        answer = await client.post("/portal/enter", data={"key": of_machine}, headers=OURS)
        assert answer.status_code == 403
        async with visiting(relay) as ann, office_browser(relay) as office:
            secret = ann.client.cookies[COOKIE]
            office.cookies.set("relay-console", secret)
            assert (await office.get("/console")).status_code == 303
        assert await relay.rows("SELECT 1 FROM web_sessions") == []


async def test_a_key_lets_in_as_what_it_is(database_url: str) -> None:
    """An API key, or a pair; what was shown before opens nothing, and wrong keys are counted."""
    async with fixture_relay(database_url, portal=True) as relay, browser(relay) as client:
        token = await relay.add_tenant()
        wrongs = [
            {"key": "sk-nothing"},
            {"key": token.access_key, "secret_key": "x" * 43},
            {"key": token.access_key},
            {"key": "ä" * 20, "secret_key": "ö"},
            {"key": "a\nb"},
        ]
        for wrong in wrongs:
            answer = await enter(client, **wrong)
            assert (answer.status_code, "set-cookie" in answer.headers) == (403, False), wrong
        client.cookies.set(COOKIE, "chosen-by-somebody")
        pair = {"key": token.access_key, "secret_key": token.secret_key}
        for right in ({"key": token.api_key, "next": "//evil.test/x"}, pair):
            answer = await enter(client, **right)
            assert (answer.status_code, answer.headers["location"]) == (303, "/portal")
            assert answer.headers["set-cookie"].startswith(f"{COOKIE}=")
            assert "chosen-by-somebody" not in answer.headers["set-cookie"]
            client.cookies.clear()
        assert {row["token_id"] for row in await sessions_of(relay)} == {token.id}
        whole = str(await relay.rows("SELECT * FROM changes"))
        assert token.api_key not in whole
        client.cookies.clear()
        for _ in range(20 - len(wrongs)):
            assert (await enter(client, key="sk-nothing")).status_code == 403
        assert (await enter(client, key=token.api_key)).status_code == 429


async def test_what_a_key_was_is_no_way_in(database_url: str) -> None:
    """One that was replaced lets nobody in as the new one; who was in by it is out."""
    async with fixture_relay(database_url, portal=True) as relay, browser(relay) as client:
        token = await relay.add_tenant()
        assert (await enter(client, key=token.api_key)).status_code == 303
        assert (await client.get("/portal")).status_code == 200
        await act(relay, rotate_token, token.id, relay.keys, keep_s=3600)
        assert (await client.get("/portal")).status_code == 303
        answer = await enter(client, key=token.api_key)
        assert (answer.status_code, "was replaced" in answer.text) == (403, True)


@pytest.mark.parametrize("how", ["revoked", "logged out", "disabled", "expired", "elsewhere"])
async def test_a_session_ends_with_its_token(database_url: str, how: str) -> None:
    """Within the time in which any change of a token is known."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_tenant()
        async with visiting(relay) as ann:
            assert (await ann.get("")).status_code == 200
            match how:
                case "revoked":
                    await act(relay, revoke_token, ann.token_id)
                case "logged out":
                    assert await act(relay, end_sessions_of, "acme") == 1
                case "disabled":
                    await relay.rows("UPDATE tenants SET enabled = false")
                case "expired":
                    await relay.rows("UPDATE tokens SET expires_at = now() - interval '1 s'")
                case _:
                    changes = GateChanges(addresses=["10.0.0.0/8"])
                    await act(relay, set_gates, changes, token_id=ann.token_id)
            relay.faces.own._authenticator._changed.forget()  # noqa: SLF001 (instead of two seconds)
            assert (await ann.get("")).status_code == 303


async def test_only_forms_of_ours_are_taken(database_url: str) -> None:
    """A form of another site, of another session or of none changes nothing."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_tenant()
        async with visiting(relay) as ann, visiting(relay) as bob:
            foreign: list[dict[str, str]] = [
                {},
                {"origin": "https://evil.test"},
                {"origin": "null"},
                {**OURS, "sec-fetch-site": "cross-site"},
                {"origin": "https://evil.test", "sec-fetch-site": "same-origin"},
            ]
            for headers in foreign:
                answer = await ann.client.post(
                    "/portal/leave", data={"csrf": ann.csrf}, headers=headers
                )
                assert answer.status_code == 403
            for word in ("", "x", bob.csrf, "ä"):
                answer = await ann.client.post("/portal/leave", data={"csrf": word}, headers=OURS)
                assert answer.status_code == 403
            assert (await ann.get("")).status_code == 200
            assert (await ann.post("/leave")).headers["location"] == "/portal/login?said=left"
            assert (await ann.get("")).status_code == 303
            assert (await bob.get("")).status_code == 200


async def test_who_is_in_may_enter_anew(database_url: str) -> None:
    """By a link of another tenant's, say: the session before is over then."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_tenant()
        await relay.add_tenant("b")
        key = await link(relay, "b")
        async with visiting(relay) as ann:
            page = await ann.read("/enter", key=key)
            assert f'name="csrf" value="{ann.csrf}"' in page
            assert (await ann.post("/enter", key=key)).status_code == 303
            assert "acme" not in await ann.read("")
            first, second = await sessions_of(relay)
            assert (first["ended_at"] is None, second["ended_at"]) == (False, None)


async def test_a_link_of_a_tenant_that_is_shut_out_shows_nothing(database_url: str) -> None:
    """It may be taken; what it opens is judged as its token is."""
    async with fixture_relay(database_url, portal=True) as relay, browser(relay) as client:
        await relay.add_tenant()
        key = await link(relay)
        await relay.rows("UPDATE tenants SET enabled = false")
        await client.post("/portal/enter", data={"key": key}, headers=OURS)
        assert (await client.get("/portal")).status_code == 303


async def test_sessions_see_no_other_tenant(database_url: str) -> None:
    """What a token sees, its session does; a key of another tenant is another one's."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_tenant()
        await relay.add_tenant("b", quota_micros=5_000_000)
        async with visiting(relay) as acme, visiting(relay, "b", Scope.CALL) as other:
            assert "acme" in await acme.read("")
            assert "acme" not in await other.read("")


async def test_twenty_at_once_take_a_link_once(database_url: str) -> None:
    """However many show it at one moment, one comes in."""
    async with fixture_relay(database_url, portal=True) as relay, browser(relay) as client:
        token = await relay.add_tenant()
        async with relay.sessions.begin() as session:
            key, _ = await make_portal_link(session, token.id)
        answers = await asyncio.gather(
            *(client.post("/portal/enter", data={"key": key}, headers=OURS) for _ in range(20))
        )
        assert sorted(answer.status_code for answer in answers) == [303] + [403] * 19
        assert len(await sessions_of(relay)) == 1
