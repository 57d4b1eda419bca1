"""Runs are moved on by whoever comes, however often: each step makes one task, charged once."""

import asyncio

from relay.database.ids import TaskId
from relay.desk.tasks import release
from relay.runs.plan import Plan, PlannedStep, made_by
from relay.runs.stop import retry_run
from relay.tasks.outbox import Move
from tests.relay_app import Relay
from tests.runs.working import begin, claim_soon, tasks_of, work

CLIP = PlannedStep(
    "clip", "text2video", {"model_name": "kling-v3", "prompt": "a fox", "duration": "5"}
)
CLIP_MICROS = 420_000
TALK = Plan(
    "talk",
    (
        PlannedStep(
            *("face", "identify-face", {"video_url": "https://files.example.com/talk.mp4"}),
            is_result=False,
        ),
        PlannedStep(
            "video",
            "advanced-lip-sync",
            {
                "session_id": made_by("face", "session_id"),
                "face_choose": [
                    {
                        "face_id": made_by("face", "face_data.0.face_id"),
                        "sound_file": "https://files.example.com/talk.mp3",
                        "sound_start_time": 0,
                        "sound_end_time": 5000,
                        "sound_insert_time": made_by("face", "face_data.0.start_time"),
                    }
                ],
            },
        ),
    ),
)


async def test_a_chain_goes_on_with_what_was_made_and_each_step_is_charged_once(
    relay: Relay,
) -> None:
    """Of two steps the second has the session and the face that the first one made."""
    token = await relay.add_tenant("chain")
    begun = await begin(relay, token, TALK)

    assert await work(relay, begun.id) == "completed"

    made = await tasks_of(relay, "chain")
    assert [task["endpoint"] for task in made] == ["identify-face", "advanced-lip-sync"]
    entries = await relay.rows(
        "SELECT task_id, count(*) FROM entries WHERE task_id = ANY ($1) GROUP BY task_id",
        [task["id"] for task in made],
    )
    assert [row["count"] for row in entries] == [1, 1]
    reserved = await relay.row(
        "SELECT sum(reserved_micros) AS all FROM run_steps WHERE run_id = $1", begun.id
    )
    assert reserved["all"] == sum(task["charged_micros"] for task in made)
    assert not (await relay.audit()).differences


async def test_a_step_whose_worker_died_after_the_submit_makes_no_second_task(
    relay: Relay,
) -> None:
    """Also when it is taken up days later, when Idempotency-Keys are forgotten by Kling's paths."""
    token = await relay.add_tenant("died")
    begun = await begin(relay, token, Plan("clip", (CLIP,)))
    assert begun.due is not None
    await relay.parts.runs.runner.advance(begun.due)
    # As the process leaves it that ends between the submit and its note.
    await relay.rows(
        "UPDATE run_steps SET state = 'ready', task_id = NULL WHERE run_id = $1", begun.id
    )
    await relay.rows("UPDATE tasks SET created_at = created_at - interval '3 days'")

    assert await work(relay, begun.id) == "completed"

    assert [task["charged_micros"] for task in await tasks_of(relay, "died")] == [CLIP_MICROS]


async def test_workers_that_move_the_same_step_at_once_make_one_task(relay: Relay) -> None:
    """Ten that each believe to have the lease: nine leases are over, and one task is made."""
    token = await relay.add_tenant("race")
    begun = await begin(relay, token, Plan("clip", (CLIP,)))
    assert begun.due is not None
    dues = [begun.due]
    for _ in range(9):
        dues += await claim_soon(relay)

    await asyncio.gather(*(relay.parts.runs.runner.advance(due) for due in dues))
    assert await work(relay, begun.id) == "completed"

    assert len(await tasks_of(relay, "race")) == 1
    assert (await relay.account("race"))[0] == 10_000_000 - CLIP_MICROS


async def test_ten_creates_with_one_key_are_one_run(relay: Relay) -> None:
    token = await relay.add_tenant("keyed")

    begun = await asyncio.gather(
        *(begin(relay, token, Plan("clip", (CLIP,)), key="once") for _ in range(10))
    )

    assert len({one.id for one in begun}) == 1
    assert sum(one.due is not None for one in begun) == 1
    await work(relay, begun[0].id)
    assert len(await tasks_of(relay, "keyed")) == 1


