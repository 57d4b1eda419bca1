"""`relay serve` and `relay worker`: the processes that run."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.database import open_database, refuse_other_keys
from relay.cli.endpoints import catalogue
from relay.cli.examples import examples
from relay.cli.failure import Failure, WrongSettings
from relay.cli.listen import (
    cannot_listen,
    listen,
    listen_for_office,
    say_office_is_off,
    url_of,
)
from relay.cli.revision import refuse_other_pool, refuse_transaction_pooler

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from relay.cli.database import Database
    from relay.settings import Settings

GC_ALLOCATIONS = 10_000
"""Between two collections of what is young; Python's own 700 are a few requests."""


@click.command()
@click.option("--host", help="Address to listen on; RELAY_HOST, else 127.0.0.1.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port to listen on; RELAY_PORT, else 8700; 0 takes a free one.",
)
@click.option(
    "--office-host", help="Where operators' pages are; RELAY_OFFICE_HOST, else 127.0.0.1."
)
@click.option(
    "--office-port",
    type=click.IntRange(0, 65535),
    help="And their port, never tenants'; RELAY_OFFICE_PORT, else 8790; 0 takes a free one.",
)
@click.option(
    "--reuse-port",
    is_flag=True,
    help="Share the port with other `relay serve --reuse-port` of this machine (SO_REUSEPORT).",
)
@examples(
    "relay serve",
    "relay serve --reuse-port",
    "RELAY_PUBLIC_URL=https://relay.example.com RELAY_DATABASE_URL=postgresql://… relay serve",
)
def serve(
    host: str | None,
    port: int | None,
    office_host: str | None,
    office_port: int | None,
    *,
    reuse_port: bool,
) -> None:
    """Serve tenants, and look after their tasks.

    Any number of them may share one database, and with --reuse-port one port. Operators' pages
    have a port of their own; where it is taken, as by another `relay serve` of this machine, this
    one goes on without it. SIGTERM stops taking connections, lets running requests end
    (RELAY_DRAIN_S) and exits with 0.
    """
    _exit_on_signals()
    _collect_seldom()
    catalogue()  # says what is wrong with the settings' endpoints
    with open_database() as database:
        _refuse_unfit_poolers(database)
        refuse_other_keys(database)
        settings = _with_addresses(
            database.settings,
            {"host": host, "port": port, "office_host": office_host, "office_port": office_port},
        )
        with listen(settings.host, settings.port, reuse_port=reuse_port) as listener:
            from relay.app import create_app
            from relay.logs import configure_logs

            configure_logs(level=settings.log_level)
            app = create_app(
                settings, database_url=database.url, keys=database.keys, is_served=True
            )
            _serve(app, settings, listener, office=listen_for_office(settings))


@click.command()
@click.option(
    "--office-host",
    help="Where --office-port is; RELAY_OFFICE_HOST, else 127.0.0.1.",
)
@click.option(
    "--office-port",
    type=click.IntRange(0, 65535),
    help="Show its health and its metrics there; without this option, nowhere.",
)
@examples("relay worker", "relay worker --office-port 8781")
def worker(office_host: str | None, office_port: int | None) -> None:
    """Look after tasks without serving tenants; any number may run beside `relay serve`.

    SIGTERM and SIGINT end it cleanly.
    """
    _exit_on_signals()
    _collect_seldom()
    catalogue()
    with open_database() as database:
        _refuse_unfit_poolers(database)
        refuse_other_keys(database)
        settings = _with_addresses(
            database.settings, {"office_host": office_host, "office_port": office_port}
        )
        from relay.app import create_worker
        from relay.logs import configure_logs

        configure_logs(level=settings.log_level)
        app = create_worker(settings, database_url=database.url, keys=database.keys)
        _work(app, settings, office=None if office_port is None else listen_for_office(settings))


def _refuse_unfit_poolers(database: Database) -> None:
    refuse_transaction_pooler(database.url)
    if database.settings.database_pool_url is not None:
        refuse_other_pool(database.url, database.settings.database_pool_url)


