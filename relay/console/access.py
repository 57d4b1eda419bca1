"""Whose role may see a page or send a form."""

from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Guard

from relay.desk.office import Office
from relay.desk.roles import ACTS
from relay.logins.sessions import Visitor

Connection = ASGIConnection[Any, Any, Any, Any]


def may(act: str) -> Guard:
    """Let in whose role may do it; whoever may not is noted.

    The desk judges each act itself. A form is judged here as well, before it is read: else it
    would be answered with what is wrong in it, and with what it comes to.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        await _let_in(connection, act)

    return guard


def may_each(needed: Callable[[str], str | None]) -> Guard:
    """Do the same where the path names what is done, as `act`.

    `needed`: of its name the act of the desk; None where there is none, as the page then says.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        act = needed(connection.path_params["act"])
        if act is not None:
            await _let_in(connection, act)

    return guard


async def _let_in(connection: Connection, act: str) -> None:
    visitor: Visitor = connection.scope["user"]
    if visitor.role in ACTS[act]:
        return
    client = connection.scope["client"]
    office: Office = connection.scope["office"]  # type: ignore[typeddict-item]  # the gate's own
    await office.refusals.note(
        *((visitor.operator_id or 0, visitor.name), client[0] if client else ""),
        *(403, connection.scope["path"]),
    )
    raise PermissionDeniedException
