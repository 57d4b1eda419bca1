"""`relay price adopt`: an upgrade's list of Kling's changes nothing until somebody says so."""

from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

import msgspec
import pytest

from relay.kling.wanted import Wanted
from relay.pricing.book import Per, PriceRow
from relay.pricing.in_force import Prices
from relay.pricing.lists import OFFERED, RowChange, compare
from relay.pricing.margins import Sold, weigh
from relay.pricing.official import LIST, OFFICIAL
from relay.pricing.quote import UnitPrices
from tests.cli.command import Command, execute

OLD = "2026-01-31"
CLIP = Wanted("text2video", "kling-v3", "std", sound=False, voice=False, seconds=5)
BOUGHT = "acme 8 3.36 4.03 USD +20.0 % 2.80 3.36 USD 16.7 % 16.7 % 0.0 %"
TASK = """
INSERT INTO tasks (tenant_id, account_id, token_id, channel_id, endpoint, state, injected_id,
    request_id, quote, hold_micros, charged_micros, submit_deadline_at, hold_ended_at, created_at)
SELECT n.id, n.account_id, k.id, c.id, 'text2video', 'succeed', 'x' || g, 'r' || g,
    jsonb_build_object('wanted', $1::text::jsonb), 0, 0, now(), now(), now() - $2 * interval '1 day'
FROM tenants AS n, tokens AS k, channels AS c, generate_series($3::int, $4::int) AS g
WHERE n.name = 'acme' AND k.tenant_id = n.id
"""


def older(*, units: str = "0.5") -> list[PriceRow]:
    """Kling's list as it might have been: one row cheaper, one there no more, one not there yet."""
    gone = PriceRow("effects", per=Per.TASK, model="kling-v1", units=Decimal(2), source="old")
    rows = [msgspec.structs.replace(row, source="old") for row in OFFICIAL[:-1]]
    return [msgspec.structs.replace(rows[0], units=Decimal(units)), *rows[1:], gone]


def adopted_before(relay: Command) -> None:
    """What an upgrade finds: the database has adopted another list than this version brings."""
    rows = msgspec.json.encode(older()).decode()
    execute(relay, "INSERT INTO price_lists (name, rows) VALUES ($1, $2::text::jsonb)", OLD, rows)


@pytest.fixture
def shop(relay: Command) -> Command:
    """A tenant at 1.2 times the list that bought ten clips, two of them long ago."""
    relay("tenant", "add", "acme", "--quota", "100", "--multiplier", "1.2")
    relay("token", "add", "acme")
    relay(
        "channel", "add", "main", "--base-url", "https://kling.test", "--key", "a|b", "--no-check"
    )
    wanted = msgspec.json.encode(CLIP).decode()
    execute(relay, TASK, wanted, 1, 1, 8)
    execute(relay, TASK, wanted, 31, 9, 10)
    return relay


def quoted(relay: Command) -> Decimal:
    quote = relay.json("price", "quote", "text2video", "--model", "kling-v3", "--mode", "std")
    return Decimal(quote["row"]["units"])


def test_a_new_list_is_in_force_once_it_was_adopted(shop: Command) -> None:
    """Until then the old one prices and `relay check` says so; then the change says who did it."""
    adopted_before(shop)
    before = quoted(shop)
    checked = {one["subject"]: one for one in shop.json("check")["findings"]}

    shown = shop("price", "adopt", code=1, stdin="n\n").stdout
    only_shown = shop.json("price", "adopt")
    between = quoted(shop)
    said = shop("price", "adopt", "--yes").stdout
    after = quoted(shop)
    again = shop("price", "adopt", "--yes").stdout
    change = shop.json("changes", "list")[0]

    assert (before, between, after) == (Decimal("0.5"), Decimal("0.5"), Decimal("0.6"))
    assert checked["price list"]["level"] == "warning"
    assert f"in force: Kling's list of {OLD}; this version brings that of {LIST}" in shown
    (row,) = [line.split() for line in shown.splitlines() if line.startswith("text2video")]
    assert row[-6:] == ["0.6", "units/second", "+20.0", "%", "-", "8"]
    # 8 clips of 5 s at 0.14 USD a unit and 1.2 times the list.
    (tenant,) = [line.split() for line in shown.splitlines() if line.startswith("acme")]
    assert tenant[1:] == [
        "8",
        "3.36",
        "4.03",
        "USD",
        "+20.0",
        "%",
        "2.80",
        "3.36",
        "USD",
        "16.7",
        "%",
        "16.7",
        "%",
        "0.0",
        "%",
    ]
    assert only_shown["is_adopted"] is False
    assert [one["sold"] for one in only_shown["rows"]] == [8, 0, 0]
    assert f"Kling's list of {LIST} is in force" in said
    assert "is in force, the one that this version brings" in again
    assert (change["act"], change["subject"]["name"]) == ("price.adopt", LIST)


