"""A form that was sent when its session was over: kept, shown again, and done by no login."""

import json
import re
from html import unescape
from pathlib import Path

import httpx
import pytest

import relay.console
import relay.portal
from relay.console.gate import SITE
from relay.desk.logins import set_password
from relay.html.form import SECRET
from relay.html.kept import CHARS_MAX, Kept, read_kept
from relay.logins.passwords import hash_password
from tests.admin.office import act
from tests.console.visiting import Visit, visiting
from tests.portal.visiting import OURS, enter_form
from tests.portal.visiting import visiting as visiting_portal
from tests.relay_app import Relay, fixture_relay

ANEW = {"shown-anew": "on"}
PASSWORD = "correct horse battery"
PATH = "/console/tenants/1/top-up"
MARKUP = "\"'><img src=x onerror=alert(1)>"
TYPED = {"kind": "paid", "amount": "5", "reference": "wx-1", "reason": MARKUP}
SENT = {**TYPED, "csrf": "x", "sure": "5000000", "code": "secret-1", "password": "secret-2"}


def carried(answer: httpx.Response, name: str = "kept") -> str:
    return unescape(answer.text.partition(f'name="{name}" value="')[2].partition('"')[0])


async def entries(relay: Relay) -> list[str]:
    return [row["reference"] for row in await relay.rows("SELECT reference FROM entries")]


async def test_a_form_is_kept_over_a_login(database_url: str) -> None:
    """Without what is secret and what was confirmed; nothing is done until it is sent anew."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.add_tenant()
        await act(relay, set_password, "ann", hash_password(PASSWORD))
        before = await entries(relay)
        ann.client.cookies.clear()

        asked = await ann.client.post(PATH, data=SENT, headers=OURS)
        assert (asked.status_code, asked.headers["cache-control"]) == (403, "no-store")
        assert "set-cookie" not in asked.headers
        assert json.loads(carried(asked)) == {
            "path": PATH,
            "lists": {name: [value] for name, value in TYPED.items()},
        }
        assert ("secret-" in asked.text, "<img src=x" in asked.text) == (False, False)

        login = {"name": "ann", "password": "wrong-password", "kept": carried(asked)}
        wrong = await ann.client.post("/console/login", data=login, headers=OURS)
        assert (wrong.status_code, carried(wrong)) == (403, carried(asked))
        came = await ann.client.post(
            "/console/login", data=login | {"password": PASSWORD}, headers=OURS
        )
        assert (came.status_code, "set-cookie" in came.headers) == (200, True)
        assert f'action="{PATH}"' in came.text
        assert {name: carried(came, name) for name in TYPED} == TYPED
        again = Visit(ann.client, carried(came, "csrf"))
        shown = await again.post("/tenants/1/top-up", **TYPED, **ANEW)
        assert (shown.status_code, "nothing was done" in shown.text) == (422, True)
        typed = re.findall(r'name="(?:reference|reason)" type="text" value="([^"]*)"', shown.text)
        assert [unescape(value) for value in typed] == ["wx-1", MARKUP]
        sure = await again.post("/tenants/1/top-up", **SENT | {"csrf": again.csrf}, **ANEW)
        assert (sure.status_code, await entries(relay)) == (422, before)
        done = await again.post("/tenants/1/top-up", **TYPED, sure="5000000")
        assert (done.status_code, await entries(relay)) == (303, [*before, "wx-1"])


async def test_a_form_of_another_session_is_given_back(database_url: str) -> None:
    """Whoever logged in anew in another tab loses nothing; of what has no fields one is told."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.add_tenant()
        before = await entries(relay)
        for csrf in ("", "of another session"):
            stale = await ann.client.post(PATH, data=SENT | {"csrf": csrf}, headers=OURS)
            assert (stale.status_code, carried(stale, "csrf")) == (403, ann.csrf)
            assert carried(stale, "reason") == MARKUP
            assert "secret-" not in stale.text
        plain = await ann.client.post("/console/leave", data={"csrf": "x"}, headers=OURS)
        assert "Load the page again." in plain.text
        assert await entries(relay) == before
        ann.client.cookies.clear()
        for there, referer in (
            ("/console/login", "https://evil.test/"),
            ("/console/login?next=%2Fconsole%2Ftenants%2F1", "http://localhost/console/tenants/1"),
        ):
            led = await ann.client.post(
                "/console/tenants/1/remove", headers={**OURS, "referer": referer}
            )
            assert (led.status_code, led.headers["location"]) == (303, there)
        foreign = await ann.client.post(PATH, data=SENT, headers={"origin": "https://evil.test"})
        assert (foreign.status_code, "secret-1" in foreign.text) == (403, False)
        assert carried(foreign) == ""


