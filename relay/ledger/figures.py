"""What the entries of an account come to in a window, and a hash over all that they say.

An entry says no earlier moment than the one before it, so a window is a piece of the chain.
"""

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import AccountId
from relay.months import Window

MOVES = {
    "paid": "e.kind = 'topup' AND coalesce(e.topup_kind, 'paid') = 'paid'",
    "bonus": "e.kind = 'topup' AND e.topup_kind = 'bonus'",
    "topup_correction": "e.kind = 'topup' AND e.topup_kind = 'correction'",
    "charge": "e.kind = 'charge'",
    "refund": "e.kind = 'refund'",
    "correction": "e.kind = 'correction'",
    "adjust": "e.kind = 'adjust'",
}
"""Each entry is of one of these."""

_IN = "e.created_at >= {start} AND e.created_at < {until}"
_SAID = """json_build_array(
    e.id, e.account_id, (extract(epoch FROM e.created_at) * 1000000)::bigint, e.kind, e.topup_kind,
    e.amount_micros, e.task_id, e.reference, e.reason, e.actor
)::text"""


def sums_in(*, start: str, until: str) -> str:
    """Spell what a query over entries `e` before `until` selects to get `Figures`, in their order.

    `start`, `until`: SQL of the window's ends.
    """
    within = _IN.format(start=start, until=until)
    sums = [f"sum(e.amount_micros) FILTER (WHERE e.created_at < {start}) AS opening_micros"]
    sums += [
        f"sum(e.amount_micros) FILTER (WHERE {within} AND {move}) AS {name}_micros"
        for name, move in MOVES.items()
    ]
    sums += ["sum(e.amount_micros) AS closing_micros"]
    return f"""
        {", ".join(f"coalesce({one.replace(' AS ', ', 0)::bigint AS ')}" for one in sums)},
        count(e.id) FILTER (WHERE {within}) AS entries,
        -- Of each entry first: what is hashed then is short, however many there are.
        encode(sha256(coalesce(string_agg(
            sha256(convert_to({_SAID}, 'UTF8')), ''::bytea ORDER BY e.id
        ) FILTER (WHERE {within}), ''::bytea)), 'hex') AS entries_sha256"""


READ = f"""
SELECT {sums_in(start=":start", until=":until")}
FROM entries e WHERE e.account_id = :account_id AND e.created_at < :until
"""  # noqa: S608 (composed of constants)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
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
    entries: int
    entries_sha256: str

    @property
    def moved_micros(self) -> int:
        return sum(getattr(self, f"{name}_micros") for name in MOVES)

    @property
    def adds_up(self) -> bool:
        return self.opening_micros + self.moved_micros == self.closing_micros


async def read_figures(session: AsyncSession, account_id: AccountId, window: Window) -> Figures:
    """Sum up a window from the entries themselves; they are read once."""
    values = {"account_id": account_id, "start": window.start, "until": window.until}
    row = (await session.execute(text(READ), values)).mappings().one()
    return Figures(**row)
