"""`/api/kling/retention`: for how long a tenant has it kept what it asked for."""

from typing import Any

import msgspec
from litestar import Controller, Request, get, put
from litestar.params import JSONBody

from relay.errors import InvalidParameter
from relay.runs.retention import read_retention, set_retention
from relay.studio.behind import Visit
from relay.studio.creates import PREFIX


class Retention(msgspec.Struct, frozen=True):
    """Days after the end of a task; then its inputs are forgotten."""

    days: int


class RetentionPaths(Controller):
    """What is kept of inputs."""

    path = f"{PREFIX}/retention"
    tags = ("tasks",)

    @get()
    async def show_days(self, request: Request[Any, Any, Any]) -> Retention:
        """For how many days after its end the inputs of a task are kept."""
        visit: Visit = request.scope["user"]
        async with visit.behind.sessions() as session:
            days = await read_retention(
                session, visit.caller.tenant_id, most=visit.behind.settings.studio_days
            )
        return Retention(days)

    @put()
    async def set_days(
        self, request: Request[Any, Any, Any], data: JSONBody[Retention]
    ) -> Retention:
        """Have them kept for fewer days than the operator's, of what ended already too."""
        visit: Visit = request.scope["user"]
        most = visit.behind.settings.studio_days
        if not 0 <= data.days <= most:
            raise InvalidParameter("days", f"must be 0 to {most}")
        async with visit.behind.sessions.begin() as session:
            await set_retention(session, visit.caller.tenant_id, data.days)
        return data
