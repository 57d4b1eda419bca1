"""What the migrations that a database still needs would lock, and for how long."""

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ddl import DdlReader, Effect, Work
from relay.database.pending import Pending

TABLES = text(
    """
    SELECT relname AS name, greatest(reltuples, 0)::bigint AS rows,
           pg_relation_size(oid) + coalesce(pg_relation_size(reltoastrelid), 0) AS bytes,
           pg_indexes_size(oid) AS index_bytes
    FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
    """
)
INDEXES = text("SELECT indexname, tablename FROM pg_indexes WHERE schemaname = current_schema()")
REFERENCES = text(
    """
    SELECT a.relname AS "from", b.relname AS "to"
    FROM pg_constraint AS c JOIN pg_class AS a ON a.oid = conrelid JOIN pg_class AS b
        ON b.oid = confrelid
    WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
    """
)
OLDEST = text(
    """
    SELECT coalesce(extract(epoch FROM max(now() - xact_start)), 0)::float8
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    """
)

RATES = {Work.SCAN: 1e9, Work.INDEX: 400e6, Work.REWRITE: 100e6, Work.ROWS: 40e6, Work.UNKNOWN: 4e7}
"""Bytes of the table a second, on a machine that keeps it in memory: measured on 1.5 million rows
of 585 bytes, and rounded down."""
SLOWER = 10
"""How many times longer it takes, at worst, from a disk or beside much else."""
FELT_S = 0.05
"""What takes less is at once."""


class Size(msgspec.Struct, frozen=True):
    """Of a table, as Postgres last counted it."""

    rows: int = 0
    bytes: int = 0
    """With what is too long for its row (TOAST), without indexes."""
    index_bytes: int = 0


class Known(msgspec.Struct, frozen=True):
    """What is there already."""

    sizes: Mapping[str, Size]
    indexes: Mapping[str, str]
    references: Mapping[str, frozenset[str]]
    oldest_s: float
    """How long the oldest transaction has been open that our lock might have to wait for."""


class Span(msgspec.Struct, frozen=True):
    """Seconds, from where all is in memory to a slow disk."""

    least_s: float
    most_s: float

    @property
    def is_felt(self) -> bool:
        return self.most_s >= FELT_S

    def __str__(self) -> str:
        if not self.is_felt:
            return "at once"
        return f"{_seconds(self.least_s)} to {_seconds(self.most_s)}"


class PlannedEffect(msgspec.Struct, frozen=True):
    """One change of a table that is in use."""

    effect: Effect
    size: Size
    takes: Span


class Wait(msgspec.Struct, frozen=True):
    """Who waits for a migration, from the first such lock to its commit."""

    table: str
    blocks: str
    takes: Span


class Planned(msgspec.Struct, frozen=True):
    """One migration, which is one transaction."""

    revision: str
    title: str
    oldest_code: str | None
    effects: list[PlannedEffect]
    waits: list[Wait]


async def read_known(session: AsyncSession) -> Known:
    """Read the tables, their sizes and what hangs on them; nothing is locked."""
    references: dict[str, set[str]] = {}
    for row in (await session.execute(REFERENCES)).mappings():
        references.setdefault(row["from"], set()).add(row["to"])
    return Known(
        sizes={
            row["name"]: Size(row["rows"], row["bytes"], row["index_bytes"])
            for row in (await session.execute(TABLES)).mappings()
        },
        indexes={row.indexname: row.tablename for row in await session.execute(INDEXES)},
        references={table: frozenset(others) for table, others in references.items()},
        oldest_s=await session.scalar(OLDEST) or 0.0,
    )


def plan_migrations(pending: Iterable[Pending], known: Known) -> list[Planned]:
    """Say of each migration what it does to tables that are in use, and how long others wait."""
    reader = DdlReader(indexes=known.indexes, references=known.references)
    planned = []
    for one in pending:
        effects = [
            PlannedEffect(effect, size, _takes(effect, size))
            for effect in reader.read_migration(one.statements)
            for size in [known.sizes.get(effect.table, Size())]
        ]
        waits = list(_waits(effects))
        planned.append(Planned(one.revision, one.title, one.oldest_code, effects, waits))
    return planned


def _takes(effect: Effect, size: Size) -> Span:
    rate = RATES.get(effect.work)
    if rate is None:
        return Span(0, 0)
    # A row that is written anew is written into each index too.
    written = size.index_bytes if effect.work in (Work.REWRITE, Work.ROWS, Work.UNKNOWN) else 0
    least_s = (size.bytes + written) / rate
    return Span(least_s, least_s * SLOWER)


def _waits(effects: list[PlannedEffect]) -> Iterable[Wait]:
    """List who waits, and how long: a lock is held to the end of the transaction."""
    for table in dict.fromkeys(one.effect.table for one in effects):
        for blocks in ("reads and writes", "writes"):
            begin = _first(effects, table, blocks)
            if begin is not None:
                rest = effects[begin:]
                takes = Span(
                    sum(one.takes.least_s for one in rest), sum(one.takes.most_s for one in rest)
                )
                yield Wait(table, blocks, takes)
                break


def _first(effects: list[PlannedEffect], table: str, blocks: str) -> int | None:
    for number, one in enumerate(effects):
        if one.effect.table == table and one.effect.lock.blocks == blocks:
            return number
    return None


def _seconds(seconds: float) -> str:
    if seconds >= 120:  # noqa: PLR2004 (two minutes)
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 (digits)
