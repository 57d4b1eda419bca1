"""The examples of docs/studio-examples.md, run as they stand against a relay on a socket."""

import asyncio
import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from relay.database.embedded import EmbeddedPostgres
from relay.sandbox.settings import SandboxSettings
from tests.clones import cloned
from tests.relay_app import fixture_relay

DOCS = Path(__file__).parents[2] / "docs" / "studio-examples.md"
BLOCKS = re.findall(r"```(python|typescript)\n(.*?)```", DOCS.read_text(), re.DOTALL)
NODE = shutil.which("node")
PATIENCE_S = 90


@asynccontextmanager
async def serving(app: Any, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, interface="asgi3", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve([listener]))  # noqa: SLF001
    try:
        yield
    finally:
        server.should_exit = True
        await running
        listener.close()


def origin_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def run(folder: Path, *command: str, code: int = 0, **environment: str) -> str:
    """Run a program; returns what it says, or where it is to fail, why."""
    started = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        out, wrong = await started.communicate()
    assert started.returncode == code, wrong.decode()
    return (wrong if code else out).decode()


async def test_each_example_makes_a_clip_and_keeps_it(
    postgres_server: EmbeddedPostgres, template: str, tmp_path: Path
) -> None:
    """To the end, in both languages: each is charged once, and its file is not empty."""
    if NODE is None:
        pytest.skip("there is no node on this machine")
    assert [language for language, _ in BLOCKS] == ["python", "typescript"] * 2
    kling, here = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    sandbox = SandboxSettings(task_seconds=0.2, public_url=origin_of(kling))
    async with (
        cloned(postgres_server, template) as url,
        fixture_relay(url, sandbox=sandbox, with_worker=True, studio=True) as relay,
        serving(relay.sandbox, kling),
        serving(relay.app, here),
    ):
        await relay.add_channel()
        key = (await relay.add_tenant()).api_key

        for number, (language, text) in enumerate(BLOCKS):
            program = sys.executable if language == "python" else NODE
            folder = tmp_path / str(number)
            folder.mkdir()
            file = folder / ("a.py" if language == "python" else "a.mjs")
            file.write_text(text)
            told = await run(folder, program, str(file), STUDIO_URL=origin_of(here), STUDIO_KEY=key)
            last = told.splitlines()[-1]
            if "/events" in text:
                assert last.startswith(f"completed {origin_of(kling)}/")
                continue
            size = (folder / "video.mp4").stat().st_size
            assert size > 0
            assert last == f"completed {size}"
        rows = await relay.rows("SELECT state, charged_micros FROM tasks")
        assert [tuple(row) for row in rows] == [("succeed", 210_000)] * len(BLOCKS)
