"""What a careless tenant, or one that means harm, asks of runs: nothing breaks, or costs more."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.gated import GatedSessions
from relay.desk.tokens import issue_token
from relay.runs.again import SESSION_LIVES, why_not_again
from relay.runs.batches import lock_batch
from relay.runs.moves import lock_run
from relay.runs.outputs import FRESH
from relay.runs.plan import Plan, PlannedStep, made_by
from relay.runs.stop import retry_run
from relay.runs.tables import Run, RunState, RunStep, StepState
from relay.tenants.tokens import IssuedToken
from tests.relay_app import ACTOR, Relay, bearer
from tests.runs.test_batches import CLIP_MICROS, ask, clip, taken
from tests.runs.test_engine import CLIP, TALK
from tests.runs.test_engine import CLIP_MICROS as ENGINE_CLIP_MICROS
from tests.runs.working import begin, claim_soon, tasks_of, work
from tests.waiting import wait_until

BLOCKED = (
    "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
LINES = "https://files.example.com/a.png"


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


async def told(relay: Relay, token: IssuedToken, path: str, body: str) -> tuple[int, int, str]:
    """POST a body as it stands; the status, and the code and the words of its refusal."""
    answer = await relay.client.post(
        f"/api/kling/{path}",
        headers=bearer(token) | {"Content-Type": "application/json"},
        content=body.encode(),
    )
    said = answer.json()
    return answer.status_code, said.get("error_code", 0), said.get("error_message", "")


async def until_blocked(relay: Relay, count: int) -> None:
    async def is_so() -> bool:
        return len(await relay.rows(BLOCKED)) >= count

    await wait_until(is_so)


async def test_a_body_that_cannot_be_read_is_refused_and_is_no_fault_of_ours(
    relay: Relay,
) -> None:
    """Too deep, too long where it has no effect, and numbers that are none: each is told so."""
    token = await relay.add_tenant("hostile")
    variants = '{"capability": "text_to_video", "input": {"prompt": "x", "y": %s}}'
    long = "x" * 1_100_000
    lips = {"video_url": LINES, "audio_url": LINES, "audio_duration": 1e308}
    without_effect = {"video_id": "1", "extend_direction": long}

    answers = [
        await told(relay, token, "batch", f'{{"items": [{nested(5_000)}]}}'),
        await told(relay, token, "variants", variants % nested(400)),
        await told(relay, token, "video-extend", msgspec.json.encode(without_effect).decode()),
        await told(relay, token, "lip-sync", msgspec.json.encode(lips).decode()),
        await told(relay, token, "batch", '{"cap": 1%s, "items": [1]}' % ("0" * 5_000)),
    ]
    listed = await ask(relay, token, "GET", "ai-tasks?task_type=%00")

    assert {status for status, _, _ in answers} == {400}
    assert [message for _, _, message in answers[:4]] == [
        "The request body is nested too deeply",
        "The request body is nested too deeply",
        "The inputs are too long: send files to /api/assets, and name them",
        "audio_duration: expected `float` <= 3600.0",
    ]
    assert (listed.status_code, listed.json()["error_code"]) == (400, 1200)
    assert await relay.rows("SELECT FROM runs WHERE token_id = $1", token.id) == []


async def test_an_item_that_no_text_can_have_stops_no_other(relay: Relay) -> None:
    token = await relay.add_tenant("nul")
    deep = clip("a", image=msgspec.json.decode(nested(400)))
    variants = {"task_type": "variants", "capability": "text_to_video", "input": deep}

    answer = await taken(
        relay, token, [clip("a", idempotency_key="a\0b"), variants, clip("b", idempotency_key="c")]
    )

    assert [item.get("error_code") for item in answer["items"]] == [1200, 1200, None]
    assert (answer["taken"], answer["refused"]) == (1, 2)


async def test_a_batch_that_is_sent_twice_at_once_has_one_cap(relay: Relay) -> None:
    """Of sixty, twenty-five may be made, by whichever of the two requests."""
    token = await relay.add_tenant("twins", quota_micros=100 * CLIP_MICROS)
    items = [clip(f"fox {number}") for number in range(60)]

    both = await asyncio.gather(
        *(taken(relay, token, items, key="twins", cap=25 * CLIP_MICROS / 10**6) for _ in range(2))
    )
    again = await taken(relay, token, items, key="twins", cap=25 * CLIP_MICROS / 10**6)

    runs = await relay.rows("SELECT FROM runs WHERE token_id = $1", token.id)
    assert len(runs) == 25
    assert [one["taken"] for one in (*both, again)] == [25, 25, 25]


async def test_of_a_batch_that_was_stopped_nothing_more_is_taken(relay: Relay) -> None:
    """Not when it is sent again, nor by a request that writes to it still."""
    token = await relay.add_tenant("stopped", quota_micros=2 * CLIP_MICROS)
    items = [clip(f"fox {number}") for number in range(4)]
    first = await taken(relay, token, items, key="stopped")
    batch_id = first["batch_id"]
    path = f"batch/{batch_id}/cancel"
    async with relay.sessions.begin() as session:
        before = await lock_batch(session, UUID(batch_id))
        stopping = asyncio.create_task(ask(relay, token, "POST", path))
        await until_blocked(relay, 1)  # who writes is awaited
    stopped = (await stopping).json()
    again = await taken(relay, token, items, key="stopped")

    assert (set(before.places), before.quoted_micros) == ({0, 1}, 2 * CLIP_MICROS)
    assert (stopped["cancelled"], stopped["is_over"]) == (2, True)
    assert [item["success"] for item in again["items"]] == [True, True, False, False]
    assert again["items"][2]["error_message"] == "items: their batch was cancelled"
    assert await tasks_of(relay, "stopped") == []


async def test_steps_that_are_sent_at_once_keep_within_what_their_run_may_cost(
    relay: Relay,
) -> None:
    """Of two that together are too much, one is sent: each waits for the run's lock, and counts."""
    token = await relay.add_tenant("capped")
    clips = tuple(PlannedStep(name, CLIP.endpoint, CLIP.body) for name in ("one", "two"))
    begun = await begin(relay, token, Plan("clips", clips))
    cap_micros = 2 * ENGINE_CLIP_MICROS - 1
    await relay.rows("UPDATE runs SET cap_micros = $2 WHERE id = $1", begun.id, cap_micros)
    due = await claim_soon(relay)
    async with relay.sessions.begin() as session:
        await lock_run(session, begun.id)
        sending = [asyncio.create_task(relay.parts.runs.runner.advance(one)) for one in due]
        await until_blocked(relay, 2)
    await asyncio.gather(*sending)

    assert await work(relay, begun.id) == "failed"
    assert len(await tasks_of(relay, "capped")) == 1
    assert await relay.account("capped") == (10_000_000 - ENGINE_CLIP_MICROS, 0)


