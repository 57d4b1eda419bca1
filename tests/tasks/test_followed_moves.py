"""What moves a followed task says so in the outbox, in the same transaction; nothing else does."""

import asyncio

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from relay.database.engine import dsn
from relay.desk.errors import NotPossible
from relay.desk.tasks import release, settle
from relay.kling.transport import Reply
from relay.kling.verdicts import Accepted, Refused
from relay.sandbox.settings import SandboxSettings
from relay.tasks.door import Via
from relay.tasks.tables import TaskState
from tests.relay_app import ACTOR, CLIP_MICROS, SANDBOX_URL, Act, Relay, running_relay
from tests.tasks.following import moves, submit_followed
from tests.tasks.holding import hold_tasks, news, read_row, told
from tests.tasks.looking import look_now
from tests.tasks.scripted_kling import Call, ScriptedKling, refusal
from tests.waiting import wait_until

QUOTA_MICROS = 20 * CLIP_MICROS
SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)
QUICK = SandboxSettings(task_seconds=0.05, public_url=SANDBOX_URL)
SPEECH = {"text": "a fox", "voice_id": "genshin_vindi2", "voice_language": "en"}
REFUSE = """
CREATE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the outbox takes nothing'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION refuse_row()
"""
"""Also to a statement that would insert no row at all."""
TAKE_AGAIN = "DROP TRIGGER refuse ON outbox"


async def run_script(relay: Relay, script: str) -> None:
    connection = await asyncpg.connect(dsn(relay.database_url))
    await connection.execute(script)
    await connection.close()


async def is_charged(relay: Relay, count: int) -> bool:
    await look_now(relay)
    return len(await relay.rows("SELECT 1 FROM entries WHERE kind = 'charge'")) == count


async def test_each_move_is_told_to_each_follower(books: str) -> None:
    """Two followers of one clip from submit to charge; of a second clip nobody hears."""
    async with running_relay(books, sandbox=QUICK) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        submitted = await submit_followed(relay, token, "one", "two")
        await relay.submit(token)
        await wait_until(lambda: is_charged(relay, 2))

        states = [state for _, follower, state in await moves(relay) if follower == "one"]
        assert isinstance(submitted.verdict, Accepted)
        assert (states[0], states[-1]) == ("submitted", "succeed")
        assert await moves(relay) == [
            (submitted.task.id, follower, state) for state in states for follower in ("one", "two")
        ]


async def test_a_call_and_a_refused_submit_are_told_too(books: str) -> None:
    """Speech comes with the reply of its submit; what Kling refuses moves from pending as well."""

    async def answer(_: Call) -> Reply:
        return refusal(400, 1301)

    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        spoken = await submit_followed(relay, token, "one", body=SPEECH, endpoint="tts")
        async with running_relay(books, beside=relay, transport=ScriptedKling(answer)) as refusing:
            refused = await submit_followed(refusing, token, "one")

        assert isinstance(refused.verdict, Refused)
        assert await moves(relay) == [
            (spoken.task.id, "one", "succeed"),
            (refused.task.id, "one", "refused"),
        ]


async def test_only_news_are_told(books: str) -> None:
    """Three callbacks of one end are one move; the full reply that they lack is told again."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token, follows="one")
        end = told(task, "succeed", final_unit_deduction="2")

        for _ in range(3):
            await relay.call_back_on(task.injected_id, task.channel_id, end)
        after_callbacks = await moves(relay)
        for _ in range(3):
            await relay.parts.tasks.learner.learn(
                await read_row(relay, task.id),
                news(task, "succeed", final_unit_deduction="2"),
                via=Via.QUERY,
                look_after_s=None,
            )

        assert after_callbacks == [(task.id, "one", "succeed")]
        assert await moves(relay) == 2 * after_callbacks


@pytest.mark.parametrize(("act", "state"), [(settle, "succeed"), (release, "refused")])
async def test_what_the_desk_does_is_told_with_its_transaction(
    books: str, act: Act, state: str
) -> None:
    """Nothing while it is open or if it is rolled back; once, however often it is done."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token, follows="one,two")

        async with relay.sessions() as session:
            await act(session, ACTOR, task.id, reason="by hand")
            while_open = await moves(relay)
            await session.rollback()
        done = [await relay.act(act, task.id) for _ in range(3)]

        assert while_open == []
        assert done == [True, False, False]
        assert await moves(relay) == [(task.id, "one", state), (task.id, "two", state)]


async def test_a_move_and_its_rows_are_seen_together_or_not_at_all(books: str) -> None:
    """Somebody who reads all the time never finds a charge without its row, nor a row without it.

    Forty tasks end while a second session compares what it sees, statement by statement."""
    untold = """
        SELECT count(*) FROM tasks t FULL JOIN outbox o ON o.task_id = t.id AND o.state = 'succeed'
        WHERE (t.charged_micros IS NULL) <> (o.id IS NULL)
    """
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=40 * CLIP_MICROS)
        tasks = await hold_tasks(relay, token, 40, follows="one")
        seen: set[int] = set()
        ended = asyncio.Event()

        async def read() -> None:
            connection = await asyncpg.connect(dsn(books))
            while not ended.is_set():
                seen.add(await connection.fetchval(untold))
            await connection.close()

        reader = asyncio.create_task(read())
        await asyncio.gather(
            *(
                relay.call_back_on(
                    task.injected_id,
                    task.channel_id,
                    told(task, "succeed", final_unit_deduction="2"),
                )
                for task in tasks
            )
        )
        ended.set()
        await reader

        assert seen == {0}
        assert len(await moves(relay)) == 40


