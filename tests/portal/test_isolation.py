"""T4 on pages: nothing of another tenant is on any, and no form reaches what is another one's.

Whoever adds a page adds its rows here: a test finds the ones that are missing.
"""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from litestar.routes import HTTPRoute

from relay.desk.codes import make_codes, redeem_code
from relay.desk.notices import NewPlace, add_notice_place
from relay.desk.tenants import issue_webhook_secret
from relay.logins.portal import open_portal_session
from relay.notices.tables import PlaceKind
from relay.portal.app import portal_app
from relay.settings import Settings
from relay.tenants.scope import Scope
from tests.clones import cloned
from tests.limits.limiting import sub_tenant
from tests.portal.visiting import visiting
from tests.portal.work import RESULT, add_asset, add_invoice, add_run, pay, settled
from tests.relay_app import ACTOR, CLIP, Relay, fixture_relay

THEIRS = "bluefox"
"""What is in all that the other tenant has: names, ids of its own, references, addresses."""
OWN = "acme"

IDS = {
    "task": "955315294928100300",
    "external": "order-of-nobody",
    "request": "01a21da1-3570-7f75-9804-959060d00f37",
    "delivery": "msg_0123456789abcdef0123456789abcdef",
    "token": "987654",
    "tenant": "nobody-below",
    "entry": "987655",
    "invoice": "987656",
    "month": "2026-10",
    "code": "7K3QM-0XVB2-7K3QM-0XVB2-7K3QM",
    "model": "model-of-nobody",
    "cursor": "987657",
    "session": "987658",
    "place": "987659",
    "asset": "5f0c1a2b-0000-4000-8000-00000000000a",
    "run": "5f0c1a2b-0000-4000-8000-00000000000b",
}
"""Whatever a page or form takes that names a thing: as nobody has it."""

PAGES = (
    "/tasks?external_task_id={external}",
    "/tasks?token={token}",
    "/tasks?tenant={tenant}",
    "/tasks?model={model}",
    "/tasks/find?id={task}",
    "/tasks/find?id={external}",
    "/tasks/find?id={request}",
    "/tasks/find?id={delivery}",
    "/tasks/{task}",
    "/tasks/{external}",
    "/tasks/{task}/cancel",
    "/usage?month={month}&token={token}&tenant={tenant}&tenant_id={tenant}",
    "/usage/csv?by=token&token={token}&tenant={tenant}",
    "/usage/csv?by=tenant&tenant={tenant}",
    "/money?token={token}&tenant={tenant}&task_id={task}",
    "/money/entries/csv?token={token}&tenant={tenant}&task_id={task}",
    "/tasks/list/csv?tenant={tenant}&token={token}&task_id={task}",
    "/tasks/list/csv?external_task_id={external}",
    "/callbacks/list/csv?task={task}",
    "/callbacks/notices/list/csv?cursor={place}",
    "/callbacks/notices/places/csv?id={place}",
    "/money/invoices/list/csv?tenant={tenant}&account={token}",
    "/callbacks/list/csv?cursor={delivery}",
    "/money/statement?month={month}&tenant={tenant}&account={token}",
    "/money/statement/{month}/csv?tenant={tenant}",
    "/money/invoices?tenant={tenant}&account={token}",
    "/money/invoices/{invoice}/file",
    "/tokens/make?below={tenant}",
    *(f"/tokens/{{token}}/{act}" for act in ("rotate", "revoke", "limits", "change")),
    *(f"/tokens/{{token}}/{act}?below={{tenant}}" for act in ("rotate", "revoke", "change")),
    *(f"/tokens/tenants/{{tenant}}/{act}" for act in ("keys", "change", "close")),
    "/callbacks?task={task}",
    "/callbacks?task={external}&cursor={delivery}",
    "/callbacks?cursor={delivery}",
    "/callbacks/{delivery}",
    "/callbacks/{delivery}/replay",
    "/callbacks/notices/{place}/remove",
    "/files?cursor={cursor}",
    "/files/list/csv?cursor={cursor}",
    "/files/{asset}/delete",
    "/studio/runs?cursor={run}",
    "/studio/runs/list/csv?cursor={run}",
    *(f"/studio/runs/{{run}}{act}" for act in ("", "/cancel", "/retry")),
    "/prices?endpoint={model}&q={model}",
    "/prices/calculator?endpoint=text2video&model={model}",
)
"""Asked with another tenant's, each is answered as with nobody's."""

