"""As many tasks run on an account as it has slots: by the operator's word, or learned of 1303."""

import asyncio
from typing import Any

from relay.choices import RoomScope
from relay.desk.channels import ChannelChanges, change_channel
from relay.kling.transport import NotSent, Reply
from relay.sandbox.settings import SandboxSettings
from tests.health.hosts import FULL, Hosts, make_due, of_model, read_again, states
from tests.relay_app import ACTOR, SANDBOX_URL, TEXT2VIDEO, Relay, running_relay
from tests.tasks.scripted_kling import Call, success
from tests.waiting import wait_until

QUOTA = 100_000_000
IMAGES = "/kling/v1/images/generations"


async def set_room(relay: Relay, name: str, room: dict[str, int | None]) -> None:
    changes = ChannelChanges(room=room)
    async with relay.sessions.begin() as session:
        await change_channel(session, ACTOR, relay.keys, name, changes)
    relay.read_anew()


async def end_all(relay: Relay, hosts: Hosts, name: str) -> None:
    """Have Kling end the tasks of a channel, and the relay know it."""
    rows = await relay.rows(
        "SELECT t.kling_id, t.injected_id, t.channel_id FROM tasks t JOIN channels c"
        " ON c.id = t.channel_id WHERE c.name = $1 AND hold_ended_at IS NULL",
        name,
    )
    for row in rows:
        body = {"task_id": row["kling_id"], "task_status": "failed", "task_status_msg": "no"}
        hosts.queries[name] = success(body)
        await relay.call_back_on(
            row["injected_id"],
            row["channel_id"],
            body | {"task_info": {"external_task_id": row["injected_id"]}},
        )


def codes(answers: list[Any]) -> list[int]:
    return sorted(answer.json()["code"] for answer in answers)


async def test_what_has_no_room_goes_to_the_next_or_is_told(database_url: str) -> None:
    """Of forty at once nobody is sent where there is no slot: Kling never says 1303."""
    hosts = Hosts("first", "second")
    async with (
        running_relay(database_url, transport=hosts.kling, with_callbacks=True) as relay,
    ):
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        await set_room(relay, "first", {"video": 3})
        await set_room(relay, "second", {"video": 4})

        answers = await asyncio.gather(*(relay.submit(token) for _ in range(40)))

        assert codes(answers) == [0] * 7 + [1303] * 33
        assert (hosts.posts("first"), hosts.posts("second")) == (3, 4)
        told = next(answer for answer in answers if answer.json()["code"] == 1303)
        assert told.status_code == 429
        assert told.headers["retry-after"].isdecimal()
        assert int(told.headers["retry-after"]) >= 1
        held = await relay.rows(
            "SELECT c.name, t.kling_id FROM tasks t JOIN channels c ON c.id = t.channel_id"
            " WHERE hold_ended_at IS NULL"
        )
        assert len(held) == 7
        # The row names the account that has the task (D1): all else would ask another for it.
        assert all(row["kling_id"].startswith(row["name"]) for row in held)

        # Another model has slots of its own; and a slot that becomes free is used again.
        assert (await relay.submit(token, of_model("kling-v2-6"))).json()["code"] == 0
        await end_all(relay, hosts, "first")
        await wait_until(lambda: _is_taken(relay, token))
        assert (await relay.audit()).ok


async def _is_taken(relay: Relay, token: Any, body: Any = None, *, path: str = TEXT2VIDEO) -> bool:
    code: int = (await relay.submit(token, body, path=path)).json()["code"]
    return code == 0


async def test_what_was_not_sent_takes_no_slot_from_itself(database_url: str) -> None:
    """On the last slot too it is tried again, and told what keeps it: not 1303, for its own row."""
    hosts = Hosts("only")
    async with running_relay(database_url, transport=hosts.kling, submit_retry_s=60.0) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        await set_room(relay, "only", {"video": 2})
        assert await _is_taken(relay, token)
        fails = [NotSent("ConnectError")]

        def flaky(_: Call) -> Reply:
            if fails:
                raise fails.pop()
            return success({"task_id": "made", "task_status": "submitted"})

        hosts.creates["only"] = flaky
        assert (await relay.submit(token)).json()["data"]["task_id"] == "made"

        await set_room(relay, "only", {"video": 3})
        hosts.creates["only"] = NotSent("ConnectError")
        away = asyncio.create_task(relay.submit(token))
        await wait_until(lambda: hosts.posts("only") >= 4)
        async with relay.sessions.begin() as session:
            await change_channel(session, ACTOR, relay.keys, "only", ChannelChanges(enabled=False))
        relay.read_anew()
        assert (await away).json()["code"] == 5001


async def test_all_models_of_a_pack_share_its_slots_where_it_is_so_set(database_url: str) -> None:
    hosts = Hosts("first")
    async with running_relay(
        database_url, transport=hosts.kling, room_scope=RoomScope.PACK
    ) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        await set_room(relay, "first", {"video": 2, "video/kling-v3": 1, "image": 5})

        answers = [await relay.submit(token) for _ in range(2)]
        answers += [await relay.submit(token, of_model("kling-v2-6")) for _ in range(2)]
        # An image task takes a slot for each of its images.
        images = {"model_name": "kling-v2-1", "prompt": "a fox", "n": 3}
        answers += [await relay.submit(token, images, path=IMAGES) for _ in range(2)]

        assert [answer.json()["code"] for answer in answers] == [0, 1303, 0, 1303, 0, 1303]
        assert hosts.posts("first") == 3


