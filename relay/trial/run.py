"""A trial as one call: what the account did, beside what the sandbox does, as a report."""

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
from relay.trial.usual import usual_fields

ReadCallbacks = Callable[[str, float], Awaitable[list[CallbackSeen]]]
"""Of a trial's external id, counted from a Unix time."""


async def try_channel(
    transport: Transport,
    channel: OpenedChannel,
    trial: Trial,
    *,
    prefix: str,
    injected_id: str,
    kling_ids: list[str],
    callback_url: str | None,
    read_callbacks: ReadCallbacks,
    with_duplicate: bool,
    rules: TrialRules,
    tell: Tell,
) -> TrialReport:
    """Make one task on the account, and compare.

    `prefix` is the deployment's, of external ids; `injected_id` the task's, and `kling_ids` is
    given Kling's own ids of it as they are learned. `callback_url`: what is injected, None where
    callbacks are off.

    Raises:
        TrialFailed: no task was made, or none that is known of.
    """
    other_id = new_trial_id(prefix)
    upstream = Upstream(transport, JwtCache())
    observer = Observer(upstream, channel, trial, rules=rules, tell=tell)
    observer.seen.kling_ids = kling_ids

    async def read() -> list[CallbackSeen]:
        return await read_callbacks(injected_id, observer.created_at)

    try:
        seen = await observer.run(
            injected_id,
            other_id,
            callback_url=callback_url,
            with_duplicate=with_duplicate,
            read_callbacks=None if callback_url is None else read,
        )
    finally:
        await upstream.aclose()
    clean = _scrubbed(seen, channel, [injected_id, other_id, *seen.kling_ids])
    return TrialReport(
        at=datetime.now(UTC),
        host=urlsplit(channel.base_url).hostname or "",
        endpoint=trial.endpoint.name,
        model=trial.model,
        lookup=trial.endpoint.lookup.value,
        is_lookup_confirmed=is_lookup_confirmed(seen),
        is_list_confirmed=seen.is_listed,
        cost=units_of(trial),
        findings=findings(
            clean, trial, with_duplicate=with_duplicate, with_callbacks=callback_url is not None
        ),
        fields=clean.replies,
        unlike_sandbox=_compared(clean, trial.endpoint.name),
        callbacks=clean.callbacks,
    )


def _compared(seen: Seen, endpoint: str) -> list[Unlike]:
    """Compare the replies that both give."""
    found: list[Unlike] = []
    usual = usual_fields(endpoint)
    for reply in seen.replies.keys() & usual.keys():
        missing, more = unlike(seen.replies[reply], usual[reply])
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
