"""What the pages of prices tell: what is in force and to come, for whom, and why."""

# ruff: noqa: RUF001 (pages have a sign of multiplication)

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from relay.desk.multipliers import set_multiplier
from relay.desk.prices import remove_price, set_price
from relay.desk.sub_tenants import open_sub_tenant
from relay.operators.tables import Role
from relay.pricing.book import Multiplier, Per, PriceRow
from relay.pricing.lists import OFFERED
from relay.pricing.order import place_of, read_place
from tests.admin.office import act
from tests.console.story_of_prices import CLIPS
from tests.console.visiting import Visit, visiting
from tests.relay_app import CLIP, Relay, fixture_relay

EVIL = """<b>"'><script>alert(1)</script>"""
CLIP_KEY = {"endpoint": "text2video", "model": "kling-v3", "mode": "std", "duration": "5"}
MANY = """
INSERT INTO price_rows (endpoint, model, kind, per, units, valid_from)
SELECT 'tts', 'm' || lpad(n::text, 3, '0'), 'units', 'second', 1, $2::timestamptz - n * $3::interval
FROM generate_series(0, $1::int - 1) AS n
"""
"""Rows of the models m000, m001, …; each next one from a while before the one before it on."""
LOOKS = ("", "/history", "/multipliers", "/missing", "/official", "/file", "/simulate")
ACTS = ("/set", "/end", "/multipliers/set", "/multipliers/end")


def words(page: str) -> str:
    """Read the content of a page as one line of words."""
    main = page[page.index("<main") : page.index("</main")]
    return " ".join(re.sub(r"<[^>]+>", " ", main).split())


async def read(visit: Visit, path: str, **query: str) -> str:
    return words(await visit.read(path, **query))


async def test_the_book_says_what_holds_for_whom_and_when(database_url: str) -> None:
    """Own rows, coming ones, groups', the list; as of a moment, filtered, and as a file."""
    later = datetime(2099, 1, 2, 3, 0, tzinfo=UTC)
    async with fixture_relay(database_url) as relay, visiting(relay, "vic", Role.VIEWER) as vic:
        assert "You never set a row" in await read(vic, "/prices/history")
        await relay.add_tenant()
        own = msgspec.structs.replace(CLIPS, units=Decimal("0.55"), multiplier=Decimal("1.1"))
        await act(relay, set_price, own, tenant="acme")
        coming = msgspec.structs.replace(own, units=Decimal("0.7"), valid_from=later)
        await act(relay, set_price, coming, tenant="acme")
        night = msgspec.structs.replace(CLIPS, units=Decimal("0.4"), price_group="vip")
        await act(relay, set_price, night)
        await act(relay, set_price, PriceRow("tts", model=EVIL, per=Per.TASK, units=Decimal(3)))
        await act(relay, set_multiplier, Multiplier(Decimal("1.2"), price_group="vip"))
        await act(relay, remove_price, night)

        page = await read(vic, "/prices", whose="tenant")
        # 0.55 units at 0.14 and times 1.1; at 0.7 from then on.
        assert "0.55 units a second × 1.1 0.0847 a second acme until 2099-01-02 03:00" in page
        assert "To come" in page
        assert "0.7 units a second × 1.1 0.1078 a second acme from 2099-01-02 03:00" in page
        assert "Set a price" not in page, "a viewer is offered none"
        page = await read(vic, "/prices", at="2099-01-02T03:00", tenant="acme")
        assert "0.1078" in page
        assert "0.0847" not in page
        assert "Kling's list" in await read(vic, "/prices", endpoint="image2video")
        assert "No row fits" in await read(vic, "/prices", price_group="vip")
        assert EVIL not in (await vic.get("/prices", endpoint="tts")).text
        assert EVIL in await vic.read("/prices", endpoint="tts")

        history = await read(vic, "/prices/history")
        assert history.index("3 units a task") < history.index("0.4 units"), "the newest first"
        assert "over text2video kling-v3 std without sound 0.4 units a second" in history

        file = (await vic.get("/prices/list/csv", whose="tenant")).text
        assert (file.count("acme"), file.count("vip")) == (2, 0)
        assert "vip" in (await vic.get("/prices/history/list/csv")).text
        assert "vip" not in (await vic.get("/prices/history/list/csv", whose="all")).text
        assert "acme" in await read(vic, "/prices/history", tenant="acme", model="V3")
        assert "No row fits" in await read(vic, "/prices/history", tenant="nobody")
        assert "vip" in (await vic.get("/prices/multipliers/list/csv")).text
        for wrong in ("at=never", "whose=nobody"):
            name, _, value = wrong.partition("=")
            assert "cannot be used" in await read(vic, "/prices", **{name: value})


