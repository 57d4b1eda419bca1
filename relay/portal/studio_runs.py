"""What the studio has made and makes: the list, one with its steps, and what is done from there."""

from decimal import Decimal
from typing import Any
from urllib.parse import quote

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from relay.errors import InvalidParameter, TaskNotFound
from relay.html.downloads import hand_out
from relay.html.form import Form
from relay.html.results import Result, files_origin, result_of
from relay.portal.access import may
from relay.portal.asking_studio import PREFIX, StudioSaid
from relay.portal.code import as_code
from relay.portal.files import Columns
from relay.portal.following import digest, follow
from relay.portal.lists import AT_ONCE, AnswerList, AskFor
from relay.portal.page import Page
from relay.portal.panels import Panel, read_panels
from relay.portal.problems import sentence_of
from relay.portal.studio import HERE as STUDIO
from relay.portal.studio import check_studio, panel_address, run_address
from relay.portal.trying import spelt
from relay.tenants.scope import Scope

HERE = f"{STUDIO}/runs"
STATES = ("pending", "processing", "completed", "failed", "cancelled")
OPEN = ("pending", "processing")
AGAIN = ("failed", "skipped")
"""States of steps that a retry does once more."""
AT_KLING = ("sent", "keeping")
FILE_ROWS = 99
"""A page of the studio's list has at most one more."""
OK, WRONG = 200, 422
COLUMNS = Columns(
    (
        *("task_id", "task_type", "status", "progress", "source", "quote", "charged"),
        *("error_code", "error_message", "output_url", "created_at", "completed_at"),
    ),
    amounts=("quote", "charged"),
    counts=("progress",),
    moments=(),
)


