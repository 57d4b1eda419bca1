"""What was compared: the relay's commit, and the versions of everything else."""

import os
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks import machine
from tests.waiting import PATIENCE_S

PYTHON_PACKAGES = ("uvicorn", "uvloop", "httptools", "asyncpg", "litestar", "msgspec")
ASK_POSTGRES = (
    "SELECT current_setting('server_version') || ', fsync ' || current_setting('fsync')"
    " || ', synchronous_commit ' || current_setting('synchronous_commit')"
)


def commit(repository: Path) -> str:
    """Name the commit, and whether more was changed; "" without git, or outside a repository."""
    environ = os.environ | {
        "GIT_CEILING_DIRECTORIES": str(repository.parent),  # not the commit of what is around it
        "GIT_OPTIONAL_LOCKS": "0",
    }
    command = ("git", "-C", str(repository), "describe", "--always", "--dirty")
    try:
        asked = subprocess.run(
            command, env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def versions(postgres: str) -> str:
    """Of what every round has; `postgres`: its answer to ASK_POSTGRES.

    Raises:
        machine.MissingProgramError: there is no nginx, or no wrk.
    """
    shown = [f"PostgreSQL {postgres}"]
    for program, package, flag in (("nginx", "nginx-light", "-v"), ("wrk", "wrk", "-v")):
        path = machine.need(program, package)
        out = subprocess.run([path, flag], capture_output=True, text=True, check=False)
        shown.append(first_version(out.stdout + out.stderr, program))
    return ", ".join([*shown, *(f"{name} {version(name)}" for name in PYTHON_PACKAGES)])


def version_of_litellm(home: Path) -> str:
    found = home.glob("lib/python*/site-packages/litellm-*.dist-info")
    return "".join(f", {path.stem.replace('-', ' ')}" for path in found)


def first_version(said: str, program: str) -> str:
    """`nginx version: nginx/1.22.1` or `wrk debian/4.1.0-3 [epoll] Copyright …` as two words."""
    found = re.search(r"/(\d\S*)", said)
    return f"{program} {found[1]}" if found else program
