"""Where the microseconds of a submit go: stacks sampled by py-spy, times the CPU per request."""

import argparse
import asyncio
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.books import Books
from tests.benchmarks.installed import installed
from tests.benchmarks.loads import CLIENTS, submits
from tests.benchmarks.servers import Server, running_relay, running_slow_stub
from tests.benchmarks.works import SLOW_CLIENTS, SLOW_DELAY_MS
from tests.benchmarks.wrk import Load, Measured, measure
from tests.waiting import settle_for

SAMPLES_A_SECOND = 250
SECONDS_MIN = 8.0

# The innermost frame of a stack that belongs to a part names it.
PARTS = (
    ("asyncpg, the driver (all statements)", ("asyncpg/",)),
    ("the batcher around it", ("relay/database/batch.py",)),
    ("the client to Kling", ("aiohttp/", "yarl/", "multidict/", "_transport.py", "kling/http1_")),
    ("the log line", ("relay/logs.py", "structlog/", "_log_line")),
    (
        "uvicorn, httptools: HTTP to the tenant",
        ("uvicorn/protocols/", "uvicorn/middleware/", "relay/server/", "proxy/answers.py"),
    ),
    ("Litestar: from uvicorn to our surface", ("litestar/",)),
    ("authenticate", ("relay/tenants/",)),
    ("read the body and the fields", ("relay/proxy/body.py", "relay/kling/body.py")),
    ("price and quote", ("relay/pricing/", "relay/kling/wanted.py", "relay/tasks/quoter.py")),
    (
        "choose a channel, references",
        ("relay/channels/", "relay/tasks/choose_channel.py", "references.py"),
    ),
    ("judge and show Kling's reply", ("relay/kling/wire.py", "relay/tasks/view.py")),
    (
        "hold and finish: rows and results",
        ("relay/tasks/hold.py", "relay/tasks/finish.py", "relay/tasks/record.py"),
    ),
    ("submit itself", ("relay/tasks/",)),
    ("endpoints and other facts of Kling's", ("relay/kling/", "relay/deliveries/guard.py")),
    ("the surface itself", ("relay/proxy/", "relay/app.py")),
)
LOOP = "the event loop (uvloop, system calls)"


@dataclass(frozen=True)
class Profile:
    """Of one load: what a submit costs unobserved, and samples by part."""

    cpu_us: float
    wakings: float
    """How often the process woke from a sleep, a second."""
    counts: Counter[str]


async def profile_submits(books: Books, directory: Path, options: argparse.Namespace) -> str:
    """A table of parts, with microseconds a submit, of (a) and of (h).

    Raises:
        machine.MissingProgramError: py-spy cannot be had.
    """
    program = await _find_py_spy(options.litellm_home.with_name("kling-relay-py-spy"))
    sampler = _Sampler(books, directory, program, max(SECONDS_MIN, options.seconds))
    fast = await sampler.sample(CLIENTS, kling=None)
    async with running_slow_stub(directory, delay_ms=SLOW_DELAY_MS) as stub:
        slow = await sampler.sample(SLOW_CLIENTS, kling=f"http://127.0.0.1:{stub.port}")
    return table(fast, slow)


class _Sampler:
    def __init__(self, books: Books, directory: Path, program: Path, seconds: float) -> None:
        self._books = books
        self._directory = directory
        self._program = program
        self._seconds = seconds

    async def sample(self, clients: int, *, kling: str | None) -> Profile:
        """Submit on a fresh database, once plainly and once observed."""
        books, name = self._books, "benchmark_profile"
        url = await books.clone("benchmark_base", name)
        # Callbacks arrive: else the worker would ask about each task after 3 s, within the window.
        await books.fetch(name, "UPDATE channels SET callback_at = now()")
        if kling:
            await books.fetch(name, "UPDATE channels SET base_url = $1", kling)
        settings = {"secret_key": books.secret_key, "public_url": books.public_url}
        raw = self._directory / "stacks.txt"
        async with running_relay(self._directory, database_url=url, **settings) as relay:
            await self._submit(relay, clients, 2)
            wakings_before = machine.wakings(relay.pid)
            plain = await self._submit(relay, clients, self._seconds)
            wakings = (machine.wakings(relay.pid) - wakings_before) / plain.seconds
            sampling = asyncio.create_task(_record(self._program, relay.pid, self._seconds, raw))
            await self._submit(relay, clients, self._seconds + 2)
            await sampling
        await books.drop(name)
        return Profile(plain.cpu_us, wakings, counts_of(raw.read_text().splitlines()))

    async def _submit(self, relay: Server, clients: int, seconds: float) -> Measured:
        return await measure(
            [(Load(submits(self._books.api_keys), clients, seconds), relay.port)],
            self._directory,
            pids=[relay.pid],
            postmaster=self._books.postmaster,
        )


async def _record(program: Path, pid: int, seconds: float, raw: Path) -> None:
    await settle_for(1, because="by then the load is under way")
    command = machine.pinned(
        machine.LOAD_CORE,
        *(program, "record", "--format", "raw", "--rate", str(SAMPLES_A_SECOND)),
        *(
            "--duration",
            f"{max(1, seconds - 1):.0f}",
            "--output",
            raw,
            "--pid",
            str(pid),
            "--full-filenames",
        ),
    )
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), seconds + 60)
    if process.returncode:
        raise machine.MissingProgramError(f"py-spy cannot sample here: {errors.decode()[-300:]}")


async def _find_py_spy(home: Path) -> Path:
    found = shutil.which("py-spy")
    return Path(found) if found else await installed("py-spy", home, package="py-spy")


def counts_of(lines: Iterable[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in lines:
        stack, _, number = line.rpartition(" ")
        counts[part_of(stack.split(";"))] += int(number)
    return counts


def part_of(frames: list[str]) -> str:
    """The part of the innermost frame that belongs to one."""
    for frame in reversed(frames):
        for name, marks in PARTS:
            if any(mark in frame for mark in marks):
                return name
    return LOOP


def table(fast: Profile, slow: Profile) -> str:
    """Microseconds of each part, most of (a) first."""
    samples = f"{fast.counts.total():,} and {slow.counts.total():,} samples"
    wakings = f"the process woke {fast.wakings:,.0f} and {slow.wakings:,.0f} times a second"
    lines = [
        f"Where the {fast.cpu_us:.0f} us of a submit (a) go, and the {slow.cpu_us:.0f} us of (h):",
        f"{samples}; {wakings}.",
        "",
        "| part | (a) share | (a) us | (h) us | (h) of (a) |",
        "|---|---|---|---|---|",
    ]
    for name, count in fast.counts.most_common():
        share = count / fast.counts.total()
        fast_us = share * fast.cpu_us
        slow_us = slow.counts[name] / max(1, slow.counts.total()) * slow.cpu_us
        lines.append(
            f"| {name} | {share:.0%} | {fast_us:.0f} | {slow_us:.0f} | {slow_us / fast_us:.1f} |"
        )
    return "\n".join(lines)
