"""A create that reached Kling after its row was released; and replies that are another create's."""

import json

import pytest

from relay.desk.tasks import release
from relay.kling.http1_transport import Http1Transport
from relay.kling.transport import MaybeSent, Reply
from tests.kling.transport_peer import Connection, listen
from tests.relay_app import CLIP, CLIP_MICROS, running_relay
from tests.tasks.looking import let_time_pass, look_now
from tests.tasks.scripted_kling import Call, ScriptedKling, not_found, success

QUOTA_MICROS = 10 * CLIP_MICROS


@pytest.mark.parametrize("by", ["look", "operator"])
@pytest.mark.parametrize("end", ["succeed", "processing", "never"])
async def test_what_was_made_after_the_release_is_found_by_one_last_look(
    books: str, by: str, end: str
) -> None:
    """Six hours later; a success is charged late and flagged, and what runs is looked at on."""
    is_made = False

    async def answer(call: Call) -> Reply:
        if call.method == "POST":
            raise MaybeSent("ReadTimeout")
        if not is_made or end == "never":
            return not_found()
        info = {"external_task_id": call.key if call.key != "k1" else injected_id}
        return success(
            {"task_id": "k1", "task_status": end, "task_info": info, "final_unit_deduction": "2"}
        )

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.submit(token)
        row = await relay.row("SELECT id, injected_id FROM tasks")
        injected_id = row["injected_id"]
        if by == "operator":
            await relay.act(release, row["id"])
        else:
            for _ in range(3):
                await let_time_pass(relay, 0.2)
                await look_now(relay)
        released = await relay.row(
            "SELECT state, round(extract(epoch FROM next_look_at - now()) / 3600)::int AS hours"
            " FROM tasks"
        )
        is_made = True

        looks = await look_now(relay)

        assert tuple(released) == ("refused", 6)
        assert looks == 1
        after = await relay.row("SELECT state, charged_micros, is_flagged FROM tasks")
        if end == "succeed":
            assert tuple(after) == ("succeed", 280_000, True)
            assert await relay.account() == (QUOTA_MICROS - 280_000, 0)
        else:
            assert tuple(after) == ("refused", None, end == "processing")
            assert await relay.account() == (QUOTA_MICROS, 0)
            assert await look_now(relay) == (end == "processing")


async def test_a_reply_about_another_task_is_not_this_creates(books: str) -> None:
    """504, the hold stays, nothing of it is shown; and no second call goes over its connection.

    It names another external id, to a create and to a query; or an id that another task has.
    """
    replies = [
        ("k1", {"external_task_id": "of-somebody-else"}),
        ("k1", {"external_task_id": "of-somebody-else"}),
        ("k2", {}),
        ("k2", {}),
        ("k3", {}),
    ]
    connections = []

    async def script(connection: Connection) -> None:
        while True:
            await connection.receive()
            connections.append(peer.connections)
            kling_id, info = replies.pop(0)
            data = {"task_id": kling_id, "task_status": "submitted", "task_info": info}
            body = json.dumps({"code": 0, "message": "SUCCEED", "data": data}).encode()
            await connection.answer(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )

    transport = Http1Transport()
    async with listen(script) as peer, running_relay(books, transport=transport) as relay:
        await relay.add_channel(base_url=peer.url)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        foreign = await relay.submit(token)
        await look_now(relay)
        own, known, last = [
            await relay.submit(token, {**CLIP, "prompt": f"not a retry {number}"})
            for number in range(3)
        ]
        await transport.aclose()

        for doubtful in (foreign, known):
            assert (doubtful.status_code, doubtful.json()["code"]) == (504, 5002)
            assert "task_id" not in doubtful.text
        assert [one.json()["data"]["task_id"] for one in (own, last)] == ["k2", "k3"]
        assert connections == [1, 2, 3, 3, 4]
        rows = await relay.rows("SELECT state, kling_id FROM tasks ORDER BY id")
        assert [tuple(row) for row in rows] == [
            ("unknown", None),
            ("submitted", "k2"),
            ("unknown", None),
            ("submitted", "k3"),
        ]
        assert await relay.account() == (QUOTA_MICROS, 4 * CLIP_MICROS)


async def test_an_id_that_another_task_has_is_not_given_away(books: str) -> None:
    """A reply without an external id, and with the id of the create before: in doubt, not shown."""

    async def answer(_: Call) -> Reply:
        return success({"task_id": "k1", "task_status": "submitted"})

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.submit(token)

        second = await relay.submit(token)

        assert (second.status_code, second.json()["code"]) == (504, 5002)
        rows = await relay.rows("SELECT state, kling_id FROM tasks ORDER BY id")
        assert [tuple(row) for row in rows] == [("submitted", "k1"), ("unknown", None)]
