"""What the entries of an account come to in a window, and a hash over all that they say.

An entry says no earlier moment than the one before it, so a window is a piece of the chain; old
ones that do say an earlier one are of the window that they say, and are found all the same.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.months import Window

MOVES = {
    "paid_micros": "e.kind = 'topup' AND coalesce(e.topup_kind, 'paid') = 'paid'",
    "bonus_micros": "e.kind = 'topup' AND e.topup_kind = 'bonus'",
    "topup_correction_micros": "e.kind = 'topup' AND e.topup_kind = 'correction'",
    "charge_micros": "e.kind = 'charge'",
    "refund_micros": "e.kind = 'refund'",
    "correction_micros": "e.kind = 'correction'",
    "adjust_micros": "e.kind = 'adjust'",
}
"""Each entry is of one of these."""
AT_FIRST = datetime.fromtimestamp(0, UTC)
"""Before any entry."""

_SAID = """json_build_array(
    e.id, e.account_id, (extract(epoch FROM e.created_at) * 1000000)::bigint, e.kind, e.topup_kind,
    e.amount_micros, e.task_id, e.reference, e.reason, e.actor
)::text"""
_SUMS = ", ".join(
    f"coalesce(sum(e.amount_micros) FILTER (WHERE {move}), 0)::bigint AS {name}"
    for name, move in MOVES.items()
)
_COUNTED = f"{_SUMS}, count(e.id) AS entries"
WITHIN = f"""
    {_COUNTED},
    -- Of each entry first: what is hashed then is short, however many there are.
    encode(sha256(coalesce(string_agg(
        sha256(convert_to({_SAID}, 'UTF8')), ''::bytea ORDER BY e.id
    ) FILTER (WHERE e.id IS NOT NULL), ''::bytea)), 'hex') AS entries_sha256"""
"""What a query over the entries `e` of one window selects, each as a field of `Figures`.

The hash takes three times as long as all else: `_COUNTED` goes without.
"""

CHAIN = """
chain AS MATERIALIZED (
    SELECT coalesce(sum(amount_micros) FILTER (WHERE created_at < :start), 0)::bigint
               AS opening_micros,
           coalesce(sum(amount_micros) FILTER (WHERE created_at < :until), 0)::bigint
               AS closing_micros,
           min(id) FILTER (WHERE created_at >= :start AND created_at < :until) AS first_id,
           max(id) FILTER (WHERE created_at >= :start AND created_at < :until) AS last_id
    FROM entries WHERE account_id = :account_id
)"""
"""An account's history by its index alone: what a window begins and ends with, and its ids."""
OF_CHAIN = """
chain CROSS JOIN LATERAL (
    SELECT * FROM entries
    -- By both columns of one index: by the ids alone other accounts' would be read as well, and
    -- by moments whole blocks of everybody's, hence the fence.
    WHERE (account_id, id) >= (:account_id, chain.first_id)
        AND (account_id, id) <= (:account_id, chain.last_id)
    OFFSET 0
) e"""
"""The entries `e` between them; what is not of the window is still among them."""
OF_WINDOW = "e.created_at >= :start AND e.created_at < :until"
_READ = f"""
WITH {CHAIN}
SELECT (SELECT opening_micros FROM chain) AS opening_micros,
       (SELECT closing_micros FROM chain) AS closing_micros, {{within}}
FROM {OF_CHAIN}
WHERE {OF_WINDOW}
"""  # noqa: S608 (composed of constants)
READ, COUNT = (_READ.format(within=within) for within in (WITHIN, _COUNTED))

OF_MANY = f"""
SELECT w.account_id,
       w.before_micros + coalesce(sum(e.amount_micros) FILTER (WHERE e.created_at < w.start), 0)
           ::bigint AS opening_micros,
       {
    ", ".join(
        f"coalesce(sum(e.amount_micros) FILTER (WHERE e.created_at >= w.start AND {move}), 0)"
        f"::bigint AS {name}"
        for name, move in MOVES.items()
    )
},
       w.before_micros + coalesce(sum(e.amount_micros), 0)::bigint AS closing_micros
FROM unnest(
    CAST(:account_ids AS bigint[]), CAST(:sinces AS timestamptz[]), CAST(:befores AS bigint[]),
    CAST(:starts AS timestamptz[]), CAST(:untils AS timestamptz[])
) AS w(account_id, since, before_micros, start, until)
LEFT JOIN entries e ON e.account_id = w.account_id
    AND e.created_at >= w.since AND e.created_at < w.until AND e.created_at >= :least
GROUP BY w.account_id, w.before_micros
"""  # noqa: S608 (composed of constants)
"""Windows of many accounts in one pass, each from where it is known what all before came to."""

