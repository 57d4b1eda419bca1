"""A request that is cut short because the relay stops."""

import asyncio
import json
from typing import Any

import pytest

from relay.kling.transport import Reply
from tests.proxy.scripted_kling import Asked, ScriptedKling
from tests.relay_app import CLIP, CLIP_MICROS, TEXT2VIDEO, bearer, running_relay


async def test_a_submit_that_is_cut_short_is_told_and_kept(database_url: str) -> None:
    """504/5002 in Kling's envelope, and the hold stays: Kling may have the task."""
    asked = asyncio.Event()

    async def never(_: Asked) -> Reply:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    sent: list[Any] = []
    body = json.dumps(CLIP).encode()

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async with running_relay(database_url, transport=ScriptedKling(never)) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        headers = [(n.lower().encode(), v.encode()) for n, v in bearer(token).items()]
        path = TEXT2VIDEO.encode()
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": TEXT2VIDEO,
            "raw_path": path,
        }
        scope |= {"headers": headers, "query_string": b"", "client": None}
        request = asyncio.ensure_future(relay.app(scope, receive, send))  # type: ignore[arg-type]  # what uvicorn gives at least
        await asked.wait()

        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

        account = await relay.account()
        rows = await relay.rows("SELECT state FROM tasks")

    assert sent[0]["status"] == 504
    assert json.loads(sent[1]["body"])["code"] == 5002
    assert account == (10_000_000, CLIP_MICROS)
    assert [row["state"] for row in rows] == ["pending"]