async def test_an_unfollowed_task_does_not_notice_the_outbox(books: str) -> None:
    """While the outbox takes no statement, a submit, a settle and a charge go their way."""
    async with running_relay(books, sandbox=QUICK) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await run_script(relay, REFUSE)
        (held,) = await hold_tasks(relay, token)

        reply = await relay.submit(token)
        settled = await relay.act(settle, held.id)
        await wait_until(lambda: is_charged(relay, 2))

        assert (reply.status_code, settled) == (200, True)
        assert await moves(relay) == []


async def test_what_the_outbox_does_not_take_is_told_again(books: str) -> None:
    """Neither the end nor its charge is written without the row; both are, once it takes rows."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token, follows="one")
        end = told(task, "succeed", final_unit_deduction="3")
        await run_script(relay, REFUSE)

        refused = await relay.call_back_on(task.injected_id, task.channel_id, end)
        between = await read_row(relay, task.id)
        with pytest.raises(DBAPIError, match="the outbox takes nothing"):
            await relay.act(settle, task.id)
        await run_script(relay, TAKE_AGAIN)
        taken = await relay.call_back_on(task.injected_id, task.channel_id, end)

        assert (refused.status_code, taken.status_code) == (500, 200)
        assert between.state is TaskState.PENDING
        assert await moves(relay) == [(task.id, "one", "succeed")]
        assert await relay.account() == (QUOTA_MICROS - CLIP_MICROS, 0)


async def test_rows_in_one_statement_tell_each_their_own(books: str) -> None:
    """Thirty tasks of three sets of followers end in a batch, one of them in vain."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=40 * CLIP_MICROS)
        tasks = [
            task
            for follows in ("one", "one,two", "three")
            for task in await hold_tasks(relay, token, 10, follows=follows)
        ]
        await relay.act(release, tasks[0].id)
        before = await moves(relay)

        await asyncio.gather(*(relay.end(task, TaskState.REFUSED, Via.LOOK) for task in tasks))

        after = (await moves(relay))[len(before) :]
        assert sorted(after) == sorted(
            (task.id, follower, "refused")
            for number, task in enumerate(tasks[1:], start=1)
            for follower in ("one" if number < 10 else "one,two" if number < 20 else "three").split(
                ","
            )
        )


ODD = [
    "it's",
    '"',
    "{}",
    "NULL",
    "null",
    "a b",
    " ",
    "\\",
    "ä",
    "狐",
    "\u202e",
    "%s",
    "$1",
    "x" * 500,
]


async def test_no_name_can_fail_a_charge(books: str) -> None:
    """Names that no submit lets through, as if they stood in a row all the same."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token, follows=",".join(ODD))

        await relay.call_back_on(
            task.injected_id, task.channel_id, told(task, "succeed", final_unit_deduction="3")
        )

        assert await moves(relay) == [(task.id, name, "succeed") for name in ODD]
        assert await relay.account() == (QUOTA_MICROS - CLIP_MICROS, 0)


NO_NAMES = [
    ("one", "one"),
    ("",),
    ("one,two",),
    ("one", " "),
    ("ONE",),
    ("a\x00",),
    ("a" * 65,),
    ("ä",),
    ("one\n",),
]


async def test_names_that_are_none_are_refused_before_anything_is_written(books: str) -> None:
    """Given twice, empty, with a comma, odd or long: no hold, no row, no call of Kling."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        for follows in NO_NAMES:
            with pytest.raises(ValueError, match="follower"):
                await submit_followed(relay, token, *follows)
        await submit_followed(relay, token, "a", "runs", "mirror:s3.eu-1_b", "z" * 64)

        (task,) = await relay.rows("SELECT follows FROM tasks")
        assert task["follows"] == ["a", "runs", "mirror:s3.eu-1_b", "z" * 64]
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


async def test_who_follows_a_task_is_never_changed(books: str) -> None:
    """By whatever statement, also one that would change no row."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await hold_tasks(relay, token, follows="one")

        for change in ("'{two}'", "follows", "'{}' WHERE false"):
            with pytest.raises(asyncpg.RaiseError, match="said by its submit"):
                await relay.rows(f"UPDATE tasks SET follows = {change}")

        assert (await relay.row("SELECT follows FROM tasks"))["follows"] == ["one"]


async def test_a_task_that_others_move_at_once_tells_its_moves_in_their_order(books: str) -> None:
    """Ids grow as its states do, whoever moves it: two replicas, the desk, twelve tasks."""
    order = ["submitted", "processing", "succeed"]
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        tasks = await hold_tasks(relay, token, 12, follows="one")
        async with running_relay(books, beside=relay, with_callbacks=True) as other:
            await asyncio.gather(
                *(
                    replica.call_back_on(
                        task.injected_id,
                        task.channel_id,
                        told(task, status, final_unit_deduction="2"),
                    )
                    for task in tasks
                    for replica in (relay, other)
                    for status in order
                ),
                *(relay.act(settle, task.id) for task in tasks),
            )

        for task in tasks:
            states = [state for id_, _, state in await moves(relay) if id_ == task.id]
            assert states[-1] == "succeed"
            assert states == sorted(set(states), key=order.index)
        assert (await relay.account())[1] == 0


async def test_the_act_that_is_no_news_tells_nothing(books: str) -> None:
    """A release of what was settled: NotPossible, and no row."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token, follows="one")
        await relay.act(settle, task.id)

        with pytest.raises(NotPossible):
            async with relay.sessions.begin() as session:
                await release(session, ACTOR, task.id, reason="no")

        assert await moves(relay) == [(task.id, "one", "succeed")]
