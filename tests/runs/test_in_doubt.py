"""What a run does where nobody knows, or nobody may: it sends nothing by itself, and says so."""

import contextlib
from collections.abc import AsyncIterator

from relay.desk.tokens import issue_token, revoke_token
from relay.runs.plan import Plan, PlannedStep
from relay.runs.stop import cancel_run
from relay.tasks.door import Via
from relay.tasks.tables import TaskState
from relay.tenants.scope import Scope
from relay.tenants.tokens import IssuedToken
from tests.relay_app import ACTOR, Relay, bearer
from tests.runs.test_engine import CLIP
from tests.runs.working import begin, claim_soon, tasks_of, work
from tests.tasks.holding import read_row

BREAK = """
CREATE FUNCTION break_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'no step is written'; END $$;
CREATE TRIGGER break_steps BEFORE UPDATE ON run_steps FOR EACH ROW
WHEN (NEW.state = 'sent') EXECUTE FUNCTION break_steps();
"""


def accepted(relay: Relay) -> int:
    """How many tasks Kling has."""
    assert relay.sandbox is not None
    return len(relay.sandbox.ledger.of("accepted"))


async def retry(relay: Relay, token: IssuedToken, task_id: object) -> int:
    path = f"/api/kling/ai-task/{task_id}/retry"
    return (await relay.client.post(path, headers=bearer(token))).status_code


async def test_what_was_given_up_without_klings_word_is_not_sent_again_by_itself(
    relay: Relay,
) -> None:
    """Kling may have made it, and may say so tomorrow: a second one is for a person to ask for."""
    token = await relay.add_tenant("given-up")
    before = accepted(relay)
    # Kling takes it, and nobody hears of that.
    clip = PlannedStep("clip", CLIP.endpoint, CLIP.body | {"prompt": "a fox [html]"})
    begun = await begin(relay, token, Plan("clip", (clip,)))
    assert begun.due is not None
    await relay.parts.runs.runner.advance(begun.due)
    (task,) = await tasks_of(relay, "given-up")
    assert task["state"] == "unknown"
    await relay.end(await read_row(relay, task["id"]), TaskState.REFUSED, Via.LOOK)

    for _ in range(5):
        for due in await claim_soon(relay):
            await relay.parts.runs.runner.advance(due)

    step = await relay.row("SELECT * FROM run_steps WHERE run_id = $1", begun.id)
    assert (step["state"], step["attempts"], step["reserved_micros"]) == ("failed", 0, 0)
    assert accepted(relay) - before == 1


async def test_a_retry_is_by_the_rights_of_who_asks_for_it(relay: Relay) -> None:
    """By a key that may not make clips nothing is sent, though the first one may; nor by one that
    may only read. By a third it goes on, though the first was revoked meanwhile."""
    first = await relay.add_tenant("rights")
    async with relay.sessions.begin() as session:
        narrow = await issue_token(session, ACTOR, "rights", relay.keys)
        reads = await issue_token(session, ACTOR, "rights", relay.keys, scope=Scope.READ)
        third = await issue_token(session, ACTOR, "rights", relay.keys)
    await relay.rows("UPDATE tokens SET endpoints = '{tts}' WHERE id = $1", narrow.id)
    begun = await begin(relay, first, Plan("clip", (CLIP,)))
    await relay.rows("UPDATE runs SET cap_micros = 1 WHERE id = $1", begun.id)
    assert await work(relay, begun.id) == "failed"
    await relay.rows("UPDATE runs SET cap_micros = quote_micros WHERE id = $1", begun.id)
    async with relay.sessions.begin() as session:
        await revoke_token(session, ACTOR, first.id)
    before = accepted(relay)

    assert await retry(relay, reads, begun.public_id) == 403
    assert await retry(relay, narrow, begun.public_id) == 200
    assert await work(relay, begun.id) == "failed"
    refused = await relay.row("SELECT * FROM runs WHERE id = $1", begun.id)
    sent_by_narrow = accepted(relay) - before
    assert await retry(relay, third, begun.public_id) == 200
    assert await work(relay, begun.id) == "completed"

    assert sent_by_narrow == 0
    assert refused["token_id"] == narrow.id
    assert "text2video" in refused["error_message"], refused["error_message"]
    assert [task["token_id"] for task in await tasks_of(relay, "rights")] == [third.id]


async def test_what_is_skipped_reserves_nothing_of_its_runs_cap(relay: Relay) -> None:
    """Also what a worker reserved that died before it sent it, of a run that is cancelled then."""
    token = await relay.add_tenant("reserved")
    begun = await begin(relay, token, Plan("clip", (CLIP,)))
    assert begun.due is not None
    await relay.rows("UPDATE run_steps SET reserved_micros = 7 WHERE run_id = $1", begun.id)
    async with relay.sessions.begin() as session:
        await cancel_run(session, begun.id, actor="a test")

    await relay.parts.runs.runner.advance(begun.due)

    step = await relay.row("SELECT * FROM run_steps WHERE run_id = $1", begun.id)
    assert (step["state"], step["reserved_micros"]) == ("skipped", 0)


async def test_a_create_that_breaks_once_it_is_written_is_answered_as_one_that_waits(
    relay: Relay,
) -> None:
    """Whoever heard of an error would ask again, for a second one; this one goes on by itself."""
    token = await relay.add_tenant("breaks")
    async with breaking(relay):
        answer = await relay.client.post(
            "/api/kling/text-to-video", headers=bearer(token), json={"prompt": "a fox"}
        )

    assert (answer.status_code, answer.json()["status"]) == (200, "pending"), answer.text
    run = await relay.row("SELECT id FROM runs WHERE public_id = $1", answer.json()["task_id"])
    assert len(await tasks_of(relay, "breaks")) == 1  # it was at Kling before it broke
    assert await work(relay, run["id"]) == "completed"
    assert len(await tasks_of(relay, "breaks")) == 1
    assert not (await relay.audit()).differences


@contextlib.asynccontextmanager
async def breaking(relay: Relay) -> AsyncIterator[None]:
    """Have the database refuse to note any step that was sent."""
    function, trigger = BREAK.strip().split("END $$;\n")
    await relay.rows(f"{function}END $$")
    await relay.rows(trigger)
    try:
        yield
    finally:
        await relay.rows("DROP FUNCTION break_steps CASCADE")
