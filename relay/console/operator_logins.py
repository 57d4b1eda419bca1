"""By what an operator comes in, in an owner's hand: password, second factor and sessions."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from relay.console import logins
from relay.console.access import may
from relay.console.logins import Whose
from relay.console.operators import HERE, read_operator
from relay.console.page import Asked, Page


class OperatorLogins(Controller):
    """The desk judges whose it is; by `operator.change`, which owners alone may, it is offered."""

    path = HERE
    guards = (may("operator.change"),)

    @get("/{operator_id:int}/password")
    async def ask_password(
        self, page: NamedDependency[Page], operator_id: FromPath[int]
    ) -> Response[Any]:
        """Ask for a new password."""
        return await logins.ask_password(page, await _of(page, operator_id))

    @post("/{operator_id:int}/password")
    async def password(
        self, page: NamedDependency[Page], request: Asked, operator_id: FromPath[int]
    ) -> Response[Any]:
        """Set it, and log its operator out."""
        return await logins.change_password(page, request, await _of(page, operator_id))

    @get("/{operator_id:int}/password/remove")
    async def ask_password_end(
        self, page: NamedDependency[Page], operator_id: FromPath[int]
    ) -> Response[Any]:
        """Say what it is to take it away."""
        return await logins.ask_password_end(page, await _of(page, operator_id))

    @post("/{operator_id:int}/password/remove")
    async def end_password(
        self, page: NamedDependency[Page], request: Asked, operator_id: FromPath[int]
    ) -> Response[Any]:
        """Take it away, and log its operator out."""
        return await logins.end_password(page, request, await _of(page, operator_id))

    @get("/{operator_id:int}/second-factor")
    async def ask_second_factor(
        self, page: NamedDependency[Page], operator_id: FromPath[int]
    ) -> Response[Any]:
        """Show a secret for its app."""
        return await logins.ask_second_factor(page, await _of(page, operator_id))

    @post("/{operator_id:int}/second-factor")
    async def second_factor(
        self, page: NamedDependency[Page], request: Asked, operator_id: FromPath[int]
    ) -> Response[Any]:
        """Ask it for codes from now on."""
        return await logins.confirm_second_factor(page, request, await _of(page, operator_id))

    @get("/{operator_id:int}/second-factor/remove")
    async def ask_factor_end(
        self, page: NamedDependency[Page], operator_id: FromPath[int]
    ) -> Response[Any]:
        """Say what it is to ask for no code."""
        return await logins.ask_factor_end(page, await _of(page, operator_id))

    @post("/{operator_id:int}/second-factor/remove")
    async def end_factor(
        self, page: NamedDependency[Page], request: Asked, operator_id: FromPath[int]
    ) -> Response[Any]:
        """Ask it for no code any more."""
        return await logins.end_factor(page, request, await _of(page, operator_id))

    @post("/{operator_id:int}/sessions/end")
    async def end_all(
        self, page: NamedDependency[Page], operator_id: FromPath[int]
    ) -> Response[Any]:
        """Log it out of every browser."""
        return await logins.end_all(page, await _of(page, operator_id))

    @post("/{operator_id:int}/sessions/{session_id:int}/end")
    async def end_session(
        self, page: NamedDependency[Page], operator_id: FromPath[int], session_id: FromPath[int]
    ) -> Response[Any]:
        """Log one browser of it out."""
        whose = await _of(page, operator_id)
        return await logins.end_one(page, session_id, whose.here, of=whose.operator.name)

    @post("/sessions/{session_id:int}/end")
    async def end_of_machine(
        self, page: NamedDependency[Page], session_id: FromPath[int]
    ) -> Response[Any]:
        """Log out one browser that came in by a link of the machine's."""
        return await logins.end_one(page, session_id, HERE, of=None)


async def _of(page: Page, operator_id: int) -> Whose:
    operator = await read_operator(page, operator_id)
    is_own = operator.id == page.visitor.operator_id
    return Whose(operator, f"{HERE}/{operator.id}", is_own=is_own)
