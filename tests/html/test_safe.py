"""What both sites owe every browser: headers on all answers, and no way out or in by a link."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from relay.console.gate import SITE as CONSOLE
from relay.desk.portal import link_tenant
from relay.html.gate import HEADERS
from relay.html.site import Site
from relay.logins.links import make_link
from relay.portal.gate import ROOT
from tests.clones import cloned
from tests.console.visiting import browser as console_browser
from tests.console.visiting import visiting as visiting_console
from tests.portal.visiting import OURS
from tests.portal.visiting import browser as portal_browser
from tests.portal.visiting import visiting as visiting_portal
from tests.portal.work import add_invoice, pay, settled
from tests.relay_app import ACTOR, Relay, fixture_relay

SITES = {"console": CONSOLE, "portal": Site(ROOT, "Video", Path())}
EVIL = ("//evil.test", "https://evil.test/", "/\\evil.test", "{root}.evil.test", "{root}/../x")

ANSWERS = {
    "console": (
        *("", "/tasks", "/tasks/{task}", "/tasks/find?id=none", "/figures", "/no-such-page"),
        *("/tasks/4711", "/money/entries?since=never", "/money", "/login", "/enter?key=x"),
        *("/tenants/list.csv", "/money/entries/xlsx", "/prices/file/prices.toml"),
        *("/tenants/1/statements/2026-10/html", "/money/invoices/1/file"),
    ),
    "portal": (
        *("", "/tasks", "/tasks/{kling_id}", "/tasks/find?id=none", "/month", "/no-such-page"),
        *("/tasks/4711", "/money?month=never", "/login", "/enter?key=x", "/docs/openapi.json"),
        *("/money/entries.csv", "/usage/csv?by=day", "/money/statement/2026-10/html"),
        *("/money/statement/2026-10/xlsx", "/money/invoices/1/file"),
    ),
}
"""Pages, parts of pages, files, answers that lead on, and those that refuse."""


class Both(NamedTuple):
    relay: Relay
    ids: dict[str, str]


@pytest.fixture(scope="module")
async def both(postgres_server: Any, template: str) -> AsyncIterator[Both]:
    async with (
        cloned(postgres_server, template) as url,
        fixture_relay(url, portal=True, portal_name="Video") as relay,
    ):
        await relay.add_channel()
        kling_id = await settled(relay, await relay.add_tenant())
        await add_invoice(relay, await pay(relay, 5_000_000, "paid"), "26-1")
        task = await relay.task(kling_id)
        yield Both(relay, {"task": str(task["id"]), "kling_id": kling_id})


def visiting(relay: Relay, name: str, who: str) -> Any:
    """Be somebody in one of them: a new operator, or somebody of the tenant."""
    return visiting_console(relay, who) if name == "console" else visiting_portal(relay)


def is_guarded(answer: httpx.Response, cached: str = "no-store") -> bool:
    """Tell whether nobody may frame it, run a script in it, guess its kind, or keep it."""
    told = {name: answer.headers.get(name) for name in HEADERS}
    return told == HEADERS and answer.headers.get("cache-control") == cached


def test_those_headers_say_what_they_are_for() -> None:
    policy = dict(
        part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert (HEADERS["x-frame-options"], HEADERS["x-content-type-options"]) == ("DENY", "nosniff")


@pytest.mark.parametrize("name", SITES)
async def test_every_answer_is_guarded_and_kept_nowhere(both: Both, name: str) -> None:
    """A page, a part of one, a file, a refusal, a door; only what is the same for all is kept."""
    site = SITES[name]
    seen = set()
    async with visiting(both.relay, name, "ann") as ann:
        for address in ANSWERS[name]:
            for asked in ({}, {"hx-request": "true"}):
                where = site.root + address.format(**both.ids)
                answer = await ann.client.get(where, headers=asked)
                assert is_guarded(answer), (address, dict(answer.headers))
                seen.add(answer.status_code)
        for sent in (OURS, {}, {"origin": "https://evil.test"}):
            answer = await ann.client.post(f"{site.root}/leave", data={"csrf": "x"}, headers=sent)
            assert (answer.status_code, is_guarded(answer)) == (403, True)
        page = await ann.client.get(f"{site.root}/tasks")
        style = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        kept = await ann.client.get(style)
        assert is_guarded(kept, "public, max-age=31536000, immutable"), dict(kept.headers)
        ann.client.cookies.clear()
        answer = await ann.client.get(f"{site.root}/tasks")
        assert (answer.status_code, is_guarded(answer)) == (303, True)
    assert {200, 404} <= seen


@pytest.mark.parametrize("name", SITES)
async def test_no_link_leads_out_of_a_site(both: Both, name: str) -> None:
    """Where one goes on after the door, or after another look, is a page of the same site."""
    site = SITES[name]
    async with visiting(both.relay, name, "bob") as ann:
        for evil in EVIL:
            there = evil.format(root=site.root)
            answer = await ann.post("/look", language="zh", next=there)
            assert (answer.status_code, answer.headers["location"]) == (303, site.root), there
        answer = await ann.post("/look", language="en", next=f"{site.root}/tasks?state=failed")
        assert answer.headers["location"] == f"{site.root}/tasks?state=failed"
        ann.client.cookies.clear()
        answer = await ann.client.get(f"{site.root}//evil.test/x")
        assert answer.headers["location"].startswith(f"{site.root}/login")


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
@pytest.mark.parametrize(
    ("given", "there"),
    [
        ("{root}/tasks?state=failed", "{root}/tasks?state=failed"),
        ("{root}", "{root}"),
        ("//evil.test{root}", "{root}"),
        ("https://evil.test{root}/", "{root}"),
        ("{root}/../admin", "{root}"),
        ("{root}/\\evil.test", "{root}"),
        ("{root}/\r\nset-cookie: a=b", "{root}"),
        ("{root}s", "{root}"),
        ("", "{root}"),
    ],
)
def test_one_is_led_to_a_sites_own_pages_only(site: Site, given: str, there: str) -> None:
    assert site.own_address(given.format(root=site.root)) == there.format(root=site.root)


@pytest.mark.parametrize("name", SITES)
async def test_who_comes_in_gets_a_session_that_nobody_chose(both: Both, name: str) -> None:
    """What the browser showed at the door opens nothing afterwards, nor does it with another."""
    relay, site = both.relay, SITES[name]
    async with relay.sessions.begin() as session:
        if name == "console":
            key = await make_link(session, system_user="root")
        else:
            key = (await link_tenant(session, ACTOR, "acme", relay.keys)).key
    browser = console_browser if name == "console" else portal_browser
    async with browser(relay) as victim, browser(relay) as attacker:
        for client in (victim, attacker):
            client.cookies.set(site.cookie("http"), "chosen-by-somebody")
        answer = await victim.post(f"{site.root}/enter", data={"key": key}, headers=OURS)
        assert (answer.status_code, answer.headers["location"]) == (303, site.root)
        cookie = answer.headers["set-cookie"]
        assert "chosen-by-somebody" not in cookie
        for word in ("HttpOnly", "SameSite=strict", "Path=/"):
            assert word in cookie
        assert (await attacker.get(site.root)).status_code == 303
        victim.cookies.clear()
        victim.cookies.set(site.cookie("http"), cookie.partition("=")[2].partition(";")[0])
        assert (await victim.get(site.root)).status_code == 200
