"""What operators ask Kling about an account: its bill, and whether it takes the keys."""

import time

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.directory import read_channels
from relay.channels.opened import OpenedChannel
from relay.channels.tables import Channel
from relay.desk.errors import NotPossible
from relay.desk.find import channel_named
from relay.kling.bills import BilledRow
from relay.kling.endpoints import BY_NAME
from relay.kling.jwt import JwtCache
from relay.kling.transport import NoUsableReply, Transport
from relay.kling.wire import read_envelope, says_not_found
from relay.months import Window
from relay.secrets import KeyRing
from relay.tasks.tables import Deployment
from relay.tasks.upstream import Upstream
from relay.trial.ids import new_trial_id
from relay.trial.kept import count_begun, read_made
from relay.trial.plan import ENDPOINTS
from relay.trial.report import scrubbed
from relay.usage.bill import Bill, Unbilled, compare, read_deductions, read_our_tasks

PROBE_TIMEOUT_S = 20.0


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a free question with a channel's keys."""

    is_well: bool
    """Kling answered as it does to who may ask."""
    http_status: int | None
    code: int | None
    """Kling's."""
    said: str
    """By Kling, or why there is no answer."""
    duration_ms: int


async def opened_named(
    session: AsyncSession, keys: KeyRing, name: str
) -> tuple[OpenedChannel, str]:
    """Read a channel with its keys, and the prefix of this deployment's external ids.

    Raises:
        NoSuch
        NotPossible: it has no keys any more.
        SecretKeyError
    """
    row = await channel_named(session, name)
    opened = next(one for one in await read_channels(session, keys) if one.id == row.id)
    if not opened.credentials:
        raise NotPossible("channel", name, "its keys are gone: Kling's console has its bill")
    prefix = await session.scalar(select(Deployment.external_prefix))
    assert prefix is not None, "the migrations wrote it"
    return opened, prefix


async def ask_bill(
    transport: Transport, channel: OpenedChannel, window: Window
) -> tuple[list[BilledRow], int]:
    """Read Kling's bill, a request a second, and count what of it could not be read.

    Raises:
        NotPossible: Kling did not show it, or not all of it.
    """
    upstream = Upstream(transport, JwtCache())
    try:
        return await read_deductions(upstream, channel, window)
    except (NoUsableReply, Unbilled) as error:
        reason = getattr(error, "reason", None) or str(error)
        why = f"Kling's bill could not be read: {reason}"
        raise NotPossible("channel", channel.name, why) from error
    finally:
        await upstream.aclose()


async def compare_bill(
    session: AsyncSession, channel_id: int, window: Window, rows: list[BilledRow], *, unread: int
) -> tuple[Bill, bool]:
    """Hold our tasks and trials against a bill, and tell whether a trial may be on it unknown."""
    ids = list({row.kling_id for row in rows if row.kling_id})
    tasks = await read_our_tasks(session, channel_id, window, ids)
    trial_at = (await session.get_one(Channel, channel_id)).trial_at
    has_trial = trial_at is not None and window.start <= trial_at < window.until
    made = await read_made(session, channel_id)
    begun, unnamed = await count_begun(session, channel_id, window)
    is_unknown = unnamed > 0 or (has_trial and begun == 0)  # of before they were kept
    return compare(channel_id, window, tasks, rows, unread=unread, of_trials=made), is_unknown


async def probe(transport: Transport, channel: OpenedChannel, prefix: str) -> Probed:
    """Ask for a task that does not exist, which is free: "not found" is how it should be."""
    endpoint = next(
        BY_NAME[name] for name in ENDPOINTS if BY_NAME[name].credentials & channel.credentials
    )
    upstream, began = Upstream(transport, JwtCache()), time.perf_counter()
    injected_id = new_trial_id(prefix)
    try:
        reply = await upstream.query(
            *(channel, endpoint),
            kling_id=None,
            injected_id=injected_id,
            timeout_s=PROBE_TIMEOUT_S,
        )
    except NoUsableReply as error:
        return Probed(
            is_well=False,
            http_status=None,
            code=None,
            said=error.reason,
            duration_ms=_ms(began),
        )
    finally:
        await upstream.aclose()
    envelope = read_envelope(reply)
    said = "no answer of Kling's kind" if envelope is None else envelope.message
    return Probed(
        is_well=says_not_found(reply),
        http_status=reply.status,
        code=None if envelope is None else envelope.code,
        said=scrubbed(said, channel, [injected_id]),
        duration_ms=_ms(began),
    )


def _ms(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)
