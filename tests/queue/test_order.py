"""Who is served first: fair over tenants by weight, in order within one, who has least before."""

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any

from relay.desk.channels import remove_channel
from relay.desk.pauses import pause_creates
from relay.desk.sub_tenants import open_sub_tenant
from relay.desk.tokens import issue_token
from relay.tenants.tokens import IssuedToken
from tests.health.test_room import IMAGES, set_room
from tests.queue.waiting_line import (
    QUOTA,
    create,
    end_running,
    full_relay,
    queued,
    set_tenant,
    turn,
)
from tests.relay_app import ACTOR, CLIP_MICROS, Relay, bearer, running_relay
from tests.tasks.scripted_kling import Call, success


def prompts(calls: list[Call]) -> str:
    return " ".join(call.body["prompt"] for call in calls if call.method == "POST")


async def line_up(relay: Relay, token: IssuedToken, *said: str) -> None:
    for prompt in said:
        await queued(relay, token, prompt=prompt)


async def test_slots_are_shared_by_weight_whoever_came_first(database_url: str) -> None:
    """One slot, and what each is given comes one after the other; then four at once."""
    async with full_relay(database_url, slots=0) as (relay, hosts):
        hosts.queries["main"] = success({"task_id": "x", "task_status": "processing"})
        tokens = [await relay.add_tenant(name, quota_micros=QUOTA) for name in ("a", "b", "c")]
        await set_tenant(relay, "b", queue_weight=2)
        await line_up(relay, tokens[0], *(f"a{number}" for number in range(4)))
        await line_up(relay, tokens[1], *(f"b{number}" for number in range(4)))
        await set_room(relay, "main", {"video": 1})

        for _ in range(4):
            await turn(relay)
            await turn(relay)  # one slot: nobody is sent beside it
            await end_running(relay, "failed")
        # Who comes later has no claim to what was given while it was away.
        await line_up(relay, tokens[2], *(f"c{number}" for number in range(3)))
        for _ in range(7):
            await turn(relay)
            await end_running(relay, "failed")

        assert prompts(hosts.kling.calls) == "a0 b0 b1 a1 b2 c0 b3 a2 c1 a3 c2"
        hosts.kling.calls.clear()
        await set_room(relay, "main", {"video": 0})
        await line_up(relay, tokens[0], "a4", "a5", "a6", "a7")
        await line_up(relay, tokens[1], "b4", "b5", "b6", "b7")
        await line_up(relay, tokens[2], "c3", "c4")
        await set_tenant(relay, "c", room_min=2)
        await set_room(relay, "main", {"video": 5})
        await turn(relay)

        assert sorted(prompts(hosts.kling.calls).split()) == ["a4", "b4", "b5", "c3", "c4"]
        rows = await relay.rows(
            "SELECT public_id FROM tasks t JOIN tenants n ON n.id = t.tenant_id"
            " WHERE n.name = 'b' AND state = 'queued' ORDER BY t.id"
        )
        waiting = [row["public_id"] for row in rows]
        places = await relay.client.get("/relay/queue", headers=bearer(tokens[1]))
        shown = places.json()["data"]
        assert [one["task_id"] for one in shown] == waiting
        assert shown[1]["place"] == 3  # of a's next and b's next either may be before the other
        assert all(one["expected_wait_s"] >= 1 for one in shown)
        pages = {"2&pageSize=1": shown[1:2], "3&pageSize=1": [], "1": shown, "2": []}
        for page, its in pages.items():
            path = f"/relay/queue?pageNum={page}"
            answer = (await relay.client.get(path, headers=bearer(tokens[1]))).json()
            assert [one["task_id"] for one in answer["data"]] == [one["task_id"] for one in its]
        wrong = await relay.client.get("/relay/queue?pageSize=0", headers=bearer(tokens[1]))
        assert (wrong.status_code, wrong.json()["code"]) == (400, 1201)
        assert (await relay.audit()).ok


async def add_below(relay: Relay, parent: str, name: str) -> IssuedToken:
    """Open a sub-tenant, with a key."""
    async with relay.sessions.begin() as session:
        await open_sub_tenant(session, ACTOR, parent, name, resale=Decimal(1))
        return await issue_token(session, ACTOR, f"{parent}/{name}", relay.keys)


