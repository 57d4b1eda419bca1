"""What is measured and what stands behind it: each a process of its own, on its core."""

import asyncio
import contextlib
import os
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import machine
from tests.benchmarks.wrk import VoidRoundError
from tests.e2e.processes import REPOSITORY, free_port
from tests.waiting import PATIENCE_S

CREATE_PATH = "/v1/videos/text2video"

NGINX = """
daemon off;
master_process off;
pid {directory}/{name}.pid;
error_log {directory}/{name}.log error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {directory}/{name}-body;
    proxy_temp_path {directory}/{name}-proxy;
    fastcgi_temp_path {directory}/{name}-fastcgi;
    uwsgi_temp_path {directory}/{name}-uwsgi;
    scgi_temp_path {directory}/{name}-scgi;
    {content}
}}
"""
STUB = """
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /requests {{ stub_status; }}
        location = {path} {{ return 200 '{created}'; }}
        location ~ ^{path}/(?<id>[^/]+)$ {{
            if (-f {directory}/ended) {{ return 200 '{ended}'; }}
            return 200 '{running}';
        }}
    }}
"""
PROXY = """
    upstream stub {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://stub;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
"""


def kling_says(task_id: str, status: str, *, rest: str = "") -> str:
    """A task object; the envelope is put around it for replies."""
    return (
        f'{{"task_id":"{task_id}","task_status":"{status}","task_status_msg":"","task_info":{{}},'
        f'"created_at":1722769557708,"updated_at":1722769557708{rest}}}'
    )


ENDED = (
    ',"task_result":{"videos":[{"id":"v-1","url":"https://cdn.example/v.mp4","duration":"5.1"}]},'
    '"final_unit_deduction":"3"'
)
"""A clip of 5 s at list price, in the words of docs/kling-api.md 5.2."""


def _reply(data: str) -> str:
    return f'{{"code":0,"message":"SUCCEED","request_id":"$request_id","data":{data}}}'


@dataclass(frozen=True)
class Server:
    """A process that listens."""

    name: str
    port: int
    pid: int
    ready_s: float
    """From its start to its first answer; for a relay, that it is ready."""


class Stub:
    """Kling as fast as nginx can be it."""

    def __init__(self, port: int, directory: Path) -> None:
        self.port = port
        self._ended = directory / "ended"

    def requests(self) -> int:
        """How many it has answered, this question left out of the next one's count.

        Raises:
            VoidRoundError: it does not answer.
        """
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/requests", timeout=PATIENCE_S
            ) as page:
                return int(page.read().split(b"requests")[1].split()[2])
        except OSError as error:
            raise VoidRoundError(f"the stub does not say what it has answered: {error}") from error

    def say_ended(self, *, is_ended: bool) -> None:
        """What every task answers from now on."""
        if is_ended:
            self._ended.touch()
        else:
            self._ended.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def running(
    name: str,
    port: int,
    *command: str | Path,
    core: int,
    directory: Path,
    environ: Mapping[str, str] | None = None,
    path: str = "/health/live",
    expected: bytes = b"HTTP/1.1 ",
) -> AsyncIterator[Server]:
    """Start something that listens, and kill it at the end.

    `path`, `expected`: what is asked until it is up, and how its answer then begins.

    Raises:
        VoidRoundError: it ended, or did not answer so within a minute.
    """
    log = directory / f"{name}-{port}.out"
    began = time.monotonic()
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *machine.pinned(core, *command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environ,
            cwd=directory,
        )
    try:
        if not await machine.answers(port, process, path=path, expected=expected):
            said = log.read_text(errors="replace")[-1000:]
            code = process.returncode
            reason = "does not answer" if code is None else f"has ended with {code}"
            raise VoidRoundError(f"{name} {reason}; its log ends with: {said}")
        yield Server(name, port, process.pid, time.monotonic() - began)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@contextlib.asynccontextmanager
async def running_stub(directory: Path, *, core: int) -> AsyncIterator[Stub]:
    port = free_port()
    content = STUB.format(
        port=port,
        path=CREATE_PATH,
        directory=directory,
        created=_reply(kling_says("$request_id", "submitted")),
        running=_reply(kling_says("$id", "processing")),
        ended=_reply(kling_says("$id", "succeed", rest=ENDED)),
    )
    async with _nginx("stub", port, content, core=core, directory=directory):
        yield Stub(port, directory)


@contextlib.asynccontextmanager
async def running_proxy(directory: Path, *, upstream: int) -> AsyncIterator[Server]:
    port = free_port()
    content = PROXY.format(port=port, upstream=upstream)
    async with _nginx(
        "nginx", port, content, core=machine.CONTENDER_CORE, directory=directory
    ) as server:
        yield server


@contextlib.asynccontextmanager
async def _nginx(
    name: str, port: int, content: str, *, core: int, directory: Path
) -> AsyncIterator[Server]:
    config = directory / f"{name}.conf"
    config.write_text(NGINX.format(directory=directory, name=name, content=content))
    command = (machine.need("nginx", "nginx-light"), "-p", directory, "-c", config)
    async with running(name, port, *command, core=core, directory=directory) as server:
        yield server


@contextlib.asynccontextmanager
async def running_relay(directory: Path, **settings: object) -> AsyncIterator[Server]:
    """`relay serve` as it is run in production, its log in a file."""
    port = free_port()
    environ = python_environ(directory)
    settings = {"office_port": 0} | settings  # the usual one may be a real relay's
    environ |= {f"RELAY_{name.upper()}": str(value) for name, value in settings.items()}
    command = (sys.executable, "-m", "relay", "serve", "--port", str(port))
    async with running(
        "relay",
        port,
        *command,
        core=machine.CONTENDER_CORE,
        directory=directory,
        environ=environ,
        path="/health/ready",
        expected=b"HTTP/1.1 200",
    ) as server:
        yield server


def python_environ(directory: Path) -> dict[str, str]:
    """Ours without the relay's settings; compiled modules are kept, as where it is installed."""
    left_out = ("RELAY_", "PYTHONDONTWRITEBYTECODE")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return environ | {
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONPYCACHEPREFIX": str(directory / "bytecode"),
    }


@contextlib.asynccontextmanager
async def running_slow_stub(directory: Path, *, delay_ms: int) -> AsyncIterator[Server]:
    """A Kling that reads whole bodies and takes its time."""
    port = free_port()
    command = (sys.executable, "-m", "tests.benchmarks.slow_stub", str(port), str(delay_ms))
    async with running(
        "slow-stub",
        port,
        *command,
        core=machine.LOAD_CORE,
        directory=directory,
        environ=python_environ(directory),
    ) as server:
        yield server
