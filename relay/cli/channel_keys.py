"""A channel's keys: read from wherever they were given, and tried at Kling for free."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

import rich_click as click

from relay.cli.failure import Failure
from relay.cli.parameters import read_key_pair
from relay.cli.secret_input import read_key, read_secret
from relay.cli.show import note

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from relay.channels.probe import Probe
    from relay.cli.database import Database
    from relay.desk.channels import ChannelKeys
    from relay.kling.transport import Transport
    from relay.kling.way import Way

Answer = TypeVar("Answer")
PAIR = "AccessKey|SecretKey"
WORDS = {"key_pair": "key pair", "api_key": "API key"}
"""By `kling/endpoint.py`'s `Credential`."""


def read_keys(
    key: tuple[str, str] | str | None,
    api_key: str | None,
    webhook_secret: str | None,
    *,
    is_asking: bool,
) -> ChannelKeys:
    """Take the options' values, reading each that is `-`; of stdin, one line each in this order.

    `is_asking`: without any key, ask for the pair on a terminal.
    """
    from relay.channels.checks import checked_webhook_secret
    from relay.desk.channels import ChannelKeys

    if key is None and api_key is None and is_asking:
        if not sys.stdin.isatty():
            raise click.UsageError(
                "Give --key 'AK|SK' or --api-key KEY, or - for either to read it from stdin."
            )
        key = "-"
    pair: tuple[str | None, str | None] = (None, None)
    if key is not None:
        pair = key if isinstance(key, tuple) else _asked_pair()
    api_key = read_key(api_key, "Kling API key")
    webhook_secret = read_key(webhook_secret, "webhook secret")
    if api_key is not None and (not api_key.isascii() or not api_key.isprintable()):
        raise click.BadParameter("It has printable ASCII characters only.", param_hint="--api-key")
    try:
        checked = None if webhook_secret is None else checked_webhook_secret(webhook_secret)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="'--webhook-secret'") from error
    return ChannelKeys(
        access_key=pair[0], secret_key=pair[1], api_key=api_key, webhook_secret=checked
    )


def probe(base_url: str, keys: ChannelKeys, way: Way | None) -> list[Probe]:
    """Ask Kling about each credential, the way that the channel's calls will go."""
    import time

    from relay.channels.probe import probe_keys

    return _ask(
        lambda transport: probe_keys(
            transport,
            base_url=base_url,
            access_key=keys.access_key,
            secret_key=keys.secret_key,
            api_key=keys.api_key,
            now_s=int(time.time()),
        ),
        way,
    )


def find_host(keys: ChannelKeys, way: Way | None) -> str:
    """Ask each of Kling's hosts about each credential; which one takes them all.

    Raises:
        Failure: none does; with what each said.
    """
    import time

    from relay.channels.probe import Found, probe_hosts

    asked = _ask(
        lambda transport: probe_hosts(
            transport,
            access_key=keys.access_key,
            secret_key=keys.secret_key,
            api_key=keys.api_key,
            now_s=int(time.time()),
        ),
        way,
    )
    for host, probes in asked.items():
        if all(one.found is Found.GOOD for one in probes):
            for one in probes:
                note(f"{WORDS[one.credential]}: {one.message}")
            return host
    said = "; ".join(
        f"{WORDS[one.credential]}: {one.message}" for probes in asked.values() for one in probes
    )
    raise Failure(f"no host of Kling's takes it: {said}. Nothing was written; --base-url names one")


def leads_to_sandbox(base_url: str, way: Way | None) -> bool:
    """Ask whether our own sandbox stands there."""
    from relay.channels.probe import leads_to_sandbox as ask

    return _ask(lambda transport: ask(transport, base_url), way)


def refuse_same_account(
    database: Database,
    base_url: str,
    keys: ChannelKeys,
    way: Way | None,
    *,
    but: str | None = None,
) -> None:
    """Refuse keys that see a task of a channel, other than `but`: they are of its account.

    Raises:
        Failure: with that channel's name.
    """
    from relay.channels.opened import OpenedChannel
    from relay.cli.endpoints import catalogue
    from relay.cli.words import worded
    from relay.desk.errors import SameAccount
    from relay.kling.jwt import JwtCache
    from relay.tasks.same_account import find_whose_tasks_are_seen, read_newest_tasks
    from relay.tasks.upstream import Upstream

    endpoints = catalogue()
    known = database.read(lambda session: read_newest_tasks(session, endpoints))
    new = OpenedChannel(
        id=0,
        name="new",
        base_url=base_url,
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        api_key=keys.api_key,
    )

    others = [task for task in known if task.channel != but]
    channel = _ask(
        lambda transport: find_whose_tasks_are_seen(
            Upstream(transport, JwtCache()), endpoints, new, others
        ),
        way,
    )
    if channel is not None:
        raise Failure(worded(SameAccount(channel), database.settings.currency))


def _ask(question: Callable[[Transport], Coroutine[Any, Any, Answer]], way: Way | None) -> Answer:
    """Put a question to Kling, over a connection of its own."""
    import asyncio

    from relay.kling.httpx_transport import HttpxTransport
    from relay.kling.ways import open_way

    async def asked() -> Answer:
        transport = HttpxTransport() if way is None else open_way(way)
        try:
            return await question(transport)
        finally:
            await transport.aclose()

    return asyncio.run(asked())


def refuse_bad(probes: list[Probe]) -> None:
    """Say what Kling said; Failure unless it takes every credential."""
    from relay.channels.probe import Found

    bad = [found for found in probes if found.found is not Found.GOOD]
    for found in probes:
        if found.found is Found.GOOD:
            note(f"{WORDS[found.credential]}: {found.message}")
    if bad:
        said = "; ".join(f"{WORDS[found.credential]}: {found.message}" for found in bad)
        raise Failure(f"{said}. Nothing was written; --no-check writes it without asking")


def _asked_pair() -> tuple[str, str]:
    try:
        return read_key_pair(read_secret(PAIR))
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="'--key'") from error