FILES = (
    *("/tasks/{task}/files/1", "/tasks/{external}/files/1"),
    "/studio/runs/{run}/steps/image/files/1",
)
"""Likewise; one's own are Kling's to answer: tests with a host of their own ask for those."""

FORMS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/tasks/{task}/cancel", {}),
    ("/tasks/{external}/cancel", {"task_id": "{task}"}),
    ("/tasks/{task}/callbacks/{delivery}", {}),
    ("/tasks/{external}/callbacks/{delivery}", {"delivery_id": "{delivery}"}),
    ("/money/redeem", {"code": "{code}"}),
    ("/money/invoices", {"entry": "{entry}"}),
    ("/money/invoices", {"month": "{month}", "account": "{token}", "tenant": "{tenant}"}),
    ("/tokens/make", {"scope": "call", "below": "{tenant}"}),
    ("/tokens/{token}/rotate", {"keep_hours": "1"}),
    ("/tokens/{token}/rotate", {"keep_hours": "1", "below": "{tenant}"}),
    ("/tokens/{token}/revoke", {"leaked": "on"}),
    ("/tokens/{token}/limits", {"day": "1"}),
    ("/tokens/{token}/change", {"scope": "manage", "name": "mine"}),
    ("/tokens/{token}/change", {"scope": "manage", "below": "{tenant}"}),
    ("/tokens/tenants/{tenant}/change", {"factor": "2"}),
    ("/tokens/tenants/{tenant}/close", {}),
    ("/tokens/sessions/{session}/end", {}),
    ("/callbacks/{delivery}/replay", {}),
    ("/files/{asset}/delete", {}),
    *((f"/studio/runs/{{run}}/{act}", {}) for act in ("cancel", "retry")),
    ("/callbacks/notices/{place}/test", {}),
    ("/callbacks/notices/{place}/remove", {}),
)
"""Sent with another tenant's, each changes nothing and says what it says of nobody's."""

BOOKS = ("/", "/usage", "/money", "/money/statement", "/money/invoices", "/money/invoices/profile")
PLAIN = (
    *BOOKS,
    "/month",
    "/tasks",
    "/try",
    "/try/text2video",
    "/tasks/find",
    "/money/entries/csv",
    *("/tasks/list/csv", "/callbacks/list/csv"),
    "/usage/csv?by=day",
    *("/tokens", "/tokens/limits", "/tokens/sessions", "/tokens/tenants", "/tokens/tenants/open"),
    "/files",
    *("/studio", "/studio/voices", "/studio/runs", "/studio/make/workflow/digital-human"),
    *("/callbacks", "/callbacks/ping", "/callbacks/signature", "/callbacks/notices"),
    *("/callbacks/notices/add", "/prices", "/prices/calculator", "/docs", "/docs/openapi.json"),
)
TAKES_MANAGE = re.compile(r"/tokens/(make|tenants|\{token\})|/callbacks/notices")
"""Pages that keys of other scopes are refused."""
"""Without an id in them: of each the visitor's own is shown, and nothing of another tenant's."""

