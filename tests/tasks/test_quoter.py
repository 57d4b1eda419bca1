"""Remembered quotes are those that the body would have got without the memory."""

import itertools
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from relay.database.engine import Sessions, open_engine, open_sessions
from relay.database.ids import AccountId, TenantId
from relay.errors import RelayError
from relay.kling.alike import Reading
from relay.kling.body import read_fields
from relay.kling.endpoint import Endpoint, Generation
from relay.kling.endpoints import BY_NAME, ENDPOINTS
from relay.pricing.book import ANY_ENDPOINT, Multiplier, Per, PriceKind, PriceRow
from relay.pricing.edit import set_multiplier, set_price
from relay.pricing.in_force import Prices, cached_prices, read_prices
from relay.pricing.official import OFFICIAL
from relay.pricing.quote import Quote, UnitPrices
from relay.tasks.quoter import VALUE_BYTES_MAX, Quoter
from relay.tenants.caller import Caller
from tests.corpus.examples import EXAMPLES
from tests.waiting import wait_until

PRICES = UnitPrices(video_micros=140_000, image_micros=3_500)


def caller(number: int, *, price_group: str | None = None) -> Caller:
    return Caller(
        token_id=number,
        tenant_id=TenantId(number),
        tenant="acme",
        account_id=AccountId(number),
        price_group=price_group,
    )


CALLER = caller(1)
LONG = "a fox " * 40

TEXTS: dict[str, list[Any]] = {
    "model_name": ["kling-v1", "kling-v2-6", "kling-v3", None, ""],
    "mode": ["std", "pro", None],
    "duration": ["5", 5, 10, "10", 5.0, None],
    "sound": ["on", "off", True, None],
    "prompt": ["a fox", LONG, f"<<<voice_1>>> {LONG}", "<<<voice_1>>>"],
    "voice_list": [[], [{"voice_id": "1"}], None],
    "multi_prompt": [[{"prompt": "<<<voice_1>>>"}], [], None],
    "video_list": [[{"refer_type": "base"}], [{"refer_type": "feature"}], []],
    "image": ["", "x" * (VALUE_BYTES_MAX - 2), LONG, None],
    "image_list": [[], [{"image": LONG}]],
    "n": [1, "2", 3, None],
    "resolution": ["1k", "2k", None],
    "result_type": ["series", "single", None],
    "series_amount": [2, "auto", None],
    "settings": [{"resolution": "1080p", "duration": 5}, {"duration": 10}, {"audio": "native"}],
    "contents": [[{"type": "prompt", "text": "x"}], [{"type": "base_video"}], []],
}


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    engine = open_engine(database_url)
    sessions = open_sessions(engine)
    async with sessions.begin() as session:
        catch_all = PriceRow(
            endpoint=ANY_ENDPOINT, kind=PriceKind.FIXED, per=Per.SECOND, amount_micros=1000
        )
        await set_price(session, catch_all)
    yield sessions
    await engine.dispose()


def opened(sessions: Sessions) -> Quoter:
    return Quoter(sessions, cached_prices(sessions), PRICES)


def model_of(endpoint: Endpoint, chance: random.Random) -> str | None:
    is_new = endpoint.generation is Generation.NEW
    return chance.choice(["kling-v3", "kling-v3-omni"]) if is_new else None


async def outcome(quoter: Quoter, endpoint: Endpoint, body: bytes, model: str | None) -> Any:
    try:
        return (await quoter.quote(CALLER, endpoint, read_fields(body), model)).quote
    except RelayError as error:
        return str(error)


@pytest.mark.parametrize("name", [one.name for one in ENDPOINTS if one.makes_a_row])
async def test_the_memory_never_changes_a_quote(sessions: Sessions, name: str) -> None:
    """Whatever fields a body has, in a quoter that has seen many others and in one that has not."""
    chance = random.Random(name)
    endpoint = BY_NAME[name]
    remembering = opened(sessions)
    bodies = []
    for _ in range(60):
        names = chance.sample(sorted(TEXTS), chance.randint(0, len(TEXTS)))
        bodies.append(json.dumps({name: chance.choice(TEXTS[name]) for name in names}).encode())

    for body in bodies * 2:
        model = model_of(endpoint, chance)
        fresh = opened(sessions)
        fresh._in_force = remembering._in_force  # noqa: SLF001 (read once, not for each body)
        assert await outcome(remembering, endpoint, body, model) == await outcome(
            fresh, endpoint, body, model
        )


async def test_the_memory_is_right_over_the_whole_corpus(sessions: Sessions) -> None:
    """Each body twice, after all others, is quoted as by a quoter that has seen nothing."""
    ids: defaultdict[str, str] = defaultdict(lambda: "829836802793406551")
    remembering = opened(sessions)
    examples = [one for one in EXAMPLES if one.endpoint.makes_a_row]
    random.Random(1).shuffle(examples)
    wrong = []

    for example in examples * 2:
        body, model = example.body(ids, external_id="mine"), example.model or None
        fresh = opened(sessions)
        fresh._in_force = remembering._in_force  # noqa: SLF001 (read once, not for each body)
        found = await outcome(remembering, example.endpoint, body, model)
        expected = await outcome(fresh, example.endpoint, body, model)
        if found != expected or not isinstance(found, Quote):
            wrong.append(example.name)

    assert wrong == []


