"""Alerts without a request: each minute the rules, each few seconds what is to be sent."""

import asyncio

import structlog

from relay.alerts.heartbeat import beat
from relay.alerts.judge import judge_rules
from relay.alerts.notes import Notes
from relay.alerts.outgoing import send_due
from relay.alerts.places import OpenedPlace, open_places
from relay.alerts.rule import Around
from relay.alerts.send import send
from relay.alerts.word import Words, word_blind, word_seeing
from relay.counts import Counts
from relay.database.engine import Sessions
from relay.database.faults import is_fault, log_failure
from relay.desk.voice import voice_of
from relay.secrets import KeyRing, SecretKeyError
from relay.settings import Settings
from relay.tasks.ability import Ability

log = structlog.get_logger()

BLIND_TURNS = 3
"""Turns in vain, before the places are told without the database."""


class Alerter:
    """One process's part in alerts."""

    def __init__(
        self,
        sessions: Sessions,
        keys: KeyRing,
        *,
        notes: Notes,
        around: Around,
        heartbeat_url: str | None,
    ) -> None:
        self._sessions = sessions
        self._keys = keys
        self._notes = notes
        self._around = around
        self._heartbeat_url = heartbeat_url
        self._places: list[OpenedPlace] = []
        """As they were last read: the only ones to be told when there is no database."""
        self._blind_turns = 0

    async def turn(self) -> None:
        """Note what this process sees, judge the rules if nobody has, and give the sign of life."""
        try:
            await self._notes.take()
            await judge_rules(self._sessions, self._around)
            await self._remember_places()
        except Exception as error:
            if not is_fault(error):
                raise
            log_failure(log, "alert.blind", error)
            await self._tell_blind()
            return
        if self._blind_turns >= BLIND_TURNS:
            await self._tell_all(word_seeing(self._around.voice), is_bad=False)
        self._blind_turns = 0
        if self._heartbeat_url is not None:
            await beat(self._heartbeat_url)

    async def send_due(self) -> None:
        await send_due(self._sessions, self._keys)

    async def _remember_places(self) -> None:
        async with self._sessions() as session:
            try:
                self._places = await open_places(session, self._keys)
            except SecretKeyError as error:
                log.error("alert.place_sealed", reason=str(error))  # noqa: TRY400 (no bug)

    async def _tell_blind(self) -> None:
        """Tell the places that are remembered, once: without the database nobody keeps count."""
        self._blind_turns += 1
        if self._blind_turns == BLIND_TURNS:
            words = word_blind(self._around.voice)
            await self._tell_all(words, is_bad=True)

    async def _tell_all(self, words: Words, *, is_bad: bool) -> None:
        reasons = await asyncio.gather(
            *(
                send(place.url, title=words.title, body=words.body, is_bad=is_bad)
                for place in self._places
            )
        )
        for place, why in zip(self._places, reasons, strict=True):
            if why is not None:
                log.error("alert.not_sent", place=place.shown, why=why)


def open_alerter(
    settings: Settings,
    sessions: Sessions,
    keys: KeyRing,
    *,
    ability: Ability,
    counts: Counts,
) -> Alerter:
    """Make the one of this process."""
    return Alerter(
        sessions,
        keys,
        notes=Notes(sessions, ability=ability, counts=counts),
        around=Around(
            voice=voice_of(settings),
            currency=settings.currency,
            audit_every_s=settings.audit_every_s,
            backup_every_s=settings.backup_every_s if settings.backup_to else None,
        ),
        heartbeat_url=settings.alert_heartbeat_url,
    )