CLOSED_THAT_DIFFER = f"""
SELECT 'month ' || month || ' of account ' || account_id,
       before_micros + {" + ".join(f"now_{name}" for name in MOVES)}, closing_micros
FROM (
    SELECT c.*, {", ".join(f"f.{name} AS now_{name}" for name in MOVES)},
           f.entries AS now_entries, f.entries_sha256 AS now_entries_sha256,
           -- The first one begins with the first entry.
           coalesce(lag(c.closing_micros) OVER (
               PARTITION BY c.account_id ORDER BY c.until_at
           ), 0) AS before_micros
    FROM closed_months c JOIN (
        SELECT m.account_id, m.month, {WITHIN}
        FROM closed_months m LEFT JOIN entries e
            ON e.account_id = m.account_id
            AND e.created_at >= m.start_at AND e.created_at < m.until_at
        GROUP BY m.account_id, m.month
    ) f USING (account_id, month)
) closed
WHERE opening_micros <> before_micros
    OR closing_micros <> before_micros + {" + ".join(f"now_{name}" for name in MOVES)}
    OR {" OR ".join(f"{name} <> now_{name}" for name in [*MOVES, "entries", "entries_sha256"])}
"""  # noqa: S608 (composed of constants)
"""Closed months that are not what their entries come to; all entries are read once."""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """An account's window: what it began with, what changed it, signed, and what it ended with."""

    opening_micros: int
    paid_micros: int
    bonus_micros: int
    topup_correction_micros: int
    charge_micros: int
    refund_micros: int
    correction_micros: int
    """Of charges, since Kling's own reply differed."""
    adjust_micros: int
    closing_micros: int
    """The sum of all entries up to its end, summed up by itself."""


class Counted(Sums, frozen=True, kw_only=True):
    """The same, with how many entries it was summed up from."""

    entries: int

    @property
    def adds_up(self) -> bool:
        moved: int = sum(getattr(self, name) for name in MOVES)
        return self.opening_micros + moved == self.closing_micros


class Figures(Counted, frozen=True, kw_only=True):
    """The same, with a hash over all that these entries say."""

    entries_sha256: str


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """An account's window, and from where its entries are to be summed up."""

    account_id: AccountId
    window: Window
    since: datetime = AT_FIRST
    """At or before its start."""
    before_micros: int = 0
    """What all entries before `since` come to."""


async def read_sums(session: AsyncSession, spans: Sequence[Span]) -> dict[AccountId, Sums]:
    """Sum up windows of many accounts, one of each."""
    values = {
        "account_ids": [one.account_id for one in spans],
        "sinces": [one.since for one in spans],
        "befores": [one.before_micros for one in spans],
        "starts": [one.window.start for one in spans],
        "untils": [one.window.until for one in spans],
        "least": min((one.since for one in spans), default=AT_FIRST),
    }
    rows = (await session.execute(text(OF_MANY), values)).mappings()
    return {
        AccountId(row["account_id"]): Sums(**{name: row[name] for name in Sums.__struct_fields__})
        for row in rows
    }


async def read_figures(session: AsyncSession, account_id: AccountId, window: Window) -> Figures:
    """Sum up a window from the entries themselves."""
    return Figures(**await _read_row(session, READ, account_id, window))


async def read_counted(session: AsyncSession, account_id: AccountId, window: Window) -> Counted:
    """Sum up a window in the same way, without the hash."""
    return Counted(**await _read_row(session, COUNT, account_id, window))


async def _read_row(
    session: AsyncSession, query: str, account_id: AccountId, window: Window
) -> RowMapping:
    values = {"account_id": account_id, "start": window.start, "until": window.until}
    return (await session.execute(text(query), values)).mappings().one()
