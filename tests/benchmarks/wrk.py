"""Loads by wrk, with what they cost the process under load."""

import asyncio
import itertools
import signal
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.benchmarks import machine

NUMBERS = itertools.count(1)
"""Of the loads: two may go to one port."""
SCRIPT = Path(__file__).with_name("load.lua")
SPARE_S = 30
"""What a load may take beyond its time before wrk ends it by itself; then the round is void."""

Found = TypeVar("Found")


class VoidRoundError(Exception):
    """A round that says nothing, with the reason."""


@dataclass(frozen=True)
class Request:
    path: str
    bearer: str
    body: str = ""
    method: str = "POST"

    def line(self) -> str:
        assert "\n" not in self.body, "one line of the file is one request"
        return f"{self.method}\t{self.path}\t{self.bearer}\t{self.body}\n"


@dataclass(frozen=True)
class Load:
    """`seconds` 0: once through the requests. `is_cut`: what is in flight at the end is lost."""

    requests: Sequence[Request]
    connections: int
    seconds: float
    pause_ms: int = 0
    is_cut: bool = False


@dataclass
class Measured:
    """One load on one contender."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_s: float = 0.0
    database_cpu_s: float = 0.0
    foreign: float = 0.0
    """Share of the contender's core that other processes or the host took, at least."""
    busy: float = 0.0
    """Share of it that was in use, packets included, whoever is billed for them."""
    memory_mb: float = 0.0
    parts: list[int] = field(default_factory=list)
    """Requests of each load, where several ran at the same time."""
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.requests * 1e6

    @property
    def full_rate(self) -> float:
        """What the rate would be if the contender's core had been full, and the contender's own."""
        return self.rate / min(1.0, self.busy - self.foreign)


async def run(
    load: Load, port: int, directory: Path, *, core: int, spare_s: float = SPARE_S
) -> Measured:
    """Put a load on a port.

    Raises:
        VoidRoundError: an answer was an error, or one did not come, or wrk did not end.
    """
    path = directory / f"requests-{next(NUMBERS)}.tsv"
    path.write_text("".join(request.line() for request in load.requests))
    seconds = load.seconds or SPARE_S
    limit_s = seconds + 2 * spare_s
    command = machine.pinned(
        core,
        machine.need("wrk", "wrk"),
        *("--threads", "1", "--connections", str(load.connections), "--timeout", "20s"),
        *("--duration", f"{seconds + (0 if load.is_cut else spare_s):.0f}s"),
        *("--script", SCRIPT, f"http://127.0.0.1:{port}", "--"),
        *(path, str(load.seconds), str(load.pause_ms), str(load.connections)),
        *(("plain",) if load.is_cut else ()),
    )
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(limit_s):
            return await read(process)
    except (VoidRoundError, TimeoutError) as error:
        first = load.requests[0]
        work = f"{load.connections} connections, {first.method} {first.path}"
        reason = str(error) or f"wrk has not ended after {limit_s:.0f} s"
        raise VoidRoundError(f"{reason} ({work})") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        path.unlink()


async def read(process: asyncio.subprocess.Process) -> Measured:
    assert process.stdout is not None
    measured: Measured | None = None
    exact: tuple[int, float] | None = None
    async for raw in process.stdout:
        name, *values = raw.decode().rstrip("\n").split("\t")
        if name == "finished":
            exact = int(values[0]), float(values[1])
            process.send_signal(signal.SIGINT)  # it would sleep until the end of its duration
        elif name == "summary":
            answers, seconds, refused, broken, p50_ms, p99_ms = map(float, values)
            if refused or broken:
                raise VoidRoundError(f"{refused:.0f} answers were errors, {broken:.0f} broke off")
            measured = Measured(int(answers), seconds, p50_ms, p99_ms)
    await process.wait()
    if measured is None:
        raise VoidRoundError(f"wrk ended with {process.returncode}")
    if exact is not None:
        measured.requests, measured.seconds = exact
    return measured


async def together(loads: Sequence[Coroutine[Any, Any, Found]]) -> list[Found]:
    """Wait for all; if one fails, the others end before its error is raised.

    Else they would go on, and disturb whatever is measured next.
    """
    tasks = [asyncio.create_task(load) for load in loads]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def measure(
    loads: Sequence[tuple[Load, int]],
    directory: Path,
    *,
    pids: Sequence[int],
    postmaster: int,
    core: int = machine.LOAD_CORE,
) -> Measured:
    """Run loads at the same time, and count what they cost the contender's processes.

    `postmaster`: of the database beside it, 0 for none. `core`: where the loads run.
    """
    before_s = sum(map(machine.cpu_s, pids))
    database_before_s = machine.cpu_of_children_s(postmaster) if postmaster else 0.0
    core_before = machine.core_times(machine.CONTENDER_CORE)
    parts = await together([run(load, port, directory, core=core) for load, port in loads])
    spent_s = sum(map(machine.cpu_s, pids)) - before_s
    core_s = machine.core_times(machine.CONTENDER_CORE).since(core_before)
    seconds = max(part.seconds for part in parts)
    return Measured(
        requests=sum(part.requests for part in parts),
        seconds=seconds,
        p50_ms=max(part.p50_ms for part in parts),
        p99_ms=max(part.p99_ms for part in parts),
        cpu_s=spent_s,
        database_cpu_s=(
            machine.cpu_of_children_s(postmaster) - database_before_s if postmaster else 0.0
        ),
        foreign=max(0.0, core_s.processes + core_s.stolen - spent_s) / seconds,
        busy=(core_s.processes + core_s.interrupts) / seconds,
        memory_mb=sum(map(machine.memory_peak_mb, pids)),
        parts=[part.requests for part in parts],
    )
