"""Which row prices a task: the operator's before the official ones, the closest first."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from relay.database.engine import open_engine, open_sessions
from relay.kling.transport import Reply
from relay.kling.wanted import Wanted
from relay.pricing.book import ANY_ENDPOINT, Per, PriceBook, PriceKind, PriceRow
from relay.pricing.edit import end_price, set_price
from relay.pricing.in_force import read_prices
from relay.pricing.official import OFFICIAL
from relay.pricing.prices import MISSES_MAX, note_miss, read_misses
from tests.ledger.books import creates_seen
from tests.relay_app import CLIP, running_relay
from tests.tasks.scripted_kling import Call, ScriptedKling, success

WANTED = Wanted("text2video", model="kling-v3", mode="std", sound=False, voice=False, seconds=5)


def row(number: int, endpoint: str = "text2video", **key: object) -> PriceRow:
    """A row that is recognised by its amount."""
    return PriceRow(endpoint, kind=PriceKind.FIXED, per=Per.TASK, amount_micros=number, **key)  # type: ignore[arg-type]  # the key fields differ in type


@pytest.mark.parametrize(
    ("rows", "winner"),
    [
        ([row(1), row(2, model="kling-v3")], 2),
        ([row(1, model="kling-v3", mode="std"), row(2, model="kling-v3")], 1),
        ([row(1, mode="std"), row(2, model="kling-v3")], 2),
        ([row(1, duration_s=5), row(2, sound=False)], 2),
        ([row(1, duration_s=5, mode="std"), row(2, model="kling-v3")], 1),
        ([row(1, model="kling-v2-6"), row(2)], 2),
        ([row(1, endpoint="image2video"), row(2, mode="pro")], None),
        ([row(1, ANY_ENDPOINT, model="kling-v3", mode="std", duration_s=5), row(2)], 2),
    ],
)
def test_the_row_that_names_more_of_the_task_wins(rows: list[PriceRow], winner: int | None) -> None:
    """Of equally close ones, the one that names the earlier field; in whatever order they stand."""
    for order in (rows, rows[::-1]):
        found = PriceBook(order, []).find(WANTED)

        assert (found.amount_micros if found else None) == winner


def test_the_operators_rows_go_before_kling_s_own_and_the_catch_all_after() -> None:
    """Even a vague row of the operator's beats a close official one; `*` never does."""
    catch_all = row(7, ANY_ENDPOINT)
    new = Wanted("text2video", model="kling-v9", mode="std", seconds=5)

    vague = PriceBook([row(1), catch_all], OFFICIAL).find(WANTED)
    official = PriceBook([catch_all], OFFICIAL).find(WANTED)
    unheard_of = PriceBook([catch_all], OFFICIAL).find(new)

    assert vague is not None
    assert vague.amount_micros == 1
    assert official is not None
    assert official.units == Decimal("0.6")
    assert unheard_of == catch_all


async def test_a_price_set_again_replaces_the_one_of_its_key(database_url: str) -> None:
    """Null fields count as equal; another key is another row; a removed one is gone."""
    engine = open_engine(database_url)
    sessions = open_sessions(engine)
    async with sessions.begin() as session:
        await set_price(session, row(1))
        await set_price(session, row(2, mode="std"))
        await set_price(session, row(3))
        book = (await read_prices(session)).book()

        is_removed = await end_price(session, row(99, mode="std"))
        is_removed_again = await end_price(session, row(99, mode="std"))
        rest = (await read_prices(session)).book()

    await engine.dispose()
    assert {found.amount_micros for found in book.rows if found.source == "operator"} == {2, 3}
    assert (is_removed, is_removed_again) == (True, False)
    assert [found.amount_micros for found in rest.rows if found.source == "operator"] == [3]


async def test_a_task_without_a_price_is_refused_and_remembered(database_url: str) -> None:
    """404/1203 that says what is missing; no row, no hold, no call; the miss counts up."""
    async with running_relay(database_url) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()

        answers = [await relay.submit(token, {**CLIP, "model_name": "kling-v9"}) for _ in range(3)]

        assert {answer.status_code for answer in answers} == {404}
        assert answers[0].json()["code"] == 1203
        assert "kling-v9" in answers[0].json()["message"]
        assert await relay.rows("SELECT 1 FROM tasks") == []
        assert await relay.account() == (10_000_000, 0)
        assert creates_seen(relay.sandbox) == 0
        async with relay.sessions() as session:
            (miss,) = await read_misses(session)
        assert miss.times == 3
        assert miss.wanted.model == "kling-v9"


async def test_a_catch_all_lets_through_what_has_no_row(books: str) -> None:
    """Held at its 20 units, settled by Kling's 12, for a model that Kling ships tomorrow."""

    async def answer(call: Call) -> Reply:
        if call.method == "POST":
            return success({"task_id": "k1", "task_status": "submitted"})
        return success({"task_id": "k1", "task_status": "succeed", "final_unit_deduction": "12"})

    async with running_relay(books, transport=ScriptedKling(answer), refresh_s=0) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        async with relay.sessions.begin() as session:
            await set_price(session, PriceRow(ANY_ENDPOINT, units=Decimal(20), per=Per.TASK))

        await relay.submit(token, {**CLIP, "model_name": "kling-v9"})
        held = await relay.account()
        await relay.get(token, "k1")

        assert held == (10_000_000, 2_800_000)
        assert await relay.account() == (10_000_000 - 1_680_000, 0)


async def test_misses_are_bounded(database_url: str) -> None:
    """Tenants choose the words in them, so their number and length end somewhere."""
    engine = open_engine(database_url)
    async with open_sessions(engine).begin() as session:
        await note_miss(session, Wanted("text2video", "x" * 5000))
        await session.execute(
            text(
                "INSERT INTO price_misses (key, wanted)"
                " SELECT n::text::bytea, jsonb_build_object('endpoint', n::text)"
                " FROM generate_series(3, :last) n"
            ),
            {"last": MISSES_MAX},
        )
        for number in range(5):
            await note_miss(session, Wanted(f"kind {number}"))
        misses = await read_misses(session)

    await engine.dispose()
    assert len(misses) == MISSES_MAX
    assert max(len(miss.wanted.model or "") for miss in misses) == 300
