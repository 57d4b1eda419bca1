"""What a step is given of what one before it made: once it is known, and from where it lasts."""

from typing import Any

from relay.database.ids import TaskId
from relay.desk.tasks import settle
from relay.runs.outputs import outputs_of
from relay.runs.plan import Plan, PlannedStep, made_by
from relay.tenants.tokens import IssuedToken
from tests.relay_app import Relay, bearer
from tests.runs.test_engine import CLIP
from tests.runs.working import begin, claim_soon, tasks_of, work

LONGER = Plan(
    "longer",
    (
        CLIP,
        PlannedStep(
            "more", "video-extend", {"video_id": made_by("clip", "task_result.videos.0.id")}
        ),
    ),
)
VOICED = Plan(
    "voiced",
    (
        CLIP,
        PlannedStep(
            "sound", "video-to-audio", {"video_url": made_by("clip", "task_result.videos.0.url")}
        ),
    ),
)
STEPS = "SELECT name, state, output FROM run_steps WHERE run_id = $1 ORDER BY place"


async def move_all(relay: Relay) -> None:
    for due in await claim_soon(relay):
        await relay.parts.runs.runner.advance(due)


async def settled(relay: Relay, tenant: str) -> tuple[int, int]:
    """Begin one whose first task the operator settles before Kling has said what it made."""
    token = await relay.add_tenant(tenant)
    begun = await begin(relay, token, LONGER)
    assert begun.due is not None
    await relay.parts.runs.runner.advance(begun.due)
    (task,) = await tasks_of(relay, tenant)
    assert await relay.act(settle, TaskId(task["id"]))
    return begun.id, task["id"]


async def test_what_an_operator_settled_is_gone_on_with_once_kling_says_what_it_made(
    relay: Relay,
) -> None:
    """Until then it has a task and no end, and what needs it waits."""
    run_id, task_id = await settled(relay, "settled")

    await move_all(relay)
    await move_all(relay)
    before = await relay.rows(STEPS, run_id)
    await relay.rows("UPDATE tasks SET next_look_at = now() WHERE id = $1", task_id)
    end = await work(relay, run_id)

    assert [(row["state"], row["output"]) for row in before] == [("sent", None), ("waiting", None)]
    assert end == "completed"
    assert len(await tasks_of(relay, "settled")) == 2


async def test_what_kling_never_tells_of_ends_and_what_needs_it_says_so(relay: Relay) -> None:
    """Once Kling is asked no more: a later step is not sent with nothing in its place."""
    run_id, task_id = await settled(relay, "untold")

    await relay.rows("UPDATE tasks SET next_look_at = NULL WHERE id = $1", task_id)
    end = await work(relay, run_id)

    assert end == "failed"
    assert [(row["state"], row["output"]) for row in await relay.rows(STEPS, run_id)] == [
        ("done", None),
        ("failed", None),
    ]
    assert len(await tasks_of(relay, "untold")) == 1


async def test_what_a_callback_does_not_tell_is_awaited(relay: Relay) -> None:
    """Of sounds it says that they are made, and not where: that is in Kling's full reply."""
    token = await relay.add_tenant("silent")
    begun = await begin(relay, token, Plan("clip", (CLIP,)))
    assert begun.due is not None
    await relay.parts.runs.runner.advance(begun.due)
    (task,) = await tasks_of(relay, "silent")
    told = {"task_id": task["kling_id"], "task_status": "succeed", "final_unit_deduction": "1.5"}
    info = {"task_info": {"external_task_id": task["injected_id"]}}
    await relay.call_back_on(task["injected_id"], task["channel_id"], told | info)

    await move_all(relay)
    before = await relay.rows(STEPS, begun.id)
    await relay.rows("UPDATE tasks SET next_look_at = now() WHERE id = $1", task["id"])
    end = await work(relay, begun.id)

    (task,) = await tasks_of(relay, "silent")
    assert (task["state"], task["ended_via"]) == ("succeed", "callback")
    assert [(row["state"], row["output"]) for row in before] == [("sent", None)]
    assert end == "completed"
    (step,) = await relay.rows(STEPS, begun.id)
    assert "task_result" in step["output"]


async def failed_behind_a_clip(
    relay: Relay, tenant: str, plan: Plan = LONGER
) -> tuple[IssuedToken, int]:
    """Begin one whose first step is made, and the second fails."""
    token = await relay.add_tenant(tenant)
    begun = await begin(relay, token, plan)
    await relay.rows("UPDATE runs SET cap_micros = 420000 WHERE id = $1", begun.id)
    assert await work(relay, begun.id) == "failed"
    return token, begun.id


async def seen(relay: Relay, token: IssuedToken, run_id: int) -> tuple[str, Any]:
    public_id = (await relay.row("SELECT public_id FROM runs WHERE id = $1", run_id))["public_id"]
    path = f"/api/kling/ai-task/{public_id}"
    return path, (await relay.client.get(path, headers=bearer(token))).json()


async def test_a_later_step_is_given_klings_url_while_it_is_good_and_then_our_copy(
    relay: Relay,
) -> None:
    """Which decides whether it can be done once more, too: after 30 days only with a copy."""
    token, run_id = await failed_behind_a_clip(relay, "lasting", VOICED)
    path, fresh = await seen(relay, token, run_id)
    clip = fresh["steps"][0]["output_url"]

    await relay.rows("UPDATE run_steps SET made_at = now() - interval '30 days'")
    _, gone = await seen(relay, token, run_id)
    refused = await relay.client.post(f"{path}/retry", headers=bearer(token))
    kept = await relay.row(
        "WITH object AS (INSERT INTO asset_objects (tenant_id, sha256, bytes, stored_at)"
        " SELECT tenant_id, 'a', 1, now() FROM runs WHERE id = $1 RETURNING id, tenant_id)"
        " INSERT INTO assets (tenant_id, task_id, source, source_url, nth, state, object_id,"
        " sha256, bytes, content_type, stored_at, kept_until)"
        " SELECT o.tenant_id, s.task_id, 'result', $2, 0, 'stored', o.id, 'a', 1, 'video/mp4',"
        " now(), now() + interval '1 day' FROM object o, run_steps s"
        " WHERE s.run_id = $1 AND s.place = 0 RETURNING public_id",
        run_id,
        clip,
    )
    _, again = await seen(relay, token, run_id)
    async with relay.sessions() as session:
        old = await outputs_of(session, run_id, ["clip"])
    await relay.rows("UPDATE run_steps SET made_at = now() - interval '28 days'")
    async with relay.sessions() as session:
        young = await outputs_of(session, run_id, ["clip"])

    assert (fresh["can_retry"], fresh["no_retry_reason"]) == (True, None)
    assert (gone["can_retry"], gone["no_retry_reason"]) == (
        False,
        "what 'clip' made is no longer there",
    )
    assert refused.status_code == 400
    assert "no longer there" in refused.json()["error_message"]
    assert again["can_retry"] is True
    assert old["clip"]["task_result"]["videos"][0]["url"] == f"asset://{kept['public_id']}"
    assert young["clip"]["task_result"]["videos"][0]["url"] == clip
