"""Every page and form of the console by every role: who sees it, who is refused, and that is noted.

Whoever adds one adds it to the rows here: a test finds the ones that are missing.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException
from litestar.routes import HTTPRoute

from relay.alerts.tables import Severity
from relay.console.app import console_app
from relay.desk.alerts import add_place
from relay.desk.pauses import pause_creates
from relay.operators.tables import Role
from tests.admin.office import act
from tests.clones import cloned
from tests.console.story import tell_story
from tests.console.visiting import Visit, visiting
from tests.relay_app import Relay, fixture_relay

LETTERS = {"o": Role.OPERATOR, "f": Role.FINANCE, "s": Role.SUPPORT, "v": Role.VIEWER}
"""Of roles; an owner may see and send all."""

NO_FILE = "/tasks/{task}/files/9"
"""None has so many: who may is told so. A file that there is would be asked of Kling."""
PAGES = {
    "ofsv": (
        *("/", "/figures", "/me", "/me/password", "/me/second-factor", "/me/second-factor/remove"),
        *("/alerts", "/alerts/places/list/csv", "/alerts/rules/list/csv"),
        *("/pauses", "/pauses/list/csv"),
        *("/changes", "/changes/list/csv", "/changes/{change}"),
        *("/deliveries", "/deliveries/list/csv", "/deliveries/{delivery}"),
        *("/tasks", "/tasks/list/csv", "/tasks/find", "/tasks/{task}", "/tasks/{task}/raw"),
        NO_FILE,
        *("/channels", "/channels/list/csv", "/channels/{channel}"),
        *("/channels/{channel}/trial/csv", "/channels/{channel}/trials"),
        *("/channels/{channel}/trials/list/csv", "/channels/{channel}/trials/{trial}"),
        *("/tenants", "/tenants/list/csv", "/tenants/{tenant}"),
        *(f"/tenants/{{tenant}}/{tab}" for tab in ("below", "limits", "tokens", "prices")),
        *(f"/tenants/{{tenant}}/{tab}" for tab in ("entries", "entries/csv", "statement")),
        *(f"/tenants/{{tenant}}/{tab}" for tab in ("callbacks", "notices", "kept")),
        *(f"/tenants/{{tenant}}/{tab}/list/csv" for tab in ("tokens", "notices")),
        "/tenants/{tenant}/statements/{month}/html",
        *("/prices", "/prices/list/csv", "/prices/missing"),
        *("/prices/history", "/prices/history/list/csv"),
        *("/prices/calculator", "/prices/multipliers", "/prices/multipliers/list/csv"),
        *("/prices/official", "/prices/file", "/prices/file/prices.toml", "/prices/simulate"),
        *("/money", "/money/entries", "/money/entries/csv", "/money/codes"),
        *("/money/codes/{batch}", "/money/codes/{batch}/csv"),
        *("/money/month", "/money/month/{month}/csv", "/money/month/{month}/statements"),
        *("/money/invoices", "/money/invoices/list/csv", "/money/invoices/{invoice}"),
        *("/money/invoices/{issued}/file", "/money/invoices/profiles"),
        "/money/invoices/profiles/list/csv",
        "/money/invoices/profiles/{tenant}",
    ),
    "ofv": (
        *("/operators", "/operators/roles", "/operators/{operator}"),
        *("/check", "/settings", "/backup", "/backup/list/csv", "/operators/list/csv"),
        *("/money/margin", "/money/margin/csv", "/money/losses", "/money/losses/csv"),
    ),
    "ofs": (
        *(f"/tasks/{{task}}/{act}" for act in ("release", "refund", "cancel", "unflag", "look")),
        "/money/codes/redeem",
    ),
    "os": (
        "/deliveries/{delivery}/replay",
        "/tenants/{tenant}/tokens/{token}/revoke",
        "/tenants/{tenant}/notices/add",
        "/tenants/{tenant}/notices/places/{place}/remove",
        "/tenants/{tenant}/portal/end",
    ),
    "of": (
        *("/tasks/{task}/settle", "/tenants/open", "/tenants/{tenant}/open-below"),
        *(
            f"/tenants/{{tenant}}/{act}"
            for act in ("change", "limits/set", "limits/raise?kind=day")
        ),
        *("/money/bill", "/money/codes/{batch}/revoke"),
        "/money/invoices/profiles/{tenant}/change",
    ),
    "o": (
        "/tenants/{tenant}/remove",
        *(f"/tenants/{{tenant}}/{act}" for act in ("portal", "callbacks/secret", "tokens/issue")),
        "/tenants/{tenant}/tokens/{token}/rotate",
        *("/channels/add", "/channels/{channel}/edit", "/channels/{channel}/test"),
        *(f"/channels/{{channel}}/{act}" for act in ("try", "remove", "drain", "disable")),
        *("/pauses/add", "/pauses/{pause}/end"),
        *("/alerts/rules/units-low", "/alerts/places/add", "/alerts/places/{alerted}/remove"),
    ),
    "f": (
        *(f"/tenants/{{tenant}}/{act}" for act in ("top-up", "adjust", "credit")),
        "/tenants/{tenant}/kept/{month}/give-back",
        "/channels/{channel}/cost",
        *("/prices/set", "/prices/end?endpoint=text2video"),
        *("/prices/multipliers/set", "/prices/multipliers/end"),
        *("/money/codes/make", "/money/month/close?month={month}"),
        *(f"/money/invoices/{{invoice}}/{act}" for act in ("issue", "reject", "reverse")),
    ),
    "": (
        *("/operators/add", "/operators/{operator}/change", "/operators/{operator}/remove"),
        *(f"/operators/{{operator}}/{what}" for what in ("password", "second-factor")),
        *(f"/operators/{{operator}}/{what}/remove" for what in ("password", "second-factor")),
        *("/operators/{operator}/tokens/issue", "/operators/{operator}/tokens/{key}/revoke"),
    ),
}
"""By the letters of who sees them, with ids of what there is."""

FORMS = {
    "ofsv": (
        *("/leave", "/look", "/prices/file", "/prices/simulate"),
        *("/me/password", "/me/second-factor", "/me/second-factor/remove", "/me/sessions/end"),
        "/me/sessions/{session}/end",
    ),
    "ofs": PAGES["ofs"],
    "os": (
        *PAGES["os"],
        "/tenants/{tenant}/callbacks/ping",
        "/tenants/{tenant}/notices/places/{place}/test",
        "/tenants/{tenant}/notices/{notice}/replay",
    ),
    "of": (
        *PAGES["of"],
        *("/money/bill/csv", "/money/invoices/profiles/{tenant}/request"),
    ),
    "o": (
        *PAGES["o"],
        *("/channels/{channel}/enable", "/channels/{channel}/undrain"),
        *("/alerts/rules/units-low/mute", "/alerts/test", "/backup"),
    ),
    "f": (*PAGES["f"], "/prices/multipliers/amounts", "/prices/official/adopt"),
    "": (
        *PAGES[""],
        *("/operators/{operator}/sessions/end", "/operators/{operator}/sessions/{session}/end"),
        "/operators/sessions/{session}/end",
    ),
}
"""By who may send them."""

OTHERS = {
    *(("GET", "/login"), ("POST", "/login"), ("GET", "/login/again"), ("POST", "/login/again")),
    *(("GET", "/enter"), ("POST", "/enter")),
    *(("GET", "/assets/x/pages.css"), ("GET", "/tasks/events")),
}
"""What is there for whoever comes, and a list's ear, which answers for as long as it is open."""
IDS = {
    "task": "SELECT min(id) FROM tasks",
    "tenant": "SELECT min(id) FROM tenants",
    "token": "SELECT min(id) FROM tokens",
    "channel": "SELECT min(id) FROM channels",
    "operator": "SELECT max(operator_id) FROM operator_tokens",
    "key": "SELECT max(id) FROM operator_tokens",
    "batch": "SELECT min(id) FROM code_batches",
    "invoice": "SELECT max(id) FROM invoices",
    "issued": "SELECT min(invoice_id) FROM invoice_files",
    "change": "SELECT min(id) FROM changes",
    "delivery": "SELECT webhook_id FROM deliveries ORDER BY id LIMIT 1",
    "place": "SELECT min(id) FROM notice_places",
    "notice": "SELECT max(id) FROM notices",
    "pause": "SELECT min(id) FROM pauses",
    "trial": "SELECT min(id) FROM trials",
    "alerted": "SELECT min(id) FROM alert_places",
    "session": "SELECT min(id) FROM web_sessions",
    "month": "SELECT to_char(now() - interval '1 month', 'YYYY-MM')",
}


