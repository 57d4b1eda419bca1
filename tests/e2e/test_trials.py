"""SIGKILL in the middle of a trial: it is known that it was begun, and it is not paid twice."""

from pathlib import Path

import httpx

from relay.desk.operators import add_operator, issue_operator_token
from relay.operators.tables import Role
from tests.e2e.world import open_world
from tests.relay_app import ACTOR

SILENCE = "UPDATE trials SET seen_at = seen_at - interval '61 seconds'"


async def test_a_trial_that_was_killed_is_neither_repeated_nor_forgotten(
    database_url: str, tmp_path: Path
) -> None:
    """By its key it says that its end is not known; only another key makes another task."""
    body = {"max_cost_micros": 14_000}
    async with open_world(database_url, tmp_path, task_seconds=60) as world:
        await world.add_channel(base_url=world.kling_url)
        async with world.sessions.begin() as session:
            await add_operator(session, ACTOR, "ann", role=Role.OPERATOR)
            token = (await issue_operator_token(session, ACTOR, "ann")).token

        async def ask(office: str, key: str) -> httpx.Response:
            return await world.http.post(
                f"{office}/admin/v1/channels/main/try",
                headers={"authorization": f"Bearer {token}", "idempotency-key": key},
                json=body,
            )

        async with world.started_relay() as relay:
            begun = await ask(relay.events("serve.started")[0]["office"], "k1")
            (accepted,) = await world.kling_accepted()
            relay.kill()
        async with world.started_relay() as relay:
            office = relay.events("serve.started")[0]["office"]
            at_once = await ask(office, "k1")
            too_early = await ask(office, "k2")
            await world.rows(SILENCE)
            later = await ask(office, "k1")
            once = len(await world.kling_log())
            anew = await ask(office, "k2")
            twice = await world.kling_accepted(2)
            still = await ask(office, "k1")

    assert (begun.status_code, at_once.status_code, too_early.status_code) == (202, 202, 409)
    assert (later.status_code, later.json()["state"]) == (200, "lost")
    assert "its end is not known" in later.json()["failure"]
    assert accepted["external_task_id"] == later.json()["external_id"]
    assert once == 1
    assert (anew.status_code, len(twice)) == (202, 2)
    assert (still.json()["state"], still.json()["failure"]) == ("failed", later.json()["failure"])
