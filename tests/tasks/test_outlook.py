"""Whom a task waits for once it has ended, and how long ones like it take."""

from sqlalchemy import text

from relay.desk.tasks import release, settle
from relay.tasks.inspect import Story, read_story
from relay.tasks.task import TaskRow
from tests.relay_app import Relay, running_relay
from tests.tasks.holding import hold_tasks

HOOK = "https://tenant.test/hook"
NO_LOOK = "UPDATE tasks SET next_look_at = NULL"


async def story_of(relay: Relay, task: TaskRow) -> Story:
    async with relay.sessions() as session:
        return await read_story(session, task.id)


async def test_what_has_ended_waits_for_one_after_the_other(database_url: str) -> None:
    """Kling's word, the delivery that is due first, whoever reads the flag; at last for nothing."""
    async with running_relay(database_url) as relay:
        await relay.add_channel()
        (task,) = await hold_tasks(relay, await relay.add_tenant(), callback_url=HOOK)
        await relay.act(settle, task.id)
        told = []
        for change in (
            "UPDATE tasks SET is_flagged = true",
            "UPDATE tasks SET ended_via = 'callback'",
            NO_LOOK,
            "UPDATE deliveries SET state = 'delivered', ended_at = now()",
            "UPDATE tasks SET is_flagged = false",
        ):
            await relay.rows(change)
            if change == NO_LOOK:
                await relay.rows(
                    "INSERT INTO deliveries (task_id, tenant_id, url, task_status, body, attempts,"
                    " next_attempt_at) SELECT id, tenant_id, callback_url, state, '{}', n,"
                    " now() + n * interval '1 hour' FROM tasks, generate_series(4, 3, -1) n"
                )
            told.append((await story_of(relay, task)).outlook)

    assert [one.waits_for for one in told] == [
        "Kling's own word about what the operator ended",
        "Kling's full reply, which has more fields than its callback",
        "the tenant's callback URL, which was tried 3 times",
        "you to read its flag",
        "nothing: it has ended",
    ]
    assert [one.next_by for one in told] == [
        *("the worker", "the worker", "the worker", "you: `relay task unflag`", None)
    ]
    assert [one.next_at is None for one in told] == [False, False, False, True, True]


async def test_what_was_given_up_waits_for_a_last_look(database_url: str) -> None:
    """Refused, since Kling was never known to have it; a pending one past its deadline waits for a
    verdict, with what was said so far."""
    async with running_relay(database_url) as relay:
        await relay.add_channel()
        given_up, late = await hold_tasks(relay, await relay.add_tenant(), 2)
        await relay.act(release, given_up.id)
        await relay.rows(
            "UPDATE tasks SET submit_deadline_at = now() - interval '1 s', not_found = 2"
            " WHERE id = $1",
            late.id,
        )

        waits_for = [(await story_of(relay, one)).outlook.waits_for for one in (given_up, late)]

    assert waits_for[0] == "Kling's end of what was given up"
    assert waits_for[1].endswith('is not known (2 times "Task not found")')


OTHERS = (
    *("state = 'failed', charged_micros = NULL", "ended_via = 'operator'"),
    *("endpoint = 'image2video'", "model = 'kling-v1'"),
)


async def test_usual_is_what_equal_tasks_took(database_url: str) -> None:
    """Of three that took a minute, one that failed, or was another's, or ended by hand, is none."""
    async with running_relay(database_url) as relay:
        await relay.add_channel()
        tasks = await hold_tasks(relay, await relay.add_tenant(), 4)
        for task in tasks[:3]:
            await relay.act(settle, task.id)
        await relay.rows(
            "UPDATE tasks SET ended_via = 'look', submitted_at = ended_at - interval '1 min'"
            " WHERE ended_at IS NOT NULL"
        )
        found = []
        for other in ("model = model", *OTHERS):
            async with relay.sessions() as session:  # which takes the change back
                await session.execute(text(f"UPDATE tasks SET {other} WHERE id = {tasks[0].id}"))
                found.append((await read_story(session, tasks[3].id)).outlook.usual)

    assert [one and (one.tasks, one.median_s, one.most_s) for one in found] == [
        (3, 60, 60),
        *[(2, 60, 60)] * len(OTHERS),
    ]
