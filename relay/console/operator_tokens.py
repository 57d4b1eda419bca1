"""Operators' tokens: made, and shown this once; revoked."""

from datetime import datetime
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, attempt
from relay.console.operators import HERE, read_operator
from relay.console.page import Asked, Page
from relay.console.tenant_change import read_names
from relay.desk.errors import NoSuch
from relay.desk.operators import (
    IssuedOperatorToken,
    issue_operator_token,
    operator_numbered,
    revoke_operator_token,
)
from relay.desk.shown import ShownOperatorToken, shown_operator_token
from relay.html.days import read_day
from relay.html.form import Form, read_form
from relay.operators.read import read_operator_tokens


class OperatorTokens(Controller):
    path = HERE

    @get("/{operator_id:int}/tokens/issue", guards=[may("operator.issue_token")])
    async def ask(self, page: NamedDependency[Page], operator_id: FromPath[int]) -> Response[Any]:
        """Ask for how long it is to be taken, and from where."""
        return await _ask(page, operator_id, Form(page.say))

    @post("/{operator_id:int}/tokens/issue", guards=[may("operator.issue_token")])
    async def issue(
        self, page: NamedDependency[Page], request: Asked, operator_id: FromPath[int]
    ) -> Response[Any]:
        """Make a token, and show it this once."""
        form = await read_form(request, page.say)
        until: datetime | None = read_day(form, "until", page.office.settings.zone, is_end=True)
        addresses = read_names(form, "addresses") or []

        async def work(session: AsyncSession) -> IssuedOperatorToken:
            operator = await operator_numbered(session, operator_id)
            return await issue_operator_token(
                *(session, page.actor_by(form), operator.name),
                expires_at=until,
                addresses=addresses,
            )

        issued, status = await attempt(page, form, work)
        if issued is None:
            return await _ask(page, operator_id, form, status=status)
        operator = await read_operator(page, operator_id)
        return await page.render("operators/issued.html", operator=operator, issued=issued)

    @get("/{operator_id:int}/tokens/{token_id:int}/revoke", guards=[may("operator.revoke_token")])
    async def ask_revoke(
        self, page: NamedDependency[Page], operator_id: FromPath[int], token_id: FromPath[int]
    ) -> Response[Any]:
        """Say what an end of a token comes to."""
        return await _ask_revoke(page, operator_id, token_id, Form(page.say))

    @post("/{operator_id:int}/tokens/{token_id:int}/revoke", guards=[may("operator.revoke_token")])
    async def revoke(
        self,
        page: NamedDependency[Page],
        request: Asked,
        operator_id: FromPath[int],
        token_id: FromPath[int],
    ) -> Response[Any]:
        """End a token for good."""
        form = await read_form(request, page.say)

        async def work(session: AsyncSession) -> None:
            await _own(session, operator_id, token_id)
            await revoke_operator_token(session, page.actor, token_id)

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(f"{HERE}/{operator_id}", said="done")
        return await _ask_revoke(page, operator_id, token_id, form, status=status)


async def _own(session: AsyncSession, operator_id: int, token_id: int) -> ShownOperatorToken:
    """Find a token of this operator, or raise NoSuch."""
    operator = await operator_numbered(session, operator_id)
    for row, name in await read_operator_tokens(session, operator):
        if row.id == token_id:
            return shown_operator_token(row, name)
    raise NoSuch("operator token", token_id)


async def _ask(page: Page, operator_id: int, form: Form, *, status: int = OK) -> Response[Any]:
    operator = await read_operator(page, operator_id)
    return await page.render("operators/issue.html", status=status, operator=operator, form=form)


async def _ask_revoke(
    page: Page, operator_id: int, token_id: int, form: Form, *, status: int = OK
) -> Response[Any]:
    operator = await read_operator(page, operator_id)
    async with page.reading() as session:
        token = await _own(session, operator_id, token_id)
    return await page.render(
        "operators/revoke.html", status=status, operator=operator, token=token, form=form
    )
