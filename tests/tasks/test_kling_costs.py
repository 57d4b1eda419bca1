"""What Kling took for a task stands in its row as numbers, so that margin is a sum."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from relay.desk.tasks import release, settle
from relay.kling.transport import Reply
from relay.sandbox.settings import SandboxSettings
from relay.tasks.door import Via
from tests.relay_app import CLIP_MICROS, SANDBOX_URL, Relay, running_relay
from tests.tasks.holding import hold_tasks, news, read_row, told
from tests.tasks.looking import look_now
from tests.tasks.scripted_kling import Call, ScriptedKling, success

QUOTA_MICROS = 100 * CLIP_MICROS
SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)

Costs = tuple[Decimal | None, str | None, Decimal | None, str | None]
NO_COSTS: Costs = (None, None, None, None)


async def costs(relay: Relay, id_: int) -> Costs:
    row = await relay.row(
        "SELECT cost_units, cost_pack, cost_cash, cost_currency FROM tasks WHERE id = $1", id_
    )
    return (row[0], row[1], row[2], row[3])


def billed(*entries: Mapping[str, object]) -> dict[str, Any]:
    return {"billing": list(entries)}


UNITS = {"charge_type": "unit", "amount": "2.5", "package_type": "video"}
CASH = {"charge_type": "cash", "amount": "0.42", "currency": "USD"}
SHAPES: dict[str, tuple[dict[str, Any], Costs, int]] = {
    "units": ({"final_unit_deduction": "2.5"}, (Decimal("2.5"), None, None, None), 350_000),
    "billed": (billed(UNITS), (Decimal("2.5"), "video", None, None), 350_000),
    "zero": ({"final_unit_deduction": "0"}, (Decimal(0), None, None, None), CLIP_MICROS),
    "cash": (
        {"final_unit_deduction": "0", "final_balance_deduction": {"quota": "0.42"}},
        (Decimal(0), None, Decimal("0.42"), None),
        CLIP_MICROS,
    ),
    "billed in cash": (billed(CASH), (None, None, Decimal("0.42"), "USD"), CLIP_MICROS),
    "mixed": (
        billed(UNITS, CASH),
        (Decimal("2.5"), "video", Decimal("0.42"), "USD"),
        CLIP_MICROS,
    ),
    "two packs": (billed(UNITS, {**UNITS, "package_type": "image"}), NO_COSTS, CLIP_MICROS),
    "another pack": (
        billed({**UNITS, "package_type": "image"}),
        (Decimal("2.5"), "image", None, None),
        8_750,
    ),
    "more than held": ({"final_unit_deduction": "9"}, (Decimal(9), None, None, None), CLIP_MICROS),
    "most": (
        {"final_unit_deduction": "999999999999.999999"},
        (Decimal("999999999999.999999"), None, None, None),
        CLIP_MICROS,
    ),
    "least": ({"final_unit_deduction": "1e-20000"}, (Decimal(0), None, None, None), 0),
    "less": ({"final_unit_deduction": "1e-999999999"}, (Decimal(0), None, None, None), 0),
    "long": (
        {"final_unit_deduction": "2." + "3" * 20_000},
        (Decimal("2.333333"), None, None, None),
        326_667,
    ),
    "words": (
        billed({**UNITS, "package_type": "a\x00b" * 100}, {**CASH, "currency": "€\x00狐"}),
        (Decimal("2.5"), "a\ufffdb" * 100, Decimal("0.42"), "€\ufffd狐"),
        CLIP_MICROS,
    ),
    "no words": (
        billed({**UNITS, "package_type": ["video"]}),
        (Decimal("2.5"), None, None, None),
        350_000,
    ),
    "unreadable": (billed({**UNITS, "amount": "much"}), (None, "video", None, None), CLIP_MICROS),
}


async def test_every_shape_of_a_cost_is_kept_with_its_charge(books: str) -> None:
    """Sixteen shapes by callback, asked for once more where they do not tell: none fails."""

    async def answer(call: Call) -> Reply:
        found = next(name for name, task in tasks.items() if call.key == task.injected_id)
        return success(told(tasks[found], "succeed", **SHAPES[found][0]))

    async with running_relay(books, transport=ScriptedKling(answer), with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        held = await hold_tasks(relay, token, len(SHAPES))
        tasks = dict(zip(SHAPES, held, strict=True))

        for name, task in tasks.items():
            answered = await relay.call_back_on(
                task.injected_id, task.channel_id, told(task, "succeed", **SHAPES[name][0])
            )
            assert answered.status_code == 200, name

        found = {name: await costs(relay, task.id) for name, task in tasks.items()}
        rows = await relay.rows("SELECT id, charged_micros FROM tasks")
        charged = {row["id"]: row["charged_micros"] for row in rows}
        assert found == {name: expected for name, (_, expected, _) in SHAPES.items()}
        assert {name: charged[task.id] for name, task in tasks.items()} == {
            name: micros for name, (_, _, micros) in SHAPES.items()
        }


async def test_a_cost_that_only_the_full_reply_names_lands_too(books: str) -> None:
    """Of a task that was settled by hand; the charge stays as it was."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        await relay.parts.tasks.learner.learn(
            task, news(task, "submitted"), via=Via.SUBMIT, look_after_s=60.0
        )
        await relay.act(settle, task.id)
        before = await costs(relay, task.id)

        await relay.parts.tasks.learner.learn(
            await read_row(relay, task.id),
            news(task, "succeed", **billed(UNITS)),
            via=Via.LOOK,
            look_after_s=None,
        )

        assert before == NO_COSTS
        assert await costs(relay, task.id) == (Decimal("2.5"), "video", None, None)
        assert await relay.account() == (QUOTA_MICROS - CLIP_MICROS, 0)


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ({"final_unit_deduction": "2.5"}, (Decimal("2.5"), "video", None, None)),
        ({}, NO_COSTS),
        ({"final_unit_deduction": "7"}, (Decimal(7), None, None, None)),
        (billed(CASH), (None, None, Decimal("0.42"), "USD")),
    ],
)
async def test_the_figures_are_those_of_the_charge(
    books: str, later: dict[str, Any], expected: Any
) -> None:
    """A full reply of the same charge takes no figure away; one that corrects it has its own."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        await relay.call_back_on(
            task.injected_id, task.channel_id, told(task, "succeed", **billed(UNITS))
        )

        await relay.parts.tasks.learner.learn(
            await read_row(relay, task.id),
            news(task, "succeed", **later),
            via=Via.LOOK,
            look_after_s=None,
        )

        assert (await read_row(relay, task.id)).is_reply_full
        assert await costs(relay, task.id) == expected


async def test_what_a_running_or_failed_task_cost(books: str) -> None:
    """While it runs no figure is the last word; a failure that was paid for counts, and so does
    the success that Kling tells of it late, whose own figures replace those."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        seen = []

        for status, fields in (
            ("processing", {"final_unit_deduction": "1"}),
            ("failed", {"final_unit_deduction": "0.5"}),
            ("succeed", {"final_unit_deduction": "2"}),
        ):
            await relay.call_back_on(
                task.injected_id, task.channel_id, told(task, status, **fields)
            )
            seen.append((await costs(relay, task.id))[0])

        assert seen == [None, Decimal("0.5"), Decimal(2)]
        assert (await relay.account())[0] == QUOTA_MICROS - 280_000


