"""Try it: any of Kling's endpoints by a form, with the price before it is sent.

Three steps, each a page of its own, so that it works without a script: the form; what it comes to,
with the request as code; and where the task is then. A file goes from step to step in the page, as
base64: nothing of it is kept here.
"""

import secrets as entropy
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR

from relay.errors import NoVerdict, RelayError
from relay.html.form import Form, read_form
from relay.kling.endpoint import Endpoint, EndpointKind
from relay.kling.inputs import FORMS, Kind
from relay.kling.models import is_retired
from relay.portal.asking import KlingSaid
from relay.portal.code import as_code
from relay.portal.gate import ROOT
from relay.portal.page import Asked, Page
from relay.portal.problems import sentence_of
from relay.portal.trying import body_of, read_json, read_tried, spelt
from relay.tenants.scope import Scope

HERE = f"{ROOT}/try"
BYTES_MAX = 44 * 1024 * 1024
"""Of a form: some pictures as base64."""
QUERY_CHARS_MAX = 4_000
SENT = ("path", "sure", "key", "csrf")
"""Fields of the second step, which nobody typed."""
WRONG = 422
OWN_FILES_MAX = 100
FILE_KINDS = {"image": Kind.PICTURE, "audio": Kind.SOUND, "video": Kind.VIDEO}
GROUPS = ("videos", "images", "audio", "general", "solutions")


class Trying(Controller):
    path = HERE

    @get()
    async def choose(self, page: NamedDependency[Page]) -> Response[Any]:
        """List what can be tried, with what each costs at the least."""
        _check(page)
        offered = await page.asking.get("/prices")
        priced = {one["endpoint"] for one in offered["prices"]}
        by_group: dict[str, list[Endpoint]] = {group: [] for group in GROUPS}
        for one in page.portal.catalogue.endpoints:
            if one.method == "POST" and (one.name in priced or one.is_free):
                by_group[group_of(one)].append(one)
        return await page.render("try/list.html", groups=by_group, formed=FORMS)

    @get("/{name:str}")
    async def fill_in(self, page: NamedDependency[Page], name: FromPath[str]) -> Response[Any]:
        """Show an endpoint's form, with what was filled in by its address."""
        endpoint = _endpoint(page, name)
        given = dict(page.request.query_params.items())
        return await _show(page, endpoint, Form(page.say, values=given))

    @post("/{name:str}", request_max_body_size=BYTES_MAX)
    async def price(
        self, page: NamedDependency[Page], request: Asked, name: FromPath[str]
    ) -> Response[Any]:
        """Say what it comes to, and how it is asked for; nothing is sent yet."""
        endpoint = _endpoint(page, name)
        tried = await read_tried(request, page.say)
        form = tried.form
        is_json = "json" in form.values or name not in FORMS
        body = read_json(form) if is_json else body_of(tried, FORMS[name])
        model = form.values.get("model", "")
        if "{model}" in endpoint.path and not model:
            form.errors["model"] = page.say("Fill this in.")
        if not form.is_right:
            return await _show(page, endpoint, form, status=WRONG)
        path = endpoint.path.replace("{model}", quote(model, safe=""))
        return await _confirm(page, endpoint, path, body, form)

    @post("/{name:str}/send", request_max_body_size=BYTES_MAX)
    async def send(
        self, page: NamedDependency[Page], request: Asked, name: FromPath[str]
    ) -> Response[Any]:
        """Send it, once, at the price that was seen."""
        endpoint = _endpoint(page, name)
        form = await read_form(request, page.say)
        path, body = form.values.get("path", ""), read_json(form)
        if not form.is_right or not _is_of(path, endpoint):
            return await _show(page, endpoint, form, status=WRONG)
        key = form.values.get("key") or new_key()
        quote_now = await _quote(page, endpoint, path, body)
        if form.values.get("sure") != _sum_of(quote_now):
            return await _confirm(page, endpoint, path, body, form, key=key, is_changed=True)
        try:
            done = await page.asking.create(path, body, key=key)
        except (RelayError, KlingSaid) as error:
            form.errors[""] = sentence_of(error, page)
            kept = key if may_be_made(error) else None
            return await _confirm(page, endpoint, path, body, form, key=kept)
        task_id = done.get("task_id") or done.get("id") if isinstance(done, dict) else None
        if endpoint.kind is EndpointKind.TASK and task_id:
            return page.go(f"{ROOT}/tasks/{quote(str(task_id), safe='')}", said="sent")
        return await page.render("try/answer.html", endpoint=endpoint, answer=spelt(done))


