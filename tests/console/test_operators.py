"""Operators in the console: what an owner does to them, and everybody to one's own log-in."""

import re
from typing import Any

import pyotp

from relay.logins.sessions import open_session
from relay.operators.tables import Role
from tests.console.visiting import ORIGIN, Visit, browser, version_of, visiting
from tests.relay_app import Relay, fixture_relay

EVIL = "\"'><img src=x onerror=alert(1)>"
PASSWORD, OTHER = "correct horse battery", "staple of the battery"
OURS = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


async def done(visit: Visit, path: str, **fields: str) -> str:
    answer = await visit.post(path, **fields)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def refused(visit: Visit, path: str, says: str, **fields: str) -> None:
    answer = await visit.post(path, **fields)
    assert (answer.status_code in (409, 422), says in answer.text) == (True, True), answer.text


async def acts(relay: Relay) -> list[str]:
    rows = await relay.rows(
        "SELECT act FROM changes WHERE actor LIKE 'operator:%' AND act <> 'office.refuse'"
        " ORDER BY id"
    )
    return [row["act"] for row in rows]


async def live_sessions(relay: Relay, operator_id: int) -> int:
    query = "SELECT 1 FROM web_sessions WHERE operator_id = $1 AND ended_at IS NULL"
    return len(await relay.rows(query, operator_id))


async def log_in(relay: Relay, **fields: str) -> int:
    async with browser(relay) as client:
        answer = await client.post("/console/login", data=fields, headers=OURS)
        return answer.status_code


async def operator(relay: Relay, operator_id: int) -> Any:
    return await relay.row("SELECT * FROM operators WHERE id = $1", operator_id)


async def test_an_owner_adds_changes_and_removes_an_operator(database_url: str) -> None:
    """Each act once, with its change; a form that is stale or wrong changes nothing."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await refused(ann, "/operators/add", "Fill this in.", name="", role="viewer")
        await refused(ann, "/operators/add", "Choose one of the list.", name="x", role="king")
        ceiling = {"ceiling.task.refund": "12.5"}
        await refused(ann, "/operators/add", "may not do", name="x", role="viewer", **ceiling)
        there = await done(ann, "/operators/add", name=EVIL, role="support", **ceiling)
        here = there.partition("?")[0].removeprefix("/console")
        number = int(here.rpartition("/")[2])
        assert (await operator(relay, number))["ceilings"] == '{"task.refund": 12500000}'
        await refused(
            ann, "/operators/add", "Another one is called that.", name=EVIL, role="viewer"
        )
        assert "It cannot come in yet" in await ann.read(here)
        assert "<img src=x" not in (await ann.get(here)).text + (await ann.get("/operators")).text

        version = version_of((await ann.get(f"{here}/change")).text)
        fields = {"role": "finance", "ceiling.task.refund": "", "version": version}
        await done(ann, f"{here}/change", **fields)
        row = await operator(relay, number)
        assert (row["role"], row["ceilings"]) == ("finance", "{}")
        stale = fields | {"role": "owner"}
        await refused(ann, f"{here}/change", "nothing was saved", **stale)
        assert (await operator(relay, number))["role"] == "finance"

        fields = {"until": "2999-12-31", "addresses": "10.0.0.0/8"}
        await refused(ann, f"{here}/tokens/issue", "A day such as", until="never")
        issued = await ann.post(f"{here}/tokens/issue", **fields)
        token = re.search(r"<code>(ro-[^<]+)</code>", issued.text)
        assert token is not None
        page = (await ann.get(here)).text
        assert (token[1] in page, token[1][-4:] in page, "10.0.0.0/8" in page) == (
            False,
            True,
            True,
        )
        assert (await ann.post("/operators/1/tokens/1/revoke")).status_code == 404
        await done(ann, f"{here}/tokens/1/revoke")
        assert "revoked" in await ann.read(here)

        await done(ann, f"{here}/remove")
        assert EVIL in await ann.read("/operators", removed="on")
        for path in (here, f"{here}/change", f"{here}/password"):
            assert (await ann.get(path)).status_code == 200
        await refused(ann, f"{here}/password", "removed", password=PASSWORD, again=PASSWORD)
        for nobody in (999, 10**30):
            assert (await ann.get(f"/operators/{nobody}")).status_code == 404
        assert await acts(relay) == [
            *("operator.add", "operator.change", "operator.issue_token"),
            *("operator.revoke_token", "operator.remove"),
        ]
        assert token[1] not in str(await relay.rows("SELECT * FROM changes"))


async def test_an_owner_lets_somebody_in_and_out(database_url: str) -> None:
    """A password that was typed twice, then a factor that a code has proved; and its sessions."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "sue", Role.SUPPORT) as sue,
    ):
        (row,) = await relay.rows("SELECT id FROM operators WHERE name = 'sue'")
        here, number = f"/operators/{row['id']}", row["id"]
        await refused(ann, f"{here}/password", "At least 10", password="short", again="short")
        await refused(ann, f"{here}/password", "The two differ.", password=PASSWORD, again=OTHER)
        await refused(ann, f"{here}/password", "At most 1024", **dict.fromkeys(TWICE, "x" * 2000))
        assert await log_in(relay, name="sue", password=PASSWORD) == 403
        await done(ann, f"{here}/password", password=PASSWORD, again=PASSWORD)
        assert (await sue.get("/me")).status_code == 303, "she is logged out by it"
        assert await log_in(relay, name="sue", password=PASSWORD) == 303

        page = (await ann.get(f"{here}/second-factor")).text
        secret, sealed = factor_of(page)
        assert f"secret={secret}" in page.replace("&amp;", "&")
        await refused(ann, f"{here}/second-factor", "not the code", sealed=sealed, code="000")
        await refused(ann, f"{here}/second-factor", "too old", sealed=sealed[:-4], code="000000")
        other = f"/operators/{number - 1}/second-factor"
        code = pyotp.TOTP(secret).now()
        await refused(ann, other, "too old", sealed=sealed, code=code)
        assert (await operator(relay, number))["totp_sealed"] is None
        await done(ann, f"{here}/second-factor", sealed=sealed, code=code)
        assert await log_in(relay, name="sue", password=PASSWORD) == 403
        assert await log_in(relay, name="sue", password=PASSWORD, code=code) == 403, "used up"
        await done(ann, f"{here}/second-factor/remove")
        assert await log_in(relay, name="sue", password=PASSWORD) == 303

        sessions = await relay.rows(
            "SELECT id FROM web_sessions WHERE operator_id = $1 AND ended_at IS NULL", number
        )
        one = f"/sessions/{sessions[0]['id']}/end"
        assert (await ann.post(f"/operators/{number - 1}{one}")).status_code == 404
        await done(ann, f"{here}{one}")
        assert await live_sessions(relay, number) == len(sessions) - 1
        await done(ann, f"{here}/sessions/end")
        assert await live_sessions(relay, number) == 0
        await done(ann, f"{here}/password/remove")
        assert await log_in(relay, name="sue", password=PASSWORD) == 403
        for told in (PASSWORD, secret, code):
            assert told not in str(await relay.rows("SELECT * FROM changes"))


