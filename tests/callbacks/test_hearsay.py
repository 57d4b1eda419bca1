"""M5 and D3: a callback's word is the first one; Kling's own full reply, asked for anyway, wins."""

import asyncio
import json
from typing import Any, NamedTuple

import pytest

from relay.desk.errors import NotPossible
from relay.desk.tasks import refund, settle
from relay.kling.transport import Reply
from relay.pricing.underquotes import TIMES
from relay.tasks.door import pass_in_session
from relay.tenants.tokens import IssuedToken
from tests.callbacks.conftest import HOOK
from tests.proxy.scripted_kling import Asked, ScriptedKling, created, envelope, refusal, reply
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, Relay, running_relay
from tests.tasks.looking import let_time_pass, look_now
from tests.tasks.told import told_success

QUOTA = 100_000_000
UNIT = 140_000
"""A clip is held at 3 units."""


class Case(NamedTuple):
    """What a callback says, what Kling says when it is asked, and what must come of it."""

    told: dict[str, Any]
    truth: dict[str, Any]
    state: str
    charged_micros: int | None
    entries: list[tuple[str, int]]


def succeed(units: object = None, **more: Any) -> dict[str, Any]:
    costs = {} if units is None else {"final_unit_deduction": units}
    return {"task_status": "succeed", **costs, **more}


