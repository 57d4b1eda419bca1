"""One task's row, as the statements return it."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Self

import msgspec

from relay.database.driver import Record
from relay.database.ids import AccountId, TaskId, TenantId
from relay.kling.task_object import Status
from relay.moments import ms_of
from relay.pricing.quote import Quote
from relay.tasks.tables import TaskState
from relay.tasks.view import Given, Shown

_quote = msgspec.json.Decoder(Quote)
QUOTES_MAX = 4096
"""Decoded ones that are kept; equal quotes are most of them, and one object serves all."""

LIVE = frozenset(
    {
        *(TaskState.QUEUED, TaskState.PENDING, TaskState.UNKNOWN),
        *(TaskState.SUBMITTED, TaskState.PROCESSING),
    }
)
"""States whose hold is open."""
NOT_YET_KLINGS = frozenset({TaskState.QUEUED, TaskState.PENDING, TaskState.UNKNOWN})
BY_OPERATOR, BY_QUEUE = "operator", "queue"
"""`ended_via` of what did not end by a word of Kling's."""


_STATES = {state.value: state for state in TaskState}


class TaskRow(msgspec.Struct, frozen=True):
    """The columns of `TASK_COLUMNS`, in its order; the quote stays JSON until somebody asks."""

    id: TaskId
    tenant_id: TenantId
    account_id: AccountId
    channel_id: int
    endpoint_name: str
    state: TaskState
    kling_id: str | None
    injected_id: str
    tenant_external_id: str | None
    callback_url: str | None
    quote_json: str
    hold_micros: int
    charged_micros: int | None
    refunded_micros: int
    reply: str | None
    is_followed: bool
    is_reply_full: bool
    fail_message: str | None
    created_at: datetime
    ended_via: str | None
    submit_deadline_at: datetime
    request_id: str
    public_id: str | None
    """What its tenant knows it by, where that is not Kling's id."""
    is_limited: bool
    """It took of limits, and keeps of which; another text of FINISH ends it."""
    is_unasked: bool | None
    """It ended, and Kling was not asked since; null while it lives."""
    refreshed_s_ago: float

    @classmethod
    def of(cls, record: Record | Sequence[Any]) -> Self:
        """Read what begins with `TASK_COLUMNS`, by position: by name it took twice as long."""
        values = list(record[:_WIDTH])
        values[_STATE] = _STATES[values[_STATE]]
        return cls(*values)

    @property
    def quote(self) -> Quote:
        return _read_quote(self.quote_json)

    @property
    def is_untraceable(self) -> bool:
        """Tell whether Kling cannot be asked for it: its id is not known, and ours was not sent."""
        return self.kling_id is None and not self.quote.takes_ids

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def shown_id(self) -> str | None:
        """The id that its tenant knows; None while there is none."""
        return self.public_id or self.kling_id

    @property
    def shown_state(self) -> TaskState:
        """What a tenant sees of a state of ours that is none of Kling's."""
        return TaskState.SUBMITTED if self.state in NOT_YET_KLINGS else self.state

    @property
    def is_given_up(self) -> bool:
        """Tell whether we ended it, who cannot know what Kling will say."""
        return self.state is TaskState.REFUSED or (
            self.state is TaskState.FAILED and self.ended_via == BY_QUEUE
        )

    @property
    def is_hearsay(self) -> bool:
        """Tell whether its end is a callback's word, which Kling's own reply is to confirm."""
        return self.ended_via == "callback" and not self.is_reply_full

    @property
    def paid_micros(self) -> int:
        """What the tenant paid for it so far: its charge, less what was given back."""
        return (self.charged_micros or 0) - self.refunded_micros

    @property
    def awaits_kling(self) -> bool:
        """It ended by the operator's word, and Kling's own is not heard yet."""
        return self.ended_via == BY_OPERATOR and not self.is_reply_full

    @property
    def given(self) -> Given | None:
        """What stands in place of Kling's id, and of when it made it; None is Kling's own."""
        return None if self.public_id is None else Given(self.public_id, ms_of(self.created_at))

    def shown(self) -> Shown:
        """Pick what the tenant's view of this row needs."""
        by_operator = self.ended_via == BY_OPERATOR
        return Shown(
            tenant_id=self.tenant_id,
            tenant_external_id=self.tenant_external_id,
            quote=self.quote,
            charged_micros=self.paid_micros,
            given=self.given,
            status=Status(self.state.value) if by_operator else None,
            fail_message=self.fail_message,
        )


@lru_cache(maxsize=QUOTES_MAX)
def _read_quote(text: str) -> Quote:
    return _quote.decode(text)


_WIDTH = len(TaskRow.__struct_fields__)
_STATE = TaskRow.__struct_fields__.index("state")