class Hall(NamedTuple):
    """A relay with something of everything, and somebody of each role in it."""

    relay: Relay
    visits: dict[Role, Visit]
    ids: dict[str, str]


@pytest.fixture(scope="module")
async def hall(postgres_server: Any, template: str) -> AsyncIterator[Hall]:
    async with (
        cloned(postgres_server, template) as url,
        fixture_relay(url) as relay,
        AsyncExitStack() as stack,
    ):
        await tell_story(relay)
        await act(relay, pause_creates, reason="a test")
        place = "json://hooks.test/alerts"
        await act(relay, add_place, place, relay.keys, least=Severity.TICKET)
        ids = {name: str((await relay.row(query))[0]) for name, query in IDS.items()}
        visits = {
            role: await stack.enter_async_context(visiting(relay, role.value, role))
            for role in Role
        }
        yield Hall(relay, visits, ids)


def routes() -> Iterator[tuple[str, str, Any]]:
    """Every page and form of the console: its method, a pattern of its address, who answers."""
    for route in console_app().routes:
        if isinstance(route, HTTPRoute):
            path = route.path_format.removeprefix("/console") or "/"
            for method, (handler, _) in route.route_handler_map.items():
                if method != "OPTIONS":
                    yield method, path, handler


def rows() -> Iterator[tuple[str, str, set[Role]]]:
    """Every row of the tables: the method, an address, and who may."""
    for method, table in (("GET", PAGES), ("POST", FORMS)):
        for letters, addresses in table.items():
            allowed = {Role.OWNER, *(LETTERS[one] for one in letters)}
            yield from ((method, address, allowed) for address in addresses)