async def test_steps_together_cost_no_more_than_the_cap_of_their_run(relay: Relay) -> None:
    """Of three clips at once whose run may cost two, the third is refused before its hold."""
    token = await relay.add_tenant("capped")
    clips = tuple(PlannedStep(f"clip{number}", CLIP.endpoint, CLIP.body) for number in range(3))
    begun = await begin(relay, token, Plan("clips", clips))
    # As if each had become half as dear again after the quote.
    await relay.rows("UPDATE runs SET cap_micros = $2 WHERE id = $1", begun.id, 2 * CLIP_MICROS)

    await relay.rows("UPDATE run_steps SET lease = NULL WHERE run_id = $1", begun.id)
    dues = await claim_soon(relay)
    await asyncio.gather(*(relay.parts.runs.runner.advance(due) for due in dues))
    state = await work(relay, begun.id)

    assert state == "failed"
    made = await tasks_of(relay, "capped")
    assert [task["charged_micros"] for task in made] == [CLIP_MICROS, CLIP_MICROS]
    row = await relay.row("SELECT error_code, error_message FROM runs WHERE id = $1", begun.id)
    assert row["error_code"] == 1103
    assert "its run may cost" in row["error_message"]


async def test_what_failed_is_done_once_more_by_hand_and_the_rest_is_kept(relay: Relay) -> None:
    token = await relay.add_tenant("again")
    begun = await begin(relay, token, TALK)
    await relay.rows("UPDATE runs SET cap_micros = $2 WHERE id = $1", begun.id, 10_000)
    assert await work(relay, begun.id) == "failed"
    before = await tasks_of(relay, "again")

    await relay.rows("UPDATE runs SET cap_micros = $2 WHERE id = $1", begun.id, 5_000_000)
    async with relay.sessions.begin() as session:
        await retry_run(session, begun.id, token_id=token.id, address=None)
    assert await work(relay, begun.id) == "completed"

    assert [task["endpoint"] for task in before] == ["identify-face"]
    made = await tasks_of(relay, "again")
    assert [task["endpoint"] for task in made] == ["identify-face", "advanced-lip-sync"]


async def test_a_step_that_was_given_up_comes_to_good_when_kling_says_so_late(
    relay: Relay,
) -> None:
    """Its task is charged after all, so its run is completed after all, with what was made."""
    token = await relay.add_tenant("late")
    begun = await begin(relay, token, Plan("clip", (CLIP,)))
    assert begun.due is not None
    await relay.parts.runs.runner.advance(begun.due)
    (task,) = await tasks_of(relay, "late")
    assert await relay.act(release, TaskId(task["id"]))
    for due in await claim_soon(relay):
        await relay.parts.runs.runner.advance(due)
    given_up = await relay.row("SELECT state FROM runs WHERE id = $1", begun.id)

    await relay.rows("UPDATE tasks SET next_look_at = now() WHERE id = $1", task["id"])
    for looked in await relay.parts.tasks.looker.claim_due(100):
        await relay.parts.tasks.looker.look(looked)
    await relay.parts.runs.runner.follow(
        Move(id=1, task_id=TaskId(task["id"]), follower="runs", state="succeed")
    )
    for due in await claim_soon(relay):
        await relay.parts.runs.runner.advance(due)

    assert given_up["state"] == "failed"
    run = await relay.row("SELECT * FROM runs WHERE id = $1", begun.id)
    assert (run["state"], run["error_message"]) == ("completed", None)
    assert [row["charged_micros"] for row in await tasks_of(relay, "late")] == [CLIP_MICROS]
    assert not (await relay.audit()).differences


async def test_a_retry_does_not_repeat_what_kling_says_late_that_it_made(relay: Relay) -> None:
    """Its task had been given up, and succeeded before anybody told the run: no second one."""
    token = await relay.add_tenant("again-late")
    begun = await begin(relay, token, Plan("clip", (CLIP,)))
    assert begun.due is not None
    await relay.parts.runs.runner.advance(begun.due)
    (task,) = await tasks_of(relay, "again-late")
    assert await relay.act(release, TaskId(task["id"]))
    for due in await claim_soon(relay):
        await relay.parts.runs.runner.advance(due)
    await relay.rows("UPDATE tasks SET next_look_at = now() WHERE id = $1", task["id"])
    for looked in await relay.parts.tasks.looker.claim_due(100):
        await relay.parts.tasks.looker.look(looked)

    async with relay.sessions.begin() as session:
        await retry_run(session, begun.id, token_id=token.id, address=None)
    assert await work(relay, begun.id) == "completed"

    assert [row["charged_micros"] for row in await tasks_of(relay, "again-late")] == [CLIP_MICROS]
