"""An id that a tenant was given and that no row has: Kling is asked before it is "not found"."""

import asyncio
from typing import Any

import pytest

from relay.database.line import DatabaseUnavailable
from relay.kling.transport import MaybeSent, Reply
from relay.tasks.door import Via
from relay.tasks.seek import ASKED_MAX, ROWS_MAX, Seeker
from relay.tasks.tables import TaskState
from relay.tenants.caller import Caller
from tests.relay_app import CLIP_MICROS, Relay, bearer, running_relay
from tests.tasks.holding import hold_tasks, told
from tests.tasks.scripted_kling import Call, ScriptedKling, not_found, success
from tests.waiting import settle_for, wait_until

QUOTA_MICROS = 10 * CLIP_MICROS
ID = "880001"
"""Kling's, which the create's reply gave to the tenant."""


async def grow_old(relay: Relay) -> None:
    await relay.rows("UPDATE tasks SET created_at = now() - interval '6 seconds'")


def of_one(relay: Relay) -> Any:
    return relay.rows("SELECT state, kling_id FROM tasks WHERE kling_id IS NOT NULL")


async def test_a_task_that_was_never_recorded_is_found_by_the_id_that_was_given(books: str) -> None:
    """A dozen rows wait for their submits; the one whose external id Kling tells is recorded, and
    without its callback path."""

    async def answer(call: Call) -> Reply:
        if call.key != ID:
            return not_found()
        path = relay.faces.receiver.paths.url(tasks[7].injected_id, tasks[7].channel_id)
        return success(told(tasks[7], "processing") | {"task_id": ID, "odd": f"at {path}"})

    kling = ScriptedKling(answer)
    async with running_relay(books, transport=kling, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=2 * QUOTA_MICROS)
        tasks = await hold_tasks(relay, token, 12)
        await grow_old(relay)

        found = await relay.get(token, ID)
        again = await relay.get(token, ID)

        assert found.json()["data"]["task_id"] == ID
        assert found.json()["data"]["odd"] == "at "
        assert again.status_code == 200
        rows = await relay.rows("SELECT id, state FROM tasks WHERE kling_id = $1", ID)
        assert [tuple(row) for row in rows] == [(tasks[7].id, "processing")]
        assert [call.key for call in kling.calls] == [ID]


@pytest.mark.parametrize(
    ("says", "status", "code"),
    [
        ("not found", 400, 1201),
        ("another's", 400, 1201),
        ("nothing", 503, 5001),
        ("html", 503, 5001),
    ],
)
async def test_what_kling_says_decides(books: str, says: str, status: int, code: int) -> None:
    """Only Kling's word makes it "Task not found"; a task of somebody else's is none of ours."""

    async def answer(_: Call) -> Reply:
        match says:
            case "not found":
                return not_found()
            case "another's":
                info = {"external_task_id": "of somebody else"}
                return success({"task_id": ID, "task_status": "succeed", "task_info": info})
            case "nothing":
                raise MaybeSent("ReadTimeout")
            case _:
                return Reply(502, "text/html", b"<html>")

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await hold_tasks(relay, token)
        await grow_old(relay)

        answered = await relay.get(token, ID)

        assert (answered.status_code, answered.json()["code"]) == (status, code)
        assert await of_one(relay) == []


async def test_kling_is_asked_once_a_second_and_only_where_a_task_may_be(books: str) -> None:
    """Not of young rows, of another tenant's, of another path's, of calls, nor of what has a
    verdict or an id; a second id within the second is 503/5001."""

    async def answer(_: Call) -> Reply:
        return not_found()

    kling = ScriptedKling(answer)
    async with running_relay(books, transport=kling) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        other = await relay.add_tenant("beta", quota_micros=QUOTA_MICROS)
        caller = await relay.add_tenant("gamma", quota_micros=QUOTA_MICROS)
        await relay.rows(
            "UPDATE tenants SET account_id = (SELECT account_id FROM tenants WHERE name = 'acme')"
            " WHERE name = 'beta'"
        )
        await hold_tasks(relay, other)
        await hold_tasks(relay, caller)
        young, unheard, known, ended, elsewhere = await hold_tasks(relay, token, 5)
        await relay.end(ended, TaskState.REFUSED, Via.SUBMIT)
        await grow_old(relay)
        for change, id_ in (
            ("created_at = now() + interval '1 minute'", young.id),
            ("state = 'unknown'", unheard.id),
            ("kling_id = 'k9'", known.id),
            ("endpoint = 'image2video'", elsewhere.id),
        ):
            await relay.rows(f"UPDATE tasks SET {change} WHERE id = $1", id_)
        await relay.rows("UPDATE tasks SET endpoint = 'tts' WHERE token_id = $1", caller.id)

        nowhere = [
            await relay.get(token, "1"),
            await relay.get(caller, "1", path="/v1/videos"),
        ]
        before = len(kling.calls)
        await grow_old(relay)
        await settle_for(1.0, because="it is looked for once a second")
        too_long = await relay.get(token, "9" * 129)
        answers = await asyncio.gather(*(relay.get(token, str(number)) for number in range(2, 6)))

        assert [(one.status_code, before) for one in nowhere] == [(400, 0)] * 2
        assert too_long.status_code == 400
        assert sorted(one.status_code for one in answers) == [400, 503, 503, 503]
        assert len(kling.calls) == 1


