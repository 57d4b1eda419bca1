"""Taking a hold: the money and the row, in one durable commit, before Kling hears of the task."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import msgspec

from relay.database.batch import Batcher, RowBlocked
from relay.database.driver import Record
from relay.database.ids import TaskId
from relay.database.line import DatabaseUnavailable, Line
from relay.errors import (
    ExternalIdTaken,
    InsufficientQuota,
    InvalidParameter,
    QuotaWithheld,
    RelayError,
    TooManyTasks,
    Unavailable,
)
from relay.limits.statements import ROLL, RollRow
from relay.limits.tables import LimitKind
from relay.limits.windows import window_of
from relay.money import decimal_of
from relay.tasks.limit_refusal import refuse_by_limit
from relay.tasks.statements import (
    FREE_KEY,
    HOLD,
    HOLD_LIMITED,
    HOLD_ONCE,
    HOLD_ONCE_LIMITED,
    HOLD_ONCE_RESOLD,
    HOLD_RESOLD,
    HoldRow,
    KeyRow,
    OnceRow,
)
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow

_NO_ACCOUNT: Any = {"available_micros": 0}


class First(msgspec.Struct, frozen=True):
    """An earlier create whose answer is this one's, too; nothing was held."""

    id: TaskId | None
    """None if it is not known yet whether there is one."""