NO_ID = {
    *(("GET", page.partition("?")[0]) for page in PLAIN),
    # What is the visitor's own, and of the door; tested by themselves.
    *(
        ("GET", page)
        for page in (
            "/login",
            "/login/again",
            "/enter",
            "/assets/logo",
            "/tasks/events",
            "/studio/runs/events",
        )
    ),
    *(("POST", page) for page in ("/login", "/login/again", "/enter", "/leave", "/look")),
    ("POST", "/money/invoices/profile"),
    *(("POST", f"/callbacks/{act}") for act in ("ping", "signature", "notices/add")),
    ("POST", "/tokens/tenants/open"),
    # A create's body is judged as on Kling's own path (tests/owners).
    *(("POST", f"/try/text2video{act}") for act in ("", "/send")),
    *(("POST", f"/studio/make/workflow/digital-human{act}") for act in ("", "/start")),
    # Streams; their ids are found as the pages' own are.
    *(("GET", "/studio/runs/{run}/events"), ("GET", "/tasks/{task}/events")),
}
KEPT = {"portal_sessions": "concat(t.id, t.ended_at)"}
"""Of a table that a visit itself writes: what it may not."""


class Town(NamedTuple):
    """Two tenants with the same kinds of things, and what pages call those of the other one."""

    relay: Relay
    theirs: dict[str, str]
    own: dict[str, str]


@pytest.fixture(scope="module")
async def town(postgres_server: Any, template: str) -> AsyncIterator[Town]:
    async with (
        cloned(postgres_server, template) as url,
        fixture_relay(url, portal=True, portal_name="Video", studio=True) as relay,
    ):
        await relay.add_channel()
        await number_from(relay, 600_000)
        own = await furnish(relay, OWN)
        await number_from(relay, 700_000)
        theirs = await furnish(relay, THEIRS)
        yield Town(relay, theirs, own)
        assert (await relay.audit()).ok


async def number_from(relay: Relay, first: int) -> None:
    """Give what is made from now on numbers that stand nowhere else on a page."""
    columns = await relay.rows(
        "SELECT table_name AS name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND is_identity = 'YES' AND column_name = 'id'"
    )
    for number, row in enumerate(columns):
        own = first + 1000 * number
        await relay.rows(f'ALTER TABLE "{row["name"]}" ALTER COLUMN id RESTART WITH {own}')


async def furnish(relay: Relay, name: str) -> dict[str, str]:
    """Give a tenant one of everything, and return what pages call it."""
    token = await relay.add_tenant(name)
    await relay.rows("UPDATE tokens SET name = $2 WHERE id = $1", token.id, f"{name}-key")
    model = f"{name}-model"
    task = await settled(relay, token, external_task_id=f"{name}-order")
    await relay.rows(
        "UPDATE tasks SET model = $2, result_urls = ARRAY[$3::text] WHERE kling_id = $1",
        *(task, model, RESULT.replace("fox", name)),
    )
    row = await relay.task(task)
    delivery = await relay.row(
        "SELECT webhook_id FROM deliveries WHERE task_id = $1 LIMIT 1", row["id"]
    )
    first = await pay(relay, 25_000_000, f"{name}-first", name)
    entry = await pay(relay, 5_500_000, f"{name}-second", name)
    invoice = await add_invoice(relay, first, f"{name}-26", name)
    below = await sub_tenant(relay, f"{name}-below", "1.3", parent=name)
    await settled(relay, below, external_task_id=f"{name}-below-order")
    async with relay.sessions.begin() as session:
        (code,) = await make_codes(
            *(session, ACTOR, f"{name}-codes"),
            amount_micros=1_000_000,
            count=1,
            expires_at=None,
            currency="USD",
        )
        await redeem_code(session, ACTOR, name, code.code, currency="USD")
    async with relay.sessions.begin() as session:
        await issue_webhook_secret(session, ACTOR, name, relay.keys, may_rotate=True)
        wanted = NewPlace(kind=PlaceKind.WEBHOOK, to=f"https://{name}.example.com/hook")
        place = await add_notice_place(
            session, ACTOR, name, wanted, relay.keys, settings=Settings()
        )
        await open_portal_session(session, token.id, address="10.9.8.7", agent=f"{name}-browser")
    asset = await add_asset(relay, name)
    inside = await relay.row("SELECT max(id) AS id FROM portal_sessions")
    return {
        "session": str(inside["id"]),
        "place": str(place.id),
        "asset": asset,
        "run": await add_run(relay, token, f"{name} dances"),
        "task": task,
        "external": f"{name}-order",
        "request": row["request_id"],
        "delivery": delivery["webhook_id"],
        "token": str(token.id),
        "tenant": f"{name}-below",
        "entry": str(entry),
        "invoice": str(invoice),
        "month": "2026-10",
        "code": code.code,
        "model": model,
        "cursor": str(row["id"]),
    }