async def test_what_a_key_of_another_kind_goes_on_with_is_given_again_to_nobody(
    relay: Relay,
) -> None:
    """What the sandbox made for a key for tests is not taken for what Kling makes."""
    token = await relay.add_tenant("mixed-keys")
    async with relay.sessions.begin() as session:
        twin = await issue_token(session, ACTOR, "mixed-keys", relay.keys)
        tests = await issue_token(session, ACTOR, "mixed-keys", relay.keys, is_test=True)
    kept = []
    for other in (twin, tests):
        begun = await begin(relay, token, Plan("clip", (CLIP,)))
        await relay.rows(
            "UPDATE runs SET state = 'failed', ended_at = now(), inputs_mac = '\\x01'"
            " WHERE id = $1",
            begun.id,
        )
        await relay.rows("UPDATE run_steps SET state = 'failed' WHERE run_id = $1", begun.id)
        async with relay.sessions.begin() as session:
            moving = await retry_run(session, begun.id, token_id=other.id, address=None)
            kept.append(moving.run.inputs_mac)

    assert kept == [b"\x01", None]


async def test_many_steps_that_are_moved_at_once_leave_connections_to_others(
    relay: Relay,
) -> None:
    """Of twenty that open a session at once two have one; the others wait, and none gives up."""
    gated = GatedSessions(relay.sessions, at_once=2)
    is_open, most = 0, 0

    async def use(session: AsyncSession) -> None:
        nonlocal is_open, most
        is_open += 1
        most = max(most, is_open)
        await session.execute(text("SELECT 1"))
        is_open -= 1

    async def move(*, is_written: bool) -> None:
        async with gated.begin() if is_written else gated() as session:
            await use(session)

    await asyncio.gather(*(move(is_written=number % 2 == 0) for number in range(20)))

    assert most == 2


