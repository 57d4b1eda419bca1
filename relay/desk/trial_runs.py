"""Making the trials that were begun: in the background of a process, or before a terminal."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.tables import Channel
from relay.database.engine import Sessions
from relay.database.faults import is_fault, log_failure
from relay.desk.actor import BY_RULE, Actor
from relay.desk.errors import Busy, DeskError, NotAllowed
from relay.desk.trials import BegunTrial, note_trial
from relay.kling.transport import Transport
from relay.tasks.callback_path import CallbackPaths
from relay.trial.callbacks import read_trial_callbacks
from relay.trial.kept import SAYS_EVERY_S, end_trial, say_at
from relay.trial.observe import TrialFailed, TrialRules
from relay.trial.report import CallbackSeen, TrialReport, scrubbed
from relay.trial.run import try_channel

log = structlog.get_logger()

PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Between tries to write down what was paid for."""
Done = TypeVar("Done")
Tell = Callable[[str], None]


class TrialRuns:
    """The trials that this process makes; each ends with its row, whatever becomes of it.

    Only a process that is killed leaves one open: nobody says of it then that he is at it.
    """

    def __init__(self, sessions: Sessions, transport: Transport, paths: CallbackPaths) -> None:
        self._sessions = sessions
        self._transport = transport
        self._paths = paths
        self._running: set[asyncio.Task[None]] = set()

    def start(self, begun: BegunTrial) -> None:
        """Make one in the background, now that its beginning is committed."""
        task = asyncio.create_task(self._run_alone(begun))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def aclose(self) -> None:
        """Break off what runs, and say so of each."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def run(
        self, begun: BegunTrial, tell: Tell = lambda _: None
    ) -> tuple[TrialReport, Channel]:
        """Make one, and keep what it saw.

        Raises:
            TrialFailed: no task was made, or none that is known of.
            DeskError: the channel is not what it was any more.
        """
        step = _Step(tell)
        saying = asyncio.create_task(self._say(begun, step))
        try:
            report = await self._try(begun, step)
            return report, await self._keep(begun, report)
        except BaseException as error:
            await self._break_off(begun, step, _why(error, begun, step))
            raise
        finally:
            saying.cancel()
            with suppress(asyncio.CancelledError):
                await saying

    async def _run_alone(self, begun: BegunTrial) -> None:
        try:
            await self.run(begun)
        except (TrialFailed, DeskError) as error:
            log.info("trial.failed", trial_id=begun.id, channel=begun.opened.name, why=str(error))
        except Exception as error:  # noqa: BLE001 (of the background: its row has ended, too)
            log_failure(log, "trial.broken", error, trial_id=begun.id)
        else:
            log.info("trial.ended", trial_id=begun.id, channel=begun.opened.name)

    async def _try(self, begun: BegunTrial, step: "_Step") -> TrialReport:
        async def read(injected_id: str, since: float) -> list[CallbackSeen]:
            async with self._sessions() as session:
                return await read_trial_callbacks(session, injected_id, since=since)

        return await try_channel(
            self._transport,
            begun.opened,
            begun.trial,
            prefix=begun.prefix,
            injected_id=begun.injected_id,
            kling_ids=step.kling_ids,
            callback_url=self._paths.url(begun.injected_id, begun.opened.id),
            read_callbacks=read,
            with_duplicate=begun.with_duplicate,
            rules=TrialRules(wait_s=begun.wait_s),
            tell=step.take,
        )

    async def _keep(self, begun: BegunTrial, report: TrialReport) -> Channel:
        """Keep what was paid for, also if who began it may do nothing here any more."""

        def by(actor: Actor) -> Callable[[AsyncSession], Awaitable[Channel]]:
            return lambda session: note_trial(
                *(session, actor, begun.opened.name, report),
                trial_id=begun.id,
                injected_id=begun.injected_id,
                base_url=begun.opened.base_url,
            )

        try:
            return await self._write(by(begun.actor))
        except NotAllowed:
            return await self._write(by(BY_RULE))

    async def _break_off(self, begun: BegunTrial, step: "_Step", why: str) -> None:
        try:
            async with self._sessions.begin() as session:
                await say_at(session, begun.id, step.now, step.kling_ids)
                await end_trial(session, begun.id, report=None, failure=why)
        except Exception as error:  # noqa: BLE001 (it then counts as one that nobody is at)
            log_failure(log, "trial.end_not_kept", error, trial_id=begun.id)

    async def _say(self, begun: BegunTrial, step: "_Step") -> None:
        """Say at each step, and every few seconds, that somebody is at it."""
        while True:
            step.is_new.clear()
            try:
                async with self._sessions.begin() as session:
                    await say_at(session, begun.id, step.now, step.kling_ids)
            except Exception as error:  # noqa: BLE001 (the trial goes on; it is said again)
                log_failure(log, "trial.not_told", error, trial_id=begun.id)
            with suppress(TimeoutError):
                await asyncio.wait_for(step.is_new.wait(), SAYS_EVERY_S)

    async def _write(self, work: Callable[[AsyncSession], Awaitable[Done]]) -> Done:
        for pause_s in PAUSES_S:
            try:
                async with self._sessions.begin() as session:
                    return await work(session)
            except Exception as error:
                if not (isinstance(error, Busy) or is_fault(error)):
                    raise
            await asyncio.sleep(pause_s)
        async with self._sessions.begin() as session:
            return await work(session)


class _Step:
    """What a trial is at."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.now = ""
        self.kling_ids: list[str] = []
        self.is_new = asyncio.Event()

    def take(self, text: str) -> None:
        self.now = text
        self.is_new.set()
        self._tell(text)


def _why(error: BaseException, begun: BegunTrial, step: _Step) -> str:
    """Say in a sentence why there is no report, with nothing in it of the account's own."""
    if isinstance(error, TrialFailed | DeskError):
        return scrubbed(str(error), begun.opened, [begun.injected_id])
    at = f" while {step.now}" if step.now else ""
    how = (
        "it was stopped" if isinstance(error, asyncio.CancelledError) else "a mistake of the relay"
    )
    return (
        f"it was broken off{at} ({how}): a task that it had made is paid, and Kling's list of tasks"
        f" has it under the external id {begun.injected_id}"
    )
