"""Who comes into the console: an operator, or the user of a machine of the relay's."""

from pathlib import Path
from typing import Any

from relay.desk.office import Office
from relay.html.gate import Connection, Gate
from relay.html.results import files_origin
from relay.html.site import Site
from relay.logins.sessions import Visitor, find_visitor

ROOT = "/console"
SITE = Site(ROOT, "Kling Relay", Path(__file__).with_name("templates"))


class ConsoleGate(Gate):
    """Knows a visitor by its session; gives handlers the office."""

    def __init__(self, app: Any, office: Office) -> None:
        super().__init__(app, SITE, files_at=files_origin(office.settings))
        self._office = office

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["office"] = self._office
        await super().__call__(scope, receive, send)

    async def _find_visitor(
        self, secret: str, connection: Connection, *, is_seen: bool = True
    ) -> Visitor | None:
        _ = connection
        async with self._office.sessions.begin() as session:
            return await find_visitor(session, secret, is_seen=is_seen)
