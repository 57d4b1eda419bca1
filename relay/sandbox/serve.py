"""The sandbox on a real socket."""

import contextlib
import socket

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from relay.logs import configure_logs
from relay.sandbox.app import Sandbox
from relay.sandbox.replies import CLOSE_EXTENSION
from relay.sandbox.settings import SandboxSettings


class _ClosingProtocol(HttpToolsProtocol):
    """Gives the application a way to close its connection, which ASGI has not."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CLOSE_EXTENSION: self.transport.close}  # type: ignore[dict-item]  # an extension of ours


class SandboxServer(uvicorn.Server):
    """A uvicorn server that knows its URL once it listens (`started`), also on port 0.

    In a thread: run `.run`, wait for `.started`, end it with `.should_exit = True`.
    """

    def __init__(self, settings: SandboxSettings, *, host: str, port: int) -> None:
        self.app = Sandbox(settings)
        super().__init__(
            uvicorn.Config(
                self.app,
                host=host,
                port=port,
                http=_ClosingProtocol,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                timeout_graceful_shutdown=0,  # nothing here is worth waiting for
            )
        )

    @property
    def url(self) -> str:
        """Return the base URL, with the port that was really bound."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets=sockets)
        structlog.get_logger().info("sandbox.started", url=self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and all that was to come."""
        await super().shutdown(sockets=sockets)
        await self.app.aclose()


def run_sandbox(settings: SandboxSettings, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, which end it at once; port 0 picks a free one.

    Says nothing but `sandbox.started` with its url, on stderr. SIGTERM ends the process by that
    signal, as uvicorn does.

    Raises:
        OSError: nothing can listen there, as on a port that is taken.
    """
    # Bound here, since uvicorn would only log that it cannot, and at a level we keep quiet.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, port), family=family) as listener,
        contextlib.suppress(KeyboardInterrupt),
    ):
        configure_logs()
        SandboxServer(settings, host=host, port=port).run(sockets=[listener])
