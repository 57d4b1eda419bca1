"""A trial as one call: the account's, the sandbox's beside it, and the report of both."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from relay.channels.opened import OpenedChannel
from relay.kling.jwt import JwtCache
from relay.kling.transport import Transport
from relay.tasks.upstream import Upstream
from relay.trial.fields import unlike
from relay.trial.findings import findings, is_lookup_confirmed
from relay.trial.ids import new_trial_id
from relay.trial.observe import Observer, Said, Seen, Tell, TrialRules
from relay.trial.plan import Trial, units_of
from relay.trial.report import CallbackSeen, TrialReport, Unlike, scrubbed

ReadCallbacks = Callable[[str, float], Awaitable[list[CallbackSeen]]]
"""Of a trial's external id, counted from a Unix time."""


class Tried(msgspec.Struct, frozen=True):
    """A trial that was made."""

    injected_id: str
    report: TrialReport


async def try_channel(
    transport: Transport,
    channel: OpenedChannel,
    trial: Trial,
    *,
    prefix: str,
    callback_url: Callable[[str], str | None],
    read_callbacks: ReadCallbacks,
    with_duplicate: bool,
    sandbox: tuple[Transport, OpenedChannel],
    rules: TrialRules,
    tell: Tell,
) -> Tried:
    """Make one task on the account and one in a sandbox, and compare.

    `prefix` is the deployment's, of external ids. `callback_url`: what is injected for an external
    id, None where callbacks are off.

    Raises:
        TrialFailed: no task was made, or none that is known of.
    """
    injected_id, other_id = new_trial_id(prefix), new_trial_id(prefix)
    url = callback_url(injected_id)
    upstream = Upstream(transport, JwtCache())
    observer = Observer(upstream, channel, trial, rules=rules, tell=tell)

    async def read() -> list[CallbackSeen]:
        return await read_callbacks(injected_id, observer.created_at)

    try:
        seen = await observer.run(
            injected_id,
            other_id,
            callback_url=url,
            with_duplicate=with_duplicate,
            read_callbacks=None if url is None else read,
        )
    finally:
        await upstream.aclose()
    tell("doing the same with the sandbox, to compare")
    usual = await _at_sandbox(sandbox, trial, prefix)
    clean = _scrubbed(seen, channel, [injected_id, other_id, *seen.kling_ids])
    report = TrialReport(
        at=datetime.now(UTC),
        host=urlsplit(channel.base_url).hostname or "",
        endpoint=trial.endpoint.name,
        model=trial.model,
        lookup=trial.endpoint.lookup.value,
        is_lookup_confirmed=is_lookup_confirmed(seen),
        is_list_confirmed=seen.is_listed,
        cost=units_of(trial),
        findings=findings(
            clean, trial, with_duplicate=with_duplicate, with_callbacks=url is not None
        ),
        fields=clean.replies,
        unlike_sandbox=_compared(clean, usual),
        callbacks=clean.callbacks,
    )
    return Tried(injected_id, report)


async def _at_sandbox(sandbox: tuple[Transport, OpenedChannel], trial: Trial, prefix: str) -> Seen:
    transport, channel = sandbox
    observer = Observer(
        Upstream(transport, JwtCache()),
        channel,
        trial,
        rules=TrialRules(),
        tell=lambda _: None,
    )
    return await observer.run(
        new_trial_id(prefix),
        new_trial_id(prefix),
        callback_url=None,
        with_duplicate=True,
        read_callbacks=None,
    )


def _compared(seen: Seen, usual: Seen) -> list[Unlike]:
    """Compare the replies that both gave."""
    found: list[Unlike] = []
    for reply in seen.replies.keys() & usual.replies.keys():
        missing, more = unlike(seen.replies[reply], usual.replies[reply])
        if missing or more:
            found.append(Unlike(reply, missing, more))
    return sorted(found, key=lambda one: one.reply)


def _scrubbed(seen: Seen, channel: OpenedChannel, ids: list[str]) -> Seen:
    """Take the account's own strings out of what Kling said."""

    def clean(said: Said | None) -> Said | None:
        if said is None:
            return None
        return msgspec.structs.replace(said, message=scrubbed(said.message, channel, ids))

    return msgspec.structs.replace(
        seen,
        unknown=clean(seen.unknown),
        refused=clean(seen.refused),
        created=clean(seen.created),
        duplicate=clean(seen.duplicate),
    )
