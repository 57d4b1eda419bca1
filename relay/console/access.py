"""Whose role may see a page or send a form."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Guard

from relay.desk.office import Office
from relay.desk.roles import ACTS
from relay.logins.sessions import Visitor


def may(act: str) -> Guard:
    """Let in whose role may do it; whoever may not is noted.

    For a form it only spares a transaction: the desk judges each act itself.
    """

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        visitor: Visitor = connection.scope["user"]
        if visitor.role not in ACTS[act]:
            client = connection.scope["client"]
            office: Office = connection.scope["office"]  # type: ignore[typeddict-item]  # the gate's own
            await office.refusals.note(
                *((visitor.operator_id or 0, visitor.name), client[0] if client else ""),
                *(403, connection.scope["path"]),
            )
            raise PermissionDeniedException

    return guard