FAILED = {"task_status": "failed", "task_status_msg": "too dark"}
CHEAP, FULL = -7 * UNIT // 100, -3 * UNIT
CASES: dict[str, Case] = {
    "the same": Case(succeed("2"), succeed("2"), "succeed", 2 * UNIT, [("charge", -2 * UNIT)]),
    "the same in other words": Case(
        succeed("2"), succeed(2.0), "succeed", 2 * UNIT, [("charge", -2 * UNIT)]
    ),
    "dearer": Case(
        succeed("0.07"),
        succeed("2.5"),
        "succeed",
        5 * UNIT // 2,
        [("charge", CHEAP), ("correction", -5 * UNIT // 2 - CHEAP)],
    ),
    "dearer than the hold": Case(
        succeed("0.07"),
        succeed("9"),
        "succeed",
        CLIP_MICROS,
        [("charge", CHEAP), ("correction", FULL - CHEAP)],
    ),
    "as much beyond the hold": Case(
        succeed("9"), succeed("9"), "succeed", CLIP_MICROS, [("charge", FULL)]
    ),
    "without a cost": Case(
        succeed("0.07"),
        succeed(),
        "succeed",
        CLIP_MICROS,
        [("charge", CHEAP), ("correction", FULL - CHEAP)],
    ),
    "cheaper": Case(
        succeed("3"), succeed("1"), "succeed", UNIT, [("charge", FULL), ("correction", 2 * UNIT)]
    ),
    "none": Case(
        succeed("2"), FAILED, "failed", None, [("charge", -2 * UNIT), ("correction", 2 * UNIT)]
    ),
    "a failure that was none": Case(
        FAILED, succeed("2"), "succeed", 2 * UNIT, [("charge", -2 * UNIT)]
    ),
    "a failure": Case(FAILED, FAILED, "failed", None, []),
}
FLAGGED = {"a failure that was none", "as much beyond the hold"}
"""For another reason."""
CORRECTED = {name for name, case in CASES.items() if len(case.entries) == 2}


class Truth:
    """A Kling that makes a task for each case, and says of each what the test has it say."""

    def __init__(self) -> None:
        self.says: dict[str, Reply] = {}
        self.kling = ScriptedKling(self._answer)

    async def _answer(self, asked: Asked) -> Reply:
        if asked.method == "POST":
            name = str(json.loads(asked.body)["prompt"])
            return envelope(created(asked.injected_id, task_id=key_of(name)))
        return self.says[asked.url.rpartition("/")[2]]

    def tell(self, name: str, truth: dict[str, Any]) -> None:
        data = {"task_id": key_of(name), "created_at": 1, "updated_at": 2, **truth}
        self.says[key_of(name)] = envelope(json.dumps(data).encode())


def key_of(name: str) -> str:
    return "k-" + name.replace(" ", "-")


async def submit_all(relay: Relay, names: list[str]) -> IssuedToken:
    token, _ = await relay.add_tenant(quota_micros=QUOTA), await relay.add_channel()
    for name in names:
        answer = await relay.submit(token, CLIP | {"prompt": name, "callback_url": HOOK})
        assert answer.status_code == 200, answer.text
    return token


async def call_back(relay: Relay, name: str, told: dict[str, Any]) -> None:
    answer = await relay.call_back(key_of(name), {"task_id": key_of(name), **told})
    assert answer.status_code == 200, name


async def entries_of(relay: Relay, name: str) -> list[tuple[str, int]]:
    rows = await relay.rows(
        "SELECT e.kind, e.amount_micros FROM entries e JOIN tasks t ON t.id = e.task_id"
        " WHERE t.kling_id = $1 ORDER BY e.id",
        key_of(name),
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("asker", ["worker", "tenant"])
async def test_klings_own_reply_corrects_a_callbacks_word(database_url: str, asker: str) -> None:
    """In both directions, once, flagged; and no message that comes again changes it any more."""
    truth = Truth()
    async with running_relay(
        database_url, transport=truth.kling, with_callbacks=True, refresh_s=0
    ) as relay:
        token = await submit_all(relay, list(CASES))
        for name, case in CASES.items():
            truth.tell(name, case.truth)
            await call_back(relay, name, case.told)

        for _ in range(3):
            if asker == "worker":
                await look_now(relay)
            await asyncio.gather(*(relay.get(token, key_of(name)) for name in CASES))
            for name, case in CASES.items():
                await call_back(relay, name, case.told)

        for name, case in CASES.items():
            row = await relay.task(key_of(name))
            assert (row["state"], row["charged_micros"]) == (case.state, case.charged_micros), name
            assert await entries_of(relay, name) == case.entries, name
            assert row["is_flagged"] == (name in CORRECTED or name in FLAGGED), name
            if name in CORRECTED:
                truth_units = case.truth.get("final_unit_deduction")
                assert (row["deduction"] is None) == (truth_units is None), name
                assert str(truth_units or "") in (row["deduction"] or ""), name
            shown = (await relay.get(token, key_of(name))).json()["data"]
            assert shown["task_status"] == case.state, name
            if case.charged_micros is not None and "final_unit_deduction" in case.truth:
                units = float(shown["final_unit_deduction"])
                assert round(units * UNIT) == case.charged_micros, name
        spent = sum(amount for case in CASES.values() for _, amount in case.entries)
        assert await relay.account() == (QUOTA + spent, 0)
        underquoted = await relay.rows(
            "SELECT t.kling_id FROM task_events e JOIN tasks t ON t.id = e.task_id"
            " WHERE e.kind = 'task.underquoted' ORDER BY 1"
        )
        beyond = ["as much beyond the hold", "dearer than the hold"]
        assert [row["kling_id"] for row in underquoted] == [key_of(name) for name in beyond]
        events = await relay.rows("SELECT 1 FROM task_events WHERE kind = 'task.corrected'")
        assert len(events) == len(CORRECTED)
        told = await relay.rows(
            "SELECT d.task_status FROM deliveries d JOIN tasks t ON t.id = d.task_id"
            " WHERE t.kling_id = $1 ORDER BY d.id",
            key_of("none"),
        )
        assert [row["task_status"] for row in told] == ["submitted", "succeed", "failed"]
        report = await relay.audit()
        assert report.ok, report


async def test_only_klings_own_reply_corrects_and_only_its_first(database_url: str) -> None:
    """Further callbacks change nothing, however they end it; nor does, once Kling has confirmed
    it, another full reply: dearer, or of a failure."""
    truth = Truth()
    seen = "SELECT state, charged_micros, corrected_micros, is_flagged FROM tasks"
    async with running_relay(database_url, transport=truth.kling, with_callbacks=True) as relay:
        await submit_all(relay, ["a"])
        truth.tell("a", succeed("2"))
        await call_back(relay, "a", succeed("0.07"))
        for told in (succeed("3"), FAILED):
            await call_back(relay, "a", told)
        first = tuple(await relay.row(seen))
        await look_now(relay)
        then = tuple(await relay.row(seen))

        task = await relay.task(key_of("a"))
        row = told_success(task["id"], key_of("a"))._replace(via="look", is_reply_full=True)
        for again in (row, row._replace(state="failed", fail_message="too dark")):
            async with relay.sessions.begin() as session:
                await pass_in_session(session, again, is_followed=False)

        assert first == ("succeed", -CHEAP, None, False)
        assert then == ("succeed", 2 * UNIT, -CHEAP - 2 * UNIT, True)
        assert tuple(await relay.row(seen)) == then
        assert [kind for kind, _ in await entries_of(relay, "a")] == ["charge", "correction"]
        assert (await relay.audit()).ok


SILENT: dict[str, Reply] = {
    "down": reply(502, b"<html>"),
    "unreadable": reply(200, b"<html>"),
    "busy": refusal(429, 1302),
    "running": envelope(b'{"task_id":"k-running","task_status":"processing"}'),
}


async def test_a_callbacks_word_is_compared_however_late_kling_answers(database_url: str) -> None:
    """An outage, or Kling still at work: looks go on until its own word is there."""
    truth = Truth()
    async with running_relay(database_url, transport=truth.kling, with_callbacks=True) as relay:
        await submit_all(relay, list(SILENT))
        for name, said in SILENT.items():
            truth.says[key_of(name)] = said
            told = succeed("0.07") if name != "running" else FAILED
            await call_back(relay, name, told)

        looked = [await look_now(relay) for _ in range(8)]
        for name in SILENT:
            truth.tell(name, succeed("2"))
        await let_time_pass(relay, 1)
        await look_now(relay)

        assert looked == [len(SILENT)] * 8
        rows = await relay.rows("SELECT state, charged_micros, next_look_at FROM tasks")
        assert [tuple(row) for row in rows] == [("succeed", 2 * UNIT, None)] * len(SILENT)
        assert (await relay.audit()).ok


async def test_what_kling_never_confirms_is_flagged(database_url: str) -> None:
    """It has no such task: after some looks the callback's word stands, for a person to read."""
    truth = Truth()
    async with running_relay(database_url, transport=truth.kling, with_callbacks=True) as relay:
        await submit_all(relay, ["a"])
        truth.says[key_of("a")] = refusal(400, 1201, "Task not found")
        await call_back(relay, "a", succeed("2"))

        looked = [await look_now(relay) for _ in range(5)]

        row = await relay.task(key_of("a"))
        assert looked == [1, 1, 1, 0, 0]
        assert (row["state"], row["is_flagged"]) == ("succeed", True)


async def test_what_the_operator_gave_back_is_not_given_back_again(database_url: str) -> None:
    """Refunded before Kling was asked: its "failed" is kept for a person, and moves no money."""
    truth = Truth()
    async with running_relay(database_url, transport=truth.kling, with_callbacks=True) as relay:
        await submit_all(relay, ["a"])
        await call_back(relay, "a", succeed("2"))
        row = await relay.task(key_of("a"))
        assert await relay.act(refund, row["id"])
        truth.tell("a", FAILED)

        await look_now(relay)

        row = await relay.task(key_of("a"))
        assert (row["state"], row["is_flagged"]) == ("succeed", True)
        assert [kind for kind, _ in await entries_of(relay, "a")] == ["charge", "refund"]
        assert await relay.account() == (QUOTA, 0)
        assert (await relay.audit()).ok


async def test_many_words_at_once_correct_once(database_url: str) -> None:
    """Callbacks, looks and queries of forty tasks in the same moment; the books are right, and of
    each one full reply is kept."""
    names = [f"t{number}" for number in range(40)]
    truth = Truth()
    async with running_relay(
        database_url, transport=truth.kling, with_callbacks=True, refresh_s=0
    ) as relay:
        token = await submit_all(relay, names)
        for number, name in enumerate(names):
            truth.tell(name, (succeed("2"), FAILED, succeed("9"))[number % 3])
            await call_back(relay, name, succeed("0.07"))

        await asyncio.gather(
            *(look_now(relay) for _ in range(3)),
            *(relay.get(token, key_of(name)) for name in names for _ in range(2)),
            *(call_back(relay, name, succeed("0.07")) for name in names),
        )

        kinds = await relay.rows(
            "SELECT kind, count(*) FROM entries WHERE task_id IS NOT NULL GROUP BY kind ORDER BY 1"
        )
        assert [tuple(row) for row in kinds] == [("charge", 40), ("correction", 40)]
        kept = await relay.rows(
            "SELECT 1 FROM task_events WHERE kind IN ('reply.look', 'reply.query')"
        )
        assert len(kept) == 40
        spent = 14 * 2 * UNIT + 13 * CLIP_MICROS
        assert await relay.account() == (QUOTA - spent, 0)
        assert (await relay.audit()).ok


async def test_a_callbacks_word_raises_nobodys_hold(database_url: str) -> None:
    """Six successes that callbacks call absurdly dear are counted by what Kling's own reply says.

    It says of one alone that it took more than was held.
    """
    truth = Truth()
    names = [f"clip {number}" for number in range(TIMES + 1)]
    async with running_relay(database_url, transport=truth.kling, with_callbacks=True) as relay:
        token = await submit_all(relay, names)
        for name in names:
            truth.tell(name, succeed("4" if name == names[0] else "3"))
            await call_back(relay, name, succeed("100000000000"))
        heard = await relay.rows("SELECT rise FROM price_underquotes")
        await look_now(relay)
        relay.read_anew()

        again = await relay.submit(token, CLIP)

        counted = await relay.rows("SELECT cardinality(seen_at) AS times FROM price_underquotes")
        assert again.status_code == 200, again.text
        assert heard == []
        assert [row["times"] for row in counted] == [1]


async def test_what_kling_took_back_is_not_charged_by_hand(database_url: str) -> None:
    """A task has one charge and one correction of it: `settle` says so, and what to do instead."""
    truth = Truth()
    async with running_relay(database_url, transport=truth.kling, with_callbacks=True) as relay:
        await submit_all(relay, ["a"])
        truth.tell("a", FAILED)
        await call_back(relay, "a", succeed("2"))
        await look_now(relay)
        row = await relay.task(key_of("a"))

        async with relay.sessions() as session:
            with pytest.raises(NotPossible, match="Kling's own reply gave that back"):
                await settle(session, ACTOR, row["id"], reason="it was sent")

        assert await relay.account() == (QUOTA, 0)


async def test_what_a_callback_claimed_in_vain_is_let_go(database_url: str) -> None:
    """A false end, other ids than Kling's own, and a word of a running task: none of them keeps a
    thing from the tenant that makes it later."""
    truth = Truth()
    async with running_relay(database_url, transport=truth.kling, with_callbacks=True) as relay:
        await submit_all(relay, ["none", "other", "running", "true"])
        await call_back(relay, "none", succeed("2", **made("900001")))
        await call_back(relay, "other", succeed("2", **made("900002")))
        await call_back(relay, "running", {"task_status": "processing", **made("900003")})
        await call_back(relay, "true", succeed("2", **made("900004")))
        truth.tell("none", FAILED)
        truth.tell("other", succeed("2", **made("900005")))
        truth.tell("running", {"task_status": "processing"})
        truth.tell("true", succeed("2", **made("900004")))
        await look_now(relay)

        rows = await relay.rows(
            "SELECT o.resource_id, t.kling_id FROM owners o JOIN tasks t ON t.id = o.task_id"
            " ORDER BY o.resource_id"
        )
        assert [tuple(row) for row in rows] == [
            ("900004", key_of("true")),
            ("900005", key_of("other")),
        ]


def made(video_id: str) -> dict[str, Any]:
    """The result of a success with one video."""
    return {"task_result": {"videos": [{"id": video_id, "url": "https://cdn.test/v.mp4"}]}}