async def test_a_long_list_goes_on_behind_the_row_that_was_last(database_url: str) -> None:
    """A hundred rows are a page; what is set and ended meanwhile moves none of the others, neither
    of the page nor of a file."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.rows(MANY, 103, datetime.now(UTC), timedelta())
        asked = {"endpoint": "tts", "model": "m"}
        first = {path: await ann.read(path, **asked) for path in ("/prices", "/prices/history")}
        for model in ("m000", "m001", "m002"):
            await act(relay, remove_price, PriceRow("tts", model=model))
        for model in ("m000a", "m101a"):
            await act(relay, set_price, PriceRow("tts", model=model, units=Decimal(1)))

        second = {path: await ann.read(path, **next_of(page)) for path, page in first.items()}

        found = {path: models_in(page) for path, page in first.items()}
        assert found["/prices"] == [f"m{number:03}" for number in range(100)]
        assert models_in(second["/prices"]) == ["m100", "m101", "m101a", "m102"]
        assert found["/prices/history"] == [f"m{number:03}" for number in range(102, 2, -1)]
        assert models_in(second["/prices/history"]) == ["m002", "m001", "m000"]
        assert not [page for page in second.values() if 'rel="next"' in page]
        book, history = [
            csv_models((await ann.get(f"{path}/list/csv", **asked)).text) for path in first
        ]
        assert (book[:2], len(book)) == (["m000a", "m003"], 102)
        assert (history[:2], len(history)) == (["m101a", "m000a"], 105)
        for wrong in ("100", "[1]", "[" * 100, "x" * 3000):
            assert "cannot be used" in await ann.read("/prices", cursor=wrong)
        assert "cannot be used" in await ann.read("/prices/history", cursor="x")


async def test_what_is_to_come_is_first_and_has_its_pages(database_url: str) -> None:
    """The next of it before others, and then what holds: for one tenant, a group and all."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.add_tenant()
        own = PriceRow("tts", model="m", units=Decimal(1))
        await act(relay, set_price, msgspec.structs.replace(own, model="m-all"))
        await act(
            relay, set_price, msgspec.structs.replace(own, model="m-group", price_group="vip")
        )
        await act(relay, set_price, msgspec.structs.replace(own, model="m-acme"), tenant="acme")
        await relay.rows(MANY, 99, datetime(2099, 9, 1, tzinfo=UTC), timedelta(days=1))

        first = await ann.read("/prices", endpoint="tts", model="m")
        second = await ann.read("/prices", **next_of(first))

        told = [f"m{number:03}" for number in range(98, -1, -1)]
        assert models_in(first) == [*told, "m-acme"]
        assert models_in(second) == ["m-group", "m-all"]
        assert ("To come" in first, "In force" in first, "To come" in second) == (True, True, False)


def test_each_row_has_a_place_of_its_own() -> None:
    """Of Kling's lists, and of rows of one key that differ in hours, times or whom they are for."""
    now = datetime(2026, 11, 28, tzinfo=UTC)
    later = now + timedelta(days=1)
    row = PriceRow("tts", units=Decimal(1), valid_from=now)
    alike: list[Any] = [
        *({"hours": hours} for hours in (None, (18, 24), (18, 20))),
        *({"valid_to": later}, {"valid_from": later}, {"valid_from": now - timedelta(days=9)}),
        *({"tenant_id": 1}, {"tenant_id": 2}, {"price_group": "a"}, {"endpoint": "*"}),
        *({"model": "m"}, {"mode": "m"}, {"sound": False}, {"voice": True}, {"duration_s": 5}),
        {"video_input": False},
    ]
    rows = [*(msgspec.structs.replace(row, **other) for other in alike), *OFFERED.rows]
    places = [place_of(one, now) for one in rows]
    assert len(set(places)) == len(rows) > 40
    assert [read_place(one.spelled()) for one in places] == places


def next_of(page: str) -> dict[str, str]:
    """Read the query of the link to the next page."""
    found = re.search(r'rel="next" href="[^"?]*\?([^"]*)"', page)
    assert found is not None, "it goes on"
    return dict(parse_qsl(unescape(found[1])))


def models_in(page: str) -> list[str]:
    return re.findall(r"\bm[\d-]\w+(?=\n)", words_by_line(page))


def csv_models(text: str) -> list[str]:
    return [row["model"] for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))]


def words_by_line(page: str) -> str:
    return re.sub(r"\s*\n\s*", "\n", re.sub(r"<[^>]+>", "\n", page))


