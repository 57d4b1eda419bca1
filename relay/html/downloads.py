"""A result handed out as a file to keep, under its task's name, without being kept here meanwhile.

Browsers save what is of another host only if that host says so, which Kling's does not; so its
bytes come through the relay. What is kept with us is led to: there its own link says it.
"""

import re
from collections.abc import Hashable
from typing import Any
from urllib.parse import urlsplit

from litestar import Response
from litestar.response.base import ASGIResponse

from relay.assets.kinds import SUFFIXES
from relay.assets.links import to_save
from relay.html.page import SitePage
from relay.html.results import ENDS, Result
from relay.results.files import File
from relay.results.passing import Opened, Passing, headers_passed, pass_on

NOT_PLAIN = re.compile(r"[^A-Za-z0-9_-]")
STEM_CHARS_MAX = 100
PLAIN_TYPE = "application/octet-stream"


async def hand_out(
    page: SitePage,
    passing: Passing,
    result: Result,
    *,
    sandbox_url: str | None,
    whose: Hashable,
    stem: str,
) -> Response[Any]:
    """Answer a result that `is_known`; `whose` place it takes, `stem`: its name without an ending.

    Raises:
        TooManyFiles, FileGone, FileUnreachable
    """
    plain = NOT_PLAIN.sub("-", stem)[:STEM_CHARS_MAX]
    if result.is_ours:
        return page.go(to_save(result.url, plain))
    opened = await passing.open(
        result.url,
        sandbox_url=sandbox_url,
        whose=whose,
        headers=page.request.scope["headers"],
    )
    return HandedOut(opened, f"{plain}.{_ending(result.url, opened.file)}")


class HandedOut(Response[bytes]):
    """An answer whose body is read as it is sent."""

    def __init__(self, opened: Opened, name: str) -> None:
        super().__init__(b"")
        self._opened, self._name = opened, name

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        return _Body(self._opened, self._name)


class _Body(ASGIResponse):
    def __init__(self, opened: Opened, name: str) -> None:
        super().__init__(status_code=opened.file.status)
        self._opened, self._name = opened, name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        kind = self._opened.file.header("content-type") or PLAIN_TYPE
        headers = [
            (b"content-type", kind.encode("latin-1", "replace")),
            (b"content-disposition", f'attachment; filename="{self._name}"'.encode()),
            *headers_passed(self._opened.file),
        ]
        await pass_on(send, receive, self._opened, headers, path=scope["path"])


def _ending(url: str, file: File) -> str:
    """Find by what a file ends: as Kling calls it, else by its type."""
    end = urlsplit(url).path.lower().rpartition(".")[2]
    if f".{end}" in ENDS:
        return end
    kind = (file.header("content-type") or "").partition(";")[0].strip().lower()
    return SUFFIXES.get(kind, "bin")
