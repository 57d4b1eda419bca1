"""The plan of one run of a statement, and what is wrong with it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.plan_rows import LARGE

READ_IN_VAIN = (
    "Rows Removed by Filter",
    "Rows Removed by Index Recheck",
    "Rows Removed by Join Filter",
)
PAGES_A_ROW = 30
"""From the root of an index to its leaf, the row's, and those of its dead versions: tests leave
many."""


@dataclass(frozen=True)
class Sample:
    """One run of a statement, and the most that it may touch.

    A statement whose work grows with the tables breaks the bounds by far.
    """

    statement: str
    values: tuple[object, ...]
    writes: frozenset[str] = frozenset()
    """What must be written, such as "Insert tasks": a part that finds nothing shows nothing."""
    records: int = 1
    rows_max: int = 5
    """Of one node of the plan, with those that it reads in vain."""
    sorted_max: int = 2
    pages_max: int | None = None
    before: str = "SELECT"
    """What its transaction begins with."""

    @property
    def pages_allowed(self) -> int:
        """Of 8 KB, in all. A row that is written has ten indexes, and looks for a free page."""
        if self.pages_max is not None:
            return self.pages_max
        return 500 if self.writes else 20


async def explained(
    connection: Any, sample: Sample, *, seeded: str = "SELECT", runs: int = 1
) -> Any:
    """The plan of the last run as it went, all rolled back together with a seeded fault."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(seeded)
        await connection.execute(sample.before)
        return await _explained(connection, sample, runs=runs)
    finally:
        await transaction.rollback()


async def _explained(connection: Any, sample: Sample, *, runs: int) -> Any:
    prepared = await connection.prepare(sample.statement)
    kinds = [kind.name for kind in prepared.get_parameters()]
    spelled = [
        await connection.fetchval(f"SELECT quote_nullable(($1::{kind})::text)", value)
        for kind, value in zip(kinds, sample.values, strict=True)
    ]
    places = f"({', '.join(spelled)})" if spelled else ""
    asked = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) EXECUTE asked {places}"
    await connection.execute(f"PREPARE asked AS {sample.statement}")
    try:
        for _ in range(runs - 1):
            async with connection.transaction():
                await connection.fetchval(asked)
        return json.loads(await connection.fetchval(asked))[0]["Plan"]
    finally:
        await connection.execute("DEALLOCATE asked")


def nodes(plan: Any) -> Iterator[Any]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def rows_of(node: Any) -> int:
    """Rows that the node returned in all its loops: Postgres gives their mean."""
    return round(float(node["Actual Rows"]) * int(node["Actual Loops"]))


def written(plan: Any) -> set[str]:
    return {
        f"{node['Operation']} {node['Relation Name']}"
        for node in nodes(plan)
        if node["Node Type"] == "ModifyTable" and any(rows_of(child) for child in node["Plans"])
    }


def own_pages(node: Any) -> int:
    """Pages of 8 KB that it looked at, in memory or not, and those of most of its children."""
    return int(node["Shared Hit Blocks"]) + int(node["Shared Read Blocks"])


def touched(node: Any) -> int:
    """Rows that it returned or read in vain."""
    in_vain = sum(float(node.get(one, 0)) for one in READ_IN_VAIN)
    return rows_of(node) + round(in_vain * int(node["Actual Loops"]))


def pages_of(plan: Any) -> int:
    """Pages of all nodes.

    The parts that only write run when all else is done, and Postgres adds them to no other node's.
    """
    read = {node.get("CTE Name") for node in nodes(plan)}
    apart = (
        node
        for node in nodes(plan)
        if node["Node Type"] == "ModifyTable"
        and node.get("Subplan Name", "").startswith("CTE ")
        and node["Subplan Name"].removeprefix("CTE ") not in read
    )
    return sum(own_pages(node) for node in (plan, *apart))


def faults(plan: Any, sample: Sample) -> list[str]:
    """What must not be: all rows read, many sorted, many pages; or a sample that shows nothing."""
    found = []
    for node in nodes(plan):
        name = f"{node['Node Type']} {node.get('Relation Name') or node.get('Index Name') or ''}"
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE:
            found.append(name)
        if touched(node) > sample.rows_max:
            found.append(f"{name}: {touched(node)} rows")
        # To walk an index from end to end may return a single row.
        reads = PAGES_A_ROW * (1 + max(touched(node), node["Actual Loops"]))
        is_read = (
            node["Node Type"].endswith("Scan") and {"Relation Name", "Index Name"} & node.keys()
        )
        if is_read and own_pages(node) > reads:
            found.append(f"{name}: {own_pages(node)} pages for {touched(node)} rows")
        if node["Node Type"].endswith("Sort"):
            entered = sum(rows_of(child) for child in node["Plans"])
            if entered > sample.sorted_max:
                found.append(f"{name} of {entered} rows by {node['Sort Key']}")
    if pages_of(plan) > sample.pages_allowed:
        found.append(f"{pages_of(plan)} pages")
    if sample.records not in (rows_of(plan), -1):
        found.append(f"returned {rows_of(plan)} records")
    if written(plan) != sample.writes:
        found.append(f"wrote {sorted(written(plan))}")
    return found
