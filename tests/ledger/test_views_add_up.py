"""The figures of all views of one account, compared: whatever changed its quota is in each."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from relay.database.ids import TaskId
from relay.desk.errors import Busy, NotPossible, Unusable
from relay.desk.money import add_quota, adjust_quota
from relay.desk.tasks import refund, release, settle
from relay.sandbox.settings import SandboxSettings
from relay.tasks.inspect import list_tasks, read_story
from relay.tenants.tokens import IssuedToken
from tests.relay_app import (
    ACTOR,
    CLIP,
    CLIP_MICROS,
    SANDBOX_URL,
    TEXT2VIDEO,
    Relay,
    bearer,
    running_relay,
)
from tests.waiting import wait_until

SOON = SandboxSettings(task_seconds=0.05, public_url=SANDBOX_URL)
UNIT = Decimal("0.14")
NEW = "/text-to-video/kling-3.0"
WINDOW = "start_time=1&end_time=4102444800000"
SOLD_MICROS = 19_600_000
"""Top-ups, less what was corrected."""
PARTS = (100_000, 20_000, 1)
"""Of one charge, in micros."""


async def ended(relay: Relay, token: IssuedToken, path: str, body: Any) -> Any:
    """A task that Kling ended, as its row."""
    answer = await relay.submit(token, body, path=path)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    key = data.get("task_id") or data["id"]

    async def has_ended() -> Any:
        await relay.client.get(f"/v1/videos/{key}", headers=bearer(token))
        row = await relay.task(key)
        return row if row["ended_at"] and row["is_reply_full"] else None

    return await wait_until(has_ended)


async def give_back(relay: Relay, task_id: TaskId, amount_micros: int | None = None) -> int:
    async with relay.sessions.begin() as session:
        return await refund(
            session, ACTOR, task_id, reason="black frames", amount_micros=amount_micros
        )


async def post(relay: Relay, token: IssuedToken, path: str, **body: Any) -> Any:
    answer = await relay.client.post(path, json=body, headers=bearer(token))
    return answer.json()["data"]


def micros(amount: Any) -> int:
    return int(Decimal(str(amount)) * 1_000_000)


def units(amount: Any) -> int:
    """What units cost at the list price, to the fourth place that a tenant is shown."""
    return micros(Decimal(str(amount)) * UNIT)


def paid_of(task: dict[str, Any]) -> set[int]:
    """What a task object says that it cost, in each of its fields that do."""
    said = set()
    if balance := task.get("final_balance_deduction"):
        said |= {micros(balance["quota"]), micros(balance["list_price"])}
    if task.get("final_unit_deduction"):
        said.add(units(task["final_unit_deduction"]))
    for entry in task.get("billing") or []:
        said |= {micros(entry["list_price"])} if "list_price" in entry else set()
        said.add(units(entry["amount"]))
    return said


async def shown_tasks(relay: Relay, token: IssuedToken) -> dict[str, set[int]]:
    """What GETs, and the lists of both generations, say that each task cost."""
    said: defaultdict[str, set[int]] = defaultdict(set)
    headers = bearer(token)
    lists = [
        (await relay.client.get(TEXT2VIDEO, headers=headers)).json()["data"],
        (await post(relay, token, "/tasks"))["result"],
    ]
    for task in (one for found in lists for one in found):
        key = task.get("task_id") or task["id"]
        got = (await relay.client.get(f"/v1/videos/{key}", headers=headers)).json()["data"]
        for one in (task, got):
            said[key] |= paid_of(one)
    return said


def check_lines(
    page: list[dict[str, Any]],
    named: str,
    exact: Callable[[Any], int],
    *,
    paid: dict[str, int],
    quota_micros: int,
) -> None:
    """Lines chain from nothing to the quota, and those of a task add up to what was paid for it."""
    after = [exact(row[f"{named}_after_deduction"]) for row in page]
    assert [exact(row[f"{named}_before_deduction"]) for row in page] == [*after[1:], 0]
    assert abs(after[0] - quota_micros) <= 7
    lines: defaultdict[str, int] = defaultdict(int)
    for row in page:
        lines[row["task_id"]] += exact(row["deduction_amount"])
    assert -lines.pop("") == SOLD_MICROS
    assert all(abs(amount - paid[key]) <= 30 for key, amount in lines.items())
    assert {key for key, amount in paid.items() if amount} <= lines.keys()


async def test_the_figures_of_all_views_add_up(books: str) -> None:
    """Charges, refunds in parts and whole, a settle, a release, top-ups and corrections: each is a
    line, lines chain, and tasks, lines, the pack, the operator's list and the account agree."""
    async with running_relay(books, sandbox=SOON, refresh_s=0) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=14_000_000)
        async with relay.sessions.begin() as session:
            money: dict[str, Any] = {"currency": "USD"}
            await add_quota(
                session, ACTOR, "acme", amount_micros=7_000_000, reference="two", **money
            )
            await adjust_quota(
                session, ACTOR, "acme", amount_micros=-1_400_000, reason="twice", **money
            )
        whole = await ended(relay, token, TEXT2VIDEO, CLIP)
        in_parts = await ended(relay, token, TEXT2VIDEO, CLIP)
        kept = await ended(relay, token, TEXT2VIDEO, CLIP)
        new = await ended(relay, token, NEW, {"prompt": "a fox"})
        failed = await ended(relay, token, TEXT2VIDEO, {**CLIP, "prompt": "a fox [fail]"})
        slow = {**CLIP, "prompt": "a fox [slow 600]"}
        by_hand = [(await relay.submit(token, slow)).json()["data"]["task_id"] for _ in range(2)]
        settled, released = [(await relay.task(key))["id"] for key in by_hand]
        await relay.act(settle, settled)
        await relay.act(release, released)
        await give_back(relay, whole["id"])
        await give_back(relay, settled, 140_000)
        await give_back(relay, new["id"], 70_000)
        for part in PARTS:
            await give_back(relay, in_parts["id"], part)

        said = await shown_tasks(relay, token)
        balance, package = [
            (await post(relay, token, f"/account/billing/{page}"))["result"]["detail"]
            for page in ("balance", "package")
        ]
        costs = (await relay.client.get(f"/account/costs?{WINDOW}", headers=bearer(token))).json()
        quota_micros, held_micros = await relay.account()
        async with relay.sessions() as session:
            listed = await list_tasks(session, limit=100)
            stories = [await read_story(session, one.id) for one in listed]
        entries = await relay.rows("SELECT * FROM entries ORDER BY id DESC")

    paid = {
        row.kling_id: (row.charged_micros or 0) - row.refunded_micros
        for row in listed
        if row.kling_id
    }
    assert paid[whole["kling_id"]] == 0
    assert paid[in_parts["kling_id"]] == CLIP_MICROS - sum(PARTS)
    assert paid[kept["kling_id"]] == paid[by_hand[0]] + 140_000 == CLIP_MICROS
    assert paid[failed["kling_id"]] == paid[by_hand[1]] == 0
    # Tasks by themselves; a unit is shown to the fourth place, so to 14 micros.
    for key, amounts in said.items():
        assert all(abs(amount - paid[key]) <= 7 for amount in amounts), key
    assert said.keys() == paid.keys()
    # Every entry has a line, in both pages; lines chain from nothing to the quota.
    assert [micros(-row["deduction_amount"]) for row in balance] == [
        row["amount_micros"] for row in entries
    ]
    for page, named, exact in ((balance, "balance", micros), (package, "unit", units)):
        check_lines(page, named, exact, paid=paid, quota_micros=quota_micros)
    (pack,) = costs["data"]["resource_pack_subscribe_infos"]
    assert units(pack["total_quantity"]) == SOLD_MICROS
    assert abs(units(pack["remaining_quantity"]) - quota_micros) <= 7
    assert quota_micros == SOLD_MICROS - sum(paid.values())
    assert held_micros == 0
    assert [(one.task.charged_micros, one.task.refunded_micros) for one in stories] == [
        (one.charged_micros, one.refunded_micros) for one in listed
    ]


async def test_refunds_are_at_most_the_charge(books: str) -> None:
    """Ten at once of a third each: three are done; then neither a micro nor nothing at all is."""
    third = CLIP_MICROS // 3
    async with running_relay(books, sandbox=SOON, refresh_s=0) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        task = await ended(relay, token, TEXT2VIDEO, CLIP)

        async def until_it_is_judged() -> int:
            while True:
                try:
                    return await give_back(relay, task["id"], third)
                except NotPossible:
                    return 0
                except Busy:
                    continue

        given = await asyncio.gather(*(until_it_is_judged() for _ in range(10)))

        assert sorted(given) == [0] * 7 + [third] * 3
        for amount in (1, None):
            with pytest.raises(NotPossible):
                await give_back(relay, task["id"], amount)
        for amount in (0, -1):
            with pytest.raises(Unusable):
                await give_back(relay, task["id"], amount)
        assert (await relay.task(task["kling_id"]))["refunded_micros"] == CLIP_MICROS
