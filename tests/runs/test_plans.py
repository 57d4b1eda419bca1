"""What is asked of runs reads what it finds, however many runs there are: by its index."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import dsn
from relay.runs.followed import HAS_MOVED, MISSED, MISSED_OF_RUN, READ
from relay.runs.read import RunFilter, list_runs
from relay.runs.retention import FORGET
from relay.runs.statements import CLAIM_LOOKS, CLAIM_SENDS, TAKE_TURN, WAKE
from relay.runs.tables import RunState
from tests.benchmarks.plan_sessions import statements_of
from tests.benchmarks.plans import Sample, explained, faults
from tests.clones import cloned

RUNS = 12_000
"""As many as tell an index from a walk; looked at by hand with 300,000 and 900,000 moves."""
FILL = """
SET session_replication_role = replica;
INSERT INTO runs (id, tenant_id, token_id, kind, source, state, input_sealed, request_id,
    quote_micros, cap_micros, ended_at)
SELECT n, CASE WHEN n % 100 = 0 THEN 2 ELSE 1 END, 1,
    CASE WHEN n % 3000 = 7 THEN 'rare' ELSE 'clip' END, 'test',
    CASE WHEN n % 3000 = 11 THEN 'failed' ELSE 'completed' END, 'sealed', '-', 0, 0,
    now() - CASE WHEN n % 3000 = 13 THEN interval '60 days' ELSE interval '5 days' END
FROM generate_series(1, {runs}) n;
INSERT INTO run_steps (run_id, tenant_id, name, place, endpoint, state, task_id, quote_micros)
SELECT n, CASE WHEN n % 100 = 0 THEN 2 ELSE 1 END, 'clip', 0, 'text2video',
    CASE WHEN n % 2 = 0 THEN 'ready' ELSE 'sent' END, n, 0
FROM generate_series(1, {runs}) n;
INSERT INTO run_events (run_id, tenant_id, shown, xact)
SELECT n % {runs} + 1, CASE WHEN (n % {runs} + 1) % 100 = 0 THEN 2 ELSE 1 END, '{{}}',
    (3 + n / 10)::text::xid8
FROM generate_series(1, 3 * {runs}) n;
INSERT INTO run_retentions (tenant_id, days) VALUES (2, 4);
"""
AT_ONCE = 50
SAMPLES: dict[str, tuple[str, tuple[object, ...], int, int]] = {
    "sends": (CLAIM_SENDS, (AT_ONCE, 16, [], 0, 1000), 33, AT_ONCE),
    "looks": (CLAIM_LOOKS, (AT_ONCE, 16, [], 0, 1000), 17, AT_ONCE),
    "new moves": (READ, ("0", 0, AT_ONCE), AT_ONCE, AT_ONCE),
    "missed": (MISSED, ("3", 0, "900", 0, 2, AT_ONCE), -1, AT_ONCE),
    "missed of one": (MISSED_OF_RUN, ("3", 0, "99999999", 0, 1, AT_ONCE, 5), 3, 3),
    "has moved": (HAS_MOVED, ("99999990", 0, 1, 5), 1, 1),
    "woken": (WAKE, (777,), 0, 1),
}


@pytest.fixture(scope="module")
async def url(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    async with cloned(postgres_server, template) as url:
        connection = await asyncpg.connect(dsn(url))
        await connection.execute(FILL.format(runs=RUNS))
        await connection.execute("VACUUM ANALYZE runs, run_steps, run_events, run_retentions")
        await connection.close()
        yield url


@pytest.fixture
async def connection(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn(url))
    yield connection
    await connection.close()


async def test_workers_and_streams_read_only_what_is_theirs(connection: Any) -> None:
    """Of two tenants the one has thousands of steps due: a claim reads some dozens of them."""
    found = {}
    for name, (statement, values, records, rows_max) in SAMPLES.items():
        claims = name in {"sends", "looks"}
        sample = Sample(
            statement,
            values,
            frozenset({"Update run_steps"}) if claims or name == "woken" else frozenset(),
            records,
            rows_max=2 * rows_max,
            sorted_max=rows_max,
            pages_max=2_000 if claims else 8 * AT_ONCE,
            before=TAKE_TURN if claims else "SELECT",
        )
        found[name] = faults(await explained(connection, sample), sample)

    assert found == {name: [] for name in SAMPLES}


@pytest.mark.parametrize(
    ("state", "kind"),
    [(RunState.FAILED, None), (None, "rare"), (RunState.COMPLETED, "rare")],
)
async def test_a_list_of_few_among_many_reads_few(
    url: str, connection: Any, state: RunState | None, kind: str | None
) -> None:
    """Four of one tenant's thousands, by state, by kind, and by both."""
    wanted = RunFilter(1, state, kind)
    ran = await statements_of(url, lambda session: list_runs(session, wanted, limit=20, offset=0))

    found = {}
    for one in ran:
        sample = replace(one, rows_max=8, sorted_max=8, pages_max=40)
        found[sample.statement] = faults(await explained(connection, sample, runs=6), sample)

    assert len(found) == 2
    assert not any(found.values()), found


async def test_what_is_to_be_forgotten_is_found_by_when_it_ended(url: str, connection: Any) -> None:
    """Four of all that are older than the operator's days, and a tenant's that wants fewer."""
    ran = await statements_of(
        url, lambda session: session.execute(text(FORGET), {"days": 30, "at_once": 10})
    )

    (sample,) = ran
    sample = replace(
        sample,
        writes=frozenset({"Update runs", "Update run_steps"}),
        records=-1,
        rows_max=30,
        sorted_max=15,
        pages_max=1_000,
    )
    assert faults(await explained(connection, sample), sample) == []
