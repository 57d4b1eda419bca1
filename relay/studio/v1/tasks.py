"""`GET /api/v1/tasks/{type}/{id}`: a task as Kling's own path shows it."""

from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.params import FromPath

from relay.errors import InvalidParameter
from relay.kling.endpoint import EndpointKind
from relay.studio.behind import Visit
from relay.studio.v1.answers import PREFIX, Answer, spell
from relay.studio.v1.creates import CREATES

_TASKS = [create for create in CREATES if create.target.kind is EndpointKind.TASK]
TYPES = {
    spelt: create.target
    for create in _TASKS
    for spelt in (create.name, create.endpoint, create.endpoint.replace("-", "_"))
}
"""By the name of the create, and by Kling's word for it."""


@get(f"{PREFIX}/tasks/{{task_type:str}}/{{task_id:str}}", operation_id="v1_task", tags=["v1"])
async def show_task(
    request: Request[Any, Any, Any], task_type: FromPath[str], task_id: FromPath[str]
) -> Response[Answer]:
    """How a task is: what it is called by its create, and Kling's id or the external one."""
    visit: Visit = request.scope["user"]
    line: Any = request.scope["line"]  # type: ignore[typeddict-item]
    endpoint = TYPES.get(task_type)
    if endpoint is None:
        known = ", ".join(create.endpoint for create in _TASKS)
        raise InvalidParameter("type", f"must be one of {known}")
    sent = await visit.behind.kling.answer_within(
        visit.caller, line, f"{endpoint.path}/{quote(task_id, safe='')}"
    )
    return spell(sent, visit.request_id, [])
