"""All that happens without a request, in one task of a process."""

import asyncio
from datetime import tzinfo
from functools import partial

import msgspec
import structlog

from relay.alerts.judge import EVERY_S as JUDGE_EVERY_S
from relay.alerts.outgoing import SEND_EVERY_S
from relay.assets.copier import COPIES_AT_ONCE, Copier
from relay.assets.remover import REMOVE_EVERY_S, Remover
from relay.backups.schedule import ASKED_EVERY_S, Schedule, back_up_if_due
from relay.database.engine import Sessions
from relay.deliveries.deliver import Deliverer
from relay.notices.outgoing import AT_ONCE as NOTICES_AT_ONCE
from relay.notices.outgoing import IDLE_S as NOTICES_IDLE_S
from relay.notices.outgoing import NoticeSender
from relay.runs.turns import LOOKS_AT_ONCE as RUN_LOOKS_AT_ONCE
from relay.runs.turns import SENDS_AT_ONCE, Turns
from relay.tasks.look import Looker
from relay.tasks.outbox import FOLLOWED_AT_ONCE, Outbox
from relay.tasks.queue.send import TURN_EVERY_S as QUEUE_EVERY_S
from relay.tasks.queue.send import QueueSender
from relay.worker.alerts import Alerter
from relay.worker.chores import FORGET_EVERY_S, check_books, forget_raw, repeat
from relay.worker.close_months import CLOSE_EVERY_S, close_due
from relay.worker.forget_old import Ages, forget_old
from relay.worker.keep_channels import KEEP_EVERY_S, ChannelKeeper
from relay.worker.keep_storage import MEASURE_EVERY_S, keep_storage
from relay.worker.notices import LOOK_EVERY_S, Noticer
from relay.worker.read_units import TURN_EVERY_S as UNITS_EVERY_S
from relay.worker.read_units import UnitsReader
from relay.worker.roll_days import ROLL_EVERY_S, roll_due
from relay.worker.sweep import sweep

log = structlog.get_logger()

LOOKS_AT_ONCE = 100


class Storage(msgspec.Struct, frozen=True):
    """What kept files cost."""

    gb_month_micros: int | None
    currency: str


class Loops(msgspec.Struct, frozen=True):
    """What happens without a request."""

    looker: Looker
    deliverer: Deliverer
    outbox: Outbox
    copier: Copier
    remover: Remover
    run_sends: Turns
    run_looks: Turns
    queue: QueueSender
    keeper: ChannelKeeper
    units: UnitsReader
    alerter: Alerter
    chores: Sessions
    audit_every_s: float
    keep_raw_days: int
    zone: tzinfo
    """Of months."""
    close_after_days: int
    ages: Ages
    storage: Storage
    noticer: Noticer
    notices: NoticeSender
    backups: Schedule | None
    """None: it makes none."""

    async def run(self) -> None:
        """Run until cancelled; should they end by a bug, it is said at once."""
        try:
            await self._run()
        except Exception:
            log.exception("worker.loops_ended")
            raise

    async def _run(self) -> None:
        looker, deliverer, chores = self.looker, self.deliverer, self.chores
        async with asyncio.TaskGroup() as loops:
            loops.create_task(sweep("looks", looker.claim_due, looker.look, at_once=LOOKS_AT_ONCE))
            loops.create_task(
                sweep(
                    "deliveries",
                    deliverer.claim_due,
                    deliverer.deliver,
                    at_once=deliverer.limits.in_all,
                )
            )
            for name in self.outbox.followers:
                loops.create_task(
                    sweep(
                        f"follower {name}",
                        partial(self.outbox.claim_due, name),
                        self.outbox.handle,
                        at_once=FOLLOWED_AT_ONCE,
                    )
                )
            loops.create_task(
                sweep("assets", self.copier.claim_due, self.copier.copy, at_once=COPIES_AT_ONCE)
            )
            sends, run_looks = self.run_sends, self.run_looks
            loops.create_task(sweep("run sends", sends.claim, sends.move, at_once=SENDS_AT_ONCE))
            loops.create_task(
                sweep("run looks", run_looks.claim, run_looks.move, at_once=RUN_LOOKS_AT_ONCE)
            )
            loops.create_task(repeat("assets", self.remover.turn, every_s=REMOVE_EVERY_S))
            loops.create_task(repeat("queue", self.queue.turn, every_s=QUEUE_EVERY_S))
            loops.create_task(repeat("channels", self.keeper.keep, every_s=KEEP_EVERY_S))
            loops.create_task(repeat("units", self.units.read_next, every_s=UNITS_EVERY_S))
            loops.create_task(repeat("alerts", self.alerter.turn, every_s=JUDGE_EVERY_S))
            loops.create_task(repeat("alert messages", self.alerter.send_due, every_s=SEND_EVERY_S))
            loops.create_task(repeat("notices", self.noticer.look, every_s=LOOK_EVERY_S))
            loops.create_task(
                sweep(
                    "outgoing notices",
                    self.notices.claim_due,
                    self.notices.deliver,
                    at_once=NOTICES_AT_ONCE,
                    idle_s=NOTICES_IDLE_S,
                )
            )
            if (schedule := self.backups) is not None:
                loops.create_task(
                    repeat(
                        "backup",
                        lambda: back_up_if_due(schedule),
                        every_s=min(ASKED_EVERY_S, schedule.every_s),
                    )
                )
            loops.create_task(
                repeat("audit", lambda: check_books(chores), every_s=self.audit_every_s)
            )
            closing = partial(close_due, chores, zone=self.zone, after_days=self.close_after_days)
            loops.create_task(repeat("close months", closing, every_s=CLOSE_EVERY_S))
            rolling = partial(roll_due, chores, zone=self.zone)
            loops.create_task(repeat("roll days", rolling, every_s=ROLL_EVERY_S))
            keeping = partial(
                keep_storage,
                chores,
                zone=self.zone,
                gb_month_micros=self.storage.gb_month_micros,
                currency=self.storage.currency,
            )
            loops.create_task(repeat("storage", keeping, every_s=MEASURE_EVERY_S))
            loops.create_task(
                repeat(
                    "forget",
                    lambda: forget_raw(chores, days=self.keep_raw_days),
                    every_s=FORGET_EVERY_S,
                )
            )
            loops.create_task(
                repeat(
                    "forget old",
                    lambda: forget_old(chores, self.ages),
                    every_s=FORGET_EVERY_S,
                )
            )