class Holder:
    """Runs HOLD, and says in Kling's terms why it refused."""

    def __init__(self, line: Line, *, currency: str, zone: tzinfo = UTC) -> None:
        """`zone`: in which limits have their days."""
        self._line = line
        self._holds = Batcher(line, HOLD, is_idempotent=True)
        self._holds_once = Batcher(line, HOLD_ONCE, is_idempotent=True)
        self._holds_limited = Batcher(line, HOLD_LIMITED, is_idempotent=True)
        self._holds_once_limited = Batcher(line, HOLD_ONCE_LIMITED, is_idempotent=True)
        self._holds_resold = Batcher(line, HOLD_RESOLD, is_idempotent=True)
        self._holds_once_resold = Batcher(line, HOLD_ONCE_RESOLD, is_idempotent=True)
        self._freed_keys = Batcher(line, FREE_KEY, is_idempotent=True)
        self._rolls = Batcher(line, ROLL, is_idempotent=True)
        self._currency = currency
        self._zone = zone

    async def take(
        self,
        row: HoldRow,
        *,
        once: OnceRow | None = None,
        is_limited: bool = False,
        resold_micros: int | None = None,
    ) -> TaskRow | First:
        """Hold the amount and insert the task, unless it is to be another one's answer.

        `once`: it has a key, or is known to be no retry. `is_limited`: it is known to be under
        limits; those that are not known yet are found all the same. `resold_micros`: what the hold
        is to a sub-tenant; None of who is none.

        Raises:
            InsufficientQuota, TooManyTasks, ExternalIdTaken: nothing was written.
            QuotaWithheld: it is a sub-tenant; neither.
            SpendLimited, TaskTooDear, TooManyInFlight, TooManyCreates: by a limit; neither.
            Unavailable: the database did not answer. Should the hold have been committed all the
                same, a look releases it after its deadline: nothing was sent.
        """
        is_resold = resold_micros is not None
        outcome, record = await self._run(row, once, is_limited=is_limited, is_resold=is_resold)
        match outcome:
            case "held":
                return _held_task(row, record)
            case "unheard":
                return First(None)
            case "joined":
                return First(record["first_id"])
            case _:
                raise self._refusal(row, outcome, record, resold_micros)

    async def aclose(self) -> None:
        for batcher in (
            *(self._holds, self._holds_once, self._holds_limited, self._holds_once_limited),
            *(self._holds_resold, self._holds_once_resold),
            *(self._freed_keys, self._rolls),
        ):
            await batcher.aclose()

    async def _run(
        self, row: HoldRow, once: OnceRow | None, *, is_limited: bool, is_resold: bool
    ) -> tuple[str, Record]:
        """Run the statement until it is sure of its outcome."""
        # The first of its key may have committed while the account was waited for: this one is
        # refused for what that one holds then, and sees it only when it looks once more.
        is_looked_for = once is None or once.create_key is None
        while True:
            breaks = self._line.breaks
            try:
                batcher = self._batcher(once, is_limited=is_limited, is_resold=is_resold)
                record = await batcher.run(row if once is None else (*row, *once))
            except (RowBlocked, DatabaseUnavailable) as error:
                raise Unavailable from error
            if record is None:
                return "no_account", _NO_ACCOUNT
            outcome: str = record["outcome"]
            # The try whose connection broke may have come through after this one began to look:
            # then it is refused for the quota that the submit itself holds.
            is_sure = outcome == "held" or self._line.breaks == breaks
            if outcome == "old_key" and once is not None and once.create_key is not None:
                await self._freed_keys.run(KeyRow(row.token_id, once.create_key))
            elif outcome == "unknown_limits":
                is_limited = True
            elif outcome == "over":
                await self._roll(record)
            elif outcome in ("no_quota", "too_many_tasks", "limited") and not is_looked_for:
                is_looked_for = True
            elif outcome != "again" and is_sure:
                return outcome, record

    def _batcher(self, once: OnceRow | None, *, is_limited: bool, is_resold: bool) -> Batcher:
        """Find the text of HOLD that is for it."""
        if not is_limited:
            return self._holds if once is None else self._holds_once
        if is_resold:
            return self._holds_resold if once is None else self._holds_once_resold
        return self._holds_limited if once is None else self._holds_once_limited

    async def _roll(self, record: Record) -> None:
        """Begin the windows of now, of limits whose own are over."""
        for limit_id, kind in zip(record["over_ids"], record["over_kinds"], strict=True):
            window = window_of(LimitKind(kind), record["judged_at"], self._zone)
            assert window.until_at is not None, "what is over has an end"
            await self._rolls.run(RollRow(limit_id, window.start_at, window.until_at))

    def _refusal(
        self, row: HoldRow, outcome: str, record: Record, resold_micros: int | None
    ) -> RelayError:
        """Say in Kling's terms why nothing is held."""
        match outcome:
            case "other_key":
                return InvalidParameter("Idempotency-Key", "was used for another request")
            case "duplicate":
                return ExternalIdTaken()
            case "too_many_tasks":
                return TooManyTasks()
            case "limited":
                needed = row.hold_micros if resold_micros is None else resold_micros
                return refuse_by_limit(record, needed=needed, currency=self._currency)
            case "lost":
                return Unavailable()
            case _:
                return self._no_quota(row, record, is_told=resold_micros is None)

    def _no_quota(self, row: HoldRow, record: Record, *, is_told: bool) -> RelayError:
        """Say what is needed and there; to a sub-tenant nothing of what its parent has."""
        if not is_told:
            return QuotaWithheld()
        available = record["available_micros"]
        return InsufficientQuota(
            needed=f"{decimal_of(row.hold_micros)} {self._currency}",
            available=f"{decimal_of(available)} {self._currency}",
            needed_micros=row.hold_micros,
            available_micros=available,
        )


def _held_task(row: HoldRow, record: Record) -> TaskRow:
    """Make the row that HOLD has just inserted, without reading it back."""
    now = datetime.now(UTC)
    return TaskRow(
        id=record["id"],
        tenant_id=row.tenant_id,
        account_id=row.account_id,
        channel_id=row.channel_id,
        endpoint_name=row.endpoint,
        state=TaskState.PENDING,
        kling_id=None,
        injected_id=record["injected_id"],
        tenant_external_id=row.tenant_external_id,
        callback_url=row.callback_url,
        quote_json=row.quote,
        hold_micros=row.hold_micros,
        charged_micros=None,
        refunded_micros=0,
        reply=None,
        is_followed=bool(row.follows),
        is_reply_full=False,
        fail_message=None,
        created_at=now,
        ended_via=None,
        submit_deadline_at=now + timedelta(seconds=row.deadline_s),
        request_id=row.request_id,
        public_id=None,
        is_limited=record["is_limited"],
        refreshed_s_ago=0.0,
        is_unasked=None,
    )
