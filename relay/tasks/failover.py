"""Trying channels in their order until one does not pass the request on.

Only what surely made nothing is passed on: a request that was not sent, or one that Kling refused
because of the account. Everything else ends the turn, whatever became of it (D2).
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

import msgspec
import structlog

from relay.channels.opened import OpenedChannel
from relay.database.ids import TaskId

log = structlog.get_logger()

Outcome = TypeVar("Outcome")


class PassedOn(msgspec.Struct, Generic[Outcome], frozen=True):
    """A channel did not take it, and surely made nothing: another one may."""

    reason: str
    """With the channel's name, for the operator."""
    refusal: Outcome | None = None
    """What the tenant may be told should no other take it, either: 1302 and 1303 (T3)."""
    is_asked: bool = True
    """False if it was known before that it takes none, which is nothing to tell of."""


async def first_to_take(
    channels: Iterable[OpenedChannel],
    attempt: Callable[
        [OpenedChannel, PassedOn[Outcome] | None], Awaitable[Outcome | PassedOn[Outcome]]
    ],
    *,
    what: str,
    task_id: TaskId | None = None,
) -> Outcome | PassedOn[Outcome]:
    """Attempt one channel after the other; what comes back is the first outcome, or the last pass.

    An attempt is given how the channel before it passed on, None for the first. The last pass holds
    the last refusal that there was. `what` and `task_id` tell the log whose turn it is.
    """
    passed: PassedOn[Outcome] | None = None
    for channel in channels:
        outcome = await attempt(channel, passed)
        if not isinstance(outcome, PassedOn):
            return outcome
        tell = log.warning if outcome.is_asked else log.debug
        tell(
            "channel.passed_on",
            what=what,
            id=task_id,
            channel=channel.name,
            reason=outcome.reason,
        )
        refusal = outcome.refusal or (passed.refusal if passed else None)
        passed = PassedOn(outcome.reason, refusal)
    return passed or PassedOn("no time left")
