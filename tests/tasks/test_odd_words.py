"""Kling in odd words: what decides is read all the same, and what cannot be read is flagged."""

import json
from typing import Any

import pytest

from relay.kling.transport import Reply
from relay.tasks.look import UNREAD_TRIES
from tests.proxy.scripted_kling import Asked, ScriptedKling, created, envelope, reply
from tests.relay_app import CLIP, CLIP_MICROS, Relay, running_relay
from tests.tasks.looking import look_now

QUOTA = 100 * CLIP_MICROS
ODD_REPLIES: dict[str, bytes] = {
    # `%b` is the task object of a success; what stands around or in it is odd
    "broken UTF-8": b'{"code":0,"message":"\xff\xfe","data":%b}',
    "a code as text": b'{"code":"0","message":null,"request_id":5,"data":%b}',
    "a mark before it": b'\xef\xbb\xbf{"code":0,"data":%b}',
    "a NUL behind it": b'{"code":0.0,"message":[],"data":%b}\x00',
}
ODD_TASKS: dict[str, dict[str, Any]] = {
    "task_info a list": {"task_info": []},
    "a number for a text": {"task_status_msg": 0, "message": 1.5},
    "null for all": {"task_status_msg": None, "message": None, "external_id": None},
    "an upper-case word": {"task_status": "SUCCEED"},
    "half a pair": {"task_status_msg": "\ud83e", "note": "\x00"},
    "an object for the result": {"task_result": {"videos": {"url": "u"}}, "outputs": "none"},
}


class OddKling:
    """Answers each create with 201, and queries as the test has it."""

    def __init__(self) -> None:
        self.says: dict[str, Reply] = {}
        """By what is asked for."""
        self.kling = ScriptedKling(self._answer)

    async def _answer(self, asked: Asked) -> Reply:
        if asked.method == "POST":
            task_id = str(json.loads(asked.body)["prompt"])
            body = b'{"code":"0","message":null,"data":%b}'
            return reply(201, body % created(asked.injected_id, task_id=task_id))
        return self.says[asked.url.rpartition("/")[2]]


def ended(task_id: object, **odd: Any) -> bytes:
    """A task object of a success of 2 units."""
    fields = {"task_id": task_id, "task_status": "succeed", "final_unit_deduction": "2", **odd}
    return json.dumps(fields).encode()


async def open_tasks(relay: Relay, ids: list[str]) -> Any:
    """Submit a task for each id of Kling's."""
    await relay.add_channel()
    token = await relay.add_tenant(quota_micros=QUOTA)
    for task_id in ids:
        answer = await relay.submit(token, CLIP | {"prompt": task_id})
        assert answer.status_code == 201, answer.text
    return token


async def test_no_odd_word_hides_an_end(books: str) -> None:
    """Of a dozen tasks, each told in other odd words, each is charged its 2 units."""
    odd = OddKling()
    numbers = {name: str(1000 + number) for number, name in enumerate([*ODD_REPLIES, *ODD_TASKS])}
    for name, shell in ODD_REPLIES.items():
        odd.says[numbers[name]] = reply(200, shell % ended(numbers[name]))
    for name, fields in ODD_TASKS.items():
        odd.says[numbers[name]] = envelope(ended(numbers[name], **fields))
    odd.says["2000"] = envelope(ended(2000))

    async with running_relay(books, transport=odd.kling) as relay:
        token = await open_tasks(relay, [*numbers.values(), "2000"])
        await look_now(relay)

        rows = await relay.rows("SELECT kling_id, state, charged_micros, is_flagged FROM tasks")
        assert {tuple(row)[1:] for row in rows} == {("succeed", 280_000, False)}, rows
        for key in odd.says:
            shown = await relay.get(token, key)
            assert shown.status_code == 200, key
            assert str(shown.json()["data"]["task_id"]) == key


UNREAD: dict[str, Reply] = {
    "no JSON": reply(200, b"<html>ok</html>"),
    "no task": envelope(b"{}"),
    "a list of texts": envelope(b'["succeed"]'),
    "a word that we do not know": envelope(b'{"task_id":"1","task_status":"canceled"}'),
    "no code": reply(200, {"data": {"task_id": "1", "task_status": "succeed"}}),
    "a refusal of the question": reply(400, {"code": 1200, "message": "bad id"}),
}
AWAY: dict[str, Reply] = {
    "down": reply(502, b"<html>"),
    "busy": reply(429, {"code": 1302, "message": "slow down"}),
    "turned away": reply(403, b"<html>"),
    "in trouble": reply(200, {"code": 5000, "message": "oh"}),
    "a status of none": reply(600, b"{}"),
}


@pytest.mark.parametrize("asker", ["worker", "tenant"])
async def test_what_nobody_can_read_is_flagged_after_ten_tries(books: str, asker: str) -> None:
    """Whoever asks; once in ten. An outage is none of a task's, and flags nothing."""
    odd = OddKling()
    cases = UNREAD | AWAY
    ids = {name: str(number) for number, name in enumerate(cases, start=1)}
    for name, said in cases.items():
        body = said.body.replace(b'"1"', b'"%b"' % ids[name].encode())
        odd.says[ids[name]] = Reply(said.status, said.content_type, body)

    async with running_relay(books, transport=odd.kling, refresh_s=0) as relay:
        token = await open_tasks(relay, list(ids.values()))

        async def ask() -> None:
            if asker == "worker":
                await look_now(relay)
                return
            for key in ids.values():
                assert (await relay.get(token, key)).status_code == 200

        for _ in range(UNREAD_TRIES - 1):
            await ask()
        early = await relay.rows("SELECT 1 FROM tasks WHERE is_flagged")
        await ask()
        flagged = await relay.rows("SELECT kling_id FROM tasks WHERE is_flagged")
        events = await relay.rows(
            "SELECT t.kling_id, e.body FROM task_events e JOIN tasks t ON t.id = e.task_id"
            " WHERE e.kind = 'reply.unread'"
        )

        assert early == []
        assert {row["kling_id"] for row in flagged} == {ids[name] for name in UNREAD}
        assert len(events) == len(UNREAD)
        assert {row["kling_id"] for row in events} == {ids[name] for name in UNREAD}
        assert (await relay.account())[1] == len(ids) * CLIP_MICROS
