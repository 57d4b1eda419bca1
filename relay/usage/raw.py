"""Usage summed up from tasks and entries, in SQL: what is read (`sums.py`), and kept (`roll.py`).

The text is composed for so many spans of time, the values of which are bound by number.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.months import Window
from relay.tasks.token_report import find_first_since
from relay.tenants.tables import Tenant
from relay.usage import costs, resold

OUT_OF_ORDER = timedelta(hours=1)
"""Tasks are old in the order of their ids, give or take much less: as far as a clock is set back.
"""
BEHIND_ALL = 2**63 - 1
FIGURES = (
    *("tasks", "succeeded", "failed", "refused", "charges", "seconds", "images"),
    *("charged_micros", "resold_micros", "cost_micros", "at_list", "uncharged", "without_cost"),
    "without_cost_micros",
)
OF_TASKS = FIGURES[:4]
OF_CHARGES = ("charge_entries", "charge_micros")
"""What else is kept of a day: charges as statements have them, whatever became of them later."""
OF_WHOM = """
        AND (CAST(:tenant_ids AS bigint[]) IS NULL OR {row}.tenant_id = ANY(:tenant_ids))
        AND (CAST(:token_id AS bigint) IS NULL OR {row}.token_id = :token_id)"""
OF_WHAT = """
        AND (CAST(:channel_id AS bigint) IS NULL OR {row}.channel_id = :channel_id)
        AND (CAST(:model AS text) IS NULL OR {row}.model = :model)"""
WANTED = OF_WHOM + OF_WHAT
"""`row`: a task, or a line of a rolled day."""
LINE = f"""
           t.pack, t.quote, {costs.IS_KNOWN} AS is_known, {costs.MICROS} AS cost_micros,
           {costs.IS_AT_LIST} AS is_at_list"""
PARTS = """
{costs},
made AS (
    SELECT {of_task},
           count(*) FILTER (WHERE t.state <> 'refused') AS tasks,
           count(*) FILTER (WHERE t.state = 'succeed') AS succeeded,
           count(*) FILTER (WHERE t.state = 'failed') AS failed,
           count(*) FILTER (WHERE t.state = 'refused') AS refused
    FROM tasks t JOIN tokens k ON k.id = t.token_id
    WHERE ({tasks_in}) AND NOT k.is_test {wanted}
    GROUP BY {keys}
),
lines AS (
    SELECT {of_entry}, {taken} AS charged_micros, {taken_resold} AS resold_micros,
           -- Of one charge a success, which it still is.
           e.kind = 'charge' AND t.state = 'succeed' AND NOT k.is_test AS is_success,
           e.kind = 'charge' AS is_charge, false AS is_uncharged, {line}
    FROM entries e JOIN tasks t ON t.id = e.task_id JOIN tokens k ON k.id = t.token_id {joins}
    WHERE ({entries_in}) {wanted}
    UNION ALL
    SELECT {of_task}, 0, 0, false, false, true, {line}
    FROM tasks t JOIN tokens k ON k.id = t.token_id {joins}
    WHERE ({tasks_in}) AND NOT k.is_test AND t.state <> 'succeed' AND {was_taken} {wanted}
),
money AS (
    SELECT {keys},
           count(*) FILTER (WHERE is_success) AS charges,
           sum((quote ->> 'seconds')::bigint) FILTER (WHERE is_success AND pack <> 'image' AND (
               quote #>> '{{wanted,seconds}}' IS NOT NULL
               OR (quote #>> '{{wanted,is_open}}')::boolean
           )) AS seconds,
           sum(coalesce((quote #>> '{{wanted,count}}')::bigint, 1))
               FILTER (WHERE is_success AND pack = 'image') AS images,
           sum(charged_micros) AS charged_micros, sum(resold_micros) AS resold_micros,
           sum(cost_micros) FILTER (WHERE (is_success OR is_uncharged) AND is_known) AS cost_micros,
           count(*) FILTER (WHERE (is_success OR is_uncharged) AND is_known AND is_at_list)
               AS at_list,
           count(*) FILTER (WHERE is_uncharged) AS uncharged,
           count(*) FILTER (WHERE (is_success OR is_uncharged) AND NOT is_known) AS without_cost,
           sum(charged_micros) FILTER (WHERE NOT is_known) AS without_cost_micros,
           count(*) FILTER (WHERE is_charge) AS charge_entries,
           sum(charged_micros) FILTER (WHERE is_charge) AS charge_micros
    FROM lines
    GROUP BY {keys}
)"""
SUMS = """
    SELECT {keys}, {made} FROM made
    UNION ALL
    SELECT {keys}, {money} FROM money"""
TASKS_IN = (
    "t.id >= :first_id_{n} AND t.id < :behind_id_{n}"
    " AND t.created_at >= :start_{n} AND t.created_at < :until_{n}"
)
ENTRIES_IN = "e.created_at >= :start_{n} AND e.created_at < :until_{n}"


def parts_of(*, of_task: Sequence[str], of_entry: Sequence[str], keys: str, spans: int) -> str:
    """Compose the parts of a statement, which SUMS then reads."""
    return PARTS.format(
        costs=costs.ROWS,
        joins=costs.JOINS,
        line=LINE,
        taken=resold.TAKEN,
        taken_resold=resold.TAKEN_RESOLD,
        was_taken=costs.WAS_TAKEN,
        wanted=WANTED.format(row="t"),
        of_task=", ".join(of_task),
        of_entry=", ".join(of_entry),
        keys=keys,
        tasks_in=" OR ".join(TASKS_IN.format(n=place) for place in range(spans)),
        entries_in=" OR ".join(ENTRIES_IN.format(n=place) for place in range(spans)),
    )


def sums_of(keys: str, figures: Sequence[str] = FIGURES) -> str:
    """Compose what the parts come to: keys and figures, of tasks and of money apart."""
    # Of one type with what days have, or each of their figures is made a numeric first.
    made, money = (
        ", ".join(
            f"{name if (name in OF_TASKS) is of_tasks else 0}::bigint AS {name}" for name in figures
        )
        for of_tasks in (True, False)
    )
    return SUMS.format(keys=keys, made=made, money=money)


async def span_values(session: AsyncSession, spans: Sequence[Window]) -> dict[str, Any]:
    """Say what spans are bound to: their moments, and between which ids their tasks are."""
    values: dict[str, Any] = {}
    for place, span in enumerate(spans):
        ids = await ids_of(session, span)
        of_span = {**ids, "start": span.start, "until": span.until}
        values |= {f"{name}_{place}": value for name, value in of_span.items()}
    return values


async def ids_of(session: AsyncSession, window: Window) -> dict[str, int]:
    """Say between which ids the tasks of a window are, so that others need not be read."""
    now = await session.scalar(select(func.now()))
    assert now is not None, "it has a clock"
    behind_id = BEHIND_ALL
    if window.until + OUT_OF_ORDER < now:
        behind_id = await find_first_since(session, window.until + OUT_OF_ORDER)
    first_id = await find_first_since(session, window.start - OUT_OF_ORDER)
    return {"first_id": first_id, "behind_id": behind_id}


async def family_of(session: AsyncSession, tenant_id: int) -> list[int]:
    """Name a tenant and its sub-tenants, so that a plan is made for how many they are."""
    query = select(Tenant.id).where((Tenant.id == tenant_id) | (Tenant.parent_id == tenant_id))
    return list(await session.scalars(query))


async def plan_for_values(session: AsyncSession) -> None:
    """Have what follows in a transaction planned for its values: a day is not a year."""
    await session.execute(text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"))
