"""A submit without a verdict is never said not to exist, whichever way it is asked for."""

import json
from typing import Any

import pytest

from relay.kling.transport import MaybeSent, Reply
from tests.proxy.scripted_kling import Asked, ScriptedKling, reply
from tests.relay_app import CLIP, bearer, running_relay

LEGACY, NEW = "/v1/videos/text2video", "/text-to-video/kling-3.0"
MADE = {"id": "1", "status": "submitted", "create_time": 1, "update_time": 1}


async def answer(asked: Asked) -> Reply:
    """Take what is called good, lose the reply to all else, and answer no question."""
    if asked.method == "GET":
        return reply(502, b"<html>")
    if b"good" in asked.body:
        return reply(200, {"code": 0, "message": "SUCCEED", "data": MADE})
    raise MaybeSent("reset")


def body_of(path: str, external_id: str, prompt: str = "lost") -> dict[str, Any]:
    own = {"external_task_id": external_id}
    return {**CLIP, **own} if path == LEGACY else {"prompt": prompt, "options": own}


@pytest.mark.parametrize(
    ("path", "query"),
    [(LEGACY, LEGACY + "/{}"), (NEW, "/tasks?external_task_ids={}")],
    ids=["legacy", "2.0"],
)
async def test_one_rule_for_both_generations(database_url: str, path: str, query: str) -> None:
    """503/5001 as long as nobody knows; of what was never sent "not found", or none in the list."""
    async with running_relay(database_url, transport=ScriptedKling(answer), refresh_s=0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        lost = await relay.client.post(path, json=body_of(path, "a"), headers=bearer(token))

        asked = await relay.client.get(query.format("a"), headers=bearer(token))
        never = await relay.client.get(query.format("b"), headers=bearer(token))

        assert (lost.status_code, asked.status_code, asked.json()["code"]) == (504, 503, 5001)
        if path == LEGACY:
            assert never.json()["message"].startswith("Task not found")
        else:
            assert never.json()["data"] == []


async def test_one_of_several_without_a_verdict_leaves_none_out(database_url: str) -> None:
    """To leave it out would say that it does not exist; the others are there at the next try."""
    async with running_relay(database_url, transport=ScriptedKling(answer), refresh_s=0) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        for external_id, prompt in (("a", "lost"), ("b", "good")):
            body = body_of(NEW, external_id, prompt)
            await relay.client.post(NEW, json=body, headers=bearer(token))

        def ask(ids: str) -> Any:
            return relay.client.get(f"/tasks?external_task_ids={ids}", headers=bearer(token))

        both, known, other = await ask("a,b"), await ask("b,c"), await ask("c")

        assert (both.status_code, both.json()["code"]) == (503, 5001)
        assert [data["external_id"] for data in known.json()["data"]] == ["b"]
        assert json.loads(other.content)["data"] == []
