import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from relay.sandbox.serve import run_sandbox
from relay.sandbox.settings import SandboxSettings
from tests.sandbox.client import Caller
from tests.sandbox.conftest import Opened
from tests.waiting import PATIENCE_S

SCRIPT = """
from relay.sandbox.serve import run_sandbox
from relay.sandbox.settings import SandboxSettings
run_sandbox(SandboxSettings(task_seconds=3600), host="127.0.0.1", port=0)
"""


def test_a_served_sandbox_says_one_thing_and_ends_at_once() -> None:
    """One event with its URL on stderr, nothing on stdout; SIGTERM ends it amid tasks."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        first = json.loads(process.stderr.readline())
        reply = httpx.post(
            f"{first['url']}/v1/videos/text2video",
            json={"prompt": "a cat", "callback_url": f"{first['url']}/nowhere"},
            headers={"authorization": "Bearer api-key-kling-sandbox-not-for-production"},
            timeout=PATIENCE_S,
            trust_env=False,
        )
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=PATIENCE_S)

    assert first["event"] == "sandbox.started"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", first["url"])
    assert reply.status_code == 200
    assert (stdout, stderr) == ("", "")
    assert process.returncode == -signal.SIGTERM


def test_a_taken_port_is_an_error_for_the_caller() -> None:
    """OSError, before anything was served: the command can say it in a sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(OSError, match="in use"):
            run_sandbox(SandboxSettings(), host="127.0.0.1", port=port)


async def test_the_log_file_has_every_entry_as_a_line(opened: Opened, tmp_path: Path) -> None:
    """What /sandbox/log shows is in the file too, and both from the moment of the reply."""
    path = tmp_path / "sandbox.jsonl"
    settings = SandboxSettings(task_seconds=60, log_path=path)
    async with opened(settings) as kling:
        await kling.accepted(prompt="a cat")
        shown = await kling.log("accepted")
        lines = path.read_text().splitlines()

    assert [json.loads(line) for line in lines] == shown
    assert len(shown) == 1


async def test_requests_are_kept_as_they_came_without_the_credential(slow_kling: Caller) -> None:
    """Method, path, query, headers and body bytes; Authorization is named, its value is not."""
    body = b'{ "prompt" : "\\u0041 cat", "n":1.50 }'
    await slow_kling.http.post(
        "/v1//videos/text2video?a=%20",
        content=body,
        headers={"authorization": "Bearer api-key-kling-sandbox-not-for-production", "X-A": "b"},
    )

    response = await slow_kling.http.get("/sandbox/requests")

    (request,) = response.json()
    headers = dict(request["headers"])
    assert (request["method"], request["path"]) == ("POST", "/v1//videos/text2video")
    assert request["query"] == "a=%20"
    assert request["body"] == body.decode()
    assert request["body_bytes"] == len(body)
    assert len(request["body_sha256"]) == 64
    assert headers["x-a"] == "b"
    assert "authorization" in headers
    assert "api-key-kling" not in response.text


async def test_a_reset_forgets_tasks_ids_slots_and_logs(opened: Opened) -> None:
    """After it the same external id and the only slot are free; old tasks do not end."""
    async with opened(SandboxSettings(concurrency=1, task_seconds=60)) as kling:
        await kling.accepted(prompt="a cat", external_task_id="mine")

        await kling.http.post("/sandbox/reset")
        log = (await kling.http.get("/sandbox/log")).json()
        requests = (await kling.http.get("/sandbox/requests")).json()
        again = await kling.create(prompt="a cat", external_task_id="mine")

    assert log == requests == []
    assert again.status_code == 200