async def test_two_that_retry_at_once_and_one_that_cancels_leave_one_task(relay: Relay) -> None:
    """Whichever comes first: a step is never sent twice, and what is held is given back."""
    token = await relay.add_tenant("retries-twice")
    begun = await begin(relay, token, Plan("clip", (CLIP,)))
    await relay.rows("UPDATE runs SET cap_micros = 1 WHERE id = $1", begun.id)
    assert await work(relay, begun.id) == "failed"
    await relay.rows("UPDATE runs SET cap_micros = 10000000 WHERE id = $1", begun.id)
    public_id = (await relay.row("SELECT public_id FROM runs WHERE id = $1", begun.id))[0]

    path = f"ai-task/{public_id}"
    answers = await asyncio.gather(
        *(ask(relay, token, "POST", f"{path}/{act}") for act in ("retry", "retry", "cancel"))
    )
    state = await work(relay, begun.id)

    assert all(answer.status_code in (200, 400) for answer in answers)
    tasks = await tasks_of(relay, "retries-twice")
    assert len(tasks) == (1 if state == "completed" else 0)
    charged = sum(task["charged_micros"] for task in tasks)
    assert await relay.account("retries-twice") == (10_000_000 - charged, 0)


async def test_a_session_that_has_ended_at_kling_is_not_gone_on_with(relay: Relay) -> None:
    """`can_retry` says so as the retry itself does, and nothing is sent."""
    token = await relay.add_tenant("sessions")
    begun = await begin(relay, token, TALK)
    await relay.rows("UPDATE runs SET cap_micros = 10000 WHERE id = $1", begun.id)
    assert await work(relay, begun.id) == "failed"
    public_id = (await relay.row("SELECT public_id FROM runs WHERE id = $1", begun.id))[0]
    path = f"ai-task/{public_id}"

    fresh = (await ask(relay, token, "GET", path)).json()
    await relay.rows(
        "UPDATE run_steps SET made_at = now() - interval '25 hours' WHERE run_id = $1"
        " AND made_at IS NOT NULL",
        begun.id,
    )
    old = (await ask(relay, token, "GET", path)).json()
    retried = await ask(relay, token, "POST", f"{path}/retry")

    assert (fresh["can_retry"], old["can_retry"]) == (True, False)
    assert old["no_retry_reason"] == "what 'face' made is no longer there"
    assert retried.status_code == 400
    assert [task["endpoint"] for task in await tasks_of(relay, "sessions")] == ["identify-face"]


URL = "https://kling.example.com/fox.mp4"
ID, FILE = "task_result.videos.0.id", "task_result.videos.0.url"


@pytest.mark.parametrize(
    ("path", "age", "is_kept", "can"),
    [
        (ID, FRESH - timedelta(hours=1), False, True),
        (ID, FRESH + timedelta(hours=1), True, False),
        (FILE, FRESH + timedelta(hours=1), True, True),
        (FILE, FRESH + timedelta(hours=1), False, False),
        ("session_id", SESSION_LIVES + timedelta(minutes=1), True, False),
        (None, FRESH + timedelta(hours=1), True, True),
    ],
)
def test_what_is_taken_by_an_id_of_klings_ends_with_it(
    path: str | None, age: timedelta, *, is_kept: bool, can: bool
) -> None:
    """However well the files are kept: no copy of ours has the id. None is of a run from before."""
    now = datetime.now(UTC)
    reply = msgspec.json.encode({"task_result": {"videos": [{"id": "7", "url": URL}]}}).decode()
    first = RunStep(
        name="a", state=StepState.DONE, needs=[], output=reply, made_at=now - age, task_id=7
    )
    takes = None if path is None else list(PlannedStep("b", "", {"x": made_by("a", path)}).takes)
    second = RunStep(name="b", state=StepState.FAILED, needs=["a"], takes=takes)

    why = why_not_again(
        Run(state=RunState.FAILED),
        [first, second],
        {7: {URL: "kept"}} if is_kept else {},
        is_forgotten=False,
        now=now,
    )

    assert why == (None if can else "what 'a' made is no longer there")
