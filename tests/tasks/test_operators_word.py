"""The operator's word and Kling's own: where they differ it is flagged, and results arrive."""

import json
from typing import Any

import pytest

from relay.database.ids import TaskId
from relay.desk.tasks import refund, release, settle, unflag
from relay.sandbox.settings import SandboxSettings
from relay.tasks.door import Via, end_row, pass_in_session
from relay.tasks.tables import TaskState
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, TEXT2VIDEO, Relay, bearer, running_relay
from tests.tasks.holding import hold_tasks, told
from tests.tasks.looking import look_now
from tests.waiting import wait_until

HOOK = "https://tenant.test/hook"
NEW = "/text-to-video/kling-3.0"
SLOW = SandboxSettings(task_seconds=600, public_url=SANDBOX_URL)
SOON = SandboxSettings(task_seconds=0.3, public_url=SANDBOX_URL)
OPERATORS = "task.contradicted"


async def submitted(relay: Relay, path: str, prompt: str) -> Any:
    """A task that Kling has, as its row."""
    body: dict[str, Any] = {**CLIP, "prompt": prompt, "callback_url": HOOK}
    if path == NEW:
        body = {"prompt": prompt, "options": {"callback_url": HOOK}}
    token = await relay.add_tenant()
    data = (await relay.submit(token, body, path=path)).json()["data"]
    return token, await relay.task(data.get("task_id") or data["id"])


async def looked_out(relay: Relay) -> None:
    """Look until nothing is left to be looked at."""

    async def is_over() -> bool:
        return not await look_now(relay)

    await wait_until(is_over)


async def events(relay: Relay, kind: str) -> list[str]:
    rows = await relay.rows("SELECT detail FROM task_events WHERE kind = $1", kind)
    return [row["detail"] for row in rows]


async def is_flagged(relay: Relay) -> bool:
    return bool((await relay.row("SELECT is_flagged FROM tasks"))["is_flagged"])


@pytest.mark.parametrize("path", [TEXT2VIDEO, NEW])
@pytest.mark.parametrize(
    ("act", "prompt", "kind"),
    [
        (settle, "a fox", None),
        (settle, "a fox [fail]", OPERATORS),
        (release, "a fox", "task.succeeded_late"),
        (release, "a fox [fail]", None),
    ],
)
async def test_a_disagreement_is_flagged_once_and_a_result_arrives(
    books: str, path: str, act: Any, prompt: str, kind: str | None
) -> None:
    """Looks ask on until Kling has ended it, though the operator had before; the tenant is told of
    the result by one more callback, with the figures that its GET shows."""
    has_result = "[fail]" not in prompt
    state = "succeed" if act is settle or has_result else "failed"
    async with running_relay(books, sandbox=SOON) as relay:
        await relay.add_channel()
        token, task = await submitted(relay, path, prompt)

        await relay.act(act, task["id"])
        await looked_out(relay)
        first = await is_flagged(relay)
        await relay.act(unflag, task["id"])
        await relay.rows("UPDATE tasks SET next_look_at = now()")
        await looked_out(relay)

        row = await relay.row("SELECT * FROM tasks")
        deliveries = await relay.rows("SELECT body, state FROM deliveries ORDER BY id")
        bodies = [json.loads(one["body"]) for one in deliveries]
        shown = await relay.client.get(f"/v1/videos/{row['kling_id']}", headers=bearer(token))
        assert (row["state"], first) == (state, kind is not None)
        assert not row["is_flagged"]
        assert len(await events(relay, OPERATORS)) == (kind == OPERATORS)
        assert len(await events(relay, "task.succeeded_late")) == (kind == "task.succeeded_late")
        assert row["charged_micros"] == (row["hold_micros"] if state == "succeed" else None)
        assert ("url" in json.dumps(bodies[-1])) == has_result
        assert len(bodies) == (3 if has_result else 2)  # the first: submitted
        assert [one["state"] for one in deliveries[:-1]] == ["superseded"] * (len(bodies) - 1)
        if has_result:
            data = shown.json()["data"]
            assert {name: data[name] for name in bodies[-1]} == bodies[-1]


@pytest.mark.parametrize(("units", "micros"), [("2", 280_000), ("4.5", 630_000)])
async def test_a_charge_that_differs_from_klings_figures_is_flagged(
    books: str, units: str, micros: int
) -> None:
    """Settled at the hold of three units; of two the operator may give some back, and what was
    above the hold is the reseller's."""
    async with running_relay(books, sandbox=SOON) as relay:
        await relay.add_channel()
        _, task = await submitted(relay, TEXT2VIDEO, f"a fox [units {units}]")

        await relay.act(settle, task["id"])
        await looked_out(relay)

        (detail,) = await events(relay, OPERATORS)
        assert f"charged {CLIP_MICROS} micros" in detail
        assert f"were {micros} micros" in detail
        assert await is_flagged(relay)
        assert (await relay.task(task["kling_id"]))["charged_micros"] == CLIP_MICROS