async def test_an_account_has_one_share_and_its_tenants_share_that(database_url: str) -> None:
    """One slot: three tenants of one account get as much together as one tenant of another."""
    async with full_relay(database_url, slots=0) as (relay, hosts):
        hosts.queries["main"] = success({"task_id": "x", "task_status": "processing"})
        a = await relay.add_tenant("a", quota_micros=QUOTA)
        x, y = await add_below(relay, "a", "x"), await add_below(relay, "a", "y")
        b = await relay.add_tenant("b", quota_micros=QUOTA)
        await line_up(relay, x, *(f"x{number}" for number in range(4)))
        await line_up(relay, y, "y0", "y1")
        await line_up(relay, a, "a0")
        await line_up(relay, b, *(f"b{number}" for number in range(5)))
        await set_room(relay, "main", {"video": 1})

        for _ in range(10):
            await turn(relay)
            await end_running(relay, "failed")

        assert prompts(hosts.kling.calls) == "x0 b0 y0 b1 a0 b2 x1 b3 y1 b4"
        await set_tenant(relay, "a", queue_weight=2)
        await line_up(relay, b, "b5", "b6")
        await line_up(relay, y, "y2", "y3")
        hosts.kling.calls.clear()
        for _ in range(6):
            await turn(relay)
            await end_running(relay, "failed")
        said = prompts(hosts.kling.calls).split()
        assert [one[0] for one in said[:4]].count("b") <= 2
        assert (await relay.audit()).ok


async def test_sub_tenants_get_no_more_slots_by_being_many(database_url: str) -> None:
    """Four slots, two workers at once: six tenants of an account have two, and the other two."""
    async with (
        full_relay(database_url, slots=0) as (relay, hosts),
        running_relay(
            database_url, transport=hosts.kling, with_callbacks=True, beside=relay
        ) as other,
    ):
        await relay.add_tenant("a", quota_micros=QUOTA)
        b = await relay.add_tenant("b", quota_micros=QUOTA)
        for number in range(6):
            below = await add_below(relay, "a", f"s{number}")
            await line_up(relay, below, *(f"a{number}{place}" for place in range(2)))
        await line_up(relay, b, *(f"b{place}" for place in range(12)))
        await set_room(relay, "main", {"video": 4})
        other.read_anew()
        shares = []

        while await relay.rows("SELECT FROM tasks WHERE state = 'queued'"):
            await asyncio.gather(turn(relay), turn(other), turn(relay), turn(other))
            running = await relay.rows("SELECT account_id FROM tasks WHERE state = 'submitted'")
            shares.append(sorted(Counter(row["account_id"] for row in running).values()))
            await end_running(relay, "failed")

        assert shares == [[2, 2]] * 6
        assert len(set(prompts(hosts.kling.calls).split())) == 24
        assert (await relay.audit()).ok


async def test_nobody_overtakes_those_who_wait_but_who_has_less_than_its_least(
    database_url: str,
) -> None:
    """A slot that becomes free is not for who asks just then, would that one wait or not."""
    async with full_relay(database_url) as (relay, hosts):
        first, second = await relay.add_tenant("first"), await relay.add_tenant("second")
        third = await relay.add_tenant("third")
        await create(relay, first, prompt="first")
        await line_up(relay, first, "waits")
        await end_running(relay, "failed")
        room = relay.parts.kling.board.room
        await set_tenant(relay, "third", room_min=1)

        async def code(token: IssuedToken, **options: Any) -> int:
            room.recount()
            answer: int = (await create(relay, token, **options)).json()["code"]
            return answer

        assert await code(second, wait=None) == 1303
        await line_up(relay, second, "behind")
        assert hosts.posts("main") == 1
        assert await code(third, wait=None, prompt="least") == 0
        await end_running(relay, "failed")
        for _ in range(2):
            await turn(relay)
            await end_running(relay, "failed")

        assert prompts(hosts.kling.calls).split()[1:] == ["least", "waits", "behind"]


