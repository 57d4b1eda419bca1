"""Files: what is kept for the tenant, results and what it sent; sending one, and ending one."""

from typing import Any
from urllib.parse import quote

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from relay.errors import (
    AssetNotFound,
    FilesFull,
    InvalidParameter,
    RelayError,
    TooManyCalls,
    TooSlow,
    UploadsNotTaken,
)
from relay.html.form import CSRF, Form, read_form
from relay.portal.access import may
from relay.portal.acting import OK, attempt
from relay.portal.files import Columns
from relay.portal.gate import ROOT, PortalVisitor
from relay.portal.lists import AnswerList, AskFor
from relay.portal.page import Asked, Page
from relay.proxy.body import ClientGone
from relay.proxy.upload_surface import UploadSurface
from relay.tenants.scope import Scope

HERE = f"{ROOT}/files"
SEND = f"{HERE}/send"
"""Answered before all pages, which read a form whole: a file goes to the store as it comes."""
COLUMNS = Columns(
    (
        *("asset_id", "state", "source", "content_type", "bytes", "sha256"),
        *("created_at", "stored_at", "kept_until", "ended_at"),
    ),
    counts=("bytes",),
    moments=("created_at", "stored_at", "kept_until", "ended_at"),
)
STATES = ("stored", "due", "lost", "deleted")
WRONG = {
    InvalidParameter: "kind",
    FilesFull: "full",
    UploadsNotTaken: "off",
    TooManyCalls: "busy",
    TooSlow: "slow",
}
"""Why none was kept, in the address of the page that says it."""


class KeptFiles(Controller):
    path = HERE

    @get()
    async def show_list(self, page: NamedDependency[Page]) -> Response[Any]:
        """List them, newest first."""
        found = await FILES.page(page)
        kept = await page.asking.get("/assets", pageSize=1)
        return await page.render(
            "files/list.html",
            form=found.form,
            files=found.rows,
            next_cursor=found.next_cursor,
            kept=kept,
            wrong=page.request.query_params.get("wrong", ""),
        )

    @get("/list/{form_name:str}")
    async def show_file(
        self, page: NamedDependency[Page], form_name: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it."""
        return await FILES.file(page, form_name, back=HERE)

    @get("/{asset:str}/delete")
    async def ask_delete(self, page: NamedDependency[Page], asset: FromPath[str]) -> Response[Any]:
        """Ask whether one is to end."""
        return await _ask(page, asset, Form(page.say))

    @post("/{asset:str}/delete", guards=[may(Scope.CALL)])
    async def delete(
        self, page: NamedDependency[Page], request: Asked, asset: FromPath[str]
    ) -> Response[Any]:
        """End one before its time."""
        form = await read_form(request, page.say)
        shown = await _read(page, asset)
        path = f"/assets/{quote(shown['asset_id'], safe='')}/delete"
        _, status = await attempt(page, form, lambda: page.asking.post(path))
        if form.is_right:
            return page.go(HERE, said="removed")
        return await _ask(page, asset, form, status=status)


async def keep_file(
    uploads: UploadSurface, visitor: PortalVisitor, scope: Any, receive: Any, send: Any
) -> None:
    """Keep the file of a form as it comes, and lead to the list, which says what became of it.

    The form's word comes before its file, of which none is read without it.
    """
    try:
        is_kept = await uploads.take_form(
            visitor.caller, scope, receive, first=(CSRF, visitor.csrf.encode())
        )
        there = f"{HERE}?said=added" if is_kept else f"{HERE}?wrong=stale"
    except ClientGone:
        return
    except RelayError as error:
        there = f"{HERE}?wrong={WRONG.get(type(error), 'later')}"
    headers = [(b"location", there.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _asked_of(page: Page, form: Form) -> AskFor:
    state = form.choice("state", STATES)

    async def ask(before: object, most: int) -> tuple[list[Any], object]:
        found = await page.asking.get("/assets", state=state, before=before, pageSize=most)
        return found["assets"], found["next_before"]

    return ask


FILES = AnswerList(_asked_of, COLUMNS, name="files", title=lambda page: page.say("Files"))


async def _ask(page: Page, key: str, form: Form, *, status: int = OK) -> Response[Any]:
    return await page.render(
        "files/delete.html", status=status, shown=await _read(page, key), form=form
    )


async def _read(page: Page, key: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await page.asking.get(f"/assets/{quote(key, safe='')}")
    except AssetNotFound as error:
        raise NotFoundException from error
    return found
