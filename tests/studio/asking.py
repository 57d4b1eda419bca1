"""A tenant at the studio's paths."""

from typing import Any

import httpx

from relay.tenants.tokens import IssuedToken
from tests.relay_app import Relay, bearer
from tests.waiting import wait_until

PICTURE = "https://files.example.com/fox.png"
VIDEO = "https://files.example.com/talk.mp4"
SOUND = "https://files.example.com/talk.mp3"
ENDS = ("completed", "failed", "cancelled")


async def make(
    relay: Relay, token: IssuedToken, path: str, body: Any, **headers: str
) -> httpx.Response:
    """POST a create below `/api/kling/`."""
    return await relay.client.post(f"/api/kling/{path}", headers=bearer(token) | headers, json=body)


async def seen(relay: Relay, token: IssuedToken, task_id: str) -> Any:
    answer = await relay.client.get(f"/api/kling/ai-task/{task_id}", headers=bearer(token))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ended(relay: Relay, token: IssuedToken, task_id: str) -> Any:
    """Wait until a task of the studio's is over, and read it."""
    last: Any = None

    async def is_over() -> bool:
        nonlocal last
        last = await seen(relay, token, task_id)
        return last["status"] in ENDS

    await wait_until(is_over)
    return last
