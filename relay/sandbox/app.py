"""The sandbox as a Litestar application: Kling's surface, and the sandbox's own pages beside it."""

import re
from dataclasses import asdict
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.enums import ScopeType
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.types import Scope

from relay.sandbox.books import Books
from relay.sandbox.callbacks import Callbacks
from relay.sandbox.catalogue import list_rows
from relay.sandbox.charges import Charges
from relay.sandbox.faults import FIELD, HEADER, WORDS
from relay.sandbox.identifiers import Ids
from relay.sandbox.ledger import Ledger, Requests
from relay.sandbox.settings import SandboxSettings
from relay.sandbox.surface import Surface
from relay.sandbox.tasks import Tasks
from relay.sandbox.timeline import Timeline

_MEDIA = {
    "mp4": ("video/mp4", "clip.mp4"),
    "png": ("image/png", "image.png"),
    "mp3": ("audio/mpeg", "sound.mp3"),
    "wav": ("audio/wav", "sound.wav"),
}
_FILES = {
    extension: (media_type, (Path(__file__).parent / "media" / name).read_bytes())
    for extension, (media_type, name) in _MEDIA.items()
}
"""One small real file of each kind stands for all results; made with ffmpeg."""
_RANGE = re.compile(r"bytes=(\d{1,12})-(\d{1,12})?")


class Sandbox:
    """A Kling of its own, with no tasks; an ASGI application that needs no lifespan.

    What is not below `/sandbox` is Kling's surface, and is not Litestar's to route. Timers and
    callbacks use the loop of the request, and end with `aclose` or a reset.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        *,
        callback_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`callback_transport` sends callbacks elsewhere than to sockets, as to an app in process.

        `ledger` is what it did, `requests` what it was asked.
        """
        self.settings = settings
        self.ledger, self.requests = Ledger(settings.log_path), Requests()
        ids = Ids()
        self.books = Books(
            Tasks(ids, concurrency=settings.concurrency),
            self.ledger,
            ids,
            charges=Charges(video_units=settings.video_units),
        )
        self._callbacks = Callbacks(self.ledger, callback_transport)
        self._timeline = Timeline(self.books, self._callbacks, task_seconds=settings.task_seconds)
        self._surface = Surface(settings, self.books, self._timeline, self.requests)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        path = str(scope.get("path", ""))
        if scope["type"] == ScopeType.HTTP and not f"{path}/".startswith("/sandbox/"):
            await self._surface(scope, receive, send)
        else:
            scope["sandbox"] = self
            await _pages()(scope, receive, send)

    async def reset(self) -> None:
        """Forget all, and end what was to come."""
        await self.aclose()
        self.books.clear()
        self.ledger.clear()
        self.requests.entries.clear()

    async def aclose(self) -> None:
        """End its timers and what it was calling back."""
        self._timeline.stop()
        await self._callbacks.close()


def _sandbox_of(scope: Scope) -> Sandbox:
    sandbox = scope["sandbox"]  # type: ignore[typeddict-item]  # set above
    assert isinstance(sandbox, Sandbox)
    return sandbox


@cache
def _pages() -> Litestar:
    """Build the sandbox's own pages, for all of a process: whose they are, a request says."""
    return Litestar(
        [show_overview, show_log, show_requests, serve_file, reset, buy_units],
        dependencies={"sandbox": Provide(_sandbox_of, sync_to_thread=False)},
        request_max_body_size=None,  # 67 MB of base64 are legal at Kling
        openapi_config=None,
        logging_config=None,
    )


@post("/sandbox/reset", status_code=204)
async def reset(sandbox: NamedDependency[Sandbox]) -> None:
    """Forget all tasks, and all that was bought."""
    await sandbox.reset()


@post("/sandbox/units", status_code=204)
async def buy_units(
    sandbox: NamedDependency[Sandbox], access_key: FromQuery[str], units: FromQuery[int]
) -> None:
    """Add to what an account has."""
    sandbox.books.charges.buy(access_key, "video", Decimal(units))


@get("/sandbox")
async def show_overview(sandbox: NamedDependency[Sandbox]) -> dict[str, object]:
    """Say what this is, what it can be asked for, and which accounts it knows."""
    settings = sandbox.settings
    return {
        "sandbox": "A Kling to test against. Nothing here costs money or makes a new video.",
        "access_keys": [account.access_key for account in settings.accounts],
        "task_seconds": settings.task_seconds,
        "concurrency": settings.concurrency,
        "video_units": settings.video_units,
        "endpoints": [row.path for row in list_rows() if not row.is_sync],
        "catalogue": [asdict(row) for row in list_rows()],
        "faults_in_prompt": {f"[{word}]": effect for word, effect in WORDS.items()},
        "faults_elsewhere": f"header {HEADER.decode()}, query or body field {FIELD}",
        "log": "/sandbox/log",
        "requests": "/sandbox/requests",
        "reset": "POST /sandbox/reset",
        "buy_units": "POST /sandbox/units?access_key=AK&units=N",
    }


@get("/sandbox/log")
async def show_log(sandbox: NamedDependency[Sandbox]) -> list[dict[str, object]]:
    """List what was accepted, ended and called back, the oldest first."""
    return sandbox.ledger.entries


@get("/sandbox/requests")
async def show_requests(sandbox: NamedDependency[Sandbox]) -> list[dict[str, object]]:
    """List the last requests to Kling's paths, the oldest first."""
    return list(sandbox.requests.entries)


@get("/sandbox/files/{name:str}", raises=[NotFoundException])
async def serve_file(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Serve a result, or a range of it, as Kling's hosts do.

    Every id has the same content, and needs no credential as Kling's URLs.
    """
    file_id, _, extension = name.partition(".")
    if extension not in _FILES or not file_id.isdecimal():
        raise NotFoundException
    media_type, content = _FILES[extension]
    headers = {"accept-ranges": "bytes"}
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None:
        return Response(content, media_type=media_type, headers=headers)
    first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
    if first > last:
        headers["content-range"] = f"bytes */{len(content)}"
        return Response(b"", media_type=media_type, headers=headers, status_code=416)
    headers["content-range"] = f"bytes {first}-{last}/{len(content)}"
    return Response(
        content[first : last + 1], media_type=media_type, headers=headers, status_code=206
    )
