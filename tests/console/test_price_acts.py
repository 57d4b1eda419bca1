"""Prices changed by forms: each says first what it comes to, and is done once that was seen."""

# ruff: noqa: RUF001 (pages have a sign of multiplication)

import re
from decimal import Decimal
from html import unescape
from typing import Any

import msgspec

from relay.database.ids import TaskId
from relay.desk.prices import set_price
from relay.desk.tasks import settle
from relay.operators.tables import Role
from relay.pricing.book import PriceRow
from relay.pricing.official import LIST
from relay.tasks.simulate import LOCK
from tests.admin.office import act
from tests.console.story_of_prices import CLIPS, adopted_before
from tests.console.test_prices import EVIL, refused_in, words
from tests.console.visiting import ORIGIN, Visit, visiting
from tests.relay_app import Relay, fixture_relay

CLIP = {"endpoint": "text2video", "model": "kling-v3", "mode": "std", "sound": "off"}
NAME = EVIL.replace("/", "")
"""Of a tenant: what has a slash is a sub-tenant's."""
FIVE_CENTS = CLIP | {"way": "amount_per_second", "number": "0.05"}
UNITS = CLIP | {"way": "units_per_second", "number": "0.5"}
WRONG: list[tuple[str, dict[str, str], str]] = [
    ("/set", {}, "Fill this in."),
    ("/set", FIVE_CENTS | {"endpoint": "text3video"}, "Choose one of the list."),
    ("/set", FIVE_CENTS | {"number": "x"}, "A number such as 12.50."),
    ("/set", FIVE_CENTS | {"number": "-1"}, "A number from 0 to"),
    ("/set", FIVE_CENTS | {"number": "0.0000001"}, "At most 6 decimal places."),
    ("/set", FIVE_CENTS | {"times": "2"}, "An amount is what it is"),
    ("/set", FIVE_CENTS | {"way": "gift"}, "Choose one of the list."),
    ("/set", FIVE_CENTS | {"endpoint": "tts"}, "tts is not priced by this"),
    ("/set", UNITS | {"endpoint": "*"}, "a price for each task"),
    ("/set", FIVE_CENTS | {"way": "amount", "hold_seconds": "9"}, "goes with a price per second"),
    ("/set", FIVE_CENTS | {"tenant": "nobody"}, "There is no tenant of this name."),
    ("/set", FIVE_CENTS | {"tenant": "acme", "price_group": "vip"}, "or for a price group"),
    ("/set", FIVE_CENTS | {"price_group": "a\tb"}, "is no price group"),
    ("/set", FIVE_CENTS | {"hours": "25-3"}, "Hours such as 18-24"),
    ("/set", FIVE_CENTS | {"from": "soon"}, "A moment such as"),
    ("/set", FIVE_CENTS | {"from": "2001-01-01T00:00"}, "that moment is over"),
    ("/set", FIVE_CENTS | {"from": "2099-02-01", "until": "2099-01-01"}, "before it begins"),
    ("/end", {"endpoint": "text2video", "tenant": "nobody"}, "There is no tenant of this name."),
    ("/end", {"endpoint": "text2video", "at": "soon"}, "A moment such as"),
    ("/multipliers/set", {"times": "x"}, "A number such as 12.50."),
    ("/multipliers/set", {}, "Fill this in."),
    ("/multipliers/set", {"times": "1", "tenant": "nobody"}, "There is no tenant of this name."),
    ("/multipliers/end", {"tenant": "nobody"}, "There is no tenant of this name."),
    ("/multipliers/amounts", {"amounts": "some"}, "Choose one of the list."),
    ("/file", {"toml": ""}, "Fill this in."),
    ("/file", {"toml": "[[price]]"}, "Price 1: "),
    (
        "/file",
        {"toml": "[[price]]\nendpoint='tts'\nunits=1\ntenant='nobody'"},
        "no tenant 'nobody'",
    ),
    ("/simulate", {"month": "never", "toml": "multiplies_amounts = true"}, "A month such as"),
    ("/simulate", {"month": "2026-11", "toml": "["}, "It is no file of prices"),
    ("/simulate", {"month": "2026-11"} | FIVE_CENTS | {"number": "x"}, "A number such as"),
]


