"""Tasks: the list, one with what happened to it and its result, and what is done from there."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.status_codes import HTTP_422_UNPROCESSABLE_ENTITY

from relay.errors import InvalidParameter, TaskNotFound
from relay.html.downloads import hand_out
from relay.html.form import Form
from relay.html.results import Result, files_origin, result_of
from relay.portal.expected import expected
from relay.portal.files import Columns
from relay.portal.following import digest, follow
from relay.portal.gate import ROOT
from relay.portal.lists import AT_ONCE, AnswerList, AskFor
from relay.portal.page import Asked, Page
from relay.portal.windows import read_window

HERE = f"{ROOT}/tasks"
STATES = ("queued", "submitted", "processing", "succeed", "failed")
COLUMNS = Columns(
    (
        *("task_id", "external_task_id", "endpoint", "model_name", "task_status"),
        *("task_status_msg", "token_id", "is_test", "held", "charged", "currency"),
        *("created_at", "ended_at"),
    ),
    amounts=("held", "charged"),
)
"""Of a file; where the money is not the visitor's to see, it has none."""
KLING_KEEPS = timedelta(days=30)
"""Results, from when they are made (docs/kling-api.md 12)."""
ID_CHARS_MAX = 300


class Tasks(Controller):
    path = HERE

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List tasks by any filter, which stands in the address."""
        found = await TASKS.page(page)
        return await page.render(
            "tasks/list.html",
            form=found.form,
            tasks=[(one, expected(one, None, now=datetime.now(UTC))) for one in found.rows],
            next_cursor=found.next_cursor,
            states=STATES,
            endpoints=sorted({one.name for one in page.portal.catalogue.endpoints}),
            names=await page.key_names() or {},
        )

    @get("/list/{form_name:str}")
    async def show_file(
        self, page: NamedDependency[Page], form_name: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        return await TASKS.file(page, form_name, back=HERE)

    @get("/find")
    async def find(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Lead to the task with an id that its tenant knows: the task's, its own, a request's."""
        key = request.query_params.get("id", "").strip()[:ID_CHARS_MAX]
        if key:
            try:
                task = await page.asking.get(f"/tasks/{_quoted(key)}")
            except TaskNotFound:
                told = await page.asking.get("/tasks", request_id=key)
                task = next(iter(told["tasks"]), None)
            if task is not None and task["task_id"] is not None:
                return page.go(_address(task["task_id"]))
            if task is not None:
                return await _show(page, key)  # it is being sent, and has no other id yet
        return await page.render("tasks/found.html", key=key)

    @get("/events")
    async def follow_all(self, page: NamedDependency[Page]) -> Response[Any]:
        """Say that something is new, for as long as somebody looks; the page then asks for it."""
        asking = page.asking

        async def look() -> object:
            tasks = (await asking.get("/tasks", pageSize=AT_ONCE))["tasks"]
            # How long such tasks take changes all along, and is nothing new of any of them.
            return [one | {"usual": None} for one in tasks]

        return follow(page, look)

    @get("/{task_id:str}/events")
    async def follow_one(
        self, page: NamedDependency[Page], task_id: FromPath[str], seen: FromQuery[str] = ""
    ) -> Response[Any]:
        """Say that one has moved since it was shown, for as long as somebody looks at it."""
        asking, path = page.asking, f"/tasks/{_quoted(task_id)}"
        await asking.get(path)

        async def look() -> object:
            return _digest(await asking.get(path))

        return follow(page, look, seen=seen)

    @get("/{task_id:str}")
    async def show(self, page: NamedDependency[Page], task_id: FromPath[str]) -> Response[Any]:
        """Tell what there is to tell of one task."""
        return await _show(page, task_id)

    @get("/{task_id:str}/cancel")
    async def ask_to_cancel(
        self, page: NamedDependency[Page], task_id: FromPath[str]
    ) -> Response[Any]:
        """Ask before a task is ended."""
        return await _ask_to_cancel(page, task_id, Form(page.say))

    @post("/{task_id:str}/cancel")
    async def cancel(self, page: NamedDependency[Page], task_id: FromPath[str]) -> Response[Any]:
        """End one that waits for room."""
        try:
            await page.asking.post(f"/tasks/{_quoted(task_id)}/cancel")
        except TaskNotFound:
            raise
        except InvalidParameter:
            form = Form(page.say)
            form.errors[""] = page.say("It does not wait any more: nothing was changed.")
            return await _ask_to_cancel(page, task_id, form, status=HTTP_422_UNPROCESSABLE_ENTITY)
        return page.go(_address(task_id), said="done")

    @get("/{task_id:str}/files/{number:int}")
    async def hand_out(
        self, page: NamedDependency[Page], task_id: FromPath[str], number: FromPath[int]
    ) -> Response[Any]:
        """Hand out a file of its result, the first one being 1."""
        task = await page.asking.get(f"/tasks/{_quoted(task_id)}")
        if not 1 <= number <= len(task["results"]):
            raise NotFoundException
        caller, files = page.visitor.caller, page.portal.files
        sandbox_url = await files.sandbox_url(caller, task_id)
        result = _result(page, task["results"][number - 1], sandbox_url)
        if not result.is_known:
            raise NotFoundException
        return await hand_out(
            *(page, files.passing, result),
            sandbox_url=sandbox_url,
            whose=caller.tenant_id,
            stem=f"{task['task_id']}-{number}",
        )

    @post("/{task_id:str}/callbacks/{delivery_id:str}")
    async def call_again(
        self, page: NamedDependency[Page], task_id: FromPath[str], delivery_id: FromPath[str]
    ) -> Response[Any]:
        """Have a callback sent once more."""
        await page.asking.post(f"/deliveries/{_quoted(delivery_id)}/replay")
        return page.go(_address(task_id), said="due")


