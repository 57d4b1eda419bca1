"""`relay serve` and `relay worker`: the processes that run."""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database, refuse_other_currency
from relay.cli.endpoints import catalogue
from relay.cli.examples import examples
from relay.cli.failure import Failure, reason

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from relay.settings import Settings

KEEPALIVE_S = 75
"""Longer than the 60 s of nginx and of most clients, so that they close an idle connection first:
a request that meets a closing server is lost."""

GC_ALLOCATIONS = 10_000
"""Between two collections of what is young; Python's own 700 are a few requests."""


@click.command()
@click.option("--host", help="Address to listen on; RELAY_HOST, else 127.0.0.1.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on; RELAY_PORT, else 8700; 0 takes a free one.",
)
@examples(
    "relay serve",
    "RELAY_PUBLIC_URL=https://relay.example.com RELAY_DATABASE_URL=postgresql://… relay serve",
)
def serve(host: str | None, port: int | None) -> None:
    """Serve tenants, and look after their tasks.

    Any number of them may share one database. SIGTERM stops taking connections, lets running
    requests end (RELAY_DRAIN_S) and exits with 0.
    """
    _exit_on_signals()
    catalogue()  # says what is wrong with the settings' endpoints
    with open_database() as database:
        refuse_other_currency(database)
        settings = _with_address(database.settings, host, port)
        listener = _listen(settings)
        with listener:
            from relay.app import create_app
            from relay.logs import configure_logs

            configure_logs(level=settings.log_level)
            app = create_app(settings, database_url=database.url, keys=database.keys)
            _serve(app, settings, listener)


@click.command()
def worker() -> None:
    """Look after tasks without serving tenants; any number may run beside `relay serve`.

    SIGTERM and SIGINT end it cleanly.
    """
    import asyncio

    _exit_on_signals()
    catalogue()
    with open_database() as database:
        refuse_other_currency(database)
        from relay.app import run_worker
        from relay.logs import configure_logs

        configure_logs(level=database.settings.log_level)

        async def work() -> None:
            running = asyncio.ensure_future(
                run_worker(database.settings, database_url=database.url, keys=database.keys)
            )
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, running.cancel)
            try:
                await running
            except asyncio.CancelledError:
                if not running.cancelled():
                    raise

        asyncio.run(work())


def _serve(app: object, settings: Settings, listener: socket.socket) -> None:
    import structlog
    import uvicorn

    from relay.server.bounded_request import BoundedRequest

    log = structlog.get_logger()

    class Protocol(BoundedRequest):
        body_bytes_max = settings.body_limit_mb * 1024 * 1024

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Listen, and say where: tests and scripts wait for this line."""
            await super().startup(sockets=sockets)
            if not self.started:
                return
            _spare_garbage_collection()
            if settings.public_url is None:
                log.warning(
                    "serve.callbacks_off",
                    reason="RELAY_PUBLIC_URL is not set, so tasks are polled instead",
                )
            log.info(
                "serve.started",
                url=_url(listener),
                callbacks="off" if settings.public_url is None else settings.public_url,
            )

    server = Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]  # Litestar's ASGI types are stricter than uvicorn's
            interface="asgi3",
            http=Protocol,
            loop="auto",  # uvloop where it can be imported
            ws="none",  # Kling has no websockets
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=KEEPALIVE_S,
            timeout_graceful_shutdown=math.ceil(settings.drain_s),
            proxy_headers=True,
            forwarded_allow_ips=settings.trusted_proxies,
        )
    )
    # uvicorn handles the signals while it serves, and then raises them once more for us.
    server.run(sockets=[listener])
    if not server.started:
        raise Failure("the relay could not start; the reason is in the log above")


def _spare_garbage_collection() -> None:
    """Let the collector pass over what stays, and run less often: it took a fifth of a submit.

    Requests make next to no cycles: what holds a body must not (tests/kling/test_http1_memory.py),
    and reference counts free the rest at once.
    """
    import gc

    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)


def _exit_on_signals() -> None:
    """End with 0 also while starting: whoever stops us then wants no traceback."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)


def _exit(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _with_address(settings: Settings, host: str | None, port: int | None) -> Settings:
    import msgspec

    return msgspec.structs.replace(
        settings, host=host or settings.host, port=settings.port if port is None else port
    )


def _listen(settings: Settings) -> socket.socket:
    """Bind here, since uvicorn would only log that it cannot."""
    import socket

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise Failure(
            f"cannot listen on {settings.host}:{settings.port}: {reason(error)}"
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
