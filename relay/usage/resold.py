"""What entries of tasks are to sub-tenants, who are told their own prices.

The account is charged by its tenant's prices. What that is to a sub-tenant is said by the factor
that the task's quote has frozen: each net charge is rounded once, half up to a micro, and an entry
is what it moved that by. So entries add up to the rounded charge, however it came about.
"""

from relay.money import RESOLD

TAKEN = "-e.amount_micros"
"""SQL over an entry `e`: what it takes from the account, in micros."""

_BEFORE = """
        coalesce((
            SELECT -sum(o.amount_micros) FROM entries o
            WHERE o.task_id = e.task_id AND o.kind = 'charge'
        ), 0) - coalesce((
            SELECT sum(o.amount_micros) FROM entries o
            WHERE o.task_id = e.task_id AND o.kind <> 'charge' AND o.id < e.id
        ), 0)"""
_AFTER = RESOLD.format(micros="b.before - e.amount_micros", task="t")
TAKEN_RESOLD = f"""
    CASE WHEN t.quote ->> 'resale' IS NULL THEN {TAKEN}
         WHEN e.kind = 'charge' THEN {RESOLD.format(micros=TAKEN, task="t")}
         ELSE (
             SELECT {_AFTER} - {RESOLD.format(micros="b.before", task="t")}
             FROM (SELECT {_BEFORE} AS before) b
         )
    END"""  # noqa: S608 (composed of constants)
"""SQL over an entry `e` of a task `t`: what it takes from whose task it is."""
