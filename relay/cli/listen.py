"""The sockets that `relay serve` listens on, bound before anything is started."""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from relay.cli.failure import Failure, reason

if TYPE_CHECKING:
    from relay.settings import Settings


def listen(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Bind here, since uvicorn would only log that it cannot.

    It is listened on when we can answer: until then a client is refused at once and asks somebody
    else, instead of waiting in a queue that nobody serves.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if reuse_port and not hasattr(socket, "SO_REUSEPORT"):
        raise Failure("--reuse-port: this system has no SO_REUSEPORT")
    try:
        return _bind(family, host, port, reuse_port=reuse_port)
    except OSError as error:
        raise Failure(cannot_listen(host, port, error)) from error


def cannot_listen(host: str, port: int, error: OSError) -> str:
    return f"cannot listen on {host}:{port}: {reason(error)}"


def _bind(family: int, host: str, port: int, *, reuse_port: bool) -> socket.socket:
    listener = socket.socket(family)
    try:
        if os.name == "posix":  # elsewhere it would share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
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
        say_office_is_off(f"{host}:{port}")
        return None
    if not _is_loopback(office):
        log.warning(
            "serve.office_open",
            url=url_of(office),
            reason="RELAY_OFFICE_HOST is not of this machine alone: who reaches it sees the office",
        )
    return office


def say_office_is_off(address: str) -> None:
    import structlog

    structlog.get_logger().warning(
        "serve.office_off",
        address=address,
        reason="another process has the port: it may be a `relay serve`, with its office there",
    )


def _is_loopback(listener: socket.socket) -> bool:
    return ip_address(listener.getsockname()[0]).is_loopback


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
