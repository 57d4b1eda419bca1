"""Operators: who they are, what each may do, and by what each comes in."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, attempt
from relay.console.gate import ROOT
from relay.console.lists import RowList
from relay.console.page import Asked, Page
from relay.desk.errors import Stale
from relay.desk.operators import (
    add_operator,
    change_operator,
    operator_numbered,
    operator_to_act_on,
    remove_operator,
)
from relay.desk.permit import read_spent
from relay.desk.roles import ACTS, BOUNDED, READS
from relay.desk.shown import (
    ShownOperator,
    ShownOperatorToken,
    shown_operator,
    shown_operator_token,
)
from relay.desk.versions import etag_of, refuse_stale
from relay.html.form import Form, read_form
from relay.logins.sessions import OpenSession, read_sessions
from relay.operators.read import read_operator_tokens, read_operators
from relay.operators.tables import Role
from relay.pages.rows import Read, at_once

HERE = f"{ROOT}/operators"
ROLES = [role.value for role in Role]
CEILINGS = sorted(BOUNDED)
"""Acts that have one."""


class Listed(msgspec.Struct, frozen=True):
    """A row of the list."""

    operator: ShownOperator
    sessions: list[OpenSession]
    """The last used first."""
    tokens: int
    """Those that are taken."""


class Told(msgspec.Struct, frozen=True):
    """One operator with all that its page shows."""

    operator: ShownOperator
    tokens: list[ShownOperatorToken]
    sessions: list[OpenSession]
    spent: Mapping[str, int]
    """What its acts came to in the last 24 hours, in micros."""


class Operators(Controller):
    path = HERE
    guards = (may("operator.read"),)

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List operators, and who is in by a link of the machine's."""
        async with page.reading() as session:
            found = await OPERATORS.page(page, session)
            sessions = await read_sessions(session)
            tokens = [row for row, _ in await read_operator_tokens(session)]
        live = [row.operator_id for row in tokens if row.revoked_at is None]
        return await page.render(
            "operators/list.html",
            form=found.form,
            operators=[
                Listed(
                    one,
                    [session for session in sessions if session.operator_id == one.id],
                    live.count(one.id),
                )
                for one in found.rows
            ],
            of_machine=[one for one in sessions if one.is_system],
        )

    @get("/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        return await OPERATORS.file(page, file_form, back=HERE)

    @get("/roles")
    async def show_roles(self, page: NamedDependency[Page]) -> Response[Any]:
        """Say what each role may do, and up to which ceiling in 24 hours."""
        table = {
            act: {role.value: grants[role] for role in Role if role in grants}
            for act, grants in ACTS.items()
            if grants
        }
        return await page.render("operators/roles.html", table=table, reads=READS, roles=ROLES)

    @get("/add", guards=[may("operator.add")])
    async def ask_new(self, page: NamedDependency[Page]) -> Response[Any]:
        """Ask who it is, and what it may do."""
        return await _ask_form(page, None, Form(page.say))

    @post("/add", guards=[may("operator.add")])
    async def add(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Add one, who can do nothing until it has a password or a token."""
        form = await read_form(request, page.say)
        name, role = form.text("name", must=True), form.choice("role", ROLES, must=True)
        ceilings = {
            act: micros for act, micros in _read_ceilings(form).items() if micros is not None
        }

        async def work(session: AsyncSession) -> int:
            row = await add_operator(
                *(session, page.actor, name or ""), role=Role(role or ""), ceilings=ceilings
            )
            return row.id

        operator_id, status = await attempt(page, form, work)
        if operator_id is None:
            return await _ask_form(page, None, form, status=status)
        return page.go(f"{HERE}/{operator_id}", said="added")

    @get("/{operator_id:int}")
    async def show(self, page: NamedDependency[Page], operator_id: FromPath[int]) -> Response[Any]:
        """Tell all that is known of one."""
        async with page.reading() as session:
            row = await operator_numbered(session, operator_id)
            told = Told(
                shown_operator(row),
                [shown_operator_token(*one) for one in await read_operator_tokens(session, row)],
                await read_sessions(session, row.id),
                await read_spent(session, f"operator:{row.name}", CEILINGS),
            )
        may_do = [act for act in CEILINGS if told.operator.role in ACTS[act]]
        return await page.render(
            "operators/one.html",
            told=told,
            ceilings={
                act: told.operator.ceilings_micros.get(act, ACTS[act][told.operator.role])
                for act in may_do
            },
        )

    @get("/{operator_id:int}/change", guards=[may("operator.change")])
    async def ask_changes(
        self, page: NamedDependency[Page], operator_id: FromPath[int]
    ) -> Response[Any]:
        """Show its role and its own ceilings."""
        return await _ask_form(page, await read_operator(page, operator_id), Form(page.say))

    @post("/{operator_id:int}/change", guards=[may("operator.change")])
    async def change(
        self, page: NamedDependency[Page], request: Asked, operator_id: FromPath[int]
    ) -> Response[Any]:
        """Change what it may do; its next act goes by it."""
        before = await read_operator(page, operator_id)
        form = await read_form(request, page.say)
        role = form.choice("role", ROLES, must=True)
        given = _read_ceilings(form)
        changed = {
            act: micros
            for act, micros in given.items()
            if micros != before.ceilings_micros.get(act)
        }

        async def work(session: AsyncSession) -> None:
            async def locked(session: AsyncSession) -> ShownOperator:
                return shown_operator(await operator_to_act_on(session, before.name))

            version = form.values.get("version", "")
            await refuse_stale(session, page.actor, "operator.change", version, locked)
            await change_operator(
                *(session, page.actor, before.name), role=Role(role or ""), ceilings=changed
            )

        try:
            _, status = await attempt(page, form, work)
        except Stale:
            form.errors[""] = page.say(
                "Somebody changed it since this form was opened, and nothing was saved. It shows"
                " what is so now."
            )
            form.values.clear()
            return await _ask_form(
                page, await read_operator(page, operator_id), form, status=CONFLICT
            )
        if form.is_right:
            return page.go(f"{HERE}/{operator_id}", said="saved")
        return await _ask_form(page, before, form, status=status)

    @get("/{operator_id:int}/remove", guards=[may("operator.remove")])
    async def ask_remove(
        self, page: NamedDependency[Page], operator_id: FromPath[int]
    ) -> Response[Any]:
        """Say what a removal is, before it."""
        operator = await read_operator(page, operator_id)
        return await page.render("operators/remove.html", operator=operator, form=Form(page.say))

    @post("/{operator_id:int}/remove", guards=[may("operator.remove")])
    async def remove(
        self, page: NamedDependency[Page], request: Asked, operator_id: FromPath[int]
    ) -> Response[Any]:
        """Shut one out for good."""
        operator, form = await read_operator(page, operator_id), await read_form(request, page.say)

        async def work(session: AsyncSession) -> None:
            await remove_operator(session, page.actor, operator.name)

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(HERE, said="removed")
        return await page.render(
            "operators/remove.html", status=status, operator=operator, form=form
        )


CONFLICT = 409


async def _read_of(session: AsyncSession, _: Page, form: Form) -> Read[ShownOperator]:
    found = await read_operators(session, with_removed=form.is_checked("removed"))
    return at_once([shown_operator(row) for row in found])


OPERATORS = RowList(
    _read_of, ShownOperator, name="operators", title=lambda page: page.say("Operators")
)


async def read_operator(page: Page, operator_id: int) -> ShownOperator:
    """Read one, a removed one too.

    Raises:
        NoSuch
    """
    async with page.reading() as session:
        return shown_operator(await operator_numbered(session, operator_id))


async def _ask_form(
    page: Page, operator: ShownOperator | None, form: Form, *, status: int = OK
) -> Response[Any]:
    return await page.render(
        "operators/form.html",
        status=status,
        form=form,
        operator=operator,
        version=None if operator is None else etag_of(operator),
        roles=ROLES,
        ceilings={
            act: {role.value: micros for role, micros in ACTS[act].items()} for act in CEILINGS
        },
    )


def _read_ceilings(form: Form) -> dict[str, int | None]:
    """Read ceilings by act, in micros; None of an empty field: its role's."""
    return {act: form.amount(f"ceiling.{act}") for act in CEILINGS}
