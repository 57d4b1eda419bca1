"""Tenants by turns: who has hundreds of steps due holds up nobody, and sends hold up no looks."""

import asyncio
from datetime import timedelta

from relay.database.ids import TaskId
from relay.runs.moves import lock_step
from relay.runs.plan import Plan
from relay.runs.statements import CLAIM_LOOKS, CLAIM_SENDS
from relay.runs.turns import SENDS_AT_ONCE, SENDS_OF_TENANT, DueStep
from relay.tasks.outbox import Move
from relay.tenants.tokens import IssuedToken
from tests.relay_app import Relay
from tests.runs.test_engine import CLIP
from tests.runs.working import begin, fresh, tasks_of
from tests.waiting import wait_until

MADE = """
WITH made AS (
    INSERT INTO runs (tenant_id, token_id, kind, source, request_id, quote_micros, cap_micros)
    SELECT tenant_id, id, 'clip', 'test', '-', 0, 0 FROM tokens, generate_series(1, $2)
    WHERE id = $1
    RETURNING id, tenant_id
)
INSERT INTO run_steps (
    run_id, tenant_id, name, place, endpoint, state, quote_micros, next_attempt_at
)
SELECT id, tenant_id, 'clip', 0, 'text2video', 'ready', 0, now() - interval '1 minute' FROM made
"""


async def steps_due(relay: Relay, tenant: str, number: int) -> IssuedToken:
    token = await relay.add_tenant(tenant)
    await relay.rows(MADE, token.id, number)
    return token


async def tenants_of(relay: Relay, dues: list[DueStep]) -> list[str]:
    rows = await relay.rows(
        "SELECT n.name FROM run_steps s JOIN tenants n ON n.id = s.tenant_id"
        " WHERE s.id = ANY ($1) ORDER BY 1",
        [due.id for due in dues],
    )
    return [row["name"] for row in rows]


async def test_five_hundred_of_one_tenant_leave_room_for_one_of_another(relay: Relay) -> None:
    """Though theirs are older; and while those in hand are slow, more of them are not taken."""
    await steps_due(relay, "crowd", 500)
    for number in range(3):
        await steps_due(relay, f"single-{number}", 1)
    await relay.rows(
        "UPDATE run_steps SET next_attempt_at = now() - interval '1 second' FROM tenants n"
        " WHERE n.id = run_steps.tenant_id AND n.name LIKE 'single-%'"
    )

    turns = fresh(relay, CLAIM_SENDS, of_tenant=SENDS_OF_TENANT)
    first = await turns.claim(5)
    second = await turns.claim(SENDS_AT_ONCE - 5)
    third = await turns.claim(SENDS_AT_ONCE)
    # Steps of another worker's lease: the runner finds that it may not move them.
    await turns.move(DueStep(0, first[0].lease))
    await turns.move(DueStep(0, second[0].lease))
    fourth = await turns.claim(SENDS_AT_ONCE)

    assert await tenants_of(relay, first) == ["crowd", "crowd", *(f"single-{n}" for n in range(3))]
    assert await tenants_of(relay, second) == ["crowd"] * (SENDS_OF_TENANT - 2)
    assert third == []
    assert len(fourth) == 2
    await relay.rows("UPDATE run_steps SET state = 'skipped'")


async def test_workers_that_claim_at_once_have_nothing_twice(relay: Relay) -> None:
    """Four workers that take five each, of ten tenants with eight steps each, until none is due."""
    for number in range(10):
        await steps_due(relay, f"many-{number}", 8)
    workers = [fresh(relay, CLAIM_SENDS) for _ in range(4)]

    claimed: list[DueStep] = []
    while got := await asyncio.gather(*(worker.claim(5) for worker in workers)):
        if not any(got):
            break
        claimed += [due for one in got for due in one]

    assert len(claimed) == len({due.id for due in claimed}) == 80
    await relay.rows("UPDATE run_steps SET state = 'skipped'")


async def test_where_there_are_many_tenants_the_next_claim_goes_on_behind_them(
    relay: Relay,
) -> None:
    """Of three tenants a claim looks at one, be others' older: after three each had its turn."""
    for number in range(3):
        await steps_due(relay, f"lane-{number}", 4)
        await relay.rows(
            "UPDATE run_steps SET next_attempt_at = next_attempt_at - $1 * interval '1 minute'"
            " WHERE tenant_id = (SELECT id FROM tenants WHERE name = $2)",
            *(number, f"lane-{number}"),
        )
    turns = fresh(relay, CLAIM_SENDS, lanes_max=1)

    claims = [await tenants_of(relay, await turns.claim(1)) for _ in range(3)]

    assert claims == [["lane-0"], ["lane-1"], ["lane-2"]]
    await relay.rows("UPDATE run_steps SET state = 'skipped'")


async def test_what_is_to_be_looked_at_waits_for_no_send(relay: Relay) -> None:
    """However many are to be sent, a look's claim is of looks alone, and a send's of sends."""
    await steps_due(relay, "sends", 60)
    await steps_due(relay, "looks", 2)
    await relay.rows(
        "UPDATE run_steps s SET state = 'keeping' FROM tenants n"
        " WHERE n.id = s.tenant_id AND n.name = 'looks'"
    )

    looks = await fresh(relay, CLAIM_LOOKS).claim(20)
    sends = await fresh(relay, CLAIM_SENDS).claim(20)

    assert await tenants_of(relay, looks) == ["looks"] * 2
    assert await tenants_of(relay, sends) == ["sends"] * 20
    await relay.rows("UPDATE run_steps SET state = 'skipped'")


async def test_a_move_of_its_task_is_not_lost_to_who_looks_at_the_step(relay: Relay) -> None:
    """It is told of while the look is being written: the step is due at once, not after the look's
    pause."""
    token = await relay.add_tenant("woken")
    begun = await begin(relay, token, Plan("clip", (CLIP,)))
    assert begun.due is not None
    await relay.parts.runs.runner.advance(begun.due)
    (task,) = await tasks_of(relay, "woken")
    await relay.rows("UPDATE run_steps SET next_attempt_at = now() WHERE run_id = $1", begun.id)
    (due,) = await fresh(relay, CLAIM_LOOKS).claim(20)
    move = Move(id=1, task_id=TaskId(task["id"]), follower="runs", state="succeed")
    blocked = (
        "SELECT FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    async with relay.sessions.begin() as session:
        moving = await lock_step(session, due.id, due.lease)
        assert moving is not None
        woken = asyncio.create_task(relay.parts.runs.runner.follow(move))

        async def is_told() -> bool:
            return woken.done() or bool(await relay.rows(blocked))

        await wait_until(is_told)
        step = moving.step(due.id)
        step.lease, step.next_attempt_at = None, moving.now + timedelta(seconds=30)
    await woken

    row = await relay.row(
        "SELECT next_attempt_at <= now() AS is_due FROM run_steps WHERE id = $1", due.id
    )
    assert row["is_due"]
