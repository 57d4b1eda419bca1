"""What the kernel says of a process and of a core, and where things run.

The contender has one core for itself; load, stub and Postgres share another.
"""

import asyncio
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import PATIENCE_S, settle_for

INSTALL_S = 300.0
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cores_to_use() -> tuple[int, int]:
    """Pick the first two that we may run on; the same one twice where there is only one."""
    if sys.platform != "linux":  # no loads, but the tests that need none
        return 0, 0
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[:2][-1]


CONTENDER_CORE, LOAD_CORE = cores_to_use()


class MissingProgramError(Exception):
    """Something to install first; the message says how."""


def need(program: str, package: str) -> str:
    """Find a program, or as root install its Debian package.

    Raises:
        MissingProgramError: in one sentence.
    """
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "install", "--yes", "--no-install-recommends", package]
        subprocess.run(command, env=environ, check=False, timeout=INSTALL_S, capture_output=True)
        found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if found is None:
        raise MissingProgramError(f"{program} is missing: apt-get install {package} (as root).")
    return found


def pinned(core: int, *command: str | Path) -> list[str]:
    """Run on one core, and end with us on Linux, however we end."""
    parts = ["taskset", "-c", str(core), "setpriv", "--pdeathsig", "KILL", *map(str, command)]
    return [need("taskset", "util-linux"), *parts[1:]]


def cpu_s(pid: int) -> float:
    """User and system time of a process with all its threads."""
    fields = _stat(Path(f"/proc/{pid}/stat"))
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def wakings(pid: int) -> int:
    """How often a process slept until something came."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def cpu_of_children_s(parent: int) -> float:
    """The same of all children a process has had: Postgres has one per connection.

    Those that ended count too, since the kernel adds what they spent to a sum of their parent's.
    So the difference of two readings is never negative, and what a connection spent that was
    closed in the meantime is in it.
    """
    while True:
        ended = _ended_children_ticks(parent)
        living = sum(_living_children_ticks(parent))
        if ended == _ended_children_ticks(parent):  # else one may be counted twice, or not at all
            return (ended + living) / TICKS_A_SECOND


def _ended_children_ticks(parent: int) -> int:
    fields = _stat(Path(f"/proc/{parent}/stat"))
    return int(fields[13]) + int(fields[14])


def _living_children_ticks(parent: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = _stat(path)
        except OSError:
            continue  # it ended
        if int(fields[1]) == parent:
            yield int(fields[11]) + int(fields[12])


def parent_of(pid: int) -> int:
    return int(_stat(Path(f"/proc/{pid}/stat"))[1])


def _stat(path: Path) -> list[str]:
    """What follows the name, which may hold spaces: proc(5) numbers these fields from 3."""
    return path.read_text().rpartition(")")[2].split()


@dataclass(frozen=True)
class CoreTimes:
    """What a core has done since the machine started, in seconds."""

    processes: float
    interrupts: float
    """Of these, the packets on loopback: paid by no process, and counted in none."""
    stolen: float
    """Taken by the host."""

    def since(self, before: "CoreTimes") -> "CoreTimes":
        return CoreTimes(
            self.processes - before.processes,
            self.interrupts - before.interrupts,
            self.stolen - before.stolen,
        )


def core_times(core: int) -> CoreTimes:
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _, _, irq, softirq, steal = (
                int(tick) / TICKS_A_SECOND for tick in ticks[:8]
            )
            return CoreTimes(user + nice + system, irq + softirq, steal)
    raise AssertionError(f"there is no core {core}")


def memory_peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1]) / 1024


async def answers(
    port: int, process: asyncio.subprocess.Process, *, path: str, expected: bytes
) -> bool:
    """Wait for an answer that begins so; False if the process ended, or a minute has passed."""
    question = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    for _ in range(3000):
        if process.returncode is not None:
            break
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(question)
            said = await asyncio.wait_for(reader.read(16), PATIENCE_S)
            writer.close()
        except OSError:
            said = b""
        if said.startswith(expected):
            return True
        await settle_for(0.02, because="it is asked again for a minute")
    return False


def describe() -> str:
    """The machine in one line."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    model = models[0] if models else platform.machine()  # ARM's cores have no model name
    memory_gb = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    return (
        f"{os.cpu_count()} cores of {model}, {memory_gb:.0f} GB, Linux {platform.release()},"
        f" Python {platform.python_version()}"
    )
