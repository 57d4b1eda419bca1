"""D3: a lost, late, repeated, reordered or odd callback changes nothing about the end state."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from relay.callbacks.surface import BODY_BYTES_MAX
from relay.kling.mend import mend
from relay.tasks.door import EVENT_BYTES_MAX
from relay.tenants.tokens import IssuedToken
from tests.callbacks.conftest import HOOK
from tests.callbacks.news import queried, told
from tests.proxy.scripted_kling import TASK_ID, ScriptedKling, accepts_then, created, refusal
from tests.relay_app import CLIP_MICROS, Relay
from tests.tasks.looking import look_now

QUOTA = 10_000_000
CHARGED = (QUOTA - CLIP_MICROS, 0)
OPEN = (QUOTA, CLIP_MICROS)
RELEASED = (QUOTA, 0)


async def say(relay: Relay, body: bytes | dict[str, Any], status: int = 200) -> None:
    response = await relay.call_back(TASK_ID, body)
    assert response.status_code == status, response.text


async def state_of(relay: Relay) -> str:
    return str((await relay.task(TASK_ID))["state"])


@pytest.mark.parametrize(
    ("status", "state", "account"),
    [
        ("submitted", "submitted", OPEN),
        ("processing", "processing", OPEN),
        ("succeed", "succeed", CHARGED),
        ("succeeded", "succeed", CHARGED),
        ("failed", "failed", RELEASED),
    ],
)
async def test_each_status_moves_the_task(
    relay: Relay, injected_id: str, status: str, state: str, account: tuple[int, int]
) -> None:
    """Both generations' words; the account follows; the raw body is kept."""
    body = told(injected_id, status, **told(injected_id, "succeed") | {"task_status": status})
    raw = json.dumps(body, indent=1).encode()

    await say(relay, raw)

    assert await state_of(relay) == state
    assert await relay.account() == account
    kept = await relay.rows("SELECT body FROM task_events WHERE kind = 'callback'")
    assert [row["body"] for row in kept] == [raw]


async def test_a_flat_body_and_the_form_with_a_top_level_id_are_read_alike(
    relay: Relay, injected_id: str
) -> None:
    """`external_task_id` beside the fields, and no `task_info`."""
    body = told(injected_id, "succeed", external_task_id=injected_id)
    del body["task_info"]

    await say(relay, body)

    assert await relay.account() == CHARGED


async def test_a_callback_may_name_the_task_by_one_id_only(relay: Relay, injected_id: str) -> None:
    """Ours without Kling's, Kling's without ours; the path has named the task already."""
    await say(relay, told(injected_id, "processing", task_id=None))
    assert await state_of(relay) == "processing"

    await say(relay, told(None, "succeed"))

    assert await relay.account() == CHARGED


async def test_every_order_of_messages_ends_in_one_charge(
    relay: Relay, token: IssuedToken, kling: ScriptedKling
) -> None:
    """Twelve tasks, one for each order of submitted, processing, succeed and again succeed."""
    orders = sorted(set(itertools.permutations(["submitted", "processing", "succeed", "succeed"])))
    for number, order in enumerate(orders):
        task_id = f"task-{number}"
        kling.answer = accepts_then(created, task_id=task_id)
        assert (await relay.submit(token)).status_code == 200
        row = await relay.task(task_id)

        for status in order:
            body = told(row["injected_id"], status, task_id=task_id)
            assert (await relay.call_back(task_id, body)).status_code == 200

        assert (await relay.task(task_id))["state"] == "succeed", order
        assert await relay.account() == (QUOTA - (number + 1) * CLIP_MICROS, CLIP_MICROS)
    charges = await relay.rows("SELECT amount_micros FROM entries WHERE kind = 'charge'")
    assert [row["amount_micros"] for row in charges] == [-CLIP_MICROS] * 12


async def test_fifty_at_once_charge_once_and_tell_the_tenant_once(
    relay: Relay, injected_id: str
) -> None:
    """Fifty equal successes in the same moment."""
    await asyncio.gather(*(say(relay, told(injected_id, "succeed")) for _ in range(50)))

    assert await relay.account() == CHARGED
    rows = await relay.rows("SELECT task_status FROM deliveries ORDER BY id")
    assert [row["task_status"] for row in rows] == ["submitted", "succeed"]


async def test_a_failure_after_the_success_changes_nothing(relay: Relay, injected_id: str) -> None:
    """The first end stands; the charge stays."""
    await say(relay, told(injected_id, "succeed"))

    await say(relay, told(injected_id, "failed", task_status_msg="oops"))

    assert await state_of(relay) == "succeed"
    assert await relay.account() == CHARGED
    assert (await relay.task(TASK_ID))["fail_message"] is None


