"""The studio: what can be made, and a panel for each: the form, what it comes to, and the start.

As at `try_it.py` each step is a page of its own, and nothing is sent before the whole price was
seen. What is asked is asked of the studio's own paths, as the tenant's programs would.
"""

from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from relay.errors import RelayError
from relay.html.form import Form, read_form
from relay.kling.inputs import Kind
from relay.portal.asking import KlingSaid
from relay.portal.asking_studio import StudioSaid
from relay.portal.code import as_code
from relay.portal.gate import ROOT
from relay.portal.page import Asked, Page
from relay.portal.panel_forms import body_of, typed_of
from relay.portal.panels import FIRST, IMAGE, IMAGES, Panel, find_panel, read_panels
from relay.portal.problems import sentence_of
from relay.portal.try_it import BYTES_MAX, may_be_made, new_key, own_files
from relay.portal.trying import read_json, read_tried, spelt
from relay.tenants.scope import Scope

HERE = f"{ROOT}/studio"
LATELY = 5
QUERY_CHARS_MAX = 4_000
VOICES_MAX = 500
WRONG = 422


class Studio(Controller):
    path = HERE

    @get()
    async def choose(self, page: NamedDependency[Page]) -> Response[Any]:
        """List what can be made, with what each costs at the least; and what was made lately."""
        if not page.has_studio:
            return await page.render("studio/off.html")
        panels = await read_panels(page.studio)
        lately = await page.studio.get("/ai-tasks", page_size=LATELY)
        workflows = [one for one in panels if one.kind != IMAGE]
        return await page.render(
            "studio/home.html",
            first=[one for one in workflows if one.name in FIRST],
            images=[one for one in panels if one.kind == IMAGE],
            others=[one for one in workflows if one.name not in FIRST],
            runs=lately["tasks"],
        )

    @get("/voices")
    async def show_voices(self, page: NamedDependency[Page]) -> Response[Any]:
        """List Kling's voices, for who has to name one."""
        check_studio(page, Scope.CALL)
        try:
            found = await page.asking.get_of_kling(
                "/v1/general/presets-voices", pageSize=VOICES_MAX
            )
        except (RelayError, KlingSaid) as error:
            return await page.render("studio/voices.html", voices=[], why=sentence_of(error, page))
        voices = [
            voice
            for task in found or []
            for voice in (task.get("task_result") or {}).get("voices") or []
        ]
        return await page.render("studio/voices.html", voices=voices, why=None)

    @get("/make/{kind:str}/{name:str}")
    async def fill_in(
        self, page: NamedDependency[Page], kind: FromPath[str], name: FromPath[str]
    ) -> Response[Any]:
        """Show a panel, with what was filled in by its address."""
        panels, panel = await _panel(page, kind, name)
        given = dict(page.request.query_params.items())
        return await _show(page, panels, panel, Form(page.say, values=given))

    @post("/make/{kind:str}/{name:str}", request_max_body_size=BYTES_MAX)
    async def price(
        self,
        page: NamedDependency[Page],
        request: Asked,
        kind: FromPath[str],
        name: FromPath[str],
    ) -> Response[Any]:
        """Say what it comes to, step by step; nothing is sent yet."""
        panels, panel = await _panel(page, kind, name)
        tried = await read_tried(request, page.say)
        body = body_of(tried, panel, keeps_files=await _keeps_files(page))
        if not tried.form.is_right:
            return await _show(page, panels, panel, tried.form, status=WRONG)
        return await _confirm(page, panels, panel, body, tried.form)

    @post("/make/{kind:str}/{name:str}/start", request_max_body_size=BYTES_MAX)
    async def start(
        self,
        page: NamedDependency[Page],
        request: Asked,
        kind: FromPath[str],
        name: FromPath[str],
    ) -> Response[Any]:
        """Have it made, once, for no more than was seen."""
        panels, panel = await _panel(page, kind, name)
        sent = await read_form(request, page.say)
        body = read_json(sent)
        form = Form(page.say, values=typed_of(panel, body), errors=dict(sent.errors))
        if not sent.is_right:
            return await _show(page, panels, panel, form, status=WRONG)
        key, seen = sent.values.get("key") or new_key(), sent.values.get("sure")
        try:
            priced = await panel.quote(page.studio, body)
            if priced["total"] != seen:
                return await _confirm(page, panels, panel, body, form, key=key, is_changed=True)
            done = await panel.start(page.studio, body, key=key, cap=priced["total"])
        except StudioSaid as error:
            if error.task_id is not None:
                return page.go(run_address(error.task_id))
            if _tell(page, panel, form, error):
                return await _show(page, panels, panel, form, status=WRONG)
            kept = key if may_be_made(error) else None
            return await _confirm(page, panels, panel, body, form, key=kept)
        return page.go(run_address(done["task_id"]), said="sent")


