"""How a channel's calls go out, on the command line: its proxy, its certificates, its timeouts."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.failure import reason
from relay.cli.secret_input import read_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.channels.tables import Channel
    from relay.desk.channels import WayChanges
    from relay.kling.proxy import Proxy

NONE = "none"


class Seconds(click.ParamType[Any]):
    """A number of seconds, or `none` for what the relay does by itself."""

    name = "seconds|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == NONE else click.FloatRange(0.1, 3600).convert(value, param, ctx)


def way_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, passed on as one `way`."""

    @wraps(function)
    def with_way(
        proxy: str | None,
        ca_file: str | None,
        connect_timeout: float | str | None,
        timeout: float | str | None,
        **values: Any,
    ) -> Any:
        return function(way=_read(proxy, ca_file, connect_timeout, timeout), **values)

    for option in (
        click.option(
            "--timeout",
            type=Seconds(),
            metavar="S",
            help="Of a whole call: of a create in place of RELAY_KLING_TIMEOUT_S, of a question if"
            " it is shorter.",
        ),
        click.option(
            "--connect-timeout",
            type=Seconds(),
            metavar="S",
            help="Of a new connection, with the proxy and TLS. Default: 5.",
        ),
        click.option(
            "--ca-file",
            metavar="PEM",
            help="Certificates to trust in place of the system's; kept in the database.",
        ),
        click.option(
            "--proxy",
            metavar="URL",
            help="http://user:password@host:port or socks5://…; - asks or reads a line of stdin,"
            " the first. `none` takes it away, as in the next three.",
        ),
    ):
        with_way = option(with_way)
    return with_way


def shown_way(row: Channel) -> list[tuple[str, str | None]]:
    """Name what a channel has of its own, for people; nothing of it where it has none."""
    from relay.kling.way import Way

    fingerprint = Way(ca_pem=row.ca_pem).ca_sha256
    password = " with a password" if row.proxy_password_sealed is not None else ""
    return [
        ("proxy", row.proxy and row.proxy + password),
        ("certificates", fingerprint and f"of its own, SHA-256 {fingerprint[:16]}…"),
        ("connect timeout", _seconds(row.connect_timeout_s)),
        ("timeout", _seconds(row.timeout_s)),
    ]


def _seconds(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:g} s"


def _read(
    proxy: str | None,
    ca_file: str | None,
    connect_timeout: float | str | None,
    timeout: float | str | None,
) -> WayChanges:
    from msgspec import UNSET

    from relay.desk.channels import WayChanges

    def read(value: Any, convert: Callable[[Any], Any]) -> Any:
        if value is None:
            return UNSET
        return None if value == NONE else convert(value)

    return WayChanges(
        proxy=read(proxy, _proxy),
        ca_pem=read(ca_file, _certificates),
        connect_timeout_s=read(connect_timeout, float),
        timeout_s=read(timeout, float),
    )


def _proxy(url: str) -> Proxy:
    from relay.kling.proxy import read_proxy

    try:
        return read_proxy(read_key(url, "proxy's URL") or "")
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="'--proxy'") from error


def _certificates(path: str) -> str:
    from relay.channels.checks import check_way
    from relay.kling.way import Way

    try:
        pem = Path(path).read_text(encoding="ascii", errors="replace")
        check_way(Way(ca_pem=pem))
    except OSError as error:
        raise click.BadParameter(f"{path}: {reason(error)}.", param_hint="'--ca-file'") from error
    except ValueError as error:
        raise click.BadParameter(f"{path}: {error}.", param_hint="'--ca-file'") from error
    return pem
