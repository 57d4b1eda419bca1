"""Where the microseconds of a submit go: stacks sampled by py-spy, times the CPU per request."""

import argparse
import asyncio
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.books import Books
from tests.benchmarks.loads import CLIENTS, submits
from tests.benchmarks.servers import running_relay
from tests.benchmarks.wrk import Load, Measured, measure

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
        ("uvicorn/protocols/", "uvicorn/middleware/", "proxy/answers.py", "cli/bounded_"),
    ),
    ("Litestar: from uvicorn to our surface", ("litestar/",)),
    ("authenticate", ("relay/tenants/",)),
    ("read the body and the fields", ("relay/proxy/body.py", "relay/kling/body.py")),
    ("price and quote", ("relay/pricing/", "relay/kling/wanted.py")),
    ("choose a channel, references", ("relay/channels/", "relay/tasks/place.py", "references.py")),
    ("judge and show Kling's reply", ("relay/kling/wire.py", "relay/tasks/view.py")),
    ("hold and finish: rows and results", ("relay/tasks/hold.py", "relay/tasks/finish.py")),
    ("submit itself", ("relay/tasks/",)),
    ("the surface itself", ("relay/proxy/", "relay/app.py")),
)
LOOP = "the event loop (uvloop, system calls)"


async def profile_submits(books: Books, directory: Path, options: argparse.Namespace) -> str:
    """A table of parts, with microseconds a submit.

    Raises:
        machine.MissingProgramError: py-spy cannot be had.
    """
    program = await _find_py_spy(options.litellm_home.with_name("kling-relay-py-spy"))
    seconds = max(SECONDS_MIN, options.seconds)
    url = await books.clone("benchmark_base", "benchmark_profile")
    settings = {"secret_key": books.secret_key, "public_url": books.public_url}
    # Callbacks arrive: else the worker would ask about each task after 3 s, within the window.
    await books.fetch("benchmark_profile", "UPDATE channels SET callback_at = now()")
    raw = directory / "stacks.txt"
    async with running_relay(directory, database_url=url, **settings) as relay:

        async def submit(seconds: float) -> Measured:
            load = Load(submits(books.api_keys), CLIENTS, seconds)
            return await measure(
                [(load, relay.port)], directory, pids=[relay.pid], postmaster=books.postmaster
            )

        await submit(2)
        plain = await submit(seconds)
        sampling = asyncio.create_task(_record(program, relay.pid, seconds, raw))
        await submit(seconds + 2)
        await sampling
    await books.drop("benchmark_profile")
    return table(counts_of(raw.read_text().splitlines()), plain.cpu_us)


async def _record(program: Path, pid: int, seconds: float, raw: Path) -> None:
    await asyncio.sleep(1)
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
    if found:
        return Path(found)
    program = home / "bin" / "py-spy"
    if shutil.which(program) is None:
        for command in (
            (sys.executable, "-m", "venv", str(home)),
            (str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "py-spy"),
        ):
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            if await asyncio.wait_for(process.wait(), 300):
                raise machine.MissingProgramError("py-spy is missing: pip install py-spy.")
    return program


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


def table(counts: Counter[str], cpu_us: float) -> str:
    total = counts.total()
    lines = [
        f"Where the {cpu_us:.0f} us of a submit (a) go, by {total:,} samples:",
        "",
        "| part | share | us |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name} | {count / total:.0%} | {count / total * cpu_us:.0f} |"
        for name, count in counts.most_common()
    ]
    return "\n".join(lines)