async def test_room_is_learned_from_a_refusal_and_grows_again(database_url: str) -> None:
    """Three run when Kling says 1303; then nobody is sent until one ends, or one may try."""
    hosts = Hosts("first")
    async with running_relay(database_url, transport=hosts.kling, with_callbacks=True) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        for _ in range(3):
            await relay.submit(token)
        hosts.creates["first"] = FULL
        assert (await relay.submit(token)).json()["code"] == 1303
        assert await states(relay) == {"first/video/kling-v3": "cooling"}
        assert (await relay.row("SELECT room FROM channel_conditions"))["room"] == 3
        hosts.creates["first"] = None
        sent = hosts.posts("first")
        await relay.rows("UPDATE channel_conditions SET try_at = now() + interval '1 hour'")
        await read_again(relay)
        answers = [await relay.submit(token) for _ in range(3)]
        assert codes(answers) == [1303] * 3
        assert hosts.posts("first") == sent

        # One tries whether there is more: there is, by one, and by no more.
        await make_due(relay)
        assert codes([await relay.submit(token)]) == [0]
        assert (await states(relay), await _room(relay)) == ({"first/video/kling-v3": "ok"}, 4)
        hosts.creates["first"] = FULL
        await make_due(relay)
        assert codes([await relay.submit(token)]) == [1303]
        await states(relay)
        assert (await _room(relay), hosts.posts("first")) == (4, sent + 2)

        # The pause is a long one now, and ends with the tasks.
        hosts.creates["first"] = None
        await relay.rows("UPDATE channel_conditions SET try_at = now() + interval '1 hour'")
        await read_again(relay)
        assert await states(relay) == {"first/video/kling-v3": "cooling"}
        await end_all(relay, hosts, "first")
        await wait_until(lambda: _is_kept_well(relay))  # without a create that would see it
        assert codes([await relay.submit(token)]) == [0]


async def _is_kept_well(relay: Relay) -> bool:
    await relay.parts.loops.keeper.keep()
    return await states(relay) == {"first/video/kling-v3": "ok"}


async def _room(relay: Relay) -> int:
    room: int = (await relay.row("SELECT room FROM channel_conditions"))["room"]
    return room


async def test_a_refusal_below_what_a_model_had_is_about_the_pack(database_url: str) -> None:
    """Two models run, and Kling refuses one with fewer than it has had: they share their slots."""
    hosts = Hosts("first")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        for _ in range(3):
            await relay.submit(token, of_model("kling-v2-6"))
        hosts.creates["first"] = FULL

        # None of this model runs, so its own slots cannot be what is over.
        assert codes([await relay.submit(token)]) == [1303]

        assert await states(relay) == {"first/video": "cooling"}
        assert await _room(relay) == 3


async def test_what_takes_several_slots_or_none_leaves_others_theirs(database_url: str) -> None:
    """An account of five slots refuses nine images, and speech, with 1303: five go on."""
    hosts = Hosts("first")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        image = {"model_name": "kling-v2-1", "prompt": "a fox"}
        speech = {"text": "hello", "voice_id": "genshin_vindi2", "voice_language": "en"}
        await relay.submit(token)
        hosts.creates["first"] = FULL

        refused = [
            await relay.submit(token, speech, path="/kling/v1/audio/tts"),
            await relay.submit(token, image | {"n": 9}, path=IMAGES),
        ]

        assert codes(refused) == [1303] * 2
        assert await states(relay) == {"first/image/kling-v2-1": "cooling"}
        assert await _room(relay) == 8  # not nine; whether one, the refusal does not say
        hosts.creates["first"] = None
        await relay.rows("UPDATE channel_conditions SET try_at = now() + interval '1 hour'")
        await wait_until(lambda: _is_taken(relay, token, image, path=IMAGES))


async def test_clients_that_insist_all_get_through_a_small_account(database_url: str) -> None:
    """Before the sandbox, whose account has three slots, of which the relay is told nothing."""
    sandbox = SandboxSettings(task_seconds=0.3, concurrency=3, public_url=SANDBOX_URL)
    async with running_relay(database_url, sandbox=sandbox, with_worker=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA)

        async def insist() -> None:
            await wait_until(lambda: _is_taken(relay, token))

        await asyncio.gather(*(insist() for _ in range(12)))

        await wait_until(lambda: _all_ended(relay))
        rows = await relay.rows("SELECT state, count(*) FROM tasks GROUP BY 1")
        assert dict(map(tuple, rows))["succeed"] == 12
        assert (await relay.audit()).ok


async def _all_ended(relay: Relay) -> bool:
    return not await relay.rows("SELECT 1 FROM tasks WHERE hold_ended_at IS NULL")
