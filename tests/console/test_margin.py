"""Margin, losses and Kling's bill in the console, to the micro as programs are told."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from sqlalchemy import text

from relay.months import Month
from relay.operators.tables import Role
from tests.admin.office import asking, office
from tests.admin.test_sums import KLING_TOOK
from tests.console.test_money import NOTHING, micros, table, this_month
from tests.console.visiting import Visit, visiting
from tests.relay_app import Relay, fixture_relay
from tests.tasks.looking import ended_at_kling, look_now
from tests.usage.business import make_business
from tests.waiting import wait_until

COLUMNS: dict[str, Callable[[Any], int]] = {
    "Charged": lambda one: one["charged_micros"] - one["without_cost_micros"],
    "Cost": lambda one: one["cost_micros"],
    "Margin": lambda one: one["margin_micros"],
}


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        yield running


async def make_month(relay: Relay) -> Month:
    """Some tasks of the month before this one."""
    last = this_month().previous
    await relay.add_channel()
    for name in ("acme", "beta"):
        await relay.add_tenant(name, quota_micros=0)
    window = last.window(UTC)
    edges = [window.start, window.start + timedelta(days=9)]
    await make_business(relay, ("acme", "beta"), within=window, edges=edges, count=40)
    return last


async def test_margin_is_told_by_any_keys(relay: Relay) -> None:
    """Each line and all of it, by tenant, channel, model and day, of a month, of days, and of one
    tenant; what has no purchase price, and what Kling did not tell, is said; and it is a file."""
    last = await make_month(relay)
    await relay.rows(
        "UPDATE tasks SET cost_units = NULL WHERE id IN (SELECT max(id) FROM tasks"
        " WHERE state = 'succeed' AND charged_micros > 0)"
    )
    async with visiting(relay) as ann, office(relay) as client:
        program = await asking(relay, client, "bob", Role.OWNER)

        async def told(**query: Any) -> Any:
            return (await program("GET", "margin", **query)).json()

        days = {"since": f"{last.first}", "until": f"{last.first + timedelta(days=4)}"}
        moments = {
            "since": f"{last.first}T00:00:00Z",
            "until": f"{last.first + timedelta(days=5)}T00:00:00Z",
        }
        month = {"month": str(last)}
        for query, asked in (
            (month, {"by": ["tenant"], **month}),
            (month | {"by": "channel"}, {"by": ["channel"], **month}),
            (month | {"by": "day", "and": "model"}, {"by": ["day", "model"], **month}),
            (
                month | {"by": "model", "tenant": "acme"},
                {"by": ["model"], "tenant": "acme", **month},
            ),
            (
                days | {"by": "tenant", "channel": "main"},
                {"by": ["tenant"], "channel": "main", **moments},
            ),
        ):
            found = await told(**asked)
            page = (await ann.get("/money/margin", **query)).text
            *lines, whole = table(page)
            assert len(lines) == len(found["margin"]) > 0, query
            for line, one in zip([*lines, whole], [*found["margin"], found["whole"]], strict=True):
                for head, figure in COLUMNS.items():
                    assert micros(line[head]) == figure(one), (query, head)
                assert micros(line["Apart"].partition(" ")[0]) == one["without_cost_micros"]
                keys = [value or NOTHING for value in one["keys"].values()]
                assert list(line.values())[: len(keys)] == keys or line is whole
            await check_file(ann, query, found)
        all_of_it = await told(**month)
        page = await ann.read("/money/margin", **month, by="")
        assert f"{all_of_it['whole']['at_list']} tasks ran on channels without" in page
        assert "charged for 1 task" in page
        assert len(table(page)) == 1
        for query, says in (
            ({"by": "weather"}, "Choose one of the list."),
            ({"until": "2026-01-01"}, "Say from which day on."),
            ({"since": "2026-01-02", "until": "2026-01-01"}, "before the first one"),
            ({"tenant": "nobody"}, "There is no tenant nobody."),
            ({"channel": "nowhere"}, "There is no channel nowhere."),
            ({"month": "2026-13"}, "A month such as"),
        ):
            assert says in await ann.read("/money/margin", **query)
            assert (await ann.get("/money/margin/csv", **query)).status_code == 303
        assert "Nothing was charged then." in await ann.read("/money/margin", month="2020-01")
        assert (await ann.get("/money/margin/exe")).status_code == 404


async def check_file(ann: Visit, query: dict[str, str], found: Any) -> None:
    answer = await ann.get("/money/margin/csv", **query)
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    wanted = [*found["margin"], found["whole"]]
    assert [Decimal(row["Margin USD"]) * 1_000_000 for row in rows] == [
        one["margin_micros"] for one in wanted
    ]


async def test_what_was_sold_below_cost_is_told_with_its_row(relay: Relay) -> None:
    """As programs are told it, with links to the row and to the task; who may not read usage is
    kept out, and finds no link."""
    last = await make_month(relay)
    await relay.rows(KLING_TOOK)
    async with (
        visiting(relay) as ann,
        office(relay) as client,
        visiting(relay, "sue", Role.SUPPORT) as sue,
    ):
        program = await asking(relay, client, "bob", Role.OWNER)
        found = (await program("GET", "margin/losses", month=str(last))).json()
        page = (await ann.get("/money/losses", month=str(last))).text
        rows = table(page)
        assert len(rows) == len(found["losses"]) > 1
        for row, one in zip(rows, found["losses"], strict=True):
            assert (row["Tenant"], row["Worst task"]) == (one["tenant"], str(one["worst_id"]))
            for head, name in {"Charged": "charged", "Cost": "cost", "Lost": "lost"}.items():
                assert micros(row[head]) == one[f"{name}_micros"]
            assert f'href="/console/tasks/{one["worst_id"]}"' in page
        assert 'href="/console/prices/history?endpoint=text2video"' in page
        lost = re.search(r'Lost</div>.*?class="money">([^<]+)<', page)
        assert lost is not None
        assert micros(lost[1]) == found["lost_micros"]
        told = await ann.get("/money/losses/csv", month=str(last))
        assert (
            told.content
            == (await program("GET", "margin/losses", month=str(last), accept="text/csv")).content
        )
        assert (await ann.get("/money/losses/xlsx", month=str(last))).content[:2] == b"PK"
        assert "Nothing was sold below cost" in await ann.read("/money/losses", month="2020-01")
        for place in ("margin", "losses", "bill", "margin/csv"):
            assert (await sue.get(f"/money/{place}")).status_code == 403
        assert "/money/margin" not in await sue.read("/money/entries")
        there = await sue.get("/money")
        assert there.headers["location"] == "/console/money/entries"


async def test_klings_bill_is_held_against_our_tasks(relay: Relay) -> None:
    """It agrees; and a task that we know of another deduction is named with both; Kling is asked
    by a button alone."""
    await relay.add_channel()
    assert (await relay.submit(await relay.add_tenant())).status_code == 200
    await ended_at_kling(relay)
    await look_now(relay)
    assert relay.sandbox is not None

    async with visiting(relay) as ann:
        before = len(relay.sandbox.requests.entries)
        asked = await ann.read("/money/bill")
        assert "Ask Kling and compare" in asked
        assert len(relay.sandbox.requests.entries) == before
        fields = {"channel": "main", "month": str(this_month())}
        answer = await ann.post("/money/bill", **fields)
        assert (answer.status_code, "They agree, task by task." in answer.text) == (200, True)
        here, at_kling = table(answer.text)
        assert list(here.values())[1:] == list(at_kling.values())[1:]
        assert here["Units of packs"] != "0"

        await relay.rows("UPDATE tasks SET cost_units = cost_units + 0.000001")
        answer = await ann.post("/money/bill", **fields)
        page = unescape(answer.text)
        assert ("1 difference" in page, "another amount" in page) == (True, True)
        (difference,) = table(page.partition("1 difference")[2])
        (row,) = await relay.rows("SELECT id, kling_id, cost_units FROM tasks")
        assert (difference["Task"], difference["Kling's id"]) == (str(row["id"]), row["kling_id"])
        assert Decimal(difference["Units here"]) == row["cost_units"]
        assert Decimal(difference["Units at Kling"]) == row["cost_units"] - Decimal("0.000001")
        file = await ann.post("/money/bill/csv", **fields)
        (line,) = csv.DictReader(io.StringIO(file.content.decode("utf-8-sig")))
        assert (line["differs"], line["ours_id"]) == ("another amount", str(row["id"]))
        assert Decimal(line["ours_units"]) == row["cost_units"]
        assert (await ann.post("/money/bill/xlsx", **fields)).content[:2] == b"PK"
        assert (await ann.post("/money/bill/exe", **fields)).status_code == 404
        for wrong, status, says in (
            ({"channel": "main", "month": "x"}, 422, "A month such as"),
            ({"channel": "", "month": str(this_month())}, 422, "Fill this in."),
            (
                {"channel": "nowhere", "month": str(this_month())},
                404,
                "There is no channel nowhere.",
            ),
        ):
            for place in ("/money/bill", "/money/bill/csv"):
                answer = await ann.post(place, **wrong)
                assert (answer.status_code, says in unescape(answer.text)) == (status, True)


async def test_what_takes_too_long_is_said_and_had_as_a_file(relay: Relay) -> None:
    """While nobody can read entries, pages say so after their seconds; a file waits, and a second
    one is told that something as long is under way; then the first one is whole."""
    last = await make_month(relay)
    async with visiting(relay) as ann:
        async with relay.sessions.begin() as session:
            await session.execute(text("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE"))
            pages = await asyncio.gather(
                *(
                    ann.get(f"/money/{one}", month=str(last))
                    for one in ("month", "margin", "losses")
                )
            )
            file = asyncio.create_task(ann.get("/money/margin/csv", month=str(last)))
            for page in pages:
                assert (page.status_code, "longer than a page may" in page.text) == (200, True)
            await wait_until(lambda: is_waited_for(relay))
            for other in ("losses/csv", f"month/{last}/csv", f"month/{last}/statements"):
                answer = await ann.get(f"/money/{other}")
                assert (answer.status_code, "as long is under way" in answer.text) == (409, True)
        found = await file
        assert (found.status_code, b"acme" in found.content) == (200, True)


async def is_waited_for(relay: Relay) -> bool:
    (row,) = await relay.rows("SELECT count(*) AS number FROM pg_locks WHERE NOT granted")
    return bool(row["number"])
