"""Programs from PyPI that are no dependency of ours: each in an environment of its own."""

import asyncio
import re
import shutil
import sys
from pathlib import Path

from tests.benchmarks import machine

INSTALL_S = 600.0


async def installed(name: str, home: Path, *, package: str) -> Path:
    """Install a package into `home`, once; its program of this name.

    Raises:
        machine.MissingProgramError: it cannot be had here.
    """
    program = home / "bin" / name
    if shutil.which(program) is None:
        for command in (
            (sys.executable, "-m", "venv", str(home)),
            (str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", package),
        ):
            await _run(command, package)
    return program


async def _run(command: tuple[str, ...], package: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(INSTALL_S):
            _, errors = await process.communicate()
    except TimeoutError as error:
        reason = f"{package} is not installed after {INSTALL_S:.0f} s."
        raise machine.MissingProgramError(reason) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = re.sub(r"\s+", " ", errors.decode()[-300:])
        raise machine.MissingProgramError(f"{package} cannot be installed: {last}")
