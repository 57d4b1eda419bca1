"""Keeping what a trial of a channel saw."""

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import differing, note_change
from relay.desk.errors import Unusable
from relay.desk.find import channel_to_act_on
from relay.kling.endpoint import Lookup
from relay.trial.callbacks import forget_trial_callbacks
from relay.trial.report import TrialReport


@act("channel.try")
async def note_trial(
    session: AsyncSession,
    actor: Actor,
    name: str,
    report: TrialReport,
    *,
    injected_id: str,
    base_url: str,
) -> Channel:
    """Keep what a trial saw, and what it confirms from now on, or no longer.

    `injected_id`: the trial's, whose callbacks now stand in its report. `base_url`: where it went.

    Raises:
        NoSuch, NotPossible: there is no such channel, or no longer.
        Unusable: the channel has another base URL by now.
    """
    row = await channel_to_act_on(session, name, is_locked=True)
    if row.base_url != base_url:
        raise Unusable("the channel has another base URL than the trial's")
    before = {"confirmed_lookups": list(row.confirmed_lookups)}
    confirmed = dict.fromkeys(row.confirmed_lookups)
    tried = {report.lookup: report.is_lookup_confirmed}
    if report.is_list_confirmed is not None:
        tried[Lookup.LIST.value] = report.is_list_confirmed
    for lookup, is_confirmed in tried.items():
        if is_confirmed:
            confirmed[lookup] = None
        else:
            confirmed.pop(lookup, None)
    row.confirmed_lookups = list(confirmed)
    row.trial = msgspec.to_builtins(report)
    row.trial_at = report.at
    await forget_trial_callbacks(session, injected_id)
    before, after = differing(before, {"confirmed_lookups": list(confirmed)})
    await note_change(
        session,
        actor,
        "channel.try",
        kind="channel",
        id=row.id,
        name=name,
        before=before,
        after=after | {"endpoint": report.endpoint, "differing": len(report.differing)},
    )
    return row
