"""A relay with callbacks on, before a Kling that does as the prompt says."""

import json
from collections.abc import AsyncIterator

import pytest

from relay.kling.transport import MaybeSent, NotSent, Reply
from tests.callbacks.news import told
from tests.proxy.scripted_kling import Asked, ScriptedKling, created, envelope, refusal, reply
from tests.relay_app import Relay, fixture_relay


class ObedientKling(ScriptedKling):
    """Takes clips, or does what their prompts name; queries find what was taken, as it ended."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.tasks: dict[str, str] = {}
        """External ids by Kling's."""
        self.ended = "succeed"

    async def _answer(self, asked: Asked) -> Reply:
        if asked.method != "POST":
            return self._query(asked.url.rpartition("/")[2])
        match json.loads(asked.body)["prompt"].split():
            case ["refuse", code]:
                return refusal(400, int(code))
            case ["limit"]:
                return refusal(429, 1303)
            case ["break"]:
                return reply(502, b"<html>bad gateway</html>")
            case ["odd"]:
                return reply(200, b"hello")
            case ["silence"]:
                raise MaybeSent("no answer within 60 s")
            case ["absence"]:
                raise NotSent("the connection was refused")
            case _:
                return self._take(asked)

    def _take(self, asked: Asked) -> Reply:
        kling_id = str(1000 + len(self.tasks))
        self.tasks[kling_id] = asked.injected_id
        return envelope(created(asked.injected_id, task_id=kling_id))

    def _query(self, key: str) -> Reply:
        if key not in self.tasks:
            return refusal(400, 1201, "Task not found")
        data = told(self.tasks[key], self.ended, task_id=key)
        return envelope(json.dumps(data).encode())


@pytest.fixture
def kling() -> ObedientKling:
    return ObedientKling()


@pytest.fixture
async def relay(database_url: str, kling: ObedientKling) -> AsyncIterator[Relay]:
    """One channel, `main`; the books are right at the end."""
    async with fixture_relay(
        database_url, transport=kling, with_callbacks=True, refresh_s=0.0, submit_retry_s=0.0
    ) as running:
        await running.add_channel()
        yield running
        report = await running.audit()
        assert report.ok, report
