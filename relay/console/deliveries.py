"""Deliveries: what tenants' callback URLs were told, what they answered, and once more."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, attempt
from relay.console.gate import ROOT
from relay.console.lists import RowList
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of
from relay.console.reasons import REASONS_OF, read_reason
from relay.database.ids import TaskId
from relay.deliveries.read import ListedDelivery, ShownDelivery, list_deliveries, read_delivery
from relay.deliveries.tables import DeliveryState
from relay.desk.deliveries import replay_delivery
from relay.desk.errors import NoSuch
from relay.desk.find import delivery_named, tenant_named
from relay.html.form import Form, read_form
from relay.pages.rows import Read, cut
from relay.tasks.inspect import find_tasks

HERE = f"{ROOT}/deliveries"


class Deliveries(Controller):
    path = HERE
    guards = (may("delivery.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List callbacks by any filter, newest first."""
        async with page.reading() as session:
            found = await DELIVERIES.page(page, session)
        return await page.render(
            "deliveries/list.html",
            form=found.form,
            deliveries=found.rows,
            next_cursor=found.next_cursor,
            states=[state.value for state in DeliveryState],
        )

    @get("/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        return await DELIVERIES.file(page, file_form, back=HERE)

    @get("/{delivery:str}")
    async def show(self, page: NamedDependency[Page], delivery: FromPath[str]) -> Response[Any]:
        """Show one with all its attempts; by our id, or by what its tenant knows it by."""
        return await page.render("deliveries/one.html", shown=await _read(page, delivery))

    @get("/{delivery:str}/replay", guards=[may("delivery.replay")])
    async def ask(self, page: NamedDependency[Page], delivery: FromPath[str]) -> Response[Any]:
        """Ask what for it is to be sent once more."""
        return await _ask(page, delivery, Form(page.say))

    @post("/{delivery:str}/replay", guards=[may("delivery.replay")])
    async def replay(
        self, page: NamedDependency[Page], request: Asked, delivery: FromPath[str]
    ) -> Response[Any]:
        """Make it due again."""
        form = await read_form(request, page.say)
        reason = read_reason(form, "replay")

        async def work(session: AsyncSession) -> int:
            return await replay_delivery(session, page.actor, delivery, reason=reason)

        delivery_id, status = await attempt(page, form, work)
        if delivery_id is not None:
            return page.go(f"{HERE}/{delivery_id}", said="due")
        return await _ask(page, delivery, form, status=status)


async def _ask(page: Page, delivery: str, form: Form, *, status: int = OK) -> Response[Any]:
    return await page.render(
        "deliveries/replay.html",
        status=status,
        shown=await _read(page, delivery),
        form=form,
        reasons=REASONS_OF["replay"],
    )


async def _read(page: Page, key: str) -> ShownDelivery:
    async with page.reading() as session:
        return await read_delivery(session, await delivery_named(session, key))


async def _read_of(
    session: AsyncSession, page: Page, form: Form, *, tenant_id: int | None = None
) -> Read[ListedDelivery]:
    """Read what is asked for; what cannot be is told beside its field."""
    tenant, task = form.text("tenant"), form.text("task")
    state = form.choice("state", {state.value for state in DeliveryState})
    task_id = None
    if tenant is not None and tenant_id is None:
        try:
            tenant_id = (await tenant_named(session, tenant)).id
        except NoSuch as error:
            form.errors["tenant"] = sentence_of(error, page)
    if task is not None:
        tasks = await find_tasks(session, task, tenant_id=tenant_id)
        if len(tasks) == 1:
            task_id = TaskId(tasks[0].id)
        else:
            form.errors["task"] = page.say("No task has this id, or more than one has.")

    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[ListedDelivery], int | None]:
        found = await list_deliveries(
            session,
            tenant_id=tenant_id,
            state=state,
            task_id=task_id,
            before_id=before_id,
            limit=most + 1,
        )
        return cut(found, most)

    return read


DELIVERIES = RowList(
    _read_of, ListedDelivery, name="callbacks", title=lambda page: page.say("Deliveries")
)