async def test_figures_of_two_replies_are_never_one_cost(books: str) -> None:
    """A failure billed in units, and told later as a success that was paid in money."""
    async with running_relay(books, sandbox=SLOW, with_callbacks=True) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        (task,) = await hold_tasks(relay, token)
        await relay.call_back_on(
            task.injected_id, task.channel_id, told(task, "failed", **billed(UNITS))
        )

        await relay.parts.tasks.learner.learn(
            await read_row(relay, task.id),
            news(task, "succeed", **billed(CASH)),
            via=Via.LOOK,
            look_after_s=None,
        )

        assert await costs(relay, task.id) == (None, None, Decimal("0.42"), "USD")


async def test_what_the_operator_ends_has_no_cost(books: str) -> None:
    """Nobody knows of it before Kling says."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        settled, released = await hold_tasks(relay, token, 2)

        await relay.act(settle, settled.id)
        await relay.act(release, released.id)
        await look_now(relay)

        assert await costs(relay, settled.id) == NO_COSTS
        assert await costs(relay, released.id) == NO_COSTS


async def test_a_call_answered_at_once_has_its_cost(books: str) -> None:
    """Speech: 0.05 units, in the statement that charges it."""
    async with running_relay(books, sandbox=SLOW) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        body = {"text": "a fox", "voice_id": "genshin_vindi2", "voice_language": "en"}
        reply = await relay.submit(token, body, path="/v1/audio/tts")

        row = await relay.row("SELECT cost_units, pack, model, charged_micros FROM tasks")
        assert json.loads(reply.content)["code"] == 0
        assert tuple(row) == (Decimal("0.05"), "video", None, 7_000)
