"""Promise D2: without a verdict a submit is sent nowhere else and released by no clock alone."""

import asyncio

import pytest

from relay.kling.transport import MaybeSent, NotSent, Reply
from relay.sandbox.settings import SandboxSettings
from tests.ledger.books import accepted_ids, creates_seen
from tests.relay_app import CLIP, CLIP_MICROS, SANDBOX_URL, Relay, running_relay
from tests.tasks.holding import hold_tasks, kling_id, told
from tests.tasks.looking import let_time_pass, look_now
from tests.tasks.scripted_kling import Call, ScriptedKling, not_found, refusal, success
from tests.waiting import wait_until

QUOTA_MICROS = 10 * CLIP_MICROS
QUICK = SandboxSettings(task_seconds=0.05, public_url=SANDBOX_URL)
HTML = Reply(502, "text/html", b"<html>Bad Gateway</html>")


async def state(relay: Relay) -> str:
    return str((await relay.row("SELECT state FROM tasks"))["state"])


@pytest.mark.parametrize("words", ["[drop]", "[cut]", "[html]", "[no id]", "[delay 5]"])
async def test_a_task_that_kling_made_unheard_is_found_and_charged(books: str, words: str) -> None:
    """The hold stays, no second channel is tried, and a look finds the end under our id."""
    async with running_relay(books, sandbox=QUICK, kling_timeout_s=0.3) as relay:
        await relay.add_channel("first", priority=2)
        await relay.add_channel("second", priority=1)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        answer = await relay.submit(token, {**CLIP, "prompt": f"a fox {words}"})
        held = (await state(relay), await relay.account(), creates_seen(relay.sandbox))

        assert answer.status_code == 504
        assert answer.json()["code"] == 5002
        assert held == ("unknown", (QUOTA_MICROS, CLIP_MICROS), 1)
        await wait_until(lambda: _looked_to_success(relay))
        assert await relay.account() == (QUOTA_MICROS - CLIP_MICROS, 0)
        assert creates_seen(relay.sandbox) == 1
        row = await relay.row("SELECT kling_id, ended_via FROM tasks")
        assert tuple(row) == (accepted_ids(relay.sandbox)[0], "look")


async def _looked_to_success(relay: Relay) -> bool:
    await look_now(relay)
    return await state(relay) == "succeed"


WITHOUT_A_VERDICT: dict[str, Reply | MaybeSent] = {
    "timeout": MaybeSent("ReadTimeout"),
    "our own duplicate": refusal(400, 1201, "duplicate external_task_id"),
    "5xx": refusal(500, 5000, "Internal error"),
    "html": HTML,
    "408": refusal(408, 1200),
    "half": Reply(200, "application/json", b'{"code":0,"data":{"task_id":'),
    "no id": success({"task_status": "submitted"}),
}


@pytest.mark.parametrize("reply", list(WITHOUT_A_VERDICT))
async def test_without_a_verdict_the_hold_stays(books: str, reply: str) -> None:
    """Also when Kling says that our own id is taken: then the first try has landed."""

    async def answer(call: Call) -> Reply:
        said = WITHOUT_A_VERDICT[reply] if call.method == "POST" else not_found()
        if isinstance(said, MaybeSent):
            raise said
        return said

    kling = ScriptedKling(answer)
    async with running_relay(books, transport=kling) as relay:
        await relay.add_channel("first", priority=2)
        await relay.add_channel("second", priority=1)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        response = await relay.submit(token)
        await look_now(relay)

        assert response.status_code == (500 if reply == "5xx" else 504)
        assert await state(relay) == "unknown"
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)
        assert sum(call.method == "POST" for call in kling.calls) == 1


async def test_never_found_is_released_after_enough_looks_over_enough_time(books: str) -> None:
    """Not by five looks within the ten minutes; by the next one after them. Then one last look."""
    async with running_relay(books, sandbox=QUICK) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.submit(token, {**CLIP, "prompt": "a fox [html refused]"})

        for _ in range(5):
            await look_now(relay)
        early = (await state(relay), await relay.account())
        await let_time_pass(relay, 601 / 3600)
        await look_now(relay)

        assert early == ("unknown", (QUOTA_MICROS, CLIP_MICROS))
        assert (await state(relay), await relay.account()) == ("refused", (QUOTA_MICROS, 0))
        assert [await look_now(relay), await look_now(relay)] == [1, 0]


async def test_where_the_lookup_is_not_confirmed_a_day_must_pass(books: str) -> None:
    """And the release is flagged; once a trial has confirmed it, ten minutes are enough again."""
    async with running_relay(books, sandbox=QUICK) as relay:
        await relay.add_channel(is_sandbox=False)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        lost = {**CLIP, "prompt": "a fox [html refused]"}
        await relay.submit(token, lost)
        states = []

        for hours in (0, 1, 22, 2):
            await let_time_pass(relay, hours)
            await look_now(relay)
            states.append(await state(relay))

        assert states == ["unknown", "unknown", "unknown", "refused"]
        kinds = await relay.rows("SELECT kind FROM task_events")
        assert "task.released_unconfirmed" in {row["kind"] for row in kinds}
        assert (await relay.row("SELECT is_flagged FROM tasks"))["is_flagged"]

        await relay.rows("UPDATE channels SET confirmed_lookups = '{query}'")
        relay.read_anew()
        await relay.submit(token, lost)
        for hours in (0, 0, 1):
            await let_time_pass(relay, hours)
            await look_now(relay)
        newest = await relay.row("SELECT state, is_flagged FROM tasks ORDER BY id DESC LIMIT 1")
        assert tuple(newest) == ("refused", False)