def group_of(endpoint: Endpoint) -> str:
    """Say what an endpoint makes, as people look for it."""
    for group in ("images", "audio", "general", "solutions"):
        if f"/{group}/" in endpoint.path:
            return group
    return "videos"


async def own_files(page: Page) -> dict[str, list[Any]]:
    """Read which files that are kept may stand in a field, by the field's kind."""
    found = await page.asking.get("/assets", state="stored", pageSize=OWN_FILES_MAX)
    by_kind: dict[str, list[Any]] = {}
    for one in found["assets"]:
        kind = FILE_KINDS.get(str(one["content_type"]).partition("/")[0])
        if kind is not None:
            by_kind.setdefault(kind.value, []).append(one)
    return by_kind


async def _show(page: Page, endpoint: Endpoint, form: Form, *, status: int = 200) -> Response[Any]:
    offered = await page.asking.get("/prices", endpoint=endpoint.name)
    models = list(dict.fromkeys(one["model"] for one in offered["prices"] if one["model"]))
    inputs = FORMS.get(endpoint.name, ())
    takes_files = any(one.kind in FILE_KINDS.values() for one in inputs)
    return await page.render(
        "try/form.html",
        takes_files=takes_files,
        own_files=await own_files(page) if takes_files else {},
        status=status,
        endpoint=endpoint,
        inputs=inputs,
        is_json="json" in form.values or endpoint.name not in FORMS,
        form=form,
        models=[one for one in models if not is_retired(endpoint.name, one)],
        kinds=Kind,
    )


async def _confirm(
    page: Page,
    endpoint: Endpoint,
    path: str,
    body: dict[str, object],
    form: Form,
    *,
    key: str | None = None,
    is_changed: bool = False,
) -> Response[Any]:
    """Ask before it is sent. `key`: of a try that may have made it, which another one then finds.

    Else one for each time that a price is shown: a second click on a button asks for the same.
    """
    try:
        told = await _quote(page, endpoint, path, body)
    except (RelayError, KlingSaid) as error:
        form.errors[""] = sentence_of(error, page)
        return await _show(page, endpoint, form, status=WRONG)
    status = WRONG if form.errors or is_changed else 200
    return await page.render(
        "try/confirm.html",
        status=status,
        endpoint=endpoint,
        back=_back_to(endpoint, form),
        create_path=path,
        form=form,
        quote=told,
        sum=_sum_of(told),
        is_changed=is_changed,
        body=msgspec.json.encode(body).decode(),
        shown=spelt(body),
        code=as_code(page.base_url, path, spelt(body)),
        key=key or new_key(),
    )


async def _quote(
    page: Page, endpoint: Endpoint, path: str, body: dict[str, object]
) -> dict[str, Any] | None:
    """Ask what it would hold; None of what is free."""
    if endpoint.is_free:
        return None
    told: dict[str, Any] = await page.asking.post("/quote", {"path": path, "body": body})
    return told


def _back_to(endpoint: Endpoint, form: Form) -> str:
    """Spell the form's address with what was typed there; files, and what is long, are left out."""
    typed = {name: value for name, value in form.values.items() if value and name not in SENT}
    query = urlencode(typed)
    address = f"{HERE}/{endpoint.name}"
    return f"{address}?{query}" if query and len(query) <= QUERY_CHARS_MAX else address


def _sum_of(told: dict[str, Any] | None) -> str:
    return "0" if told is None else str(told["hold"])


def may_be_made(error: RelayError | KlingSaid) -> bool:
    """Tell whether a create may have been taken though it was answered like that."""
    status = error.status if isinstance(error, KlingSaid) else error.http_status
    return status >= HTTP_500_INTERNAL_SERVER_ERROR or isinstance(error, NoVerdict)


def new_key() -> str:
    return f"portal-{entropy.token_urlsafe(16)}"


def _is_of(path: str, endpoint: Endpoint) -> bool:
    """Tell whether a path is that of an endpoint, whichever model stands in it."""
    before, _, after = endpoint.path.partition("{model}")
    if path == endpoint.path:
        return "{model}" not in path
    middle = path.removeprefix(before).removesuffix(after)
    return before + middle + after == path and "{model}" in endpoint.path and "/" not in middle


def _endpoint(page: Page, name: str) -> Endpoint:
    _check(page)
    for one in page.portal.catalogue.endpoints:
        if one.name == name and one.method == "POST":
            return one
    raise NotFoundException


def _check(page: Page) -> None:
    if not page.may(Scope.CALL):
        raise NotFoundException