async def test_a_row_that_will_be_old_enough_within_the_second_is_sought_too(books: str) -> None:
    """Else who asks a moment later, and joins this look, would hear "not found" of it."""

    async def answer(_: Call) -> Reply:
        return success(told(tasks[0], "processing") | {"task_id": ID})

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        tasks = await hold_tasks(relay, token)
        await relay.rows("UPDATE tasks SET created_at = now() - interval '4.1 seconds'")

        assert (await relay.get(token, ID)).status_code == 200


class PoolThatBreaksOnce:
    """A pool whose first statement meets a broken connection."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.times = 0

    async def fetch(self, *arguments: object) -> Any:
        self.times += 1
        if self.times == 1:
            raise DatabaseUnavailable
        return await self._pool.fetch(*arguments)


async def test_what_could_not_be_read_is_read_again_at_once(books: str) -> None:
    """Nobody was told anything by a look that failed, and within the second it is no answer."""

    async def answer(_: Call) -> Reply:
        return success(told(tasks[0], "processing") | {"task_id": ID})

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        tasks = await hold_tasks(relay, token)
        await grow_old(relay)
        parts = relay.parts
        pool: Any = PoolThatBreaksOnce(parts.store.pool)
        seeker = Seeker(
            pool,
            asker=parts.kling.asker,
            learner=parts.tasks.learner,
            looker=parts.tasks.looker,
            catalogue=parts.kling.catalogue,
        )
        caller = Caller(token.id, tasks[0].tenant_id, token.tenant, tasks[0].account_id)

        with pytest.raises(DatabaseUnavailable):
            await seeker.seek(caller, [ID], among=None)
        found = await seeker.seek(caller, [ID], among=None)
        await seeker.aclose()

        assert (found, pool.times) == (True, 2)


async def test_what_cannot_be_asked_or_recorded_in_time_is_no_not_found(books: str) -> None:
    """503/5001: Kling is slow, and is heard all the same; more ids than may be asked for at once;
    and a row that does not take what Kling said."""

    async def answer(call: Call) -> Reply:
        if "slow" in call.url:
            await heard.wait()
            return success(told(tasks[0], "processing") | {"task_id": "slow"})
        if "unfit" in call.url:
            return success(told(tasks[1], "processing") | {"task_id": "unfit"})
        return not_found()

    heard = asyncio.Event()
    kling = ScriptedKling(answer)
    async with running_relay(books, transport=kling) as relay:
        await relay.add_channel()
        tokens = [
            await relay.add_tenant(name, quota_micros=QUOTA_MICROS) for name in ("a", "b", "c")
        ]
        tasks = [task for token in tokens for task in await hold_tasks(relay, token, 2)]
        tasks = [tasks[0], tasks[2]]
        await relay.rows("ALTER TABLE tasks ADD CONSTRAINT fits CHECK (kling_id <> 'unfit')")
        await relay.rows(
            "UPDATE tasks SET endpoint = 'text-to-video' WHERE tenant_id ="
            " (SELECT id FROM tenants WHERE name = 'c')"
        )
        await relay.rows(
            "UPDATE tasks SET endpoint = 'image-to-video' WHERE id = (SELECT max(id) FROM tasks)"
        )
        await grow_old(relay)

        slow = await relay.get(tokens[0], "slow")
        heard.set()
        await wait_until(lambda: of_one(relay))
        unfit = await relay.get(tokens[1], "unfit")
        before = len(kling.calls)
        ids = ",".join(str(number) for number in range(20))
        many = await relay.client.get(f"/tasks?task_ids={ids}", headers=bearer(tokens[2]))

        assert [one.json()["code"] for one in (slow, unfit, many)] == [5001] * 3
        assert [row["kling_id"] for row in await of_one(relay)] == ["slow"]
        assert len(kling.calls) - before == ASKED_MAX


async def test_of_more_rows_than_are_read_nothing_is_sure(books: str) -> None:
    """500 of one endpoint wait, and maybe more: of no endpoint is an id sure to be nobody's."""

    async def answer(_: Call) -> Reply:
        return not_found()

    kling = ScriptedKling(answer)
    async with running_relay(books, transport=kling) as relay:
        await relay.add_channel()
        asked = {}
        for name, count in (("acme", ROWS_MAX - 1), ("beta", ROWS_MAX)):
            token = await relay.add_tenant(name, quota_micros=count * CLIP_MICROS)
            await hold_tasks(relay, token, count)
            await grow_old(relay)
            found = await relay.get(token, ID, path="/v1/videos/image2video")
            asked[count] = (found.status_code, found.json()["code"])

        assert asked == {ROWS_MAX - 1: (400, 1201), ROWS_MAX: (503, 5001)}


async def test_several_ids_are_sought_at_once(books: str) -> None:
    """2.0's query: both are found, and an unknown one beside them is left out."""

    async def answer(call: Call) -> Reply:
        task = by_id.get(call.url.partition("task_ids=")[2])
        if task is None:
            return success([])
        return success(
            [{"id": str(task.id), "status": "processing", "external_id": task.injected_id}]
        )

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        tasks = await hold_tasks(relay, token, 2)
        await relay.rows("UPDATE tasks SET endpoint = 'text-to-video'")
        await grow_old(relay)
        by_id = {str(task.id): task for task in tasks}

        ids = ",".join([*by_id, "unknown"])
        found = await relay.client.get(f"/tasks?task_ids={ids}", headers=bearer(token))

        assert [one["id"] for one in found.json()["data"]] == list(by_id)
