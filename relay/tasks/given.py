"""Tasks that their tenants have an id of before Kling has them: how one ends without Kling.

Such a task cannot vanish as a refused one does: its tenant asks for it. It ends as `failed`, in the
shape of what Kling would say of it.
"""

from datetime import UTC, datetime

from relay.kling.endpoint import Generation
from relay.kling.endpoints import BY_NAME
from relay.kling.queried import spell_queried
from relay.ledger.entries import BY_RELAY
from relay.tasks.door import Via, end_row
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow
from relay.tasks.told import FinishRow
from relay.tasks.view import show_callback

NO_ROOM = "parallel task over resource pack limit"
"""Kling's words for 1303 (docs/kling-api.md 5.6)."""


def failed_row(
    task: TaskRow,
    *,
    at: datetime,
    reason: str,
    told: str,
    body: bytes | None = None,
    actor: str = BY_RELAY,
    look_after_s: float | None = None,
) -> FinishRow:
    """Spell the end of one that Kling is not known to have; whatever Kling says moves it on.

    `at`: now. `reason`: for operators; `told`: for the tenant. `body`: what is kept as its event.
    """
    reply = spell_ended(task, TaskState.FAILED, told, at=at)
    tells = task.callback_url is not None
    row = end_row(
        task.id,
        TaskState.FAILED,
        via=Via.QUEUE,
        reason=told,
        body=reason.encode() if body is None else body,
        look_after_s=look_after_s,
        delivery_body=show_callback(reply, task.shown()).decode() if tells else None,
        actor=actor,
    )
    return row._replace(reply=reply.decode())


def released_row(
    task: TaskRow,
    *,
    via: Via,
    reason: str,
    told: str = "",
    body: bytes | None = None,
    look_after_s: float | None = None,
) -> FinishRow:
    """Spell that the hold is given back of what surely made nothing.

    Its tenant hears of it if it has an id of it: `told`, else that there was no room.
    """
    if task.public_id is None:
        return end_row(
            task.id,
            TaskState.REFUSED,
            via=via,
            reason=reason,
            body=body,
            look_after_s=look_after_s,
        )
    return failed_row(
        task,
        at=datetime.now(UTC),
        reason=reason,
        told=told or NO_ROOM,
        body=body,
        look_after_s=look_after_s,
    )


def spell_ended(task: TaskRow, state: TaskState, told: str, *, at: datetime) -> bytes:
    """Spell its end, as a query has it; with the ids that its tenant knows."""
    return spell_queried(
        generation_of(task),
        kling_id=task.public_id,
        status=state.value,
        message=told,
        external_id=task.tenant_external_id,
        created_at=task.created_at,
        updated_at=at,
    )


def generation_of(task: TaskRow) -> Generation:
    """Say in whose words its tenant reads of it."""
    endpoint = BY_NAME.get(task.endpoint_name)
    # Those that the operator added are legacy in shape (`kling/catalogue.py`).
    return Generation.LEGACY if endpoint is None else endpoint.generation
