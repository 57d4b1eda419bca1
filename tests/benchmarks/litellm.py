"""LiteLLM's pass-through beside the relay: installed on demand, into an environment of its own."""

import asyncio
import contextlib
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.servers import CREATE_PATH, Server, python_environ, running
from tests.e2e.processes import free_port

LITELLM_PATH = "/kling" + CREATE_PATH
LITELLM_KEY = "sk-benchmark"
INSTALL_S = 600
LITELLM = """
general_settings:
  master_key: {key}
  pass_through_endpoints:
    - path: "{path}"
      target: "{target}"
      headers: {{Authorization: "Bearer upstream"}}
"""


@contextlib.asynccontextmanager
async def running_litellm(
    directory: Path, *, program: Path, upstream: int
) -> AsyncIterator[Server]:
    """LiteLLM's pass-through in its lightest form: a master key, no database, no log."""
    port = free_port()
    config = directory / "litellm.yaml"
    target = f"http://127.0.0.1:{upstream}{CREATE_PATH}"
    config.write_text(LITELLM.format(key=LITELLM_KEY, path=LITELLM_PATH, target=target))
    environ = python_environ(directory)
    del environ["PYTHONPATH"]  # its own environment has its own packages
    environ |= {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = (program, "--config", config, "--host", "127.0.0.1", "--port", str(port))
    async with running(
        "litellm",
        port,
        *command,
        core=machine.CONTENDER_CORE,
        directory=directory,
        environ=environ,
    ) as server:
        yield server


async def install_litellm(home: Path) -> Path:
    """Install LiteLLM into an environment of its own, once; its program.

    Raises:
        machine.MissingProgramError: it cannot be had here.
    """
    program = home / "bin" / "litellm"
    if shutil.which(program) is None:
        for command in (
            (sys.executable, "-m", "venv", str(home)),
            (str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "litellm[proxy]"),
        ):
            process = await asyncio.create_subprocess_exec(
                *command, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
            )
            try:
                async with asyncio.timeout(INSTALL_S):
                    _, errors = await process.communicate()
            except TimeoutError as error:
                reason = f"LiteLLM is not installed after {INSTALL_S} s."
                raise machine.MissingProgramError(reason) from error
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            if process.returncode:
                last = re.sub(r"\s+", " ", errors.decode()[-300:])
                raise machine.MissingProgramError(f"LiteLLM cannot be installed: {last}")
    return program