async def state_of(relay: Relay) -> list[Any]:
    """Read all that an act of prices writes."""
    queries = (
        "SELECT tenant_id, endpoint, units, amount_micros, valid_to FROM price_rows ORDER BY id",
        "SELECT tenant_id, price_group, multiplier, valid_to FROM multipliers ORDER BY id",
        "SELECT number, multiplies_amounts FROM price_state",
        "SELECT name FROM price_lists ORDER BY id",
        "SELECT act, actor FROM changes WHERE act <> 'office.refuse' ORDER BY id",
    )
    return [[tuple(row) for row in await relay.rows(query)] for query in queries]


async def planned(visit: Visit, path: str, **fields: str) -> tuple[str, str]:
    """Ask what it comes to; returns the page's words, and what to be sure of."""
    answer = await visit.post(f"/prices{path}", **fields)
    assert answer.status_code == 200, answer.text
    found = re.search(r'name="sure" value="(\w+)"', answer.text)
    assert found is not None, answer.text
    return unescape(words(answer.text)), found[1]


async def acts_of(relay: Relay) -> list[str]:
    rows = await relay.rows("SELECT act FROM changes WHERE actor = 'operator:ann' ORDER BY id")
    return [row["act"] for row in rows]


async def sell_a_clip(relay: Relay) -> None:
    """Have acme buy a clip of 5 s, at 0.42."""
    await relay.add_channel()
    token = await relay.add_tenant()
    await relay.submit(token)
    (task,) = await relay.rows("SELECT id FROM tasks")
    assert await relay.act(settle, TaskId(task["id"]))


async def test_a_price_is_set_once_what_it_changes_was_seen(database_url: str) -> None:
    """Before and after for whom, and of what was sold; nothing is written before one is sure."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await sell_a_clip(relay)
        await relay.add_tenant(NAME)
        before = await state_of(relay)

        shown, sure = await planned(ann, "/set", **FIVE_CENTS, tenant="acme")
        # Ten seconds of 0.6 units at 0.14 are 0.84; of the clip of five that was sold, 0.42.
        assert (
            "0.6 units a second Kling's list 0.05 USD a second the tenant's 0.84 0.50 -40.5%"
            in shown
        )
        assert "acme 1 0.42 0.25 -40.5%" in shown
        assert NAME not in shown, "it is not concerned"
        assert await state_of(relay) == before

        other = await ann.post(
            "/prices/set", **FIVE_CENTS | {"number": "0.06"}, tenant="acme", sure=sure
        )
        assert (other.status_code, "0.06 USD" in other.text) == (200, True), "asked for anew"
        assert await state_of(relay) == before

        done = await ann.post("/prices/set", **FIVE_CENTS, tenant="acme", sure=sure)
        assert (done.status_code, done.headers["location"]) == (
            *(303, "/console/prices?endpoint=text2video&said=saved"),
        )
        (row,) = await relay.rows("SELECT * FROM price_rows")
        assert (row["tenant_id"], row["amount_micros"], row["valid_to"]) == (1, 50_000, None)
        again = await ann.post("/prices/set", **FIVE_CENTS, tenant="acme", sure=sure)
        assert "Nobody notices" in again.text
        assert await acts_of(relay) == ["price.set"]

        shown, sure = await planned(ann, "/set", **UNITS, times="1.1")
        assert "Tenants without prices of their own: " in shown
        assert "0.84 0.77 -8.3%" in shown
        assert NAME in shown
        assert "In the last" not in shown
        done = await ann.post("/prices/set", **UNITS, times="1.1", sure=sure)
        assert done.status_code == 303

        shown, sure = await planned(ann, "/end", **CLIP, tenant="acme")
        assert "0.05 USD a second the tenant's 0.5 units a second × 1.1 all 0.50 0.77 +54%" in shown
        done = await ann.post("/prices/end", **CLIP, tenant="acme", sure=sure)
        assert done.headers["location"].endswith("said=ended")
        gone = await ann.post("/prices/end", **CLIP, tenant="acme")
        assert (gone.status_code, "There is no price" in gone.text) == (404, True)
        assert await acts_of(relay) == ["price.set", "price.set", "price.remove"]


async def test_a_price_that_may_not_be_meant_is_warned_of(database_url: str) -> None:
    """A price of 0, one to come, and a model that Kling is not known to have."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await act(relay, set_price, msgspec.structs.replace(CLIPS, units=Decimal(1)))
        for fields, says in (
            (UNITS | {"number": "0"}, "Its price is 0"),
            (
                UNITS | {"endpoint": "*", "way": "units", "model": "", "mode": "", "sound": ""},
                "all",
            ),
            (UNITS | {"model": "kling-v33", "mode": ""}, "Kling is not known to have this here"),
            (UNITS | {"from": "2099-01-01T00:00"}, "From 2099-01-01 00:00:00"),
            (FIVE_CENTS, "0.05 USD a second"),
        ):
            shown, _ = await planned(ann, "/set", **fields)
            assert says in shown, (fields, shown)
        free = await ann.post("/prices/set", endpoint="elements", way="units", number="1")
        assert "free of charge" in free.text or free.status_code == 422


