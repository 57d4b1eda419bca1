"""Steps before a Kling that is full: they wait for room as a create in the queue does."""

from collections.abc import AsyncIterator

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.runs.plan import Plan, PlannedStep
from relay.runs.stop import cancel_run
from relay.runs.tables import ENDED_RUNS, RunState, StepState
from relay.sandbox.settings import SandboxSettings
from relay.tenants.tokens import IssuedToken
from tests.clones import cloned
from tests.queue.waiting_line import turn
from tests.relay_app import CLIP as BODY
from tests.relay_app import SANDBOX_URL, Relay, fixture_relay
from tests.runs.test_engine import CLIP
from tests.runs.working import begin, tasks_of, work

WAITING = """
SELECT extract(epoch FROM q.until - t.created_at) AS wait_s
FROM queue q JOIN tasks t ON t.id = q.task_id JOIN tenants n ON n.id = t.tenant_id
WHERE n.name = $1
"""


@pytest.fixture(scope="module")
async def relay(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Relay]:
    """Kling has one slot, and no worker is beside the tests, which are it."""
    sandbox = SandboxSettings(task_seconds=0.0, concurrency=1, public_url=SANDBOX_URL)
    async with (
        cloned(postgres_server, template) as url,
        fixture_relay(url, sandbox=sandbox, with_callbacks=True, studio=True) as relay,
    ):
        await relay.add_channel()
        yield relay


async def fill(relay: Relay, token: IssuedToken) -> None:
    """Take the slot."""
    answer = await relay.submit(token, BODY | {"prompt": "a fox [slow 6000]"})
    assert answer.status_code == 200, answer.text


async def make_room(relay: Relay) -> None:
    """Have Kling forget what it has, and the relay that it was full."""
    assert relay.sandbox is not None
    await relay.sandbox.reset()
    await relay.heal()


async def step_of(relay: Relay, run_id: int) -> tuple[str, int, bool]:
    row = await relay.row("SELECT * FROM run_steps WHERE run_id = $1", run_id)
    return row["state"], row["attempts"], row["task_id"] is not None


async def test_a_step_waits_for_room_and_is_made_when_there_is_some(relay: Relay) -> None:
    """For an hour, though its tenant's own creates do not wait; it is not one try of its few."""
    token = await relay.add_tenant("waits")
    await fill(relay, token)
    begun = await begin(relay, token, Plan("clip", (CLIP,)))
    assert begun.due is not None

    await relay.parts.runs.runner.advance(begun.due)

    assert await step_of(relay, begun.id) == ("sent", 0, True)
    (waiting,) = await relay.rows(WAITING, "waits")
    assert 3500 < waiting["wait_s"] < 3700
    await make_room(relay)
    await turn(relay)
    assert await work(relay, begun.id) == "completed"
    assert len(await tasks_of(relay, "waits")) == 2


async def test_a_second_cancel_takes_back_what_went_on_to_wait(relay: Relay) -> None:
    """A step that was being sent when the first came waits for room now; nothing is charged."""
    token = await relay.add_tenant("cancels")
    await make_room(relay)
    await fill(relay, token)
    clips = tuple(PlannedStep(name, CLIP.endpoint, CLIP.body) for name in ("one", "two"))
    begun = await begin(relay, token, Plan("clips", clips))
    assert begun.due is not None
    await relay.parts.runs.runner.advance(begun.due)
    # As it is while the first one is on its way: it has a task, and nobody has noted that.
    await relay.rows(
        "UPDATE run_steps SET state = 'ready', task_id = NULL, lease = $2 WHERE id = $1",
        *begun.due,
    )
    async with relay.sessions.begin() as session:
        first = await cancel_run(session, begun.id, actor="a test")
        after_first = RunState(first.run.state)
    await relay.parts.runs.runner.advance(begun.due)
    held = (await relay.account("cancels"))[1]

    async with relay.sessions.begin() as session:
        second = await cancel_run(session, begun.id, actor="a test")
        states = [StepState(step.state) for step in second.steps]
        after_second = RunState(second.run.state)

    assert after_first not in ENDED_RUNS
    assert (after_second, set(states)) == (RunState.CANCELLED, {StepState.SKIPPED})
    assert held > (await relay.account("cancels"))[1]
    assert await relay.rows(WAITING, "cancels") == []
    assert not (await relay.audit()).differences
