"""What tenants who moved here notice of it: their keys and the ids of their tasks go on working."""

from collections.abc import AsyncIterator

import httpx
import pytest

from relay.desk.actor import Actor, ActorKind
from relay.desk.moving.steps import task_steps
from relay.desk.tokens import issue_token
from relay.new_api.rows import read_task
from tests.new_api.installations import NEWEST, TASK, key_of, rows_of
from tests.relay_app import Relay, fixture_relay

ACTOR = Actor(ActorKind.SYSTEM, "ann")


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        yield running


async def ask(relay: Relay, path: str, authorization: str) -> httpx.Response:
    return await relay.client.get(path, headers={"Authorization": authorization})


async def test_a_key_is_taken_as_new_api_takes_it(relay: Relay) -> None:
    """Without `sk-`, without `Bearer`, with a channel behind it; nothing but the whole key is."""
    await relay.add_tenant()
    key = key_of(1)
    async with relay.sessions.begin() as session:
        await issue_token(session, ACTOR, "acme", relay.keys, api_key=f"sk-{key}")

    async def status(authorization: str) -> int:
        return (await ask(relay, "/account/costs", authorization)).status_code

    for taken in (f"Bearer sk-{key}", f"Bearer {key}", f"sk-{key}", key, f"Bearer sk-{key}-12"):
        assert await status(taken) == 400, taken  # its times are missing: it was let in
    for wrong in (f"Bearer sk-{key[:-1]}", f"Basic {key}", f"Bearer x{key}", f"Bearer sk--{key}"):
        assert await status(wrong) == 401, wrong


async def test_old_ids_are_answered_to_their_tenant_alone(relay: Relay) -> None:
    """On the path of its endpoint and on the short one, as Kling answers, and without its costs.

    What ran there is asked for by no one here; kept twice, they are there once.
    """
    acme, beta = await relay.add_tenant(), await relay.add_tenant("beta")
    rows = [row for row in rows_of(NEWEST, "")["tasks"] if row["platform"] == "50"]
    tasks = [read_task(row) for row in rows]
    for _ in range(2):
        for step in task_steps(tasks, {2: 1, 3: 2}, "new-api"):
            async with relay.sessions.begin() as session:
                await step.work(session, ACTOR)

    for path in (f"/v1/videos/text2video/{TASK}", f"/v1/videos/{TASK}"):
        answer = await ask(relay, path, f"Bearer {acme.api_key}")
        assert answer.status_code == 200
        data = answer.json()["data"]
        assert (data["task_id"], data["task_status"]) == (TASK, "succeed")
        assert data["task_result"]["videos"] == [
            {"id": "v-1", "url": "https://kling.test/v.mp4", "duration": "5.1"}
        ]
        assert "3.5" not in answer.text
        assert (await ask(relay, path, f"Bearer {beta.api_key}")).status_code == 400
    other_path = f"/v1/videos/image2video/{TASK}"
    assert (await ask(relay, other_path, f"Bearer {acme.api_key}")).json()["code"] == 1201
    failed = await ask(relay, "/v1/videos/image2video/task_failed", f"Bearer {beta.api_key}")
    assert (failed.json()["data"]["task_status"], failed.json()["data"]["task_status_msg"]) == (
        *("failed", "no"),
    )
