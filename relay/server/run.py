"""One process, one loop, two listeners: tenants' port, and the office's where there is one.

They are one uvicorn server with two sockets, so that they start, drain and stop as one.
"""

import asyncio
import math
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import uvicorn

from relay.server.bounded_request import BoundedRequest
from relay.settings import Settings

KEEPALIVE_S = 75
"""Longer than the 60 s of nginx and of most clients, so that they close an idle connection first:
a request that meets a closing server is lost."""


class Listener(NamedTuple):
    """A bound socket, and who answers there."""

    socket: socket.socket
    app: Any
    """An ASGI application."""
    is_page: Callable[[bytes], bool] = BoundedRequest.is_page
    """Of a raw path: whether its answer may stream."""


def run_server(
    front: Listener,
    office: Listener | None,
    *,
    settings: Settings,
    stopping: asyncio.Event,
    on_started: Callable[[], None],
) -> bool:
    """Serve until a signal, then drain; False if it never started, which is in the log.

    The lifespan of the front's application is that of both. `stopping` is set when the drain
    begins; what has not ended when it is over is cut.
    """
    server = _Server(front, office, settings=settings, stopping=stopping, on_started=on_started)
    # uvicorn handles the signals while it serves, and then raises them once more for us.
    server.run(sockets=[front.socket])
    return server.started


class _Server(uvicorn.Server):
    def __init__(
        self,
        front: Listener,
        office: Listener | None,
        *,
        settings: Settings,
        stopping: asyncio.Event,
        on_started: Callable[[], None],
    ) -> None:
        super().__init__(_config(front, settings, has_lifespan=True))
        self._office = office
        self._settings = settings
        self._stopping = stopping
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on both."""
        await super().startup(sockets=sockets)
        if not self.started:
            return
        if self._office is not None:
            protocol = _protocol(self._office, self._settings)
            config = _config(self._office, self._settings, has_lifespan=False)
            self.servers.append(
                await asyncio.get_running_loop().create_server(
                    lambda: protocol(config, self.server_state, {}),
                    sock=self._office.socket,
                    backlog=config.backlog,
                )
            )
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the streams, and drain both."""
        self._stopping.set()
        office = [] if self._office is None else [self._office.socket]
        await super().shutdown(sockets=[*(sockets or []), *office])


def _protocol(listener: Listener, settings: Settings) -> type[BoundedRequest]:
    class Protocol(BoundedRequest):
        body_bytes_max = settings.body_limit_mb * 1024 * 1024
        is_page = staticmethod(listener.is_page)

    return Protocol


def _config(listener: Listener, settings: Settings, *, has_lifespan: bool) -> uvicorn.Config:
    return uvicorn.Config(
        listener.app,
        interface="asgi3",
        http=_protocol(listener, settings),
        loop="auto",  # uvloop where it can be imported
        ws="none",  # Kling has no websockets
        lifespan="on" if has_lifespan else "off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEPALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.drain_s),
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
    )