def is_at(address: str, path: str) -> re.Match[str] | None:
    """Tell whether an address of a row is one of a route's, and what it names there."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path.replace(".", r"\."))
    return re.fullmatch(pattern, address.partition("?")[0])


def test_every_page_and_form_has_its_row() -> None:
    """Who adds one says whose it is; and no row is of what there is not."""
    asked = {(method, address) for method, address, _ in rows()} | OTHERS
    known = {(method, path) for method, path, _ in routes()}

    assert {
        (method, path)
        for method, path in known
        if not any(method == one and is_at(address, path) for one, address in asked)
    } == set()
    assert {
        (method, address)
        for method, address in asked
        if not any(method == one and is_at(address, path) for one, path in known)
    } == set()


class Noting:
    """An office that only hears who was refused."""

    def __init__(self) -> None:
        self.refusals = self
        self.heard: list[str] = []

    async def note(self, operator: tuple[int, str], address: str, status: int, path: str) -> None:
        assert (address, status) == ("10.0.0.9", 403)
        self.heard.append(f"{operator[1]} {path}")


async def test_each_page_and_form_is_of_its_roles_and_of_no_other() -> None:
    """Every one for every role: whoever keeps its door lets in those, and notes the others."""
    wrong = []
    for method, address, allowed in rows():
        # What is more exact comes first, as where a path is looked up.
        fitting = [
            (path.count("{"), match.groupdict(), handler)
            for one, path, handler in routes()
            if one == method and (match := is_at(address, path))
        ]
        _, given, handler = min(fitting, key=lambda one: one[0])
        for role in Role:
            office = Noting()
            is_let_in = await is_past(handler, role, office, path=address, path_params=given)
            told = [] if is_let_in else [f"{role.value} {address}"]
            if is_let_in is not (role in allowed) or office.heard != told:
                wrong.append((method, address, role.value, office.heard))
    assert wrong == []


async def is_past(handler: Any, role: Role, office: Noting, **of: Any) -> bool:
    user = SimpleNamespace(role=role, operator_id=7, name=role.value)
    scope: Any = {"type": "http", "user": user, "office": office, "client": ("10.0.0.9", 1), **of}
    connection: Any = ASGIConnection(scope)
    try:
        for guard in handler.resolve_guards():
            await guard(connection, handler)
    except PermissionDeniedException:
        return False
    return True


async def test_the_least_who_may_sees_a_page_and_the_greatest_who_may_not_is_refused(
    hall: Hall,
) -> None:
    """There, or led on; or refused, which stands among the changes with its page."""
    wrong, refused = {}, []
    before, seen = await noted(hall.relay), await state_of(hall.relay)
    for method, address, allowed in rows():
        there = address.format(**hall.ids)
        if method == "GET":
            least = [role for role in Role if role in allowed][-1]
            status = (await hall.visits[least].get("" if there == "/" else there)).status_code
            if status not in ((404,) if address == NO_FILE else (200, 303)):
                wrong[there, least.value] = status
        for greatest in [role for role in Role if role not in allowed][:1]:
            forget_refusals(hall.relay)
            visit = hall.visits[greatest]
            answer = await (visit.get(there) if method == "GET" else visit.post(there))
            if answer.status_code != 403 or "Your role may not do this." not in answer.text:
                wrong[there, greatest.value] = answer.status_code
            refused.append((greatest.value, there.partition("?")[0]))
    assert wrong == {}
    assert (await noted(hall.relay))[len(before) :] == refused
    assert await state_of(hall.relay) == seen, "what was refused changed nothing"


async def test_a_form_that_is_only_shown_anew_does_nothing(hall: Hall) -> None:
    """By an owner, to whom each is open, and of each form: not even where it asks for nothing."""
    seen, changes = await state_of(hall.relay), "SELECT count(*) AS number FROM changes"
    before = await hall.relay.row(changes)
    for method, address, _ in rows():
        if method == "POST":
            there = address.format(**hall.ids)
            answer = await hall.visits[Role.OWNER].post(there, **{"shown-anew": "on"})
            assert answer.status_code != 500, there
    assert (await state_of(hall.relay), await hall.relay.row(changes)) == (seen, before)
    assert (await hall.visits[Role.OWNER].get("")).status_code == 200, "nor is one logged out"


def forget_refusals(relay: Relay) -> None:
    """Have the next one noted too: of one address it is one a minute."""
    relay.app.state.office.console._gate._office.refusals._noted.clear()  # noqa: SLF001


async def noted(relay: Relay) -> list[tuple[str, str]]:
    """Who was refused, and where."""
    rows = await relay.rows(
        "SELECT subject, after->>'path' AS path FROM changes WHERE act = 'office.refuse'"
        " ORDER BY id"
    )
    return [(row["subject"], row["path"].removeprefix("/console")) for row in rows]


async def state_of(relay: Relay) -> dict[str, Any]:
    """All that is kept, but what a refusal and a visit themselves write."""
    tables = await relay.rows(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
        " AND tablename NOT IN ('web_sessions', 'changes')"
    )
    found = {
        row["name"]: (
            await relay.row(
                f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM \"{row['name']}\" t"
            )
        )[0]
        for row in tables
    }
    done = "SELECT count(*) FROM changes WHERE act <> 'office.refuse'"
    return found | {"changes": (await relay.row(done))[0]}