def check_studio(page: Page, scope: Scope | None = None) -> None:
    """Refuse a page of a studio that is not there, or not for this visitor.

    Raises:
        NotFoundException
    """
    if not page.has_studio or (scope is not None and not page.may(scope)):
        raise NotFoundException


def run_address(task_id: str) -> str:
    return f"{HERE}/runs/{quote(task_id, safe='')}"


def panel_address(panel: Panel, body: dict[str, Any]) -> str:
    """Spell a panel's address with what was typed there, unless that is long."""
    query = urlencode(typed_of(panel, body))
    address = f"{HERE}/{panel.address}"
    return f"{address}?{query}" if query and len(query) <= QUERY_CHARS_MAX else address


async def _panel(page: Page, kind: str, name: str) -> tuple[list[Panel], Panel]:
    check_studio(page, Scope.CALL)
    panels = await read_panels(page.studio)
    panel = find_panel(panels, kind, name)
    if panel is None:
        raise NotFoundException
    return panels, panel


async def _keeps_files(page: Page) -> bool:
    kept = await page.asking.get("/assets", pageSize=1)
    return kept["keep_days"] is not None or kept["bytes_max"] is not None


async def _show(
    page: Page, panels: list[Panel], panel: Panel, form: Form, *, status: int = 200
) -> Response[Any]:
    return await page.render(
        "studio/panel.html",
        status=status,
        panel=panel,
        images=[one for one in panels if one.kind == IMAGE] if panel.name in IMAGES else [],
        form=form,
        kinds=Kind,
        own_files=await own_files(page) if panel.has_files else {},
        keeps_files=await _keeps_files(page) if panel.has_files else False,
    )


async def _confirm(
    page: Page,
    panels: list[Panel],
    panel: Panel,
    body: dict[str, Any],
    form: Form,
    *,
    key: str | None = None,
    is_changed: bool = False,
) -> Response[Any]:
    """Ask before it is begun. `key`: of a start that may have been taken, which is then found."""
    try:
        priced = await panel.quote(page.studio, body)
    except StudioSaid as error:
        if not _tell(page, panel, form, error):
            form.errors[""] = page.sentence(error.message)
        return await _show(page, panels, panel, form, status=WRONG)
    shown = spelt(panel.sent(body, cap=priced["total"]))
    return await page.render(
        "studio/confirm.html",
        status=WRONG if form.errors or is_changed else 200,
        panel=panel,
        back=panel_address(panel, body),
        form=form,
        priced=priced,
        is_changed=is_changed,
        body=msgspec.json.encode(body).decode(),
        shown=shown,
        code=as_code(page.origin, panel.path, shown),
        key=key or new_key(),
    )


def _tell(page: Page, panel: Panel, form: Form, error: StudioSaid) -> bool:
    """Tell a refusal beside its field, else of the whole form; says whether there is a field."""
    is_beside = error.field in {one.name for one in panel.fields}
    if is_beside and error.field is not None:
        form.errors[error.field] = page.sentence(error.told)
    else:
        form.errors[""] = sentence_of(error, page)
    return is_beside
