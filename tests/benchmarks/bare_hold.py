"""The hold alone, one per transaction, by pgbench: what Postgres can do without a relay."""

import asyncio
import importlib.util
import math
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from relay.database.embedded.binaries import PACKAGE
from relay.database.ids import AccountId, TenantId
from relay.tasks.statements import HOLD, HoldRow
from tests.benchmarks import machine
from tests.benchmarks.books import Books, quote_of_clip
from tests.benchmarks.wrk import Measured, VoidRoundError
from tests.relay_app import CLIP_MICROS

CLIENTS = (2, 4, 8, 16, 32, 64)
DATABASE = "benchmark_hold"
SPARE_S = 60
"""What it may take beyond its time."""
# As the relay's own connections for such statements.
OPTIONS = "-c enable_seqscan=off -c jit=off -c plan_cache_mode=force_generic_plan"


def find_pgbench() -> str:
    """The one of the embedded Postgres, else the system's."""
    spec = importlib.util.find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    found = sorted(Path(places[0]).glob("pginstall*/bin/pgbench")) if places else []
    return str(found[-1]) if found else machine.need("pgbench", "postgresql-contrib")


def script(*, tenants: int) -> str:
    """HOLD with arrays of one row, for a random one of so many tenants."""
    quote = quote_of_clip().replace(":", ": ")  # pgbench would take `:0` for a variable
    row = HoldRow(
        tenant_id=TenantId(0),
        account_id=AccountId(0),
        token_id=0,
        channel_id=1,
        endpoint="text2video",
        tenant_external_id=None,
        callback_url=None,
        request_id="",
        model="kling-v3",
        pack="video",
        quote=quote,
        hold_micros=CLIP_MICROS,
        deadline_s=90.0,
        random="0123456789abcdef",
    )
    values = [":tenant", ":tenant", ":tenant", *map(_literal, row[3:])]
    values[row._fields.index("request_id")] = "gen_random_uuid()::text"  # one per submit
    statement = re.sub(r"--.*", "", HOLD)
    for number in range(len(values), 0, -1):
        statement = statement.replace(f"${number}::", f"ARRAY[{values[number - 1]}]::")
    return f"\\set tenant random(1, {tenants})\n{statement.strip()};\n"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if not isinstance(value, str):
        return str(value)
    return "'" + value.replace("'", "''") + "'"


async def measure_holds(
    books: Books, directory: Path, *, template: str, tenants: int, seconds: float
) -> Measured:
    """The best rate of a few client counts, on a fresh database.

    Raises:
        VoidRoundError: pgbench failed, or rows and transactions differ.
    """
    url = urlsplit(await books.clone(template, DATABASE))
    where = parse_qs(url.query)
    path = directory / f"hold-{tenants}.sql"
    path.write_text(script(tenants=tenants))
    best: Measured | None = None
    for clients in CLIENTS:
        before = await books.count(DATABASE)
        command = machine.pinned(
            machine.CONTENDER_CORE,
            *(find_pgbench(), "-n", "-M", "prepared", "-c", str(clients)),
            *("-T", f"{max(1, seconds):.0f}", "-f", path),
            *("-h", where["host"][0], "-p", where["port"][0], "-U", "postgres", DATABASE),
        )
        process = await asyncio.create_subprocess_exec(
            *command,
            env={"PGOPTIONS": OPTIONS, "PATH": "/usr/bin:/bin"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(seconds + SPARE_S):
                out, errors = await process.communicate()
        except TimeoutError as error:
            reason = f"pgbench has not ended after {seconds + SPARE_S:.0f} s"
            raise VoidRoundError(f"{reason} ({clients} clients)") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = out.decode()
        done = re.search(r"actually processed: (\d+)", text)
        rate = re.search(r"tps = ([\d.]+)", text)
        if process.returncode or not (done and rate):
            raise VoidRoundError(f"pgbench: {errors.decode()[-500:]}")
        found = await books.count(DATABASE)
        if found != before.with_submits(int(done[1])):
            raise VoidRoundError(f"pgbench: {done[1]} transactions, {before} became {found}")
        measured = Measured(
            requests=int(done[1]),
            seconds=int(done[1]) / float(rate[1]),
            p50_ms=math.nan,  # it tells the mean alone
            p99_ms=math.nan,
            notes={"clients": clients},
        )
        if best is None or measured.rate > best.rate:
            best = measured
    assert best is not None
    await books.check(DATABASE)
    await books.drop(DATABASE)
    return best