def plain(text: str, ids: dict[str, str]) -> str:
    """What a page says, without what differs between any two askings of it."""
    text = re.sub(r'name="(?:csrf|once)" value="[^"]*"|<time.*?</time>', "", text, flags=re.DOTALL)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+", "", text)
    for name, value in sorted(ids.items(), key=lambda pair: -len(pair[1])):
        text = text.replace(value, f"<{name}>")
    return text


def told(answer: httpx.Response, ids: dict[str, str]) -> list[str]:
    where = plain(answer.headers.get("location", ""), ids)
    return [str(answer.status_code), where, *plain(answer.text, ids).splitlines()]


async def state_of(relay: Relay) -> dict[str, str]:
    """All that is kept, but what a visit itself writes."""
    tables = await relay.rows(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    )
    return {
        name: (
            await relay.row(
                f"SELECT md5(string_agg({kept}, ',' ORDER BY {kept})) FROM \"{name}\" t"
            )
        )["md5"]
        for name, kept in ((row["name"], KEPT.get(row["name"], "t::text")) for row in tables)
    }


@pytest.mark.parametrize("scope", list(Scope))
async def test_no_page_shows_what_is_another_tenants(town: Town, scope: Scope) -> None:
    """With another tenant's ids in it, each is as with ids that nobody has."""
    async with visiting(town.relay, OWN, scope) as ann:
        for page in (*PAGES, *FILES):
            theirs = await ann.get(page.format(**town.theirs))
            nobodys = await ann.get(page.format(**IDS))
            assert told(theirs, town.theirs) == told(nobodys, IDS), page
            assert theirs.status_code < 500, page
            # It may say again what it was asked for, which is no news to who asked.
            assert THEIRS not in plain(theirs.text, town.theirs), page


@pytest.mark.parametrize("scope", list(Scope))
async def test_no_form_reaches_what_is_another_tenants(town: Town, scope: Scope) -> None:
    """Nothing changes, and what is said is what is said of ids that nobody has."""
    relay = town.relay
    async with visiting(relay, OWN, scope) as ann:
        before = await state_of(relay)
        for path, fields in FORMS:
            answers = []
            for ids in (town.theirs, IDS):
                sent = {name: value.format(**ids) for name, value in fields.items()}
                answers.append(told(await ann.post(path.format(**ids), **sent), ids))
            assert answers[0] == answers[1], path
            assert answers[0][0] < "500", path
            assert THEIRS not in "".join(answers[0]), path
        assert await state_of(relay) == before


async def test_a_form_that_is_only_shown_anew_does_nothing(town: Town) -> None:
    """Not even where a handler looks at no form: with own ids, of who may do it all."""
    async with visiting(town.relay, OWN, Scope.MANAGE) as ann:
        before = await state_of(town.relay)
        for path, fields in FORMS:
            sent = {name: value.format(**town.own) for name, value in fields.items()}
            await ann.post(path.format(**town.own), **sent, **{"shown-anew": "on"})
        assert await state_of(town.relay) == before


