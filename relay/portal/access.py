"""Which scope a page takes: what a visitor's key may not do is not asked of it."""

from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from relay.errors import ScopeTooSmall
from relay.portal.gate import PortalVisitor
from relay.tenants.scope import Scope

Connection = ASGIConnection[Any, Any, Any, Any]


def may(scope: Scope) -> Callable[[Connection, BaseRouteHandler], None]:
    """Make a guard of a page whose form would be refused; what it asks is judged all the same.

    The guard raises ScopeTooSmall.
    """

    def check(connection: Connection, handler: BaseRouteHandler) -> None:
        _ = handler
        visitor: PortalVisitor = connection.scope["user"]
        if not visitor.caller.scope.has(scope):
            raise ScopeTooSmall(visitor.caller.scope, scope)

    return check
