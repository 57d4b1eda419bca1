"""The console's door: who comes in, and what is believed of a form."""

from typing import Any

import httpx

from relay.console.gate import SITE
from relay.desk.logins import set_password
from relay.desk.operators import add_operator
from relay.desk.tasks import settle
from relay.logins.links import make_link
from relay.logins.passwords import hash_password
from relay.operators.tables import Role
from tests.admin.office import act
from tests.console.visiting import ORIGIN, browser, visiting
from tests.relay_app import Relay, fixture_relay

COOKIE = SITE.cookie("http")
OURS = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}
PASSWORD = "correct horse battery"


async def sessions_of(relay: Relay) -> list[Any]:
    return await relay.rows("SELECT * FROM web_sessions ORDER BY id")


async def test_nobody_comes_in_without_a_session(database_url: str) -> None:
    """Every page leads to the door, sets no cookie, and keeps nothing of who came."""
    async with fixture_relay(database_url) as relay, browser(relay) as client:
        for path in ("", "/tasks", "/tasks/1", "/tasks/1/refund", "/tasks/events", "/nothing"):
            answer = await client.get(f"/console{path}")
            assert (answer.status_code, "set-cookie" in answer.headers) == (303, False)
            assert answer.headers["location"].startswith("/console/login")
        answer = await client.get("/console/tasks?state=failed")
        assert (
            answer.headers["location"] == "/console/login?next=%2Fconsole%2Ftasks%3Fstate%3Dfailed"
        )
        answer = await client.get("/console/tasks", headers={"hx-request": "true"})
        assert answer.headers["hx-redirect"].startswith("/console/login")
        for path in ("/tasks/1/refund", "/leave"):
            answer = await client.post(f"/console{path}", headers=OURS)
            assert (answer.status_code, answer.headers["location"]) == (303, "/console/login")
        assert await sessions_of(relay) == []

        client.cookies.set(COOKIE, "chosen-by-somebody")
        assert (await client.get("/console")).status_code == 303
        page = await client.get("/console/login")
        assert "set-cookie" not in page.headers
        assert page.headers["cache-control"] == "no-store"
        policy = page.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy

        asset = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        style = await client.get(asset)
        assert (style.status_code, style.headers["content-type"]) == (
            200,
            "text/css; charset=utf-8",
        )
        assert "immutable" in style.headers["cache-control"]
        for wrong in ("__init__.py", "nothing.js", "..%2Fgate.py", "..%2fwords%2fzh%2ftasks.po"):
            assert (await client.get(f"/console/assets/x/{wrong}")).status_code == 404


