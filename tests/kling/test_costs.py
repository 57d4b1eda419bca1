"""What Kling says it took: numbers of every shape it may send, none of which fails a charge."""

import json
from decimal import Decimal
from typing import Any

import pytest

from relay.kling.task_object import Cost, read_task


def units(amount: object, **rest: object) -> dict[str, object]:
    return {"charge_type": "unit", "amount": amount, **rest}


def cash(amount: object, **rest: object) -> dict[str, object]:
    return {"charge_type": "cash", "amount": amount, **rest}


def cost(
    of_units: str | None = None,
    pack: str | None = None,
    of_cash: str | None = None,
    currency: str | None = None,
) -> Cost:
    return Cost(
        units=None if of_units is None else Decimal(of_units),
        pack=pack,
        cash=None if of_cash is None else Decimal(of_cash),
        currency=currency,
    )


QUOTA = "final_balance_deduction"
LEGACY: list[tuple[dict[str, Any], Cost]] = [
    ({}, cost()),
    ({"final_unit_deduction": None, QUOTA: None, "billing": None}, cost()),
    ({"final_unit_deduction": "2.5"}, cost("2.5")),
    ({"final_unit_deduction": 2.5}, cost("2.5")),
    ({"final_unit_deduction": "0"}, cost("0")),
    ({"final_unit_deduction": "-0"}, cost("0")),
    ({"final_unit_deduction": ""}, cost()),
    ({"final_unit_deduction": "many"}, cost()),
    ({"final_unit_deduction": "-1"}, cost()),
    ({"final_unit_deduction": "NaN"}, cost()),
    ({"final_unit_deduction": ["2"]}, cost()),
    (
        {"final_unit_deduction": "2.5", QUOTA: {"quota": "0", "list_price": "0"}},
        cost("2.5", None, "0"),
    ),
    (
        {"final_unit_deduction": "0", QUOTA: {"quota": "0.42", "list_price": "0.5"}},
        cost("0", None, "0.42"),
    ),
    ({"final_unit_deduction": "1", QUOTA: {"quota": "0.2"}}, cost("1", None, "0.2")),
    ({"final_unit_deduction": "1", QUOTA: {}}, cost("1")),
    ({"final_unit_deduction": "1", QUOTA: "0.2"}, cost("1")),
    ({QUOTA: {"quota": 0.42}}, cost(None, None, "0.42")),
]
VIDEO, IMAGE = {"package_type": "video"}, {"package_type": "image"}
BILLED: list[tuple[list[object], Cost]] = [
    ([units("2.5", **VIDEO)], cost("2.5", "video")),
    ([units("2.5")], cost("2.5")),
    ([units("2.5", **IMAGE), units("1", **IMAGE)], cost("3.5", "image")),
    # A pack that not all of them name is none, as for the charge.
    ([units("2.5", **VIDEO), units("1")], cost("3.5")),
    # Units of two packs are no one sum.
    ([units("2.5", **VIDEO), units("1", **IMAGE)], cost()),
    ([units("2.5", **VIDEO), units("much", **VIDEO)], cost(None, "video")),
    ([units(None, **VIDEO)], cost(None, "video")),
    (
        [cash("0.42", currency="USD", cash_type="balance", list_price="0.5")],
        cost(None, None, "0.42", "USD"),
    ),
    ([cash("0.42")], cost(None, None, "0.42")),
    ([cash("0.4", currency="USD"), cash("3", currency="CNY")], cost()),
    ([units("1", **VIDEO), cash("0.2", currency="USD")], cost("1", "video", "0.2", "USD")),
    ([{"charge_type": "points", "amount": "7"}], cost()),
    ([{"amount": "7"}], cost()),
    (["x", 5, None, []], cost()),
    # Words that are none.
    ([units("1", package_type=["video"])], cost("1")),
    ([units("1", package_type={"a": 1}), units("1", package_type=5)], cost("2")),
    ([{"charge_type": ["unit"], "amount": "1"}], cost()),
    ([cash("1", currency=["USD"])], cost(None, None, "1")),
]


@pytest.mark.parametrize(("fields", "expected"), LEGACY, ids=str)
def test_the_legacy_fields_are_read(fields: dict[str, Any], expected: Cost) -> None:
    """Units and money beside each other (docs/kling-api.md 5.2)."""
    assert read_task(json.dumps(fields).encode()).cost == expected


@pytest.mark.parametrize(("billing", "expected"), BILLED, ids=str)
def test_billing_is_summed(billing: list[object], expected: Cost) -> None:
    """By kind; what cannot be read makes its sum unknown, and nothing else (5.5)."""
    body = json.dumps({"billing": billing, "final_unit_deduction": "9"}).encode()

    assert read_task(body).cost == expected


@pytest.mark.parametrize("billing", [[], {}, "x", 5])
def test_without_an_entry_the_legacy_fields_count(billing: object) -> None:
    """An empty list is no bill."""
    body = json.dumps({"billing": billing, "final_unit_deduction": "9"}).encode()

    assert read_task(body).cost == cost("9")


ABSURD: list[tuple[bytes, str | None]] = [
    (b'"1e-20000"', "0"),
    (b'"1e-999999999"', "0"),
    (b'"0.' + b"1" * 20_000 + b'"', "0.111111"),
    (b"0." + b"1" * 20_000, "0.111111"),
    (b'"0.0000005"', "0.000001"),
    (b'"999999999999.9999999"', "1000000000000"),
    (b'"1e11"', "100000000000"),
    (b"9" * 5_000, None),
    (b'"' + b"9" * 5_000 + b'"', None),
    (b'"1e999999999"', None),
    (b"1e400", None),
]


@pytest.mark.parametrize(("number", "expected"), ABSURD, ids=lambda one: str(one)[:20])
def test_no_number_has_more_places_than_our_own(number: bytes, expected: str | None) -> None:
    """Postgres refuses one with 20,000 digits, and its charge with it."""
    for field in (
        b'"final_unit_deduction":%b' % number,
        b'"billing":[{"charge_type":"unit","amount":%b}]' % number,
    ):
        assert read_task(b"{%b}" % field).cost == cost(expected)


@pytest.mark.parametrize("named", [["video"], {"a": 1}, 5, None])
def test_a_pack_that_is_no_word_is_none(named: object) -> None:
    """For the charge too: the quote's pack counts."""
    body = json.dumps({"billing": [units("1", package_type=named)]}).encode()

    news = read_task(body)

    assert (news.package, news.deduction) == (None, Decimal(1))
