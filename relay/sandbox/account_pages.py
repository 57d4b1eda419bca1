"""What an account has and was charged (docs/kling-api.md 4.16, 5.6).

Names of fields that our reference leaves out (a pack's, `unit_before_deduction`, `result.detail`)
are those of the vendor's pages "Account Usage" and "Billing Deduction" of 2026-09; those of the
balance before and after are made like the unit's.
"""

from typing import Any

from relay.sandbox.books import Asked, Books
from relay.sandbox.charges import API_KEY_NAME, PACK_UNITS, Charge
from relay.sandbox.cursors import read_cursor, with_cursor
from relay.sandbox.new_envelopes import CURRENCY
from relay.sandbox.units import plain

LIMIT_MAX = 500
_DAY_MS = 24 * 60 * 60 * 1000
_PACK_IDS = {"video": "501", "image": "502", "try-on": "503"}


def show_costs(books: Books, asked: Asked) -> dict[str, Any]:
    """Show the packs, wrapped once more; without packs the array is absent. Nothing lags here."""
    for name in ("start_time", "end_time"):
        asked.fields.need(name)
        asked.fields.number(name, lowest=0, highest=1e15)
    reply: dict[str, Any] = {"code": 0, "msg": "success"}
    wanted = asked.fields.text("resource_pack_name")
    packs = [_pack(books, asked, pack) for pack in PACK_UNITS if wanted in {"", _pack_name(pack)}]
    if packs and "no packs" not in asked.faults:
        reply["resource_pack_subscribe_infos"] = packs
    return reply


def list_package(books: Books, asked: Asked) -> dict[str, Any]:
    """List what was deducted in units."""
    keys = ("api_key_name", "product_type", "package_name", "package_id")
    named = [part.text("key") for part in asked.fields.parts("filters", most=10)]
    values = [part.texts("values") for part in asked.fields.parts("filters", most=10)]
    used = {key for key, of in zip(named, values, strict=True) if of}
    if {"package_name", "package_id"} <= used:
        raise asked.fields.refusal("filters", "package_name excludes package_id")
    charges = [charge for charge in books.charges.of(asked.owner) if charge.units]
    return _listed(asked, charges, keys, _package_row)


def list_balance(books: Books, asked: Asked) -> dict[str, Any]:
    """List what was deducted in currency."""
    charges = [charge for charge in books.charges.of(asked.owner) if charge.cash]
    return _listed(asked, charges, ("api_key_name",), _balance_row)


def _listed(asked: Asked, charges: list[Charge], keys: tuple[str, ...], row: Any) -> dict[str, Any]:
    reading = read_cursor(
        asked.fields, keys=keys, limit=LIMIT_MAX, limit_max=LIMIT_MAX, is_window_needed=True
    )
    found, cursor = reading.page(charges, at_ms=lambda charge: charge.at_ms, has=_has)
    detail = [row(charge) for charge in found]
    return with_cursor({"result": {"detail": detail, "count": len(detail)}}, cursor)


def _pack_name(pack: str) -> str:
    return f"sandbox {pack} pack"


def _pack(books: Books, asked: Asked, pack: str) -> dict[str, Any]:
    began_ms = asked.now_ms - 10 * _DAY_MS
    return {
        "resource_pack_name": _pack_name(pack),
        "resource_pack_id": _PACK_IDS[pack],
        "resource_pack_type": "decreasing_total",
        "total_quantity": float(books.charges.total(asked.owner, pack)),
        "remaining_quantity": float(books.charges.left(asked.owner, pack)),
        "purchase_time": began_ms,
        "effective_time": began_ms,
        "invalid_time": began_ms + 180 * _DAY_MS,
        "status": "online",
    }


def _has(charge: Charge, key: str, value: str) -> bool:
    match key:
        case "api_key_name":
            return value == API_KEY_NAME
        case "product_type":
            return value == charge.product_type
        case "package_name":
            return value == _pack_name(charge.product_type)
        case _:
            return value == _PACK_IDS[charge.product_type]


def _row(charge: Charge) -> dict[str, Any]:
    return {
        "task_id": charge.task_id,
        "api_key_name": API_KEY_NAME,
        "product_function": charge.product_function,
        **charge.about,
        "deduction_time": str(charge.at_ms),
    }


def _package_row(charge: Charge) -> dict[str, Any]:
    return {
        "package_id": _PACK_IDS[charge.product_type],
        "product_type": charge.product_type,
        **_row(charge),
        "unit_before_deduction": float(charge.before),
        "deduction_amount": float(charge.units),
        "unit_after_deduction": float(charge.before - charge.units),
    }


def _balance_row(charge: Charge) -> dict[str, Any]:
    return {
        **_row(charge),
        "cash_type": "balance",
        "list_price": plain(charge.cash),
        "currency": CURRENCY,
        "balance_before_deduction": float(charge.cash_before),
        "deduction_amount": float(charge.cash),
        "balance_after_deduction": float(charge.cash_before - charge.cash),
    }
