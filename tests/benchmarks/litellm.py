"""LiteLLM's pass-through beside the relay: installed on demand, into an environment of its own."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.installed import installed
from tests.benchmarks.servers import CREATE_PATH, Server, python_environ, running
from tests.e2e.processes import free_port

LITELLM_PATH = "/kling" + CREATE_PATH
LITELLM_KEY = "sk-benchmark"
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
    return await installed("litellm", home, package="litellm[proxy]")
