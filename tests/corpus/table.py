"""The table in docs/endpoints.md: every cell says what a played example showed.

    uv run python -m tests.corpus.table     plays the corpus and writes the table

A test holds the page equal to it.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path

import asyncpg

from relay.database.embedded import embedded_postgres
from relay.database.migrate import migrate
from relay.kling.endpoint import Endpoint, EndpointKind
from relay.kling.endpoints import ENDPOINTS
from tests.corpus.play import Recorded, Recording, record
from tests.corpus.seen import (
    wrong_deliveries,
    wrong_money,
    wrong_queries,
    wrong_reply,
    wrong_requests,
)
from tests.corpus.world import open_world

PAGE = Path(__file__).parents[2] / "docs" / "endpoints.md"
BEGIN = "<!-- endpoints: written by `uv run python -m tests.corpus.table` -->\n"
END = "<!-- end of endpoints -->\n"
HEAD = (
    "| endpoint | generation | kind | relayed | priced | ids owned | callback forwarded |\n"
    "|---|---|---|---|---|---|---|\n"
)
NOT = "**no**"
"""A cell whose check found a difference."""
NONE = "-"
UNIT_MICROS = {"video": 140_000, "image": 3_500}


def render(recording: Recording) -> str:
    """Write the table as it stands between the two marks."""
    rows = [_row(recording, endpoint) for endpoint in ENDPOINTS]
    return BEGIN + HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows) + END


def _row(recording: Recording, endpoint: Endpoint) -> tuple[str, ...]:
    kinds = {EndpointKind.TASK: "async", EndpointKind.CALL: "sync", EndpointKind.READ: "sync"}
    seen = recording.of(endpoint)
    relayed = _relayed(seen) if seen else _read(recording, endpoint)
    return (
        f"`{endpoint.method} {endpoint.path}`",
        endpoint.generation.value,
        kinds[endpoint.kind],
        relayed,
        _priced(recording, seen),
        _owned(seen),
        _told(seen),
    )


def _read(recording: Recording, endpoint: Endpoint) -> str:
    read = recording.reads[endpoint.name]
    is_same = read.kling is not None and read.response.content == read.kling.reply.body
    return "yes" if is_same and read.response.status_code == 200 else NOT


def _relayed(seen: list[Recorded]) -> str:
    """Request and reply byte for byte, and the queries that were answered rightly."""
    if any(wrong_requests(one) or wrong_reply(one) or list(wrong_queries(one)) for one in seen):
        return NOT
    found = {
        kind
        for one in seen
        for kind, answered in one.queries.items()
        if answered.response.status_code == 200
    }
    if not found:
        return "yes"
    ids = "either id" if {"id", "external id"} <= found else "Kling's id"
    return f"create, query by {ids}" + (", list" if "list" in found else "")


def _priced(recording: Recording, seen: list[Recorded]) -> str:
    """What was held and charged, and whether it needed a price of the operator's."""
    rows = [one for one in seen if one.row]
    if not any(one.row["hold_micros"] for one in rows):
        is_free = all(one.row["charged_micros"] == 0 for one in rows)
        return "free" if is_free else NOT
    packs = {_pack(one) for one in rows}
    if any(wrong_money(one, UNIT_MICROS[_pack(one)]) for one in rows):
        return NOT
    refused = [recording.refused_unpriced.get(one.example.name) for one in seen]
    if any(refused):
        return "by you" if set(refused) == {(404, 1203)} else NOT
    return f"list price, {', '.join(sorted(packs))} units"


def _pack(one: Recorded) -> str:
    quote = json.loads(one.row["quote"]) if isinstance(one.row["quote"], str) else one.row["quote"]
    return str(quote["row"].get("pack", "video"))


def _owned(seen: list[Recorded]) -> str:
    """Kinds of ids whose foreign ones were refused, and kinds that were learned of what it made."""
    foreign = {where: answer for one in seen for where, answer in one.foreign.items()}
    references = {one for each in seen for one in each.example.endpoint.references}
    is_checked = all(reference.path in foreign for reference in references)
    if not is_checked or any(answer != (400, 1201) for answer in foreign.values()):
        return NOT
    named = sorted({reference.kind.value for reference in references})
    made = sorted({kind for one in seen for kind, _ in one.learned})
    parts = [f"names {', '.join(named)}"] if named else []
    parts += [f"makes {', '.join(made)}"] if made else []
    return "; ".join(parts) or NONE


def _told(seen: list[Recorded]) -> str:
    tasks = [one for one in seen if one.example.endpoint.kind is EndpointKind.TASK]
    if not tasks:
        return NONE
    return NOT if any(list(wrong_deliveries(one)) for one in tasks) else "yes"


def replaced(page: str, table: str) -> str:
    """Put the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"{PAGE.name} has lost the marks of its table"
    return before + table + after


async def _record(url: str) -> str:
    async with open_world(url) as world:
        return render(await record(world))


async def _database(server_url: str, name: str) -> None:
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()


def _place() -> Path:
    top = Path(tempfile.mkdtemp(prefix="kling-relay-table-"))
    top.chmod(0o711)  # as root, the server's own user must get in
    return top


async def _main() -> None:
    top = _place()
    try:
        with embedded_postgres(top / "data", linger_s=0.2) as server:
            await _database(server.url("postgres"), "corpus")
            await migrate(server.url("corpus"))
            table = await _record(server.url("corpus"))
    finally:
        shutil.rmtree(top, ignore_errors=True)
    before = PAGE.read_text()
    after = replaced(before, table)
    PAGE.write_text(after)
    sys.stdout.write("unchanged\n" if before == after else f"{PAGE.name} was rewritten\n")


if __name__ == "__main__":
    asyncio.run(_main())
