"""What a task cost us: Kling's deduction at the purchase price of its channel, in SQL.

A pure function of rows that never change: of the task, what Kling said at its end; of the channel,
the row that was in force when the task ended, of those that were entered up to a moment (`:as_of`).
So a price that is entered late counts for what it is for, and what had been known before can be
asked for again (docs/decisions.md 38).

- Units are of the pack that Kling named, else of the one that was held; audio is paid by videos'.
- A channel without a purchase price for them has Kling's list price, as it was quoted.
- Money without one is what it is, if Kling names no currency or the books' own.
- Each of the two is rounded half up, once, to a micro: what is added up is whole micros.
- Not known is what Kling did not tell, told in several packs, told in another currency, or told as
  0 of what is not free: never a cost of 0.
"""

ROWS = """
costs AS MATERIALIZED (
    SELECT id, channel_id, unit, price * rate_per * 1000000 AS dividend, rate AS divisor,
           valid_from, lead(valid_from, 1, 'infinity') OVER (
               PARTITION BY channel_id, unit ORDER BY valid_from
           ) AS valid_to
    FROM (
        SELECT DISTINCT ON (channel_id, unit, valid_from) *
        FROM channel_costs WHERE created_at <= :as_of
        ORDER BY channel_id, unit, valid_from, id DESC
    ) entered
)"""
"""A part of a statement: the purchase prices, each with when it holds."""

_AT = "coalesce(t.ended_at, t.created_at)"
_IS_IMAGE = "coalesce(t.cost_pack, t.pack) = 'image'"


def _join(alias: str, unit: str) -> str:
    return (
        f"LEFT JOIN costs {alias} ON {alias}.channel_id = t.channel_id AND {alias}.unit = {unit}"
        f" AND {_AT} >= {alias}.valid_from AND {_AT} < {alias}.valid_to"
    )


JOINS = f"""
    {_join("of_unit", f"CASE WHEN {_IS_IMAGE} THEN 'image' ELSE 'video' END")}
    {_join("of_cash", "'cash'")}
"""
"""Behind the tasks `t` of a query that begins with ROWS."""


def _bought(amount: str, row: str) -> str:
    """Multiply in whole numbers: a quotient that was cut off would be rounded twice."""
    return f"div(2 * {amount} * {row}.dividend + {row}.divisor, 2 * {row}.divisor)"


IS_KNOWN = """(
    (t.cost_units > 0 OR t.cost_cash > 0
     OR num_nonnulls(t.cost_units, t.cost_cash) > 0 AND t.hold_micros = 0)
    AND (coalesce(t.cost_cash, 0) = 0 OR of_cash.id IS NOT NULL
         OR coalesce(t.cost_currency, :currency) = :currency)
) IS TRUE"""
MICROS = f"""(
    CASE WHEN coalesce(t.cost_units, 0) = 0 THEN 0
        WHEN of_unit.id IS NOT NULL THEN {_bought("t.cost_units", "of_unit")}
        ELSE round(t.cost_units * (t.quote #>> CASE WHEN {_IS_IMAGE}
            THEN '{{prices,image_micros}}' ELSE '{{prices,video_micros}}' END::text[])::numeric)
        END
    + CASE WHEN coalesce(t.cost_cash, 0) = 0 THEN 0
        WHEN of_cash.id IS NOT NULL THEN {_bought("t.cost_cash", "of_cash")}
        ELSE round(t.cost_cash * 1000000) END
)"""
"""Of a task whose cost is known."""
IS_AT_LIST = "(t.cost_units > 0 AND of_unit.id IS NULL) IS TRUE"
WAS_TAKEN = "(t.cost_units > 0 OR t.cost_cash > 0)"
"""Kling took something, be it known what that cost or not."""