async def test_wrong_input_is_told_at_its_field_and_nothing_is_written(database_url: str) -> None:
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.add_tenant()
        before = await state_of(relay)
        for path, fields, says in WRONG:
            answer = await ann.post(f"/prices{path}", **fields)
            told = unescape(answer.text)
            assert (answer.status_code >= 400, says in told) == (True, True), (
                path,
                fields,
                words(told),
            )
        assert await state_of(relay) == before


async def test_who_may_not_change_prices_is_refused_and_noted(database_url: str) -> None:
    """By the desk, whatever page the form was taken from; a plan is an act that is taken back."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        await relay.add_tenant()
        await act(relay, set_price, msgspec.structs.replace(CLIPS, units=Decimal(1)))
        await adopted_before(relay)
        before = await state_of(relay)
        _, sure = await planned(ann, "/file", toml="multiplies_amounts = true")
        forms: list[tuple[str, dict[str, str]]] = [
            ("/set", FIVE_CENTS),
            ("/end", CLIP),
            ("/multipliers/set", {"times": "2"}),
            ("/multipliers/amounts", {"amounts": "exact"}),
            ("/official/adopt", {"instead_of": "2026-01-31"}),
            ("/file", {"toml": "multiplies_amounts = true", "sure": sure}),
        ]
        for path, fields in forms:
            answer = await vic.post(f"/prices{path}", **fields)
            assert answer.status_code == 403, path
        assert await refused_in(relay) > 0
        assert await state_of(relay) == before


async def test_multipliers_are_set_and_ended(database_url: str) -> None:
    """Whose counts then is said first; amounts are multiplied once somebody says so."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await sell_a_clip(relay)
        before = await state_of(relay)
        shown, sure = await planned(ann, "/multipliers/set", times="1.5")
        assert "Tenants without prices of their own: acme × 1 × 1.5 +50%" in shown
        assert "acme 1 0.42 0.63 +50%" in shown
        assert await state_of(relay) == before
        done = await ann.post("/prices/multipliers/set", times="1.5", sure=sure)
        assert done.status_code == 303
        shown, sure = await planned(ann, "/multipliers/set", times="2", tenant="acme")
        assert "acme × 1.5 × 2 +33.3%" in shown
        await ann.post("/prices/multipliers/set", times="2", tenant="acme", sure=sure)
        shown, sure = await planned(ann, "/multipliers/end", tenant="acme")
        assert "acme × 2 × 1.5 -25%" in shown
        await ann.post("/prices/multipliers/end", tenant="acme", sure=sure)
        for said in ("multiplied", "exact"):
            assert (await ann.post("/prices/multipliers/amounts", amounts=said)).status_code == 303
        page = words(await ann.read("/prices/multipliers"))
        assert "it is exactly what is paid" in page
        assert "all × 1.5 in force" in page
        assert await acts_of(relay) == [
            *("multiplier.set", "multiplier.set", "multiplier.end"),
            *("price.amounts", "price.amounts"),
        ]


