"""An application that is built when somebody first asks it: most processes are never asked."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

_BUILDING = threading.Lock()
"""Handlers are the process's, and registered by one at a time."""


class Later:
    """An ASGI application of some hundred pages, a quarter of what a start takes."""

    def __init__(self, build: Callable[[], Any]) -> None:
        """`build`: asked once; cached where the relays of one process share what it builds."""
        self._build = build
        self._built: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer; the first answer takes a third of a second longer."""
        if self._built is None:
            # In a thread: tenants are served meanwhile.
            await asyncio.to_thread(self._build_alone)
        await self._built(scope, receive, send)

    def _build_alone(self) -> None:
        with _BUILDING:
            if self._built is None:  # else another first request was faster
                self._built = self._build()
