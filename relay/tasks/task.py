"""One task's row, as the statements return it."""

from datetime import datetime
from functools import lru_cache
from typing import Any, Self

import msgspec

from relay.kling.wire import Status
from relay.pricing.quote import Quote
from relay.tasks.tables import TaskState
from relay.tasks.view import Shown

_quote = msgspec.json.Decoder(Quote)
QUOTES_MAX = 4096
"""Decoded ones that are kept; equal quotes are most of them, and one object serves all."""

LIVE = frozenset({TaskState.PENDING, TaskState.UNKNOWN, TaskState.SUBMITTED, TaskState.PROCESSING})
"""States whose hold is open."""


class TaskRow(msgspec.Struct, frozen=True):
    """The columns that `TASK_COLUMNS` names; the quote stays JSON until somebody asks."""

    id: int
    tenant_id: int
    channel_id: int
    endpoint_name: str
    state: TaskState
    task_id: str | None
    external_id: str
    tenant_external_id: str | None
    callback_url: str | None
    quote_json: str
    hold_micros: int
    charged_micros: int | None
    reply: str | None
    is_reply_full: bool
    fail_message: str | None
    created_at: datetime
    ended_via: str | None
    submit_deadline_at: datetime
    request_id: str
    refreshed_s_ago: float
    is_unasked: bool | None
    """It ended, and Kling was not asked since; null while it lives."""

    @classmethod
    def of(cls, record: Any) -> Self:
        return cls(
            id=record["id"],
            tenant_id=record["tenant_id"],
            channel_id=record["channel_id"],
            endpoint_name=record["endpoint"],
            state=TaskState(record["state"]),
            task_id=record["task_id"],
            external_id=record["external_id"],
            tenant_external_id=record["tenant_external_id"],
            callback_url=record["callback_url"],
            quote_json=record["quote"],
            hold_micros=record["hold_micros"],
            charged_micros=record["charged_micros"],
            reply=record["reply"],
            is_reply_full=record["is_reply_full"],
            fail_message=record["fail_message"],
            created_at=record["created_at"],
            ended_via=record["ended_via"],
            submit_deadline_at=record["submit_deadline_at"],
            request_id=record["request_id"],
            refreshed_s_ago=record["refreshed_s_ago"],
            is_unasked=record["is_unasked"],
        )

    @property
    def quote(self) -> Quote:
        return _read_quote(self.quote_json)

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    def shown(self) -> Shown:
        """What the tenant's view of this row needs."""
        by_operator = self.ended_via == "operator"
        return Shown(
            tenant_id=self.tenant_id,
            tenant_external_id=self.tenant_external_id,
            quote=self.quote,
            charged_micros=self.charged_micros or 0,
            status=Status(self.state.value) if by_operator else None,
            fail_message=self.fail_message,
        )


@lru_cache(maxsize=QUOTES_MAX)
def _read_quote(text: str) -> Quote:
    return _quote.decode(text)
