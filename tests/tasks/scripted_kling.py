"""A Kling that answers as a test says, where the sandbox cannot: per channel, or at one moment."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from relay.kling.transport import Body, Reply


class Call(NamedTuple):
    """One request as it would have gone out."""

    method: str
    url: str
    body: dict[str, Any]

    @property
    def key(self) -> str:
        """What a GET asks for."""
        return self.url.rpartition("/")[2]


class ScriptedKling:
    """Implements `relay.kling.transport.Transport`; `calls` are in the order they came."""

    def __init__(self, answer: Callable[[Call], Awaitable[Reply]]) -> None:
        self._answer = answer
        self.calls: list[Call] = []

    async def send(
        self, method: str, url: str, *, bearer: str, body: Body | None = None, timeout_s: float
    ) -> Reply:
        del bearer, timeout_s
        parts = [body] if isinstance(body, bytes) else body or [b"{}"]
        call = Call(method, url, json.loads(b"".join(parts)))
        self.calls.append(call)
        return await self._answer(call)

    async def aclose(self) -> None:
        """Nothing is open."""

    def posts_to(self, host: str) -> int:
        return sum(call.method == "POST" and f"//{host}/" in call.url for call in self.calls)


def success(data: Any) -> Reply:
    return _reply(200, {"code": 0, "message": "SUCCEED", "request_id": "r", "data": data})


def refusal(status: int, code: int, message: str = "no") -> Reply:
    return _reply(status, {"code": code, "message": message, "request_id": "r"})


def not_found() -> Reply:
    return refusal(400, 1201, "Task not found")


def _reply(status: int, envelope: dict[str, Any]) -> Reply:
    return Reply(status, "application/json", json.dumps(envelope).encode())
