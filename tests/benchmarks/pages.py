"""How long pages take with a million tasks, and what they cost the creates beside them.

`uv run python -m tests.benchmarks.pages`: one process and one loop for pages, creates and the
sandbox that takes them, which is harder on both than a real relay. Prints a table in markdown.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC
from pathlib import Path
from statistics import median
from typing import Self

import asyncpg
import httpx

from relay.database.embedded import embedded_postgres
from relay.database.engine import dsn
from relay.database.migrate import migrate
from relay.desk.tokens import issue_token
from relay.logins.links import make_link
from relay.sandbox.settings import SandboxSettings
from relay.tenants.scope import Scope
from relay.worker.roll_days import roll_due
from tests.benchmarks.plan_rows import fill
from tests.console.visiting import browser as office_browser
from tests.portal.visiting import OURS
from tests.portal.visiting import browser as public_browser
from tests.relay_app import ACTOR, CLIP, SANDBOX_URL, TEXT2VIDEO, Relay, running_relay
from tests.waiting import settle_for

TIMES = 5
ROLLS = 13
"""Of five hours or days each, the newest first: more than a page shows."""
ALONE_S = 10.0
CREATORS = 4
OF_CONSOLE = (
    *("", "/figures", "/tasks", "/tasks?tenant=tenant-1", "/tasks?tenant=tenant-4711"),
    *("/tasks?state=failed", "/tasks?flagged=on", "/tasks?stuck=on", "/tasks/999990"),
    *(
        "/tasks/find?id=kling-500000",
        "/tasks/find?id=of-nothing",
        "/tenants",
        "/tenants?below=1",
        "/tenants/1",
    ),
    *("/tenants/1/entries", "/tenants/1/statement", "/tenants/1/tokens", "/tenants/4711"),
    *("/channels", "/channels/1", "/deliveries", "/deliveries?state=due", "/alerts", "/changes"),
)
# Of the plans' rows every fiftieth is live, however old. Kling ends a task in minutes.
END_OLD = """
UPDATE tasks SET state = 'failed', hold_ended_at = created_at, ended_at = created_at,
                 ended_via = 'look', next_look_at = NULL, look_lease = NULL
WHERE hold_ended_at IS NULL AND created_at < now() - interval '2 days'
"""
OF_PORTAL = ("", "/month", "/tasks", "/tasks?state=failed", "/usage", "/money", "/money/statement")


class Creates:
    """Creates one after another, by some at a time, as long as they are let."""

    def __init__(self, relay: Relay, bearer: str) -> None:
        self._relay = relay
        self._headers = {"authorization": f"Bearer {bearer}"}
        self.took_s: list[float] = []
        self._working: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._working = [asyncio.create_task(self._work()) for _ in range(CREATORS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self._working:
            one.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            began = time.perf_counter()
            answer = await self._relay.client.post(TEXT2VIDEO, json=CLIP, headers=self._headers)
            assert answer.status_code == 200, answer.text
            self.took_s.append(time.perf_counter() - began)


async def a_quote(url: str) -> str:
    """Make a task in a database of its own, for what is frozen with one."""
    async with running_relay(url) as relay:
        await relay.add_channel()
        await relay.submit(await relay.add_tenant())
        (row,) = await relay.rows("SELECT quote::text AS quote FROM tasks")
        return str(row["quote"])


async def read_pages(
    client: httpx.AsyncClient, root: str, pages: Sequence[str]
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for page in pages:
        for _ in range(TIMES):
            began = time.perf_counter()
            answer = await client.get(root + page, follow_redirects=True)
            found.setdefault(root + page, []).append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 200, (page, answer.status_code, answer.text[-500:])
    return found


async def measure(url: str) -> None:
    sandbox = SandboxSettings(public_url=SANDBOX_URL, concurrency=100_000)
    async with running_relay(url, portal=True, sandbox=sandbox, timezone="UTC") as relay:
        await relay.add_channel("third", base_url=SANDBOX_URL)
        await relay.rows("UPDATE channels SET enabled = name = 'third'")
        await relay.rows(END_OLD)
        await relay.rows("VACUUM ANALYZE tasks")
        for _ in range(ROLLS):  # as a worker has done by then
            await roll_due(relay.sessions, zone=UTC)
        async with relay.sessions.begin() as session:
            maker = await issue_token(session, ACTOR, "tenant-3", relay.keys)
            large = await issue_token(session, ACTOR, "tenant-1", relay.keys, scope=Scope.MANAGE)
            small = await issue_token(session, ACTOR, "tenant-4711", relay.keys, scope=Scope.READ)
            key = await make_link(session, system_user="ann")
        async with Creates(relay, maker.api_key) as alone:
            await settle_for(ALONE_S, because="creates are counted for so long")
        began = time.perf_counter()
        found: dict[str, list[float]] = {}
        async with (
            Creates(relay, maker.api_key) as beside,
            office_browser(relay) as operator,
            public_browser(relay) as of_large,
            public_browser(relay) as of_small,
        ):
            await operator.post("/console/enter", data={"key": key}, headers=OURS)
            found |= await read_pages(operator, "/console", OF_CONSOLE)
            for client, token in ((of_large, large), (of_small, small)):
                entered = await client.post(
                    "/portal/login", data={"key": token.api_key}, headers=OURS
                )
                assert entered.status_code == 303, entered.text
                told = await read_pages(client, "/portal", OF_PORTAL)
                found |= {f"{page} of {token.tenant}": times for page, times in told.items()}
        took_s = time.perf_counter() - began
        report(found, alone, beside, took_s)


def report(found: dict[str, list[float]], alone: Creates, beside: Creates, took_s: float) -> None:
    lines = ["| page | median ms | longest ms |", "|---|---|---|"]
    for page, times in found.items():
        lines.append(f"| `{page}` | {median(times):.0f} | {max(times):.0f} |")
    first, second = len(alone.took_s) / ALONE_S, len(beside.took_s) / took_s
    lines.append("")
    lines.append(
        f"Creates: {first:.0f}/s alone (median {_ms(alone)} ms), {second:.0f}/s beside pages that"
        f" were read one after another without a pause (median {_ms(beside)} ms)."
    )
    sys.stdout.write("\n".join(lines) + "\n")


def _ms(creates: Creates) -> str:
    return f"{median(creates.took_s) * 1000:.1f}"


def main() -> None:
    top = Path(tempfile.mkdtemp(prefix="kling-relay-scale-"))
    top.chmod(0o711)
    with embedded_postgres(top / "data", linger_s=0.2) as server:
        url = server.url("postgres")

        async def run() -> None:
            first = await asyncpg.connect(dsn(url))
            await first.execute("CREATE DATABASE million")
            await first.close()
            await migrate(url)
            quote = await a_quote(url)
            await migrate(server.url("million"))
            await fill(server.url("million"), quote=quote)
            await measure(server.url("million"))

        asyncio.run(run())


if __name__ == "__main__":
    main()