async def test_the_calculator_prices_a_task_and_says_why(database_url: str) -> None:
    """To the micro, as a tenant or a sub-tenant pays; what is refused says so; wrong fields too."""
    async with fixture_relay(database_url) as relay, visiting(relay, "vic", Role.VIEWER) as vic:
        await relay.add_tenant()
        await act(relay, set_multiplier, Multiplier(Decimal("1.5")), tenant="acme")
        await act(relay, set_multiplier, Multiplier(Decimal(2)))
        await act(relay, open_sub_tenant, "acme", "eu", resale=Decimal("1.1"))
        here = "/prices/calculator"
        page = await read(vic, here, **CLIP_KEY, tenant="acme")
        assert "0.63 USD" in page
        assert "0.21 USD list price 0.14 × 1 (the row) × 1.5 (the multiplier)" in page
        assert "prices it kling-v3 std without sound 0.6 units a second Kling's list" in page
        assert "× 2 for all one goes before it: the tenant's" in page
        page = await read(vic, here, **CLIP_KEY, tenant="acme/eu")
        assert "To acme/eu 0.693 USD a sub-tenant, at × 1.1" in page
        assert "0.84 USD" in await read(vic, here, **CLIP_KEY)
        images = {"endpoint": "generations", "model": "kling-v3", "count": "3"}
        assert "0.168 USD" in await read(vic, here, **images), "24 image units at 0.0035, times 2"
        assert "No row prices it" in await read(vic, here, endpoint="effects")
        for fields, says in (
            ({"endpoint": "nothing"}, "Choose one of the list."),
            ({"endpoint": "tts", "mode": "pro"}, "tts is not priced by this"),
            (CLIP_KEY | {"tenant": "nobody"}, "There is no tenant of this name."),
            (CLIP_KEY | {"at": "soon"}, "A moment such as"),
            (CLIP_KEY | {"duration": "0"}, "A whole number from 1 to"),
        ):
            answer = await vic.get(here, **fields)
            assert (answer.status_code, says in answer.text) == (200, True), fields


async def test_what_is_missing_leads_to_a_filled_in_form(database_url: str) -> None:
    """What was refused is one click from its price; once it has one it is not missing."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        assert "Nothing was refused" in await read(ann, "/prices/missing")
        await relay.add_channel()
        token = await relay.add_tenant()
        for _ in range(2):
            refused = await relay.submit(token, CLIP | {"model_name": EVIL, "sound": "on"})
            assert refused.status_code == 404
        page = (await ann.get("/prices/missing")).text
        assert EVIL not in page
        link = re.search(r'href="(/console/prices/set\?[^"]+)"', page)
        assert link is not None
        form = unescape((await ann.client.get(unescape(link[1]))).text)
        for field in (
            f'name="model" type="text" value="{EVIL}"',
            'value="on" selected',
            'value="units_per_second" selected',
            'value="text2video" selected',
        ):
            assert field in form, field
        await act(relay, set_price, PriceRow("text2video", model=EVIL, units=Decimal(1)))
        assert "Nothing was refused" in await read(ann, "/prices/missing")


async def test_a_tenant_is_told_its_prices_with_where_they_come_from(database_url: str) -> None:
    """Its own, its group's, Kling's list; what is to come; a sub-tenant's at its factor."""
    async with fixture_relay(database_url) as relay, visiting(relay, "vic", Role.VIEWER) as vic:
        await relay.add_tenant()
        await act(relay, open_sub_tenant, "acme", "eu", resale=Decimal(2))
        own = msgspec.structs.replace(CLIPS, units=Decimal("0.5"))
        await act(relay, set_price, own, tenant="acme")
        soon = datetime.now(UTC) + timedelta(days=1)
        then = msgspec.structs.replace(own, units=Decimal("0.7"), valid_from=soon)
        await act(relay, set_price, then, tenant="acme")
        await act(relay, set_multiplier, Multiplier(Decimal("1.5")))
        page = await read(vic, "/tenants/1/prices", endpoint="text2video")
        assert "Multiplier × 1.5 that for all" in page
        assert "kling-v3 std without sound 0.105 a second its own 0.5 units a second" in page
        assert "kling-v3 pro without sound 0.168 a second Kling's list" in page
        assert "1 price changes" in page
        assert "kling-v3 std without sound 0.105 0.147 a second +40%" in page
        page = await read(vic, "/tenants/2/prices", endpoint="text2video")
        assert "A sub-tenant of acme: it pays that one's prices, × 2." in page
        assert "kling-v3 std without sound 0.21 a second its own" in page
        assert (await vic.get("/tenants/99/prices")).status_code == 404


async def test_roles_see_what_they_may(database_url: str) -> None:
    """Who may read sees every page and no button; the forms are of who may act."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay, "vic", Role.VIEWER) as vic,
        visiting(relay, "fin", Role.FINANCE) as fin,
    ):
        await relay.add_tenant()
        await act(relay, set_multiplier, Multiplier(Decimal(2)))
        for path in LOOKS:
            page = await vic.read(f"/prices{path}")
            assert not re.search(r"/(prices|multipliers)/set\b", page), path
            assert "/end" not in page, path
            assert (await fin.get(f"/prices{path}")).status_code == 200
        for path in ACTS:
            query = {"endpoint": "tts"} if path == "/end" else {}
            assert (await vic.get(f"/prices{path}", **query)).status_code == 403, path
            assert (await fin.get(f"/prices{path}", **query)).status_code == 200, path


async def refused_in(relay: Relay) -> int:
    (row,) = await relay.rows("SELECT count(*) AS n FROM changes WHERE act = 'office.refuse'")
    return int(row["n"])
