"""The sockets that `relay serve` listens on, bound before anything is started."""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from relay.cli.failure import Failure, reason

if TYPE_CHECKING:
    from relay.settings import Settings

BACKLOG = 2048
"""Connections that wait to be accepted."""


def listen(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Bind here, since uvicorn would only log that it cannot.

    A shared port is listened on when we can answer: until then the others get all connections.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        if not reuse_port:
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        return _bind_shared(family, host, port)
    except OSError as error:
        raise Failure(f"cannot listen on {host}:{port}: {reason(error)}") from error


def _bind_shared(family: int, host: str, port: int) -> socket.socket:
    if not hasattr(socket, "SO_REUSEPORT"):
        raise Failure("--reuse-port: this system has no SO_REUSEPORT")
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def listen_for_office(settings: Settings) -> socket.socket | None:
    """Bind the office's port, or say that it is taken: tenants are served without it too."""
    import structlog

    log = structlog.get_logger()
    host, port = settings.office_host, settings.office_port
    try:
        office = listen(host, port)
    except Failure as failure:
        error = failure.__cause__
        if not (isinstance(error, OSError) and error.errno == errno.EADDRINUSE):
            raise
        log.warning(
            "serve.office_off",
            address=f"{host}:{port}",
            reason="another process has the port: it may be a `relay serve`, with its office there",
        )
        return None
    if not _is_loopback(office):
        log.warning(
            "serve.office_open",
            url=url_of(office),
            reason="RELAY_OFFICE_HOST is not of this machine alone: who reaches it sees the office",
        )
    return office


def _is_loopback(listener: socket.socket) -> bool:
    return ip_address(listener.getsockname()[0]).is_loopback


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