async def test_a_login_opens_a_session_that_nobody_chose(database_url: str) -> None:
    """The cookie that came with it opens nothing; a wrong word in any place is one sentence."""
    async with fixture_relay(database_url) as relay, visiting(relay, "bob") as bob:
        await act(relay, add_operator, "ann", role=Role.OWNER)
        await act(relay, set_password, "ann", hash_password(PASSWORD))
        async with browser(relay) as client:
            client.cookies.set(COOKIE, "chosen-by-somebody")
            right = {"name": "ann", "password": PASSWORD, "next": "//evil.test/x"}
            wrongs = [right | {"password": "x" * 12}, right | {"name": "eve"}, right | {"name": ""}]
            said = set()
            for wrong in wrongs:
                answer = await client.post("/console/login", data=wrong, headers=OURS)
                assert answer.status_code == 403
                said.add("That is not right" in answer.text)
            assert said == {True, False}, "an empty name is told beside its field"

            answer = await client.post("/console/login", data=right, headers=OURS)
            assert (answer.status_code, answer.headers["location"]) == (303, "/console")
            cookie = answer.headers["set-cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=strict" in cookie
            client.cookies.delete(COOKIE)
            client.cookies.set(COOKIE, "chosen-by-somebody")
            assert (await client.get("/console")).status_code == 303
        assert PASSWORD not in str(await relay.rows("SELECT * FROM changes"))

        answer = await bob.post("/leave")
        assert answer.headers["location"] == "/console/login?said=left"
        assert (await bob.get("")).status_code == 303


async def test_tries_are_counted(database_url: str) -> None:
    """After ten wrong passwords for one name it waits, whoever asks; the right one too."""
    async with fixture_relay(database_url) as relay, browser(relay) as client:
        async with visiting(relay):
            await act(relay, set_password, "ann", hash_password(PASSWORD))
        for _ in range(10):
            wrong = {"name": "Ann", "password": "wrong-password"}
            assert (
                await client.post("/console/login", data=wrong, headers=OURS)
            ).status_code == 403
        right = {"name": "ann", "password": PASSWORD}
        answer = await client.post("/console/login", data=right, headers=OURS)
        assert (answer.status_code, "set-cookie" in answer.headers) == (429, False)


async def test_a_link_lets_in_once(database_url: str) -> None:
    """Its page shows a button and uses nothing up; over plain http it works on one machine only."""
    async with fixture_relay(database_url) as relay, browser(relay) as client:
        async with relay.sessions.begin() as session:
            key = await make_link(session, system_user="root")
        for _ in range(2):
            assert f'value="{key}"' in (await client.get(f"/console/enter?key={key}")).text
        far = {"host": "10.0.0.7:8790", **OURS, "origin": "http://10.0.0.7:8790"}
        answer = await client.post("/console/enter", data={"key": key}, headers=far)
        assert (answer.status_code, await sessions_of(relay)) == (403, [])

        answer = await client.post("/console/enter", data={"key": key}, headers=OURS)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console")
        assert "root" in (await client.get("/console")).text
        client.cookies.clear()
        again = await client.post("/console/enter", data={"key": key}, headers=OURS)
        assert (again.status_code, "This link is over" in again.text) == (403, True)


async def test_only_forms_of_ours_are_taken(database_url: str) -> None:
    """A form of another site, of another session or of none changes nothing."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "bob") as bob,
    ):
        task_id = await charged_task(relay)
        fields = {"csrf": ann.csrf, "amount": "0.1", "sure": "100000", "reason": "goodwill"}
        path = f"/console/tasks/{task_id}/refund"

        async def send(headers: dict[str, str], **changed: str) -> int:
            answer = await ann.client.post(path, data=fields | changed, headers=headers)
            return answer.status_code

        foreign: list[dict[str, str]] = [
            {},
            {"origin": "https://evil.test"},
            {"origin": "null"},
            {"origin": "http://localhost:81", "sec-fetch-site": "same-site"},
            {**OURS, "sec-fetch-site": "cross-site"},
            {"origin": "https://evil.test", "sec-fetch-site": "same-origin"},
        ]
        assert [await send(headers) for headers in foreign] == [403] * len(foreign)
        tokens = ("", "x", bob.csrf, "ä")
        assert [await send(OURS, csrf=token) for token in tokens] == [403] * len(tokens)
        assert await relay.rows("SELECT 1 FROM changes WHERE act = 'task.refund'") == []

        assert await send(OURS) == 303
        assert len(await relay.rows("SELECT 1 FROM changes WHERE act = 'task.refund'")) == 1


async def test_roles_hold(database_url: str) -> None:
    """A viewer is offered nothing, and what he sends all the same is refused, and noted."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        task_id = await charged_task(relay)
        assert "Refund…" not in await vic.read(f"/tasks/{task_id}")
        answer: httpx.Response = await vic.post(
            f"/tasks/{task_id}/refund", amount="0.1", reason="goodwill"
        )
        assert (answer.status_code, "Your role may not do this." in answer.text) == (403, True)
        (noted,) = await relay.rows("SELECT * FROM changes WHERE act = 'office.refuse'")
        assert (noted["subject"], noted["origin"]) == ("vic", "127.0.0.1")
        assert await relay.rows("SELECT 1 FROM entries WHERE kind = 'refund'") == []


async def charged_task(relay: Relay) -> int:
    await relay.add_channel()
    token = await relay.add_tenant()
    assert (await relay.submit(token)).status_code == 200
    (row,) = await relay.rows("SELECT id FROM tasks")
    assert await relay.act(settle, row["id"])
    return int(row["id"])
