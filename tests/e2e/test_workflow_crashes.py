"""SIGKILL of the relay while every workflow runs, again and again: all end, charged once."""

import asyncio
import json
from functools import partial
from typing import Any

from tests.e2e.world import World
from tests.relay_app import bearer
from tests.studio.flows import FLOWS
from tests.waiting import wait_until

END_LEASES = "UPDATE run_steps SET next_attempt_at = now() WHERE lease IS NOT NULL"
GIVEN_UP = """
SELECT CASE WHEN t.state = 'refused' AND t.ended_via <> 'submit' THEN 'in doubt'
    ELSE coalesce(s.error_message, s.state) END AS why
FROM run_steps s JOIN runs r ON r.id = s.run_id LEFT JOIN tasks t ON t.id = s.task_id
WHERE s.state = 'failed' AND r.public_id = $1
"""
"""What failed of a run, and why."""
KILLS = 4
QUOTA_MICROS = 1_000_000_000


async def test_all_workflows_end_though_the_relay_is_killed_four_times(world: World) -> None:
    """A template is tried by the command, too: with a key for tests, and with no other."""
    token = await world.add_tenant(quota_micros=QUOTA_MICROS)
    await world.add_channel(base_url=world.kling_url)
    on = {"studio": "true"}
    async with world.started_relay(**on) as relay:
        answers = await asyncio.gather(*(_start(world, token, path) for path in FLOWS))
        relay.kill()
    for _ in range(KILLS - 1):
        await world.rows(END_LEASES)
        await world.end_leases()
        async with world.started_relay(**on) as relay:
            before = await _tasks(world)
            await wait_until(partial(_has_more, world, before))
            relay.kill()
    await world.rows(END_LEASES)
    await world.end_leases()
    async with world.started_relay(**on):
        ended = [await _ended_well(world, token, task_id) for task_id in answers]
        with world.command(
            *("template", "try", "transition-light", "--key", token.api_key, "--url", world.url),
            *("from_image_url=https://a.example/a.png", "to_image_url=https://a.example/b.png"),
        ) as tried:
            code = await tried.ended()

    for (path, (_, names)), seen in zip(FLOWS.items(), ended, strict=True):
        assert seen["status"] == "completed", (path, seen)
        assert [step["name"] for step in seen["steps"]] == names
    steps = sum(len(names) for _, names in FLOWS.values())
    made = [task for task in await world.tasks() if task["state"] != "refused"]
    assert len(made) == steps
    assert code == 1
    assert "not one for tests" in tried.tail()
    assert (await world.audit()).ok


async def _start(world: World, token: Any, path: str) -> str:
    body, _ = FLOWS[path]
    url = f"{world.url}/api/kling/{path}"
    answer = await world.http.post(url, headers=bearer(token), json=body)
    assert answer.status_code == 200, answer.text
    task_id: str = answer.json()["task_id"]
    return task_id


async def _ended_well(world: World, token: Any, task_id: str) -> Any:
    """Wait for its end; what a kill left in doubt and was given up is done once more by hand.

    Whether Kling made it nobody knows then, so that no worker sends it again by itself.
    """
    seen = await _ended(world, token, task_id)
    if seen["status"] != "failed":
        return seen
    given_up = await world.rows(GIVEN_UP, task_id)
    assert [row["why"] for row in given_up if row["why"] != "in doubt"] == [], seen
    url = f"{world.url}/api/kling/ai-task/{task_id}/retry"
    answer = await world.http.post(url, headers=bearer(token))
    assert answer.status_code == 200, answer.text
    return await _ended(world, token, task_id)


async def _ended(world: World, token: Any, task_id: str) -> Any:
    seen: Any = None

    async def is_over() -> bool:
        nonlocal seen
        url = f"{world.url}/api/kling/ai-task/{task_id}"
        seen = (await world.http.get(url, headers=bearer(token))).json()
        return seen["status"] in ("completed", "failed", "cancelled")

    await wait_until(is_over, what=lambda: json.dumps(seen))
    return seen


async def _tasks(world: World) -> int:
    return int((await world.row("SELECT count(*) FROM run_steps WHERE state = 'done'"))["count"])


async def _has_more(world: World, before: int) -> bool:
    """Tell whether a step ended since, or all have."""
    open_ = await world.row(
        "SELECT count(*) FROM run_steps WHERE state NOT IN ('done', 'failed', 'skipped')"
    )
    return await _tasks(world) > before or open_["count"] == 0