class StudioRuns(Controller):
    path = HERE

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List them, newest first."""
        check_studio(page)
        found = await RUNS.page(page)
        panels = await read_panels(page.studio)
        return await page.render(
            "studio/runs.html",
            form=found.form,
            runs=found.rows,
            next_cursor=found.next_cursor,
            states=STATES,
            types=sorted({one.task_type for one in panels}),
        )

    @get("/list/{form_name:str}")
    async def show_file(
        self, page: NamedDependency[Page], form_name: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        check_studio(page)
        return await RUNS.file(page, form_name, back=HERE)

    @get("/events")
    async def follow_all(self, page: NamedDependency[Page]) -> Response[Any]:
        """Say that something is new, for as long as somebody looks at the list."""
        check_studio(page)

        async def look() -> object:
            runs = (await page.studio.get("/ai-tasks", page_size=AT_ONCE))["tasks"]
            return [_lasting(one) for one in runs]

        return follow(page, look)

    @get("/{run:str}")
    async def show(self, page: NamedDependency[Page], run: FromPath[str]) -> Response[Any]:
        """Tell how one is, and what it made."""
        return await _show(page, run)

    @get("/{run:str}/events")
    async def follow_one(
        self, page: NamedDependency[Page], run: FromPath[str], seen: FromQuery[str] = ""
    ) -> Response[Any]:
        """Say that it has moved since it was shown, for as long as somebody looks at it."""
        await _read(page, run)

        async def look() -> object:
            return _digest(await _read(page, run))

        return follow(page, look, seen=seen)

    @get("/{run:str}/steps/{step:str}/files/{number:int}")
    async def hand_out(
        self,
        page: NamedDependency[Page],
        run: FromPath[str],
        step: FromPath[str],
        number: FromPath[int],
    ) -> Response[Any]:
        """Hand out a file that a step made, the first one being 1."""
        told = await _read(page, run)
        made = next((one for one in told["steps"] if one["name"] == step), None)
        if made is None or not 1 <= number <= len(made["output_urls"]):
            raise NotFoundException
        sandbox_url = await _sandbox_url(page, told, made)
        result = _result(page, made["output_urls"][number - 1], sandbox_url)
        if not result.is_known:
            raise NotFoundException
        return await hand_out(
            *(page, page.portal.files.passing, result),
            sandbox_url=sandbox_url,
            whose=page.visitor.caller.tenant_id,
            stem=f"{told['task_type']}-{step}-{number}",
        )

    @get("/{run:str}/cancel")
    async def ask_to_cancel(self, page: NamedDependency[Page], run: FromPath[str]) -> Response[Any]:
        """Ask before one is ended, and say what that does not end."""
        return await _ask(page, run, "studio/cancel.html", Form(page.say))

    @post("/{run:str}/cancel", guards=[may(Scope.CALL)])
    async def cancel(self, page: NamedDependency[Page], run: FromPath[str]) -> Response[Any]:
        """Begin nothing new of it."""
        form = Form(page.say)
        done = await _act(page, run, "cancel", form)
        if done is not None and not done["success"]:
            form.errors[""] = page.sentence(done["message"])
        if not form.is_right:
            return await _ask(page, run, "studio/cancel.html", form, status=WRONG)
        return page.go(run_address(run), said="done")

    @get("/{run:str}/retry")
    async def ask_to_retry(self, page: NamedDependency[Page], run: FromPath[str]) -> Response[Any]:
        """Ask before what failed is done once more."""
        return await _ask(page, run, "studio/retry.html", Form(page.say))

    @post("/{run:str}/retry", guards=[may(Scope.CALL)])
    async def retry(self, page: NamedDependency[Page], run: FromPath[str]) -> Response[Any]:
        """Do what failed once more."""
        form = Form(page.say)
        await _act(page, run, "retry", form)
        if not form.is_right:
            return await _ask(page, run, "studio/retry.html", form, status=WRONG)
        return page.go(run_address(run), said="sent")


def _lasting(told: dict[str, Any]) -> dict[str, Any]:
    """Leave out what changes at every look, and is nothing new: how long it takes, signed links."""
    steps = [{"name": one["name"], "state": one["state"]} for one in told["steps"]]
    names = ("task_id", "status", "progress", "status_message", "error_message", "charged")
    return {name: told[name] for name in names} | {"steps": steps}


def _digest(told: dict[str, Any]) -> str:
    """Tell one state of it from another."""
    return digest(_lasting(told))


async def _read(page: Page, run: str) -> dict[str, Any]:
    """Read one.

    Raises:
        NotFoundException: it is another tenant's, or none.
    """
    check_studio(page)
    try:
        told: dict[str, Any] = await page.studio.get(f"/ai-task/{quote(run, safe='')}")
    except StudioSaid as error:
        if error.is_not_found:
            raise NotFoundException from error
        raise
    return told


async def _show(page: Page, run: str) -> Response[Any]:
    told = await _read(page, run)
    panel = await _panel_of(page, told["task_type"])
    asked = told["input_params"]
    path = await _path_of(page, told["task_type"], panel)
    shown = None if asked is None else spelt(asked)
    return await page.render(
        "studio/run.html",
        run=told,
        is_open=told["status"] in OPEN,
        seen=_digest(told),
        results={one["name"]: await _results(page, told, one) for one in told["steps"]},
        panel=panel,
        anew=None if panel is None or asked is None else panel_address(panel, asked),
        shown=shown,
        code=None if shown is None or path is None else as_code(page.origin, path, shown),
        here=run_address(run),
    )


async def _panel_of(page: Page, task_type: str) -> Panel | None:
    panels = await read_panels(page.studio)
    return next((one for one in panels if one.task_type == task_type), None)


async def _path_of(page: Page, task_type: str, panel: Panel | None) -> str | None:
    """Say where programs ask for such a thing; None of what is asked for nowhere any more."""
    if panel is not None:
        return panel.path
    if task_type == "variants":
        return f"{PREFIX}/variants"
    offered = (await page.studio.get("/capabilities"))["capabilities"]
    return next((str(one["path"]) for one in offered if one["name"] == task_type), None)


async def _results(page: Page, run: dict[str, Any], step: dict[str, Any]) -> list[Result]:
    if not step["output_urls"]:
        return []
    sandbox_url = await _sandbox_url(page, run, step)
    return [_result(page, url, sandbox_url) for url in step["output_urls"]]


async def _sandbox_url(page: Page, run: dict[str, Any], step: dict[str, Any]) -> str | None:
    """Say where the sandbox is that made it, if one did and its host is none that pages know.

    What is answered at once has no id to find it by; then that of another step is as good.
    """
    ours_at = files_origin(page.portal.settings)
    if all(result_of(url, ours_at=ours_at).is_known for url in step["output_urls"]):
        return None
    ids = [one["provider_task_id"] for one in (step, *run["steps"]) if one["provider_task_id"]]
    try:
        return await page.portal.files.sandbox_url(page.visitor.caller, ids[0]) if ids else None
    except TaskNotFound:
        return None


def _result(page: Page, url: str, sandbox_url: str | None) -> Result:
    return result_of(url, ours_at=files_origin(page.portal.settings), sandbox_url=sandbox_url)


async def _ask(
    page: Page, run: str, template: str, form: Form, *, status: int = OK
) -> Response[Any]:
    told = await _read(page, run)
    again = [one for one in told["steps"] if one["state"] in AGAIN]
    sees_money = told["quote"] is not None
    return await page.render(
        template,
        status=status,
        run=told,
        form=form,
        is_open=told["status"] in OPEN,
        at_kling=[one for one in told["steps"] if one["state"] in AT_KLING],
        again=again,
        total=sum((Decimal(one["quote"]) for one in again), Decimal(0)) if sees_money else None,
        here=run_address(run),
    )


async def _act(page: Page, run: str, act: str, form: Form) -> Any:
    """Have something done, and give what was answered; what is wrong stands in the form."""
    told = await _read(page, run)
    try:
        return await page.studio.post(f"/ai-task/{quote(told['task_id'], safe='')}/{act}")
    except StudioSaid as error:
        is_of_it = error.field == "task_id"
        form.errors[""] = page.sentence(error.told) if is_of_it else sentence_of(error, page)
        return None


def _asked_of(page: Page, form: Form) -> AskFor:
    state = form.choice("state", STATES)
    kind = form.text("type")

    async def ask(before: object, most: int) -> tuple[list[Any], object]:
        try:
            told = await page.studio.get(
                "/ai-tasks",
                status=state,
                task_type=kind,
                before=before,
                page_size=min(most, FILE_ROWS),
            )
        except StudioSaid as error:
            if error.field is None:
                raise
            raise InvalidParameter(error.field, error.told) from error
        return told["tasks"], told["next_before"]

    return ask


RUNS = AnswerList(_asked_of, COLUMNS, name="studio", title=lambda page: page.say("Studio"))