async def test_a_list_of_klings_is_adopted_once_it_was_seen(database_url: str) -> None:
    """Rows that differ, whose sums and margins; what was not seen is not adopted, and once only."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        assert f"Kling's list of {LIST} is in force" in await ann.read("/prices/official")
        await sell_a_clip(relay)
        await adopted_before(relay)
        page = words(await ann.read("/prices/official"))
        assert "3 rows differ" in page
        assert "0.5 units a second 0.6 units a second +20% – 1" in page
        assert "acme 1 0.35 0.42 0.35 0.42 0% 0% -20%" in page
        assert "What it changes for whom Tenants without prices of their own: acme" in page
        assert "0.84 +20%" in page
        other = await ann.post("/prices/official/adopt", instead_of="another")
        assert (other.status_code, "look again" in other.text) == (409, True)
        for status in (303, 409):
            done = await ann.post("/prices/official/adopt", instead_of="2026-01-31")
            assert done.status_code == status
        assert await acts_of(relay) == ["price.adopt"]


async def test_a_file_is_compared_and_put_in_force(database_url: str) -> None:
    """What it ends and adds is said first; the same is nothing; what changed is asked anew."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        await relay.add_tenant()
        await act(relay, set_price, PriceRow("tts", units=Decimal(1)), tenant="acme")
        text = (await ann.get("/prices/file/prices.toml")).text
        assert 'tenant = "acme"' in text
        same = await ann.post("/prices/file", toml=text)
        assert "Nothing: all is as the file says already." in same.text
        changed = f"{text}\n[[multiplier]]\ntimes = 1.5\n".replace("= 1\n", "= 2\n", 1)
        before = await state_of(relay)
        answer = await ann.client.post(
            "/console/prices/file",
            data={"csrf": ann.csrf, "toml": "what is typed does not count"},
            files={"upload": ("prices.toml", changed.encode())},
            headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"},
        )
        shown = unescape(words(answer.text))
        assert "1 row or multiplier ends, 2 are new." in shown
        # For acme by its own row and the multiplier; for everybody by the multiplier.
        for told in ("What it changes for whom", "+200%", "× 1 × 1.5 +50%"):
            assert told in shown, told
        assert await state_of(relay) == before
        sure = re.findall(r'name="sure" value="(\w+)"', answer.text)[0]
        await act(relay, set_price, PriceRow("tts", units=Decimal(9)))
        anew = await ann.post("/prices/file", toml=changed, sure=sure)
        assert "2 rows or multipliers end" in anew.text
        sure = re.findall(r'name="sure" value="(\w+)"', anew.text)[0]
        done = await ann.post("/prices/file", toml=changed, sure=sure)
        assert done.status_code == 303
        assert await acts_of(relay) == ["price.import"]
        assert "× 1.5" in await ann.read("/prices/multipliers")
        much = await ann.post("/prices/file", toml="#" * 300_000)
        assert (much.status_code, "too large to be sent here" in much.text) == (413, True)


async def test_a_month_is_simulated_with_a_row_and_with_a_file(database_url: str) -> None:
    """To the micro, and one at a time; nothing is changed."""
    async with fixture_relay(database_url) as relay, visiting(relay, "vic", Role.VIEWER) as vic:
        await sell_a_clip(relay)
        (row,) = await relay.rows("SELECT to_char(created_at, 'YYYY-MM') AS month FROM tasks")
        month, before = row["month"], await state_of(relay)
        answer = await vic.post("/prices/simulate", **FIVE_CENTS, month=month)
        shown = unescape(words(answer.text))
        assert "Charged 0.42 USD for 1 task that succeeded" in shown
        assert "By these prices 0.25 USD" in shown
        assert "acme kling-v3 1 0.42 0.25 -0.17" in shown
        dear = "[[multiplier]]\ntimes = 2\n"
        answer = await vic.post("/prices/simulate", toml=dear, month=month)
        assert "acme kling-v3 1 0.42 0.84 +0.42" in unescape(words(answer.text))
        answer = await vic.post("/prices/simulate", toml=dear, month="2001-01")
        assert "No task of this month succeeded." in answer.text
        async with relay.sessions.begin() as session:
            assert await session.scalar(LOCK)
            answer = await vic.post("/prices/simulate", toml=dear, month=month)
        assert (answer.status_code, "Another simulation" in answer.text) == (409, True)
        assert await state_of(relay) == before