async def test_a_form_of_the_portal_is_kept_over_a_login(database_url: str) -> None:
    """By a key of the tenant's."""
    async with fixture_relay(database_url, portal=True) as relay:
        token = await relay.add_tenant()
        async with visiting_portal(relay) as ann:
            ann.client.cookies.clear()
            sent = {"prompt": MARKUP, "csrf": ann.csrf}
            there = "/portal/try/text2video"
            asked = await ann.client.post(there, data=sent, headers=OURS)
            assert asked.status_code == 403
            came = await enter_form(ann.client, token, kept=carried(asked))
            assert (came.status_code, f'action="{there}"' in came.text) == (200, True)
            again = sent | {"csrf": carried(came, "csrf")} | ANEW
            shown = await ann.client.post(there, data=again, headers=OURS)
            assert (shown.status_code, MARKUP in unescape(shown.text)) == (422, True)
            assert ("nothing was done" in shown.text, MARKUP in shown.text) == (True, False)
            send = again | {"path": "/v1/videos/text2video", "json": '{"prompt": "x"}'}
            await ann.client.post(f"{there}/send", data=send, headers=OURS)
            assert await relay.rows("SELECT 1 FROM tasks") == []


@pytest.mark.parametrize(
    "path", ["https://evil.test/x", "//evil.test", "/portal", "/console/../x", "", "/console\n"]
)
def test_a_kept_form_is_sent_to_its_own_site_only(path: str) -> None:
    """What a page carries along may have been changed on the way."""
    assert read_kept(SITE, Kept(path, {"amount": ["5"]}).spelt) is None


@pytest.mark.parametrize("given", ["", "{", "[]", '{"path": 1}', '{"path": "/console"}', "\ud800"])
def test_what_is_no_kept_form_is_none(given: str) -> None:
    assert read_kept(SITE, given) is None


def test_a_form_is_kept_up_to_a_length() -> None:
    assert read_kept(SITE, Kept(PATH, {"a": ["x" * (CHARS_MAX - 100)]}).spelt) is not None
    assert read_kept(SITE, Kept(PATH, {"a": ["x" * CHARS_MAX]}).spelt) is None


def test_what_is_typed_unseen_is_kept_by_no_page() -> None:
    """Each field of a password's kind has a name that is left out."""
    unseen = set()
    for site in (relay.console, relay.portal):
        for file in (Path(site.__path__[0]) / "templates").rglob("*.html"):
            for field in re.findall(
                r'forms\.text\(form, "(\w+)"[^}]*type="password"', file.read_text()
            ):
                unseen.add(field)
    assert len(unseen) > 6
    assert unseen - SECRET == set()


async def test_one_can_go_back_to_what_has_no_secret(database_url: str) -> None:
    """A form that is shown again may be kept by its sender's browser; one with a secret may not."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.add_tenant()
        planned = await ann.post("/tenants/1/top-up", **TYPED)
        wrong = await ann.post("/tenants/1/top-up", **TYPED | {"amount": "x"})
        for answer in (planned, wrong):
            assert answer.headers["cache-control"] == "private, no-cache"
        for answer in (
            await ann.get("/tenants/1/top-up"),
            await ann.post("/money/codes/redeem", tenant="acme", code="7" * 25),
            await ann.post("/channels/add", name="x", access_key="a", secret_key="b"),
            await ann.post("/me/password", current="a", password="b", again="c"),
        ):
            assert answer.headers["cache-control"] == "no-store", answer.request.url
