"""One process, one loop, two listeners: tenants' port, and the office's, each where there is one.

They are one uvicorn server with two sockets, so that they start, drain and stop as one.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import uvicorn

from relay.server.bounded_request import BoundedRequest
from relay.settings import Settings
from relay.stopping import Stopping

KEEPALIVE_S = 75
"""Longer than the 60 s of nginx and of most clients, so that they close an idle connection first:
a request that meets a closing server is lost."""


SAID_BYTES_MAX, PING_S = 16 * 1024, 15.0
"""Of what a client of a WebSocket says at once; how often it is asked whether it is there."""


class Listener(NamedTuple):
    """A bound socket, and who answers there."""

    socket: socket.socket | None
    """None: the application only lives, as a worker does."""
    app: Any
    """An ASGI application."""
    is_page: Callable[[bytes], bool] = BoundedRequest.is_page
    """Of a raw path: whether its answer may stream."""
    is_socket: Callable[[bytes], bool] = BoundedRequest.is_socket
    """Of a raw path: whether it may be opened as a WebSocket."""


def run_server(
    front: Listener,
    office: Listener | None,
    *,
    settings: Settings,
    stopping: Stopping,
    on_started: Callable[[socket.socket | None], None],
) -> bool:
    """Serve until a signal, then drain; False if it never started, which is in the log.

    The lifespan of the front's application is that of both, and both are listened on when it has
    started. `on_started` is given the office's socket, None if another process has its port.
    `stopping` is set when the drain begins; what has not ended in time is cut, so that all is
    closed when the drain is over.

    Raises:
        OSError: another process has the front's port by now.
    """
    server = _Server(front, office, settings=settings, stopping=stopping, on_started=on_started)
    # uvicorn handles the signals while it serves, and then raises them once more for us.
    server.run(sockets=[] if front.socket is None else [front.socket])
    return server.started


class _Server(uvicorn.Server):
    def __init__(
        self,
        front: Listener,
        office: Listener | None,
        *,
        settings: Settings,
        stopping: Stopping,
        on_started: Callable[[socket.socket | None], None],
    ) -> None:
        super().__init__(_config(front, settings, stopping=stopping, has_lifespan=True))
        self._office = office
        self._settings = settings
        self._stopping = stopping
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen on both."""
        try:
            await super().startup(sockets=sockets)
        except SystemExit:  # uvicorn's, with a code of its own: the lifespan failed
            self.should_exit = True
            return
        except OSError:
            await self.lifespan.shutdown()
            raise
        self._on_started(await self._listen_in_office())

    async def _listen_in_office(self) -> socket.socket | None:
        office = self._office
        if office is None or office.socket is None:
            return None
        protocol = _protocol(office, self._settings)
        config = _config(office, self._settings, stopping=self._stopping, has_lifespan=False)
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: protocol(config, self.server_state, {}),
                sock=office.socket,
                backlog=config.backlog,
            )
        except OSError:  # two that started at once were both bound
            self._office = None
            return None
        self.servers.append(server)
        return office.socket

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the streams, and drain both."""
        self._stopping.set()
        office = None if self._office is None else self._office.socket
        await super().shutdown(sockets=[*(sockets or []), *([] if office is None else [office])])


def _protocol(listener: Listener, settings: Settings) -> type[BoundedRequest]:
    class Protocol(BoundedRequest):
        body_bytes_max = settings.body_limit_mb * 1024 * 1024
        is_page = staticmethod(listener.is_page)
        is_socket = staticmethod(listener.is_socket)

    return Protocol


def _config(
    listener: Listener, settings: Settings, *, stopping: Stopping, has_lifespan: bool
) -> uvicorn.Config:
    return uvicorn.Config(
        listener.app,
        interface="asgi3",
        http=_protocol(listener, settings),
        loop="auto",  # uvloop where it can be imported
        ws="none",  # Kling has none; ours are opened by `BoundedRequest`
        ws_max_size=SAID_BYTES_MAX,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
        lifespan="on" if has_lifespan else "off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEPALIVE_S,
        # uvicorn hands it to asyncio, which takes parts of a second too.
        timeout_graceful_shutdown=stopping.under_way_s,  # type: ignore[arg-type]
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
    )
