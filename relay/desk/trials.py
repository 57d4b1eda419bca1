"""Trials of channels: begun by an operator, and what they saw kept.

A trial is paid by the account, so it is written down and committed before Kling is asked
(`trial_runs.py` makes it then). Of one channel there is one at a time, whoever begins them: by
HTTP, in the console, or at a terminal.
"""

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.opened import OpenedChannel
from relay.channels.tables import Channel
from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.at_kling import opened_named
from relay.desk.changes import differing, note_change
from relay.desk.errors import NotPossible, Unusable
from relay.desk.find import channel_to_act_on
from relay.kling.endpoint import Lookup
from relay.moments import spelt_moment
from relay.money import money
from relay.pricing.quote import UnitPrices
from relay.secrets import KeyRing
from relay.settings import Settings
from relay.trial.callbacks import forget_trial_callbacks
from relay.trial.ids import new_trial_id
from relay.trial.kept import end_trial, find_open, lost_words, open_trial
from relay.trial.plan import ENDPOINTS, Trial, trials, units_of
from relay.trial.report import TrialReport
from relay.trial.tables import KeptTrial

WAIT_S = 900.0
"""How long a trial waits for the end of its task, if nobody says otherwise."""


class BegunTrial(msgspec.Struct, frozen=True):
    """A trial that was written down, and is to be made; it has the channel's keys."""

    id: int
    opened: OpenedChannel
    trial: Trial
    prefix: str
    """Of this deployment's external ids."""
    injected_id: str
    most_micros: int
    wait_s: float
    actor: Actor

    @property
    def with_duplicate(self) -> bool:
        """Whether the same external id is sent twice: Kling might take both."""
        return 2 * self.trial.quote.hold_micros <= self.most_micros

    def __repr__(self) -> str:
        return f"BegunTrial({self.id}, {self.opened.name!r})"


@act("channel.try")
async def begin_trial(
    session: AsyncSession,
    actor: Actor,
    keys: KeyRing,
    settings: Settings,
    name: str,
    *,
    most_micros: int,
    endpoint: str | None = None,
    wait_s: float = WAIT_S,
) -> BegunTrial:
    """Write down that a channel is about to be tried; nothing is sent.

    Once that is committed, `TrialRuns.start` makes it, or `run`, and nobody else does: a trial that
    was begun is not made again after a crash, since it may have been paid for.
    `endpoint`: one of `trial/plan.py`; without it, the cheapest that the channel's keys allow.

    Raises:
        NoSuch, NotPossible: there is no such channel, or no longer; it has a trial under way.
        Unusable: it would cost more than `most_micros`, or its keys do not allow it.
        SecretKeyError
    """
    row = await channel_to_act_on(session, name, is_locked=True)
    found = await find_open(session, row.id)
    if found is not None:
        before, is_made = found
        if is_made:
            raise NotPossible(
                "channel", name, f"it is being tried since {spelt_moment(before.begun_at)}"
            )
        await end_trial(session, before.id, report=None, failure=lost_words(before))
    opened, prefix = await opened_named(session, keys, name)
    trial = _chosen(opened, settings, most_micros=most_micros, endpoint=endpoint)
    injected_id = new_trial_id(prefix)
    cost_micros = trial.quote.hold_micros
    kept = KeptTrial(
        channel_id=row.id,
        actor=str(actor),
        endpoint=trial.endpoint.name,
        model=trial.model,
        cost_micros=cost_micros,
        most_micros=most_micros,
        injected_id=injected_id,
    )
    trial_id = await open_trial(session, kept)
    told = {"trial": trial_id, "endpoint": trial.endpoint.name, "cost_micros": cost_micros}
    await note_change(
        *(session, actor, "channel.try"),
        kind="channel",
        id=row.id,
        name=name,
        after=told | {"most_micros": most_micros},
    )
    return BegunTrial(trial_id, opened, trial, prefix, injected_id, most_micros, wait_s, actor)


@act("channel.try")
async def note_trial(
    session: AsyncSession,
    actor: Actor,
    name: str,
    report: TrialReport,
    *,
    trial_id: int,
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
    await end_trial(session, trial_id, report=report, failure=None)
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


def _chosen(
    opened: OpenedChannel, settings: Settings, *, most_micros: int, endpoint: str | None
) -> Trial:
    if endpoint is not None and endpoint not in ENDPOINTS:
        raise Unusable(f"it is none of {', '.join(ENDPOINTS)}", field="endpoint")
    video, image = settings.unit_prices_micros
    possible = trials(opened, UnitPrices(video_micros=video, image_micros=image))
    if endpoint is not None:
        possible = [one for one in possible if one.endpoint.name == endpoint]
    if not possible:
        why = f"the channel has no API key, which {endpoint or 'a trial'} needs"
        raise Unusable(why, field="endpoint")
    trial = possible[0]
    cost_micros = trial.quote.hold_micros
    if cost_micros > most_micros:
        raise Unusable(
            f"{trial.endpoint.name} with {trial.model} costs"
            f" {money(cost_micros, settings.currency)} ({units_of(trial)}) by Kling's list, more"
            f" than the {money(most_micros, settings.currency)} that it may cost. Nothing was sent",
            field="max_cost_micros",
        )
    return trial