async def test_time_alone_releases_nothing(books: str) -> None:
    """However long ago the first "not found" was, it takes the third one."""
    async with running_relay(books, sandbox=QUICK) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.submit(token, {**CLIP, "prompt": "a fox [html refused]"})
        states = []

        for _ in range(3):
            await look_now(relay)
            await let_time_pass(relay, 48)
            states.append(await state(relay))

        assert states == ["unknown", "unknown", "refused"]


@pytest.mark.parametrize("answer", ["not sent", "maybe sent", "html", "unauthorized", "5001"])
async def test_a_kling_that_does_not_answer_releases_nothing(books: str, answer: str) -> None:
    """Twelve looks over a week, none of them a "not found": the hold stays."""

    async def silent(call: Call) -> Reply:
        if call.method == "POST":
            raise MaybeSent("ReadTimeout")
        match answer:
            case "not sent":
                raise NotSent("ConnectError")
            case "maybe sent":
                raise MaybeSent("ReadTimeout")
            case "html":
                return HTML
            case "unauthorized":
                return refusal(401, 1002, "access key not found")
            case _:
                return refusal(503, 5001, "Task service not found, unavailable")

    async with running_relay(books, transport=ScriptedKling(silent)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.submit(token)

        looks = 0
        for _ in range(12):
            looks += await look_now(relay)
            await let_time_pass(relay, 14)

        assert looks == 12
        assert await state(relay) == "unknown"
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


async def test_a_task_that_kling_forgot_after_taking_it_keeps_its_hold(books: str) -> None:
    """ "Not found" counts only while Kling's id is unknown: afterwards it is a Kling in trouble."""

    async def forgetful(call: Call) -> Reply:
        if call.method == "GET":
            return not_found()
        return success({"task_id": "k1", "task_status": "submitted"})

    async with running_relay(books, transport=ScriptedKling(forgetful)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.submit(token)

        for _ in range(6):
            await look_now(relay)
            await let_time_pass(relay, 48)

        assert await state(relay) == "submitted"
        assert (await relay.row("SELECT not_found FROM tasks"))["not_found"] == 0
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


async def test_a_row_whose_process_died_belongs_to_it_until_its_deadline(books: str) -> None:
    """Held and never sent: no look before the deadline, then three of them release it."""
    async with running_relay(books, sandbox=QUICK) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await hold_tasks(relay, token, deadline_s=90)

        before = await relay.parts.tasks.looker.claim_due(10)
        for _ in range(3):
            await let_time_pass(relay, 1)
            leased = await relay.parts.tasks.looker.claim_due(10)
            await asyncio.gather(*map(relay.parts.tasks.looker.look, leased))

        assert before == []
        assert (await state(relay), await relay.account()) == ("refused", (QUOTA_MICROS, 0))


async def test_a_row_whose_process_died_after_sending_is_found(books: str) -> None:
    """Kling has it under our id: the look learns its id and its end, and it is charged."""

    async def answer(call: Call) -> Reply:
        (task,) = tasks
        assert call.key == task.injected_id
        return success(told(task, "succeed", final_unit_deduction="2.5"))

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        tasks = await hold_tasks(relay, token)

        await look_now(relay)

        row = await relay.row("SELECT state, kling_id, charged_micros FROM tasks")
        assert tuple(row) == ("succeed", kling_id(tasks[0]), 350_000)
        assert await relay.account() == (QUOTA_MICROS - 350_000, 0)


async def test_a_tenant_hears_nothing_certain_while_nothing_is(books: str) -> None:
    """By its external id: 503/5001 while nobody knows, and the task once Kling has told."""
    async with running_relay(books, sandbox=QUICK, refresh_s=0, kling_timeout_s=0.2) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        body = {**CLIP, "external_task_id": "order-1"}
        await relay.submit(token, {**body, "prompt": "a fox [html refused]"})
        await relay.submit(token, {**body, "external_task_id": "order-2", "prompt": "a fox [drop]"})

        unheard = await relay.get(token, "order-1")
        heard = await relay.get(token, "order-2")

        assert (unheard.status_code, unheard.json()["code"]) == (503, 5001)
        assert heard.json()["data"]["task_id"] == accepted_ids(relay.sandbox)[0]


async def test_an_answer_about_another_task_moves_nothing(books: str) -> None:
    """A reply with another task's external id is kept, flagged and not applied."""

    async def confused(call: Call) -> Reply:
        if call.method == "POST":
            raise MaybeSent("ReadTimeout")
        return success(
            {
                "task_id": "k1",
                "task_status": "succeed",
                "task_info": {"external_task_id": "of somebody else"},
                "final_unit_deduction": "3",
            }
        )

    async with running_relay(books, transport=ScriptedKling(confused)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.submit(token)

        await look_now(relay)

        row = await relay.row("SELECT state, kling_id, is_flagged FROM tasks")
        assert tuple(row) == ("unknown", None, True)
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)