async def test_a_success_after_the_failure_is_charged_and_flagged(
    relay: Relay, injected_id: str
) -> None:
    """The one move back: Kling delivered after all."""
    await say(relay, told(injected_id, "failed", task_status_msg="oops"))
    assert await relay.account() == RELEASED

    await say(relay, told(injected_id, "succeed"))
    await say(relay, told(injected_id, "failed"))

    assert await state_of(relay) == "succeed"
    assert await relay.account() == CHARGED
    assert (await relay.task(TASK_ID))["is_flagged"]


async def test_a_success_without_a_deduction_is_asked_for_first(
    relay: Relay, injected_id: str, kling: ScriptedKling
) -> None:
    """Kling is asked what it cost: 2 units by its reply, not the quote's 3."""
    answer = json.loads(queried("succeed")(injected_id)) | {"final_unit_deduction": "2"}
    kling.answer = accepts_then(lambda _: json.dumps(answer).encode())
    await kling.answer(kling.creates[0])
    body = told(injected_id, "succeed")
    del body["final_unit_deduction"]

    await say(relay, body)

    assert await relay.account() == (QUOTA - 280_000, 0)
    assert len(kling.queries) == 1


async def test_a_success_that_cannot_be_priced_yet_is_kept_and_hurried(
    relay: Relay, injected_id: str, kling: ScriptedKling
) -> None:
    """Kling does not answer: 200, nothing moves, a look is due; the next message settles."""

    async def down(_: object) -> Any:
        return refusal(503, 5001)

    kling.answer = down
    body = told(injected_id, "succeed")
    del body["final_unit_deduction"]

    await say(relay, body)

    assert await relay.account() == OPEN
    due = await relay.row("SELECT next_look_at <= now() AS is_due FROM tasks")
    assert due["is_due"]
    await say(relay, told(injected_id, "succeed"))
    assert await relay.account() == CHARGED


async def test_a_late_callback_of_a_task_that_is_gone_is_answered_well(
    relay: Relay, injected_id: str
) -> None:
    """200, or Kling would send it again for ever; nothing is written."""
    channel_id = (await relay.task(TASK_ID))["channel_id"]
    gone = f"{injected_id[:-4]}beef"

    response = await relay.call_back_on(gone, channel_id, told(gone, "succeed"))

    assert response.status_code == 200
    assert await relay.account() == OPEN


GARBAGE = (
    *(b"", b"null", b"[]", b"{", b'"x"', b"5", b"\xff", b"task_status=succeed"),
    *(b"[" * 50_000, b'{"a":' * 50_000, b"\x00" * BODY_BYTES_MAX + b"x" * 10),
)


async def test_what_cannot_be_read_is_kept_and_kling_is_asked(
    relay: Relay, injected_id: str, kling: ScriptedKling
) -> None:
    """200, the first 256 kB as an event, no flag; a look is due at once, and finds the end."""
    kling.answer = accepts_then(queried("succeed"))
    await kling.answer(kling.creates[0])
    _ = injected_id

    for body in GARBAGE:
        await relay.rows("UPDATE tasks SET next_look_at = now() + interval '1 hour'")
        await say(relay, body)

        row = await relay.row("SELECT next_look_at <= now() AS is_due, is_flagged FROM tasks")
        kept = await relay.row("SELECT kind, body FROM task_events ORDER BY id DESC LIMIT 1")
        assert tuple(row) == (True, False), body[:20]
        assert tuple(kept) == ("callback", mend(body)[:EVENT_BYTES_MAX]), body[:20]
    assert await relay.account() == OPEN
    await look_now(relay)
    assert await relay.account() == CHARGED


async def test_nothing_is_looked_for_after_klings_full_reply(
    relay: Relay, injected_id: str, kling: ScriptedKling
) -> None:
    """Garbage on the path of a task whose end is known makes no work."""
    kling.answer = accepts_then(queried("succeed"))
    await kling.answer(kling.creates[0])
    await say(relay, told(injected_id, "succeed"))
    await look_now(relay)

    await say(relay, b"garbage")

    assert await look_now(relay) == 0


async def test_odd_values_do_not_hide_an_end(relay: Relay, injected_id: str) -> None:
    """Unknown fields, 1e400 and integers beyond all types, where only their bytes matter."""
    raw = json.dumps(told(injected_id, "succeed")).encode()[:-1]
    raw += b',"x":1e400,"task_result":{"videos":[{"id":18446744073709551616123,"n":1e400,'
    raw += b'"url":"https://cdn/1.mp4","duration":1e400}],"y":-1e999}}'

    await say(relay, raw)

    assert await relay.account() == CHARGED
    assert (await relay.task(TASK_ID))["result_urls"] == ["https://cdn/1.mp4"]


