"""Callbacks: what the tenant's URLs were told, what they answered, and how they are signed."""

from typing import Any
from urllib.parse import quote

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from relay.deliveries.tables import DeliveryState
from relay.html.form import Form, read_form
from relay.moments import MS_MAX
from relay.portal.access import may
from relay.portal.acting import OK, attempt
from relay.portal.examples import example
from relay.portal.files import Columns
from relay.portal.gate import ROOT
from relay.portal.lists import AnswerList, AskFor
from relay.portal.page import Asked, Page
from relay.tenants.scope import Scope

HERE = f"{ROOT}/callbacks"
COLUMNS = Columns(
    (
        *("id", "task_id", "external_task_id", "task_status", "url", "state", "attempts"),
        *("reason", "created_at", "ended_at", "next_attempt_at"),
    ),
    counts=("attempts",),
    moments=("created_at", "ended_at", "next_attempt_at"),
)
STATES = {state.value for state in DeliveryState}


class Callbacks(Controller):
    path = HERE

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List callbacks, newest first."""
        found = await CALLBACKS.page(page)
        return await page.render(
            "callbacks/list.html",
            form=found.form,
            deliveries=found.rows,
            next_cursor=found.next_cursor,
        )

    @get("/list/{form_name:str}")
    async def show_file(
        self, page: NamedDependency[Page], form_name: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        return await CALLBACKS.file(page, form_name, back=HERE)

    @get("/ping", guards=[may(Scope.CALL)])
    async def ask_ping(self, page: NamedDependency[Page]) -> Response[Any]:
        """Ask which URL is to be tried."""
        return await _show_ping(page, Form(page.say), None)

    @post("/ping")
    async def ping(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Send a signed test there, and show what it answered."""
        form = await read_form(request, page.say)
        body = {"url": form.text("url", must=True, most=4096)}
        told, status = await attempt(page, form, lambda: page.asking.post("/deliveries/ping", body))
        return await _show_ping(page, form, told, status=status)

    @get("/signature")
    async def show_signature(self, page: NamedDependency[Page]) -> Response[Any]:
        """Say how a callback is known to be genuine, and since when there is a secret."""
        return await _show_signature(page, Form(page.say))

    @post("/signature")
    async def make_secret(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Make the secret, or another one beside it; it is shown this once."""
        form = await read_form(request, page.say)
        body = {
            "rotate": form.is_checked("rotate"),
            # By which a second click ends no secret that the first one left signing.
            "issued_at": form.whole("issued_at", most=MS_MAX),
        }
        made, status = await attempt(
            *(page, form, lambda: page.asking.post("/webhook-secret", body)),
            issued_at="",
        )
        return await _show_signature(page, form, made, status=status)

    @get("/{delivery:str}")
    async def show(self, page: NamedDependency[Page], delivery: FromPath[str]) -> Response[Any]:
        """Show one with all of its attempts."""
        return await page.render("callbacks/one.html", shown=await _read(page, delivery))

    @get("/{delivery:str}/replay")
    async def ask_replay(
        self, page: NamedDependency[Page], delivery: FromPath[str]
    ) -> Response[Any]:
        """Ask whether it is to be sent once more."""
        shown = await _read(page, delivery)
        return await page.render("callbacks/replay.html", shown=shown, form=Form(page.say))

    @post("/{delivery:str}/replay")
    async def replay(
        self, page: NamedDependency[Page], request: Asked, delivery: FromPath[str]
    ) -> Response[Any]:
        """Make it due again."""
        form = await read_form(request, page.say)
        path = f"/deliveries/{quote(delivery, safe='')}/replay"
        _, status = await attempt(page, form, lambda: page.asking.post(path))
        if form.is_right:
            return page.go(f"{HERE}/{quote(delivery, safe='')}", said="due")
        shown = await _read(page, delivery)
        return await page.render("callbacks/replay.html", status=status, shown=shown, form=form)


def _asked_of(page: Page, form: Form) -> AskFor:
    state, task = form.choice("state", STATES), form.text("task")

    async def ask(before: object, most: int) -> tuple[list[Any], object]:
        found = await page.asking.get(
            "/deliveries", state=state, task_id=task, before=before, pageSize=most + 1
        )
        rows = found[:most]
        return rows, rows[-1]["id"] if len(found) > most else None

    return ask


CALLBACKS = AnswerList(
    _asked_of, COLUMNS, name="callbacks", title=lambda page: page.say("Callbacks")
)


async def _read(page: Page, key: str) -> dict[str, Any]:
    found: dict[str, Any] = await page.asking.get(f"/deliveries/{quote(key, safe='')}")
    return found


async def _show_ping(
    page: Page, form: Form, told: dict[str, Any] | None, *, status: int = OK
) -> Response[Any]:
    return await page.render("callbacks/ping.html", status=status, form=form, told=told)


async def _show_signature(
    page: Page, form: Form, made: dict[str, Any] | None = None, *, status: int = OK
) -> Response[Any]:
    kept = await page.asking.get("/webhook-secret") if page.may("manage") else None
    given = form.values.get("issued_at")
    if kept and made is None and given not in (None, str(kept["issued_at"])):
        form.errors[""] = page.say("Another one was made meanwhile. Nothing was changed.")
    return await page.render(
        "callbacks/signature.html",
        status=status,
        form=form,
        made=made,
        kept=kept,
        examples=[example("verify", language, page) for language in ("python", "typescript")],
    )