def test_rows_of_ones_own_stay_before_it_and_cost_more(shop: Command) -> None:
    """A fixed price is charged as before; the margin falls whether the list is adopted or not."""
    adopted_before(shop)
    shop("price", "set", "text2video", "--model", "kling-v3", "--amount", "0.7")

    found = shop.json("price", "adopt", "--yes")
    quote = shop.json("price", "quote", "text2video", "--model", "kling-v3", "--mode", "std")
    shown = shop("price", "adopt").stdout

    (tenant,) = found["tenants"]
    assert tenant["charges"] == {"old_micros": 5_600_000, "new_micros": 5_600_000}
    assert tenant["costs"] == {"old_micros": 2_800_000, "new_micros": 3_360_000}
    assert quote["hold_micros"] == 700_000
    assert "is in force" in shown


def test_a_raised_hold_stays_where_the_price_does(relay: Command) -> None:
    """Of a row at the same price on both lists; that of one at a new price is forgotten."""
    adopted_before(relay)
    raised = "INSERT INTO price_underquotes (key, price, seen_at, dearest, rise)"
    for row in older()[:2]:
        price = msgspec.json.encode(row).decode()
        values = " VALUES ($1, $2::text::jsonb, '{}', 2, 2)"
        execute(relay, raised + values, row.fingerprint, price)

    before = [row["held_times"] for row in relay.json("price", "list")][:2]
    relay("price", "adopt", "--yes")
    after = [row["held_times"] for row in relay.json("price", "list")][:2]

    assert before == ["2", "2"]
    assert after == ["1", "2"]


def test_lists_are_compared_by_what_rows_are_for() -> None:
    """A row in both at one price is no difference, whatever it says of its source."""
    changes = compare(older(), OFFICIAL)

    assert [(bool(one.old), bool(one.new)) for one in changes] == [
        (True, True),
        (False, True),
        (True, False),
    ]
    assert changes[0].new == OFFICIAL[0]
    assert compare(OFFICIAL, OFFICIAL) == []


def test_what_no_list_prices_any_more_is_told() -> None:
    """A row that is gone: such tasks would be refused, and nobody is charged for them."""
    sold = [
        Sold("acme", 1, None, CLIP, 3),
        Sold("acme", 1, None, Wanted("effects", "kling-v1"), 2),
        Sold("beta", 2, "dear", Wanted("avatar", mode="std", seconds=5), 4),
    ]
    old = [*older(units="0.6")]

    found = weigh(
        compare(old, OFFICIAL),
        sold,
        in_force=Prices(at=datetime.now(UTC)),
        old=old,
        new=OFFICIAL,
        prices=UnitPrices(video_micros=140_000, image_micros=3_500),
    )

    (tenant,) = found.tenants
    assert (tenant.tenant, tenant.tasks, tenant.refused) == ("acme", 2, 2)
    assert (tenant.charges.old_micros, tenant.charges.new_micros) == (560_000, 0)
    assert tenant.margins == (Decimal(0), None, Decimal(0))
    gone = RowChange(old[-1], None)
    assert dict(found.rows)[gone] == 2


def test_what_is_brought_has_the_date_of_its_rows() -> None:
    """Whoever changes a figure changes `LIST` with it, or no database would ever see it: then this
    has the new day and the new sum."""
    found = sha256(msgspec.json.encode(OFFICIAL)).hexdigest()[:16]

    assert OFFERED.rows is OFFICIAL
    assert (LIST, found) == ("2026-09-20", "92fcf93cae6d562b")


def test_a_row_is_itself_again_from_the_database() -> None:
    """Decimals, kinds and nothings: as they are kept, they compare equal."""
    kept = msgspec.json.encode(msgspec.to_builtins(OFFICIAL))

    assert msgspec.json.decode(kept, type=tuple[PriceRow, ...]) == OFFICIAL