@pytest.mark.parametrize("scope", list(Scope))
async def test_pages_without_ids_show_the_visitors_own(town: Town, scope: Scope) -> None:
    """Or refuse plainly what its key may not read."""
    async with visiting(town.relay, OWN, scope) as ann:
        for page in PLAIN:
            answer = await ann.get("" if page == "/" else page)
            refused = set() if scope is Scope.MANAGE else {303, 403, 404}
            assert answer.status_code in {200} | refused, (page, answer.status_code)
            assert THEIRS not in answer.text, page


@pytest.mark.parametrize("scope", list(Scope))
async def test_own_pages_are_shown_or_refused_plainly(town: Town, scope: Scope) -> None:
    """Each page with the visitor's own ids: there, or a plain refusal; its own task is there."""
    async with visiting(town.relay, OWN, scope) as ann:
        found = {page: (await ann.get(page.format(**town.own))).status_code for page in PAGES}
        refused = {page for page, status in found.items() if status not in (200, 303)}

    assert set(found.values()) <= {200, 303, 400, 403, 404}, found
    assert found["/tasks/{task}"] == 200
    # Of this key there is none below.
    refused -= {page for page in refused if "{token}" in page and "below=" in page}
    taking = {page for page in PAGES if TAKES_MANAGE.match(page)}
    if scope is Scope.MANAGE:
        assert refused == set()
    elif scope is Scope.READ:
        assert refused <= taking
        assert "/tokens/tenants/{tenant}/keys" in refused


async def test_a_call_key_sees_no_other_keys_money(database_url: str) -> None:
    """Of a task of another key of its tenant it sees the state, and no amount anywhere."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        # Ten seconds: 0.84, an amount that nothing else here has.
        task = await settled(relay, token, **CLIP | {"duration": "10"})
        entry = await pay(relay, 3_000_000, "paid")
        row = await relay.task(task)
        pages = [
            *(page.format(**IDS | {"task": task, "token": str(token.id)}) for page in PAGES),
            *PLAIN,
        ]
        async with visiting(relay) as boss, visiting(relay, scope=Scope.CALL) as ann:
            seen = {page: (await boss.get("" if page == "/" else page)).text for page in pages}
            by_call = {page: (await ann.get("" if page == "/" else page)).text for page in pages}

    assert (row["charged_micros"], entry > 0) == (840_000, True)
    with_money = {page for page, text in seen.items() if has_amount(text)}
    assert {f"/tasks/{task}", "/tasks", "/usage", "/money"} <= with_money
    assert {page for page, text in by_call.items() if has_amount(text)} == set()
    assert task in by_call["/tasks"]


def has_amount(text: str) -> bool:
    return re.search(r"(?<![\d.])-?0\.84(?!\d)", text) is not None


def routes() -> Iterator[tuple[str, str]]:
    """Every page and form of the portal, as a pattern of its address."""
    for route in portal_app().routes:
        if isinstance(route, HTTPRoute):
            path = route.path_format.removeprefix("/portal") or "/"
            for method in sorted(route.methods & {"GET", "POST", "PUT", "DELETE", "PATCH"}):
                yield method, path


def test_every_page_and_form_is_asked_about() -> None:
    """Who adds one adds its rows: with another tenant's ids, or to what has none."""

    def as_pattern(address: str) -> str:
        return re.sub(r"\{\w+(:\w+)?\}", "{}", address.partition("?")[0])

    asked = {("GET", as_pattern(page)) for page in (*PAGES, *FILES)}
    asked |= {("POST", as_pattern(path)) for path, _ in FORMS}
    asked |= NO_ID
    known = {(method, as_pattern(path)) for method, path in routes()}
    known = {one for one in known if not one[1].startswith("/assets/")} | {("GET", "/assets/logo")}

    missing = {
        (method, path)
        for method, path in known
        if not any(method == one and fits(path, other) for one, other in asked)
    }
    assert missing == set()


def fits(path: str, asked: str) -> bool:
    """Whether an address of the table is one of a route's."""
    return re.fullmatch(path.replace(".", r"\.").replace("{}", "[^/]+"), asked) is not None
