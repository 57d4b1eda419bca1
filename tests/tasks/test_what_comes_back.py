"""What was given up or settled by hand, and what Kling then says of it."""

import msgspec

from relay.desk.tasks import settle
from relay.pricing.quote import Quote
from relay.tasks.redact import without_credential
from relay.tasks.view import Shown, show_task
from tests.relay_app import CLIP_MICROS, running_relay
from tests.waiting import wait_until

MAC = b"f00dfeedf00dfeedf00dfeedf00dfeed"


async def test_a_released_task_that_kling_works_on_is_looked_at(books: str) -> None:
    """Its success callback may be lost: flagged at once, asked for until it ends, then charged."""
    async with running_relay(books, with_callbacks=True, with_worker=True, refresh_s=0.0) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        reply = (await relay.submit(token)).json()["data"]
        task = await relay.task(reply["task_id"])
        await relay.rows(
            "WITH given AS (UPDATE accounts SET held_micros = 0, open_holds = 0)"
            " UPDATE tasks SET state = 'refused', hold_ended_at = now(), next_look_at = NULL,"
            " look_lease = NULL"
        )

        told = {"task_id": reply["task_id"], "task_status": "processing"}
        answered = await relay.call_back_on(task["injected_id"], task["channel_id"], told)

        assert answered.status_code == 200
        row = await relay.task(reply["task_id"])
        assert row["is_flagged"]

        async def is_charged() -> bool:
            return bool((await relay.task(reply["task_id"]))["charged_micros"] == CLIP_MICROS)

        await wait_until(is_charged)


async def test_a_task_settled_by_hand_gets_its_result(books: str) -> None:
    """Kling is asked for the full reply, as after an end learned by callback."""
    async with running_relay(books, refresh_s=3600.0) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        task_id = (await relay.submit(token)).json()["data"]["task_id"]
        number = (await relay.task(task_id))["id"]

        operated = await relay.act(settle, number, "seen there")
        row = await relay.task(task_id)

        assert operated
        assert (row["state"], row["is_reply_full"]) == ("succeed", False)
        assert row["next_look_at"] is not None


async def test_our_callback_url_is_never_shown(books: str) -> None:
    """Should Kling repeat it: who holds it could tell us that a task has failed."""
    async with running_relay(books, with_callbacks=True) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        await relay.submit(token)
        (row,) = await relay.rows("SELECT quote FROM tasks")
    quoted = msgspec.json.decode(row["quote"], type=Quote)
    shown = Shown(tenant_id=1, tenant_external_id=None, quote=quoted, charged_micros=0)
    raw = rb'{"task_id":"1","x":"y","u":"http:\/\/r\/internal\/callback\/k1.a~1.%b","z":"w"}' % MAC

    told = without_credential(raw, [MAC.decode()], own_url=None)

    assert show_task(told, shown) == b'{"task_id":"1","x":"y","u":"","z":"w"}'
    listed = b'{"task_result":[1,"owned_by",{"owned_by":"k"}]}'
    assert show_task(listed, shown) == b'{"task_result":[1,"owned_by",{"owned_by":"1"}]}'
