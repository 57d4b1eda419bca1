"""Settings that are possible, and look wrong all the same."""

import os
import stat
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from relay.desk.check.finding import Finding, good, warning
from relay.machine import Machine
from relay.settings import CONFIG_ENV, LIST_UNIT_PRICES, Settings, names_database

SUBJECT = "settings"
OWN_NETWORKS = tuple(map(ip_network, ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10")))
"""This machine's own addresses, and where clouds hand out keys."""
PRICE_TIMES_MAX = 10
"""Further from Kling's list price than this, a unit price is a slip."""
LEAST_LOST_AFTER_S = 60
MEGABYTE = 1024 * 1024


def check_settings(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Yield a warning for each that looks wrong, or the one finding that none does."""
    odd = [*_odd(settings, _memory_mb()), *_exposed(machine)]
    yield from odd or [good(SUBJECT, f"nothing looks wrong; {_source(machine)}")]


def _source(machine: Machine) -> str:
    has_file = not names_database(os.environ) and machine.env_file.is_file()
    return f"they are from {machine.env_file}" if has_file else "they are from the environment"


def _odd(settings: Settings, memory_mb: int | None) -> Iterator[Finding]:
    yield from _odd_reach(settings)
    yield from _odd_prices(settings)
    if settings.kling_timeout_s > settings.submit_timeout_s:
        yield warning(
            "RELAY_KLING_TIMEOUT_S",
            f"it is {settings.kling_timeout_s:g}, longer than a whole submit may"
            f" take (RELAY_SUBMIT_TIMEOUT_S, {settings.submit_timeout_s:g})",
            "make it the shorter one",
        )
    if settings.lost_after_s < LEAST_LOST_AFTER_S or settings.lost_looks == 1:
        yield warning(
            "RELAY_LOST_AFTER_S",
            f"a submit without a verdict is given up after {settings.lost_looks} looks in"
            f" {settings.lost_after_s:g} s",
            "raise RELAY_LOST_AFTER_S and RELAY_LOST_LOOKS: Kling may find a task late, and then"
            " it is yours to pay",
        )
    if settings.body_limit_mb * 2 > settings.body_budget_mb:
        yield warning(
            "RELAY_BODY_LIMIT_MB",
            f"one body of {settings.body_limit_mb} MB takes more than half of"
            f" RELAY_BODY_BUDGET_MB ({settings.body_budget_mb})",
            "raise the budget, or lower the limit",
        )
    if memory_mb is not None and settings.body_budget_mb * 2 > memory_mb:
        yield warning(
            "RELAY_BODY_BUDGET_MB",
            f"it is {settings.body_budget_mb}, and this machine has {memory_mb} MB of memory",
            "lower it to a quarter of the memory, of all processes together",
        )


def _odd_reach(settings: Settings) -> Iterator[Finding]:
    if settings.trusted_proxies.strip() == "*":
        yield warning(
            "RELAY_TRUSTED_PROXIES",
            "it is *: anybody can write the client's address in the log",
            "name the addresses of your proxies",
        )
    if settings.office_host != "localhost" and not _is_loopback(settings.office_host):
        yield warning(
            "RELAY_OFFICE_HOST",
            f"it is {settings.office_host}: who reaches that sees the office, which"
            " asks no password",
            "leave it on 127.0.0.1, and use ssh -L; in a container, whose network is its own, see"
            " that nobody but Prometheus reaches it",
        )
    for network in settings.callback_networks:
        if any(network.version == own.version and network.overlaps(own) for own in OWN_NETWORKS):
            yield warning(
                "RELAY_CALLBACK_ALLOW",
                f"it has {network}: a tenant can have this machine, or the"
                " cloud's metadata, called",
                "name the networks that tenants live in, and no other",
            )
    if settings.public_url is not None:
        parts = urlsplit(settings.public_url)
        if parts.scheme != "https":
            yield warning(
                "RELAY_PUBLIC_URL",
                f"it is {settings.public_url}: results and the callbacks' paths go unencrypted",
                "put TLS in front, and say https://",
            )
        if _is_private(parts.hostname or ""):
            yield warning(
                "RELAY_PUBLIC_URL",
                f"it is at {parts.hostname}, which Kling cannot reach",
                "name the host that the world knows; only a sandbox of yours reaches this one",
            )


def _odd_prices(settings: Settings) -> Iterator[Finding]:
    listed = LIST_UNIT_PRICES.get(settings.currency)
    if listed is None:
        return
    given = (settings.video_unit_price, settings.image_unit_price)
    for name, price, list_price in zip(("VIDEO", "IMAGE"), given, listed, strict=True):
        if price is None:
            continue
        if not list_price / PRICE_TIMES_MAX <= price <= list_price * PRICE_TIMES_MAX:
            yield warning(
                f"RELAY_{name}_UNIT_PRICE",
                f"it is {price:f} {settings.currency}, and Kling's list price is {list_price:f}",
                "it is Kling's price of one unit: your own margin is a multiplier",
            )


def _exposed(machine: Machine) -> Iterator[Finding]:
    """Find files with secrets that others of this machine may read."""
    for path in (machine.env_file, Path(os.environ.get(CONFIG_ENV) or os.devnull)):
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and mode & stat.S_IROTH:
            yield warning(
                SUBJECT, f"everybody on this machine may read {path}", f"chmod 0600 {path}"
            )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".local", ".internal"))


def _memory_mb() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEGABYTE
    except (ValueError, OSError, AttributeError):
        return None