async def _show(page: Page, key: str) -> Response[Any]:
    asking = page.asking
    task = await asking.get(f"/tasks/{_quoted(key)}")
    told = await asking.get(f"/tasks/{_quoted(key)}/timeline")
    deliveries = []
    if task["tenant"] is None and task["task_id"] is not None:
        deliveries = await asking.get("/deliveries", task_id=task["task_id"])
    ended_at = page.at(task["ended_at"])
    sandbox_url = None
    if task["results"]:
        sandbox_url = await page.portal.files.sandbox_url(page.visitor.caller, key)
    return await page.render(
        "tasks/one.html",
        task=task,
        expected=expected(task, task["queue"], now=datetime.now(UTC)),
        timeline=told["timeline"],
        deliveries=deliveries,
        results=[_result(page, url, sandbox_url) for url in task["results"]],
        deleted_at=None if ended_at is None else ended_at + KLING_KEEPS,
        names=await page.key_names() or {},
        here=_address(task["task_id"] or key),
        seen=_digest(task) if task["ended_at"] is None else None,
    )


def _digest(task: dict[str, Any]) -> str:
    names = ("task_id", "task_status", "task_status_msg", "waits_for", "ended_at")
    return digest({name: task[name] for name in names})


def _result(page: Page, url: str, sandbox_url: str | None) -> Result:
    return result_of(url, ours_at=files_origin(page.portal.settings), sandbox_url=sandbox_url)


async def _ask_to_cancel(
    page: Page, task_id: str, form: Form, *, status: int = 200
) -> Response[Any]:
    task = await page.asking.get(f"/tasks/{_quoted(task_id)}")
    return await page.render(
        "tasks/cancel.html", status=status, task=task, form=form, here=_address(task_id)
    )


def _asked_of(page: Page, form: Form) -> AskFor:
    """Read what a list is asked for, in the words of `GET /relay/tasks`."""
    wanted = {
        "state": form.choice("state", STATES),
        "endpoint": form.text("endpoint"),
        "model": form.text("model"),
        "token": form.whole("token", least=1),
        "tenant": form.text("tenant"),
        "external_task_id": form.text("external_task_id"),
        **read_window(form),
    }

    async def ask(before: object, most: int) -> tuple[list[Any], object]:
        told = await page.asking.get("/tasks", pageSize=most, before=before, **wanted)
        rows = [one | {"currency": told["currency"]} for one in told["tasks"]]
        return rows, told["next_before"]

    return ask


TASKS = AnswerList(_asked_of, COLUMNS, name="tasks", title=lambda page: page.say("Tasks"))


def _quoted(key: str) -> str:
    return quote(key, safe="")


def _address(key: str) -> str:
    return f"{HERE}/{_quoted(key)}"