@pytest.mark.parametrize(
    "change",
    [
        {"task_id": "867283741759111999"},
        {"task_info": {"external_task_id": "another"}},
        {"external_task_id": "another"},
        {"external_id": "another"},
    ],
    ids=str,
)
async def test_a_body_about_another_task_is_kept_and_not_applied(
    relay: Relay, injected_id: str, change: dict[str, Any]
) -> None:
    """200; the task is flagged and the body is there for the operator to read."""
    body = told(injected_id, "succeed") | change

    await say(relay, body)

    assert await state_of(relay) == "submitted"
    assert await relay.account() == OPEN
    row = await relay.task(TASK_ID)
    kept = await relay.row("SELECT body FROM task_events WHERE kind = 'callback.not_applied'")
    assert row["is_flagged"]
    assert json.loads(kept["body"]) == body


@pytest.mark.parametrize(
    "body", [{}, {"task_status": "succeed"}, {"task_id": "", "task_info": {}}], ids=str
)
async def test_a_body_that_names_no_task_is_kept_and_not_applied(
    relay: Relay, injected_id: str, body: dict[str, Any]
) -> None:
    """The path names one, but no callback of Kling's is without an id."""
    _ = injected_id

    await say(relay, body)

    assert await relay.account() == OPEN
    assert (await relay.task(TASK_ID))["is_flagged"]


async def test_a_status_that_we_do_not_know_concludes_nothing(
    relay: Relay, injected_id: str
) -> None:
    """Kept and flagged, and Kling is asked at once."""
    await say(relay, told(injected_id, "paused"))

    row = await relay.row("SELECT state, is_flagged, next_look_at <= now() AS is_due FROM tasks")
    assert tuple(row) == ("submitted", True, True)


async def test_a_success_is_told_on_in_klings_shape_with_the_tenants_ids_and_costs(
    relay: Relay, token: IssuedToken, injected_id: str
) -> None:
    """Flat; external id restored; at multiplier 1.5 of the frozen quote the tenant's own costs."""
    _ = token
    await relay.rows(
        "UPDATE tasks SET quote = jsonb_set(quote, '{unit_micros}', '\"210000\"'),"
        " hold_micros = 630000"
    )
    await relay.rows("UPDATE accounts SET held_micros = 630000")
    raw = json.dumps(told(injected_id, "succeed")).encode()[:-1]
    result = b'{"videos":[{"id":"v","url":"u","duration":"5.10","k":9007199254740993}]}'
    raw += b',"task_result":%b,"watermark_info":{"enabled":true},"unheard_of":1}' % result

    await say(relay, raw)

    row = await relay.row("SELECT * FROM deliveries ORDER BY id DESC LIMIT 1")
    assert (row["url"], row["task_status"], row["state"]) == (HOOK, "succeed", "due")
    body = json.loads(row["body"])
    assert body["task_info"] == {"external_task_id": "t-1"}
    assert body["final_unit_deduction"] == "4.5"
    assert body["final_balance_deduction"] == {"quota": "0.63", "list_price": "0.63"}
    assert result.decode() in row["body"]
    assert injected_id not in row["body"]
    assert set(body) == {
        *("task_id", "task_status", "task_status_msg", "created_at", "updated_at", "task_info"),
        *("task_result", "final_unit_deduction", "final_balance_deduction"),
    }


async def test_every_change_is_told_once_in_the_order_it_happened(
    relay: Relay, injected_id: str
) -> None:
    """submitted by the create's reply, processing and failed by callbacks, each repeated."""
    for status in ("submitted", "processing", "processing", "failed", "failed", "processing"):
        await say(relay, told(injected_id, status, task_status_msg="why"))

    rows = await relay.rows("SELECT task_status, body FROM deliveries ORDER BY id")
    assert [row["task_status"] for row in rows] == ["submitted", "processing", "failed"]
    assert json.loads(rows[2]["body"])["task_status_msg"] == "why"


async def test_the_channel_is_noted_as_one_whose_callbacks_arrive(
    relay: Relay, injected_id: str
) -> None:
    """Which makes polls rarer; a body that is not applied does not count."""
    await say(relay, told("another", "succeed"))
    assert (await relay.row("SELECT callback_at FROM channels"))["callback_at"] is None

    await say(relay, told(injected_id, "processing"))

    assert (await relay.row("SELECT callback_at FROM channels"))["callback_at"] is not None
