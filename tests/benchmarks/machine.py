"""What the kernel says of a process and of a core, and where things run.

The contender has core 0 for itself; load, stub and Postgres share core 1.
"""

import asyncio
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONTENDER_CORE, LOAD_CORE = 0, 1
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


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
        subprocess.run(command, env=environ, check=False, timeout=300, capture_output=True)
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
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def cpu_of_children_s(parent: int) -> float:
    """The same of a process's children that live: Postgres has one per connection."""
    total = 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended
        if int(fields[1]) == parent:
            total += (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
    return total


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


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
            said = await asyncio.wait_for(reader.read(16), 60)
            writer.close()
        except OSError:
            said = b""
        if said.startswith(expected):
            return True
        await asyncio.sleep(0.02)
    return False


def describe() -> str:
    """The machine in one line."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory_gb = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    return (
        f"{len(models)} cores of {models[0]}, {memory_gb:.0f} GB, Linux {platform.release()},"
        f" Python {platform.python_version()}"
    )