TWICE = ("password", "again")


def factor_of(page: str) -> tuple[str, str]:
    """The secret that a page shows, and how its form brings it back."""
    secret = re.search(r"<code>([A-Z2-7]{32})</code>", page)
    sealed = re.search(r'name="sealed" value="([^"]+)"', page)
    assert secret is not None
    assert sealed is not None
    return secret[1], sealed[1]


async def test_everybody_keeps_ones_own_login(database_url: str) -> None:
    """A viewer sets his own password and factor, and says the old one first; others' he may not."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        (row,) = await relay.rows("SELECT id FROM operators WHERE name = 'vic'")
        async with relay.sessions.begin() as session:
            await open_session(session, operator_id=row["id"], address="10.0.0.7", agent=EVIL)
        page = await vic.get("/me")
        assert ("10.0.0.7" in page.text, "<img src=x" in page.text) == (True, False)
        await done(vic, "/me/password", password=PASSWORD, again=PASSWORD)
        assert await live_sessions(relay, row["id"]) == 1, "the one that it was done in stays"

        twice = {"password": OTHER, "again": OTHER}
        await refused(vic, "/me/password", "not your password", **twice)
        await refused(vic, "/me/password", "not your password", **twice, current=OTHER)
        secret, sealed = factor_of((await vic.get("/me/second-factor")).text)
        fields = {"sealed": sealed, "code": pyotp.TOTP(secret).now()}
        await refused(vic, "/me/second-factor", "not your password", **fields)
        await done(vic, "/me/second-factor", **fields, current=PASSWORD)
        await refused(vic, "/me/second-factor/remove", "not your password")
        assert (await operator(relay, row["id"]))["totp_sealed"] is not None
        await done(vic, "/me/second-factor/remove", current=PASSWORD)
        await done(vic, "/me/password", **twice, current=PASSWORD)
        assert await log_in(relay, name="vic", password=OTHER) == 303

        (hers,) = await relay.rows(
            "SELECT id, operator_id AS whose FROM web_sessions ORDER BY id LIMIT 1"
        )
        theirs = f"/operators/{hers['whose']}"
        for path in ("/password", "/password/remove", "/second-factor", "/second-factor/remove"):
            assert (await vic.get(f"{theirs}{path}")).status_code == 403, path
            assert (await vic.post(f"{theirs}{path}", **twice)).status_code == 403, path
        for path in (f"/sessions/{hers['id']}/end", "/sessions/end", "/change", "/remove"):
            assert (await vic.post(f"{theirs}{path}")).status_code == 403, path
        assert (await vic.post(f"/me/sessions/{hers['id']}/end")).status_code == 404
        assert (await ann.get("/me")).status_code == 200, "hers was not ended"
        shown = await vic.read(theirs)
        assert not any(one in shown for one in ("Set a password", "Change…", "Issue a token"))
        assert "task.<wbr>refund" in await vic.read("/operators/roles")
        await done(vic, "/me/sessions/end")
        assert (await vic.get("/me")).status_code == 303


async def test_guesses_of_ones_own_password_are_counted(database_url: str) -> None:
    """Who found a browser open has ten guesses, as at the door."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay, "sue", Role.SUPPORT) as sue,
    ):
        await done(sue, "/me/password", password=PASSWORD, again=PASSWORD)
        wrong = {"password": OTHER, "again": OTHER, "current": "wrong password"}
        for _ in range(10):
            await refused(sue, "/me/password", "not your password", **wrong)
        await refused(sue, "/me/password", "Too many wrong tries", **wrong | {"current": PASSWORD})
        assert (await sue.get("/operators")).status_code == 403, "her role reads no operators"
