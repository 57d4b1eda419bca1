"""A real browser before the pages of a relay in process, and what must never be seen in one."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn

from relay.logins.links import make_link
from tests.relay_app import Relay

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
WIDE, PHONE = (1280, 860), (390, 844)

NewKey = Callable[[], Awaitable[str]]


def skip_without_browser() -> None:
    """Skip a module, with a word, where there is no browser or nothing that drives it."""
    pytest.importorskip("playwright", reason="playwright is not installed: uv run --group browser")
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine", allow_module_level=True)


class Browsing:
    """One browser at one site."""

    def __init__(self, chromium: Any, origin: str, root: str, new_key: NewKey) -> None:
        """`new_key`: of a link that lets in, below `root`."""
        self._chromium = chromium
        self.origin = origin
        self.root = root
        self._new_key = new_key
        self.wrongs: list[str] = []
        """What pages complained of, and what they asked others for."""

    @asynccontextmanager
    async def page(
        self,
        *,
        language: str = "en",
        scheme: str = "light",
        size: tuple[int, int] = WIDE,
        has_script: bool = True,
        enters: bool = True,
    ) -> AsyncIterator[Any]:
        """Open a window of a browser that nobody has used before."""
        context = await self._chromium.new_context(
            base_url=self.origin,
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            locale="zh-CN" if language == "zh" else "en-GB",
            java_script_enabled=has_script,
            reduced_motion="reduce",
        )
        await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.origin)
        page = await context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda said: self._note(said.type in ("error", "warning"), said.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))  # noqa: FBT003
        page.on("request", lambda asked: self._note(self._is_foreign(asked.url), asked.url))
        try:
            if enters:
                await page.goto(f"{self.root}/enter?key={await self._new_key()}")
                await page.click("button.main")
            yield page
        finally:
            await context.close()

    def _note(self, is_wrong: bool, what: str) -> None:  # noqa: FBT001 (as events tell it)
        # A page that refuses something says so by its status, which a browser notes too.
        if is_wrong and not what.startswith("Failed to load resource: the server responded with"):
            self.wrongs.append(what)

    def _is_foreign(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme != "data" and f"{parts.scheme}://{parts.netloc}" != self.origin


@asynccontextmanager
async def browsing(relay: Relay) -> AsyncIterator[Browsing]:
    """Serve the office on a socket, and start a browser at the console."""

    async def new_key() -> str:
        async with relay.sessions.begin() as session:
            return await make_link(session, system_user="ann")

    async with browsing_at(relay, relay.app.state.office, "/console", new_key) as browser:
        yield browser


@asynccontextmanager
async def browsing_at(
    relay: Relay, app: Any, root: str, new_key: NewKey
) -> AsyncIterator[Browsing]:
    """Serve an application of a relay's on a socket, and start a browser at a site of it."""
    async with serving(app) as origin:
        try:
            async with chromium() as one:
                yield Browsing(one, origin, root, new_key)
        finally:
            relay.app.state.stopping.set()


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """Start a browser."""
    from playwright.async_api import async_playwright  # noqa: PLC0415 (not on every machine)

    async with async_playwright() as playwright:
        one = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield one
        await one.close()


@asynccontextmanager
async def serving(app: Any, listener: socket.socket | None = None) -> AsyncIterator[str]:
    """Serve an application on a socket, by default of its own; what it is given is its origin."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, interface="asgi3", lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    # Not `serve`, which takes the signals of the process that runs the tests.
    running = asyncio.create_task(server._serve([listener]))  # noqa: SLF001
    try:
        yield origin_of(listener)
    finally:
        server.should_exit = True
        await running
        listener.close()


def origin_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"
