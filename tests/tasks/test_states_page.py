"""docs/states.md names every move that FINISH makes, and no other."""

import re
from pathlib import Path

import asyncpg

from relay.database.engine import dsn
from relay.sandbox.settings import SandboxSettings
from relay.tasks.finish import FINISH
from relay.tasks.tables import TaskState
from tests.relay_app import CLIP_MICROS, SANDBOX_URL, running_relay
from tests.tasks.holding import hold_tasks
from tests.tasks.test_record import run, told_of

PAGE = (Path(__file__).parents[2] / "docs" / "states.md").read_text()
SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)
KLINGS_WORD, US, OPERATOR = "Kling's word", "us", "operator"
QUEUED = "UPDATE tasks SET state = 'queued', public_id = '1' WHERE id = $1"
OF_THE_PAGE = {"submit": US, "look": US, "queue": US}
"""Which of us found no verdict is not for FINISH to judge. Kling's full reply comes by a look."""
WITHOUT_AN_ID = {TaskState.PENDING, TaskState.UNKNOWN, TaskState.REFUSED}


def moves_of_the_page() -> set[tuple[str, str, str]]:
    """From, to, and by whom, of the table "Every move"."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| ([^|]+) \|", PAGE, flags=re.MULTILINE)
    return {
        (old, new, OF_THE_PAGE.get(by, by))
        for old, new, makers in rows
        for by in makers.strip().split(", ")
    }


def tellings(before: TaskState) -> list[tuple[str, str, str]]:
    """What can be told of a task in this state: the new one, as FINISH gets it, and by whom."""
    given_up = "refused" if before in WITHOUT_AN_ID else "failed"
    return [
        *((state, "callback", KLINGS_WORD) for state in ("submitted", "processing")),
        *((state, "callback", KLINGS_WORD) for state in ("succeed", "failed")),
        ("failed", "look", KLINGS_WORD),
        *((state, "submit", US) for state in ("unknown", "refused")),
        ("failed", "queue", US),
        *((state, "operator", OPERATOR) for state in ("succeed", given_up)),
    ]


async def test_the_table_has_every_move_and_no_other(books: str) -> None:
    """In each state a task is told everything, by everybody; each time it is undone."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=10 * CLIP_MICROS)
        (task,) = await hold_tasks(relay, token)
        connection = await asyncpg.connect(dsn(books))
        seen = set()
        for before in TaskState:
            for state, via, by in tellings(before):
                transaction = connection.transaction()
                await transaction.start()
                if before is TaskState.QUEUED:
                    await connection.execute(QUEUED, task.id)
                elif before is not TaskState.PENDING:
                    await run(connection, FINISH, told_of(task.id, before, "callback"))
                told = told_of(task.id, state, via)._replace(is_reply_full=via == "look")
                record = await run(connection, FINISH, told)
                if record["moves"]:
                    seen.add((before.value, state, by))
                await transaction.rollback()
        await connection.close()

    assert seen == moves_of_the_page()
