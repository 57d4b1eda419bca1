"""What a callback tells of one task, for tests of the statements' plans."""

from relay.database.ids import TaskId
from relay.tasks.told import FinishRow
from tests.relay_app import CLIP_MICROS


def told_success(task: int, kling_id: str, *, made: str = "[]") -> FinishRow:
    """A success of a clip at its price; `made` as `owners.learn.spell_made` spells it."""
    return FinishRow(
        id=TaskId(task),
        state="succeed",
        via="callback",
        kling_id=kling_id,
        charge_micros=CLIP_MICROS,
        deduction=None,
        cost_units=None,
        cost_pack=None,
        cost_cash=None,
        cost_currency=None,
        reply="{}",
        kling_created_at=None,
        is_reply_full=False,
        fail_message=None,
        result_ids="[]",
        result_urls="[]",
        kling_request_id=None,
        next_look_s=15.0,
        delivery_body=None,
        event="callback",
        event_body=b"{}",
        made=made,
    )