def test_a_reading_has_nothing_but_what_it_watches() -> None:
    """No iteration, no length, no `get`: what is read by any of them would go unseen."""
    reading = Reading(read_fields(b'{"mode":"std","n":1}'))

    raw, absent = reading.field("mode"), reading.field("duration")

    public = {name for name in dir(reading) if not name.startswith("_")}
    assert public == {"field", "find", "has_alike", "names"}
    own = {name for name in vars(Reading) if name.startswith("__")}
    assert own <= {"__init__", "__slots__", "__doc__", "__module__"}
    assert (len(raw.exact), absent.all) == (1, [])
    assert list(reading.names) == ["mode", "duration"]


async def test_equal_bodies_are_read_once(sessions: Sessions) -> None:
    """The very quote comes back, also when fields that price nothing differ."""
    quoter = opened(sessions)
    endpoint = BY_NAME["text2video"]
    first = b'{"model_name":"kling-v3","duration":"5","prompt":"a fox"}'
    second = b'{"prompt":"an owl", "duration":"5","model_name":"kling-v3"}'

    quoted = await quoter.quote(CALLER, endpoint, read_fields(first), None)
    again = await quoter.quote(CALLER, endpoint, read_fields(second), None)

    assert again is quoted
    assert isinstance(quoted.quote, Quote)


async def test_a_tenants_multiplier_is_its_own(sessions: Sessions) -> None:
    """Two tenants with one body and different multipliers get different quotes."""
    quoter = opened(sessions)
    dear = caller(2, price_group="dear")
    async with sessions.begin() as session:
        await set_multiplier(session, Multiplier(Decimal(2), price_group="dear"))
    fields = read_fields(b'{"model_name":"kling-v3","duration":"5","mode":"std"}')

    plain = await quoter.quote(CALLER, BY_NAME["text2video"], fields, None)
    doubled = await quoter.quote(dear, BY_NAME["text2video"], fields, None)

    assert doubled.quote.hold_micros == 2 * plain.quote.hold_micros


async def test_a_price_that_has_come_is_quoted_though_nothing_is_read(sessions: Sessions) -> None:
    """Prices are read once an hour here: at its moment the remembered quote is given no more."""
    fields = read_fields(b'{"model_name":"kling-v3","duration":"5","mode":"std"}')
    row = PriceRow("text2video", kind=PriceKind.FIXED, per=Per.TASK, amount_micros=7)

    async def quoted() -> Quote:
        return (await quoter.quote(CALLER, BY_NAME["text2video"], fields, None)).quote

    wait_s = 0.0
    while True:
        wait_s += 0.4
        async with sessions.begin() as session:
            await session.execute(text("DELETE FROM price_rows WHERE endpoint = 'text2video'"))
            comes_at = (await read_prices(session)).at + timedelta(seconds=wait_s)
            await set_price(session, msgspec.structs.replace(row, valid_from=comes_at))
        quoter = Quoter(sessions, cached_prices(sessions, age_max_s=3600), PRICES)
        if (await quoted()).row.source == OFFICIAL[0].source:
            break  # else this machine took longer than that to read it
    await wait_until(lambda: _is_seven(quoted))

    assert (await quoted()).row.valid_from == comes_at


async def _is_seven(quoted: Callable[[], Awaitable[Quote]]) -> bool:
    return (await quoted()).hold_micros == 7


async def test_prices_that_did_not_change_stay_remembered(sessions: Sessions) -> None:
    """Read again, they are the same ones, with all quotes that were made of them, until a raised
    hold, a list, a multiplier or a price differs."""
    cached = cached_prices(sessions)

    async def read_again() -> Prices:
        cached.forget()
        return await cached.get()

    seen = [await read_again(), await read_again()]
    for change in (
        "INSERT INTO multipliers (multiplier) VALUES (2)",
        "UPDATE multipliers SET valid_to = now()",
        "UPDATE price_rows SET valid_to = now()",
        "INSERT INTO price_lists (name, rows) SELECT 'other', rows FROM price_lists",
        "INSERT INTO price_underquotes (key, price, seen_at, dearest) VALUES ('', '{}', '{}', 2)",
        "UPDATE price_underquotes SET rise = 2",
    ):
        async with sessions.begin() as session:
            await session.execute(text(change))
        seen.append(await read_again())

    is_other = [one is not other for one, other in itertools.pairwise(seen)]
    assert is_other == [False, True, True, True, True, False, True]


async def test_a_changed_price_is_quoted_by_the_next_book(sessions: Sessions) -> None:
    """What is remembered belongs to one book."""
    quoter = opened(sessions)
    fields = read_fields(b'{"model_name":"kling-v3","duration":"5","mode":"std"}')
    before = await quoter.quote(CALLER, BY_NAME["text2video"], fields, None)
    async with sessions.begin() as session:
        await set_price(
            session,
            PriceRow(endpoint="text2video", kind=PriceKind.FIXED, per=Per.TASK, amount_micros=7),
        )
    quoter._in_force.forget()  # noqa: SLF001 (its two seconds are over)

    after = await quoter.quote(CALLER, BY_NAME["text2video"], fields, None)

    assert before.quote.hold_micros != after.quote.hold_micros == 7