async def test_slots_are_kept_for_those_alone_who_lack_nothing_else(database_url: str) -> None:
    """Who is paused, switched off, or asks for more than there is keeps nobody from a slot."""
    async with full_relay(database_url, slots=0, names=("gone", "main")) as (relay, hosts):
        paused, off = await relay.add_tenant("paused"), await relay.add_tenant("off")
        many, other = (
            await relay.add_tenant("many", quota_micros=QUOTA),
            await relay.add_tenant("x"),
        )
        await set_room(relay, "gone", {"image": 0})
        await set_room(relay, "main", {"image": 3})
        image = {"path": IMAGES, "model_name": "kling-v2-1"}
        await queued(relay, paused)
        await queued(relay, off)
        await queued(relay, many, n=4, prompt="four", **image)
        async with relay.sessions.begin() as session:
            await remove_channel(session, ACTOR, "gone")  # what waits is no channel's yet
            await pause_creates(session, ACTOR, reason="maintenance", tenant="paused")
        relay.parts.kling.chooser._pauses.forget()  # noqa: SLF001 (instead of the two seconds)
        await set_tenant(relay, "off", enabled=False)
        await set_room(relay, "main", {"video": 1})
        await turn(relay)
        relay.parts.kling.board.room.recount()

        assert (await create(relay, other, wait=None)).json()["code"] == 0
        answer = await create(relay, other, wait=None, prompt="one", n=1, **image)
        assert answer.json()["code"] == 0
        shown = (await relay.client.get("/relay/queue", headers=bearer(paused))).json()["data"]
        assert [one["expected_wait_s"] for one in shown] == [None]
        # Now it has slots enough: what comes after it and needs fewer does not pass it.
        await set_room(relay, "main", {"image": 4})
        await turn(relay)
        relay.parts.kling.board.room.recount()
        await queued(relay, many, n=1, prompt="behind", **image)
        for _ in range(3):
            await turn(relay)
            await end_running(relay, "failed")
        assert prompts(hosts.kling.calls).split()[-3:] == ["one", "four", "behind"]
        assert (await relay.audit()).ok


async def test_a_place_is_expected_by_the_slots_of_all_channels(database_url: str) -> None:
    """Six tasks of ten minutes run on three channels: so the seventh in line waits for twenty."""
    async with full_relay(database_url, slots=2, names=("a", "b", "c")) as (relay, _):
        token = await relay.add_tenant(quota_micros=QUOTA)
        for _ in range(6):
            await create(relay, token, wait=None)
        await relay.rows("UPDATE tasks SET submitted_at = now() - interval '600 s'")
        await end_running(relay, "failed")
        relay.parts.kling.board.room.recount()
        for _ in range(6):
            assert (await create(relay, token, wait=None)).json()["code"] == 0
        await line_up(relay, token, *(str(number) for number in range(7)))
        relay.parts.kling.board.room._usual.forget()  # noqa: SLF001 (instead of the minute)
        relay.parts.kling.board.room.recount()

        shown = (await relay.client.get("/relay/queue", headers=bearer(token))).json()["data"]
        refused = await create(relay, token, wait=None)

        first_s = shown[0]["expected_wait_s"]
        assert first_s < shown[6]["expected_wait_s"] < 3 * first_s
        assert first_s < int(refused.headers["retry-after"]) < 3 * first_s

        # What waited long and is being sent has only begun.
        await relay.rows(
            "UPDATE tasks SET state = 'pending', created_at = now() - interval '1 hour'"
            " WHERE id = (SELECT min(id) FROM tasks WHERE state = 'queued')"
        )
        relay.parts.kling.board.room.recount()
        refused = await create(relay, token, wait=None)
        assert first_s < int(refused.headers["retry-after"]) < 3 * first_s


async def test_two_workers_send_each_once_and_no_more_than_there_are_slots(
    database_url: str,
) -> None:
    """At the same time, while tasks end: Kling never has more than five, and none twice."""
    async with (
        full_relay(database_url, slots=0) as (relay, hosts),
        running_relay(
            database_url, transport=hosts.kling, with_callbacks=True, beside=relay
        ) as other,
    ):
        token = await relay.add_tenant(quota_micros=QUOTA)
        await line_up(relay, token, *(f"p{number}" for number in range(30)))
        await set_room(relay, "main", {"video": 5})
        other.read_anew()
        most = 0

        while await relay.rows("SELECT FROM tasks WHERE state = 'queued'"):
            await asyncio.gather(turn(relay), turn(other), turn(relay), turn(other))
            running = await relay.rows("SELECT FROM tasks WHERE state = 'submitted'")
            most = max(most, len(running))
            await end_running(relay)

        sent = prompts(hosts.kling.calls).split()
        assert sorted(sent) == sorted(f"p{number}" for number in range(30))
        assert most == 5
        assert await relay.account() == (QUOTA - 30 * CLIP_MICROS, 0)
        assert (await relay.audit()).ok