@pytest.mark.parametrize("status", ["succeed", "failed"])
async def test_a_callback_about_what_was_settled_makes_us_ask(books: str, status: str) -> None:
    """It changes neither the state nor the flag, and tells the tenant nothing; the look that it
    brings forward decides."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        (task,) = await hold_tasks(relay, token, callback_url=HOOK)
        await relay.call_back_on(task.injected_id, task.channel_id, told(task, "processing"))
        await relay.act(settle, task.id)
        await relay.rows("UPDATE tasks SET next_look_at = now() + interval '1 hour'")
        before = await relay.rows("SELECT id FROM deliveries ORDER BY id")

        await relay.call_back_on(task.injected_id, task.channel_id, told(task, status))

        row = await relay.row("SELECT *, next_look_at <= now() AS is_due FROM tasks")
        assert (row["state"], row["is_flagged"], row["is_due"]) == ("succeed", False, True)
        assert await relay.rows("SELECT id FROM deliveries ORDER BY id") == before


@pytest.mark.parametrize("end", [TaskState.FAILED, TaskState.SUCCEED])
async def test_the_operators_word_is_never_taken_for_klings(books: str, end: TaskState) -> None:
    """One that a callback ended and one that was settled: a second word of the operator's, though
    it awaits no reply, gives nothing back, flags nothing, tells nobody and ends no look."""
    seen = (
        "SELECT state, charged_micros, corrected_micros, is_reply_full, is_flagged,"
        " next_look_at IS NULL, (SELECT count(*) FROM deliveries) FROM tasks ORDER BY id"
    )
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        heard, settled = await hold_tasks(relay, token, 2, callback_url=HOOK)
        success = told(heard, "succeed", final_unit_deduction="3")
        await relay.call_back_on(heard.injected_id, heard.channel_id, success)
        await relay.act(settle, settled.id)
        before = [tuple(row) for row in await relay.rows(seen)]

        for task in (heard, settled):
            row = end_row(
                *(task.id, end),
                via=Via.OPERATOR,
                reason="ticket 9",
                charge=1,
                delivery_body="{}",
            )
            async with relay.sessions.begin() as session:
                await pass_in_session(session, row, is_followed=False)

        assert [row[:2] for row in before] == [("succeed", CLIP_MICROS)] * 2
        assert [tuple(row) for row in await relay.rows(seen)] == before


async def test_a_refusal_of_what_was_settled_meanwhile_is_flagged(books: str) -> None:
    """The create was under way: Kling's verdict comes after the operator's word, and is seen."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        (task,) = await hold_tasks(relay, await relay.add_tenant(), callback_url=HOOK)
        await relay.act(settle, task.id)

        refused = end_row(task.id, TaskState.REFUSED, via=Via.SUBMIT, reason="code 1301: too dark")
        async with relay.sessions.begin() as session:
            await pass_in_session(session, refused, is_followed=False)

        row = await relay.row("SELECT state, charged_micros, is_flagged, next_look_at FROM tasks")
        assert tuple(row) == ("succeed", CLIP_MICROS, True, None)
        (detail,) = await events(relay, OPERATORS)
        assert detail == "the operator settled it, and Kling says refused: code 1301: too dark"
        assert await events(relay, "submit.refused") == ["refused, changes nothing"]


async def test_what_kling_never_had_is_flagged_though_it_was_settled(books: str) -> None:
    """After three times "Task not found"; of what was released that is what the operator said."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        settled, released = await hold_tasks(relay, token, 2)
        for task, act in ((settled, settle), (released, release)):
            await relay.call_back_on(task.injected_id, task.channel_id, told(task, "processing"))
            await relay.act(act, task.id)

        await looked_out(relay)

        rows = await relay.rows("SELECT is_flagged, look_attempts FROM tasks ORDER BY id")
        assert [tuple(row) for row in rows] == [(True, 3), (False, 3)]
        (detail,) = await events(relay, "task.unconfirmed")
        assert "no such task" in detail


async def test_what_was_settled_without_klings_id_is_found_by_ours(books: str) -> None:
    """The create's reply was lost; the look names the task, and the tenant gets its result."""
    async with running_relay(books, sandbox=SOON) as relay:
        await relay.add_channel()
        token, task = await submitted(relay, TEXT2VIDEO, "a fox")
        await relay.rows(
            "UPDATE tasks SET kling_id = NULL, reply = NULL, state = 'unknown',"
            " submitted_at = NULL, tenant_external_id = 'mine'"
        )

        await relay.act(settle, TaskId(task["id"]))
        await looked_out(relay)

        shown = (await relay.get(token, "mine")).json()["data"]
        assert shown["task_id"] == task["kling_id"]
        assert shown["task_result"]["videos"][0]["url"]
        told = await relay.row("SELECT body FROM deliveries ORDER BY id DESC LIMIT 1")
        assert "url" in told["body"]


async def test_a_refund_meanwhile_is_in_the_callback_of_the_result(books: str) -> None:
    """The tenant is told what it paid, not what it was charged first."""
    async with running_relay(books, sandbox=SOON) as relay:
        await relay.add_channel()
        _, task = await submitted(relay, TEXT2VIDEO, "a fox")
        await relay.act(settle, task["id"])
        await relay.act(refund, task["id"])

        await looked_out(relay)

        row = await relay.row("SELECT body FROM deliveries ORDER BY id DESC LIMIT 1")
        assert json.loads(row["body"])["final_unit_deduction"] == "0"