def _serve(
    app: Any, settings: Settings, listener: socket.socket, *, office: socket.socket | None
) -> None:
    import structlog

    from relay.front import is_page, is_socket
    from relay.server.run import Listener, run_server

    log = structlog.get_logger()

    def say_where(office_listener: socket.socket | None) -> None:
        """Log where we listen; tests and scripts wait for the last of these lines."""
        _keep_what_stays()
        if office is not None and office_listener is None:
            say_office_is_off(f"{settings.office_host}:{settings.office_port}")
        if settings.public_url is None:
            log.warning(
                "serve.callbacks_off",
                reason="RELAY_PUBLIC_URL is not set, so tasks are polled instead",
            )
        log.info(
            "serve.started",
            url=url_of(listener),
            callbacks="off" if settings.public_url is None else settings.public_url,
            office="off" if office_listener is None else url_of(office_listener),
        )
        _tell_systemd()

    front = Listener(listener, app, is_page=is_page)
    if settings.studio:
        front = front._replace(is_socket=is_socket)
    try:
        has_started = run_server(
            front,
            None if office is None else Listener(office, app.state.office, is_page=lambda _: True),
            settings=settings,
            stopping=app.state.stopping,
            on_started=say_where,
        )
    except OSError as error:
        raise Failure(cannot_listen(settings.host, settings.port, error)) from error
    if not has_started:
        why = app.state.readiness.why_not_started or "the reason is in the log above"
        raise Failure(f"the relay could not start: {why}")


def _work(app: Any, settings: Settings, *, office: socket.socket | None) -> None:
    import structlog

    from relay.server.run import Listener, run_server

    def say_where(office_listener: socket.socket | None) -> None:
        if office is not None and office_listener is None:
            say_office_is_off(f"{settings.office_host}:{settings.office_port}")
        where = "off" if office_listener is None else url_of(office_listener)
        structlog.get_logger().info("worker.started", office=where)

    readiness = app.state.readiness
    try:
        has_started = run_server(
            Listener(None, app),
            None if office is None else Listener(office, app.state.office, is_page=lambda _: True),
            settings=settings,
            stopping=app.state.stopping,
            on_started=say_where,
        )
    finally:  # on a signal too, of which one comes from loops that ended
        if readiness.have_loops_failed:
            raise Failure("the worker's loops have ended; the reason is in the log above")
    if not has_started:
        why = readiness.why_not_started or "the reason is in the log above"
        raise Failure(f"the worker could not start: {why}")


def _collect_seldom() -> None:
    """Let the collector run less often: it took a twelfth of a start, and a fifth of a submit.

    Requests make next to no cycles: what holds a body must not (tests/kling/test_http1_memory.py),
    and reference counts free the rest at once.
    """
    import gc

    gc.set_threshold(GC_ALLOCATIONS, 20, 50)


def _keep_what_stays() -> None:
    """Let the collector pass over what was made by the start."""
    import gc

    gc.collect()
    gc.freeze()


def _tell_systemd() -> None:
    """Say that we serve (Type=notify): who restarts one process after the other waits for it."""
    import contextlib
    import os
    import socket

    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        address = f"\0{address[1:]}" if address.startswith("@") else address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        ):
            systemd.sendto(b"READY=1", address)


def _exit_on_signals() -> None:
    """End with 0 also while starting: whoever stops us then wants no traceback."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)


def _exit(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _with_addresses(settings: Settings, given: dict[str, str | int | None]) -> Settings:
    import msgspec

    options = {name: value for name, value in given.items() if value not in (None, "")}
    settings = msgspec.structs.replace(settings, **options)
    if settings.port == settings.office_port != 0:
        raise WrongSettings(
            f"tenants and operators need two ports, and both have {settings.port}: RELAY_PORT or"
            " --port, RELAY_OFFICE_PORT or --office-port"
        )
    return settings
