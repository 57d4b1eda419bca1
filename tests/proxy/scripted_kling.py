"""A Kling that answers exactly the bytes a test crafted, and keeps what it was asked."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from relay.kling.transport import Body, Reply

TASK_ID = "867283741759111202"


class Asked(NamedTuple):
    method: str
    url: str
    bearer: str
    body: bytes

    @property
    def injected_id(self) -> str:
        """What the relay injected; of a create."""
        return str(json.loads(self.body)["external_task_id"])


Answering = Callable[[Asked], Awaitable[Reply]]


class ScriptedKling:
    """A transport whose far end is a function of the test."""

    def __init__(self, answer: Answering) -> None:
        self.answer = answer
        self.asked: list[Asked] = []

    @property
    def creates(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    @property
    def queries(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "GET"]

    async def send(
        self, method: str, url: str, *, bearer: str, body: Body | None = None, timeout_s: float
    ) -> Reply:
        _ = timeout_s
        content = body if isinstance(body, bytes) else b"".join(body or ())
        asked = Asked(method, url, bearer, content)
        self.asked.append(asked)
        return await self.answer(asked)

    async def aclose(self) -> None:
        pass


def reply(status: int, body: bytes | dict[str, Any], *, retry_after: str = "") -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, "application/json; charset=utf-8", content, retry_after)


def refusal(status: int, code: int, message: str = "no") -> Reply:
    return reply(status, {"code": code, "message": message, "request_id": "kling-request"})


def envelope(data: bytes) -> Reply:
    return reply(
        200, b'{"code":0,"message":"SUCCEED","request_id":"kling-request","data":%b}' % data
    )


def always(answer: Reply) -> Answering:
    async def give(_: Asked) -> Reply:
        return answer

    return give


def accepts_then(data: Callable[[str], bytes], *, task_id: str = TASK_ID) -> Answering:
    """Accept every create, and answer queries with `data` of the injected external id."""
    external_ids: list[str] = []

    async def give(asked: Asked) -> Reply:
        if asked.method == "POST":
            external_ids.append(asked.injected_id)
            return envelope(created(asked.injected_id, task_id=task_id))
        return envelope(data(external_ids[0]))

    return give


def created(injected_id: str, *, task_id: str = TASK_ID) -> bytes:
    return (
        b'{"task_id":"%b","task_status":"submitted","task_info":{"external_task_id":"%b"},'
        b'"created_at":1774805076166,"updated_at":1774805076166}'
        % (task_id.encode(), injected_id.encode())
    )
