"""A test callback: the same signature, the same guard, no row."""

import time
import uuid
from datetime import UTC, datetime

import msgspec

from relay.deliveries.send import Outcome, Sender
from relay.deliveries.signature import sign


async def ping(sender: Sender, url: str, *, secrets: list[str]) -> Outcome:
    """Send a test body once, in the shape of a callback for a task that nobody has."""
    body = _body()
    headers = sign(secrets, webhook_id=f"msg_{uuid.uuid4().hex}", at=datetime.now(UTC), body=body)
    return await sender.post(url, body=body, headers=headers)


def _body() -> bytes:
    now_ms = int(time.time() * 1000)
    return msgspec.json.encode(
        {
            "task_id": "test",
            "task_status": "submitted",
            "task_status_msg": "",
            "created_at": now_ms,
            "updated_at": now_ms,
            "task_info": {},
            "task_result": {},
        }
    )
