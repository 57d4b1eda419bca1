"""The benchmark: `uv run python -m tests.benchmarks` (README, "Speed")."""

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from relay.database.embedded import embedded_postgres
from tests.benchmarks import machine, report
from tests.benchmarks.bare_hold import measure_holds
from tests.benchmarks.books import Books, Task
from tests.benchmarks.hot_spots import profile_submits
from tests.benchmarks.loads import BODY, CLIENTS, Plan, polls, submits
from tests.benchmarks.servers import (
    LITELLM_KEY,
    LITELLM_PATH,
    Server,
    Stub,
    install_litellm,
    running_litellm,
    running_proxy,
    running_stub,
)
from tests.benchmarks.works import RelayRound
from tests.benchmarks.wrk import Load, Measured, Request, VoidRoundError, measure

STUB_TIMES_MIN = 1.5
FULL_GROWTH = [10_000, 1_000_000, 10_000_000]
PYTHON_PACKAGES = ("uvicorn", "uvloop", "httptools", "asyncpg", "litestar", "msgspec")


def say(text: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")


class Benchmark:
    """Everything that rounds share."""

    def __init__(self, books: Books, stub: Stub, directory: Path, plan: Plan) -> None:
        self.books, self.stub, self.directory, self.plan = books, stub, directory, plan
        self.litellm: Path | None = None

    async def round(self, template: str) -> dict[str, Measured]:
        """All contenders once, one after the other.

        Raises:
            VoidRoundError
        """
        found = await self._others()
        for tenants in (1000, 1):
            found[f"pgbench: {tenants}"] = await measure_holds(
                self.books,
                self.directory,
                template=template,
                tenants=tenants,
                seconds=self.plan.seconds / 2,
            )
        found |= await self.relay(template)
        if self.litellm:
            found["litellm: submit"] = await self._litellm(self.litellm)
        return found

    async def relay(self, template: str, *, is_growth: bool = False) -> dict[str, Measured]:
        relay = RelayRound(self.books, self.stub, self.directory, template=template, plan=self.plan)
        return {
            f"relay: {work}": measured
            for work, measured in (await relay.run(is_growth=is_growth)).items()
        }

    async def _others(self) -> dict[str, Measured]:
        """The stub alone, nginx before it, and one client without anything between."""
        found: dict[str, Measured] = {}
        seconds = self.plan.seconds
        posts = submits(self.books.api_keys)
        gets = polls([Task(self.books.api_keys[0], f"task-{n}", "") for n in range(1000)])
        self.stub.say_ended(is_ended=False)
        async with running_proxy(self.directory, upstream=self.stub.port) as nginx:
            for name, requests in (("submit", posts), ("poll", gets)):
                load = Load(requests, CLIENTS, seconds, is_cut=True)
                found[f"nginx: {name}"] = await self._plain(load, nginx)
        load = Load(posts, CLIENTS, seconds / 2, is_cut=True)
        # From the contender's core: so much can the stub answer when nobody shares its own.
        found["stub"] = await measure(
            [(load, self.stub.port)],
            self.directory,
            pids=[],
            postmaster=0,
            core=machine.CONTENDER_CORE,
        )
        if found["stub"].rate < STUB_TIMES_MIN * found["nginx: submit"].rate:
            raise VoidRoundError("the stub is too slow: the round measures the stub")
        for name, requests in (("submit", posts), ("poll", gets)):
            load = Load(requests, 1, seconds / 2)
            found[f"direct: {name}"] = await measure(
                [(load, self.stub.port)], self.directory, pids=[], postmaster=0
            )
        return found

    async def _plain(self, load: Load, server: Server) -> Measured:
        return await measure([(load, server.port)], self.directory, pids=[server.pid], postmaster=0)

    async def _litellm(self, program: Path) -> Measured:
        async with running_litellm(
            self.directory, program=program, upstream=self.stub.port
        ) as server:
            requests = [Request(LITELLM_PATH, LITELLM_KEY, BODY)]
            await self._plain(Load(requests, 8, 2), server)
            return await self._plain(Load(requests, 32, max(5, self.plan.seconds)), server)


def _directories() -> tuple[Path, Path]:
    """A place for everything, and in it one for logs and loads."""
    top = Path(tempfile.mkdtemp(prefix="kling-relay-benchmark-"))
    top.chmod(0o711)  # as root, Postgres runs as another user
    directory = top / "run"
    directory.mkdir()
    return top, directory


@contextlib.asynccontextmanager
async def open_benchmark(options: argparse.Namespace) -> AsyncIterator[Benchmark]:
    """Start what all rounds share; nothing of it is left at the end."""
    os.sched_setaffinity(0, {machine.LOAD_CORE})  # Postgres and all others inherit it
    top, directory = _directories()
    plan = Plan(seconds=options.seconds, polling_seconds=options.polling_seconds)
    try:
        with embedded_postgres(top / "data", linger_s=0.5) as server:
            books = Books(server)
            async with running_stub(directory, core=machine.LOAD_CORE) as stub:
                await books.create_base(
                    "benchmark_base", channel_url=f"http://127.0.0.1:{stub.port}"
                )
                yield Benchmark(books, stub, directory, plan)
    finally:
        await asyncio.sleep(2)  # Postgres stops by itself
        if options.keep:
            say(f"kept {top}")
        else:
            shutil.rmtree(top, ignore_errors=True)


async def run_rounds(
    benchmark: Benchmark, template: str, *, rounds: int, is_growth: bool = False
) -> list[report.Round]:
    """Rounds that count; a void one is repeated once, and its reason told."""
    found: list[report.Round] = []
    left = rounds * 2
    while len(found) < rounds and left:
        left -= 1
        say(f"{template}: round {len(found) + 1} of {rounds}")
        try:
            if is_growth:
                one = await benchmark.relay(template, is_growth=True)
            else:
                one = await benchmark.round(template)
        except VoidRoundError as error:
            say(f"THE ROUND IS VOID: {error}")
            continue
        if disturbed := report.disturbed([one]):
            say(disturbed)
        found.append(one)
    if len(found) < rounds:
        raise SystemExit("too many void rounds; the reasons stand above")
    return found


def versions(books_say: str) -> str:
    """Of everything that is compared."""
    shown = [f"PostgreSQL {books_say}"]
    for program, package, flag in (("nginx", "nginx-light", "-v"), ("wrk", "wrk", "-v")):
        path = machine.need(program, package)
        out = subprocess.run([path, flag], capture_output=True, text=True, check=False)
        shown.append(first_version(out.stdout + out.stderr, program))
    return ", ".join([*shown, *(f"{name} {version(name)}" for name in PYTHON_PACKAGES)])


def first_version(said: str, program: str) -> str:
    """`nginx version: nginx/1.22.1` or `wrk debian/4.1.0-3 [epoll] Copyright …` as two words."""
    found = re.search(r"/(\d\S*)", said)
    return f"{program} {found[1]}" if found else program


async def main(options: argparse.Namespace) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the contender, one for the load")
    compared: list[str] = []
    data: dict[str, object] = {"machine": machine.describe(), "load before": os.getloadavg()}
    async with open_benchmark(options) as benchmark:
        if options.with_litellm:
            try:
                benchmark.litellm = await install_litellm(options.litellm_home)
            except machine.MissingProgramError as error:
                say(f"without LiteLLM: {error}")
            found = options.litellm_home.glob("lib/python*/site-packages/litellm-*.dist-info")
            compared += [path.stem.replace("-", " ") for path in found]
        settings = await benchmark.books.fetch(
            "postgres",
            "SELECT current_setting('server_version') || ', fsync '"
            " || current_setting('fsync') || ', synchronous_commit '"
            " || current_setting('synchronous_commit')",
        )
        rounds = await run_rounds(benchmark, "benchmark_base", rounds=options.rounds)
        data |= {
            "versions": ", ".join([versions(settings[0][0]), *compared]),
            "rounds": report.as_data(rounds),
        }
        options.output.write_text(json.dumps(data, indent=1))
        profile = ""
        if options.profile:
            profile = await profile_submits(benchmark.books, benchmark.directory, options)
        sizes = await grown(benchmark, options)
        data["growth"] = {rows: report.as_data(found) for rows, found in sizes.items()}
        options.output.write_text(json.dumps(data, indent=1))
    head = f"{datetime.now(UTC):%Y-%m-%d}, {data['machine']}; {data['versions']};"
    head += f" median of {options.rounds} rounds of {options.seconds:g} s"
    sections = [head, report.goals_table(rounds, sizes), report.works_table(rounds)]
    sections += [report.disturbed(rounds), profile]
    if sizes:
        sections.append(report.growth_table(sizes))
    sys.stdout.write("\n\n".join(filter(None, sections)) + "\n")
    say(f"all figures are in {options.output}")


async def grown(benchmark: Benchmark, options: argparse.Namespace) -> report.Sizes:
    """(a) to (e) with few rows and with many, in turn; every other round begins with the most.

    So a machine that becomes slower or faster in the meantime does it to both ends alike.
    """
    sizes: dict[int, list[report.Round]] = {rows: [] for rows in options.growth}
    for rows in sizes:
        say(f"filling {rows:,} rows")
        await benchmark.books.grow("benchmark_base", f"benchmark_{rows}", rows=rows)
    for number in range(options.growth_rounds):
        for rows in sorted(sizes, reverse=number % 2 == 1):
            name = f"benchmark_{rows}"
            sizes[rows] += await run_rounds(benchmark, name, rounds=1, is_growth=True)
    for rows in sizes:
        await benchmark.books.drop(f"benchmark_{rows}")
    return sizes


def rows_of(text: str) -> list[int]:
    """`10k,1M` as numbers."""
    return [
        int(part.lower().replace("k", "000").replace("m", "000000")) for part in text.split(",")
    ]


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load")
    parser.add_argument("--polling-seconds", type=float, default=10.0, help="of polls at 1 Hz")
    parser.add_argument("--quick", action="store_true", help="one short round: 2 minutes")
    parser.add_argument("--full", action="store_true", help="LiteLLM, profile and growth too")
    parser.add_argument("--with-litellm", action="store_true", help="install and measure it")
    default = Path(tempfile.gettempdir()) / "kling-relay-litellm"
    parser.add_argument("--litellm-home", type=Path, default=default)
    parser.add_argument("--profile", action="store_true", help="where a submit's time goes")
    parser.add_argument("--growth", type=rows_of, default=[], metavar="10k,1M")
    parser.add_argument("--growth-rounds", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("benchmark.json"))
    parser.add_argument("--keep", action="store_true", help="keep logs and loads")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.polling_seconds = 1, 3.0, 6.0
    if options.full:
        options.with_litellm = options.profile = True
        options.growth = options.growth or FULL_GROWTH
    if options.rounds < 1 or options.growth_rounds < 1:
        parser.error("--rounds and --growth-rounds: at least 1")
    options.output = options.output.resolve()
    return options


if __name__ == "__main__":
    try:
        asyncio.run(main(read_options()))
    except machine.MissingProgramError as error:
        raise SystemExit(str(error)) from None
