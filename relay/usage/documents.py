"""What a statement and a month of all accounts say, as tables."""

import re
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

from relay.money import plain
from relay.months import read_zone
from relay.usage.charges import ChargeLine
from relay.usage.sheet import WRITERS, Cell, Sheet, amount
from relay.usage.statement import Statement

RECOMPUTED = "Every sum was recomputed from the entries of the ledger when this was made."
MOVES = (
    ("paid", "paid_micros", "Top-ups paid"),
    ("bonus", "bonus_micros", "Bonus"),
    ("topup correction", "topup_correction_micros", "Corrections of top-ups"),
    ("charge", "charge_micros", "Charges"),
    ("refund", "refund_micros", "Refunds"),
    ("correction", "correction_micros", "Corrections of charges"),
    ("adjust", "adjust_micros", "Adjustments"),
)
"""In the order of a document: how a row of CSV is called, its figure, and how people call it."""


def statement_sheet(statement: Statement, invoiced: Sequence[str] = ()) -> Sheet:
    """Lay out one statement: charges by token and model, all else in a line each.

    `invoiced`: of each of its invoices a sentence, where that is asked for.
    """
    figures = statement.figures
    rows: list[list[Cell]] = [["Opening", "", "", "", "", amount(figures.opening_micros)]]
    for name, field, label in MOVES:
        if name == "charge":
            charges = [_charge_row(label, one) for one in statement.charges]
            rows += charges or [[label, "", "", "", "", amount(0)]]
        else:
            rows.append([label, "", "", "", "", amount(getattr(figures, field))])
    rows.append(["Closing", "", "", "", "", amount(figures.closing_micros)])
    facts = [
        ("Account", str(statement.account_id)),
        ("Tenants", ", ".join(statement.tenants) or "-"),
        ("Month", f"{statement.month} ({statement.timezone})"),
        ("Begins", _moment(statement, statement.start_at)),
        ("Ends before", _moment(statement, statement.until_at)),
        ("Currency", statement.currency),
        ("Owed by the account", f"{amount(statement.owed_micros):f}"),
        ("Credit now", f"{amount(statement.credit_now_micros):f}"),
        ("Held now", f"{amount(statement.held_now_micros):f}"),
        ("Made", _moment(statement, statement.recomputed_at)),
        ("State", _state(statement)),
    ]
    return Sheet(
        title=f"Statement {statement.month}",
        facts=facts,
        columns=["Line", "Tenant", "Token", "Model", ">Tasks", f">Amount {statement.currency}"],
        rows=rows,
        sums=frozenset({0, len(rows) - 1}),
        of=[("Account", str(statement.account_id)), ("Month", statement.month)],
        notes=[
            f"{RECOMPUTED} {figures.entries} entries, SHA-256 {figures.entries_sha256}.",
            *(
                f"Of the adjustments {amount(one.amount_micros):f} {statement.currency} are for"
                f" files that {one.tenant} kept in {one.month}: "
                + ("given back." if one.amount_micros > 0 else f"{plain(one.gb_months)} GB-months.")
                for one in statement.storage
            ),
            *invoiced,
        ],
    )


def month_sheet(month: str, statements: Sequence[Statement], *, currency: str) -> Sheet:
    """Lay out all accounts of a month, one in a line, and what is owed to tenants in all."""
    fields = ["opening_micros", *(field for _, field, _ in MOVES), "closing_micros"]
    rows: list[list[Cell]] = [
        [
            *(str(one.account_id), ", ".join(one.tenants) or "-"),
            *(amount(getattr(one.figures, field)) for field in fields),
            amount(one.held_now_micros),
        ]
        for one in statements
    ]
    sums = [sum(getattr(one.figures, field) for one in statements) for field in fields]
    held = sum(one.held_now_micros for one in statements)
    rows.append(["All", "", *(amount(micros) for micros in sums), amount(held)])
    to_tenants, by_tenants = owed(statements)
    return Sheet(
        title=f"Month {month}",
        facts=[
            ("Accounts", str(len(statements))),
            *[("Made", _moment(one, one.recomputed_at)) for one in statements[:1]],
            *[("State", _not_over(one)) for one in statements[:1] if not one.is_over],
            ("Currency", currency),
            ("Owed to tenants", f"{amount(to_tenants):f}"),
            ("Owed by tenants", f"{amount(by_tenants):f}"),
        ],
        columns=[
            *("Account", "Tenants", ">Opening"),
            *(f">{label}" for _, _, label in MOVES),
            *(">Closing", ">Held now"),
        ],
        rows=rows,
        sums=frozenset({len(rows) - 1}),
        of=[("Month", month)],
        notes=[
            RECOMPUTED,
            "Owed to tenants is what they had not used up at its end: all closings above zero.",
            "Owed by tenants is what they had used beyond their quota: all closings below zero.",
        ],
    )


def month_files(month: str, statements: Sequence[Statement], *, currency: str) -> bytes:
    """Pack a month as `relay month` writes it: all its statements, and one sheet of all accounts.

    It takes a moment an account: not for the loop that answers requests.
    """
    sheets = {statement_name(one): statement_sheet(one) for one in statements}
    sheets[f"month-{month}"] = month_sheet(month, statements, currency=currency)
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as file:
        for name, sheet in sheets.items():
            for form, write in WRITERS.items():
                file.writestr(f"{name}.{form}", write(sheet))
    return packed.getvalue()


def statement_name(one: Statement) -> str:
    """Name the file of a statement, without its ending."""
    names = re.sub(r"[^\w.-]+", "-", "-".join(one.tenants))[:80].strip("-.")
    return f"statement-{one.month}-{one.account_id}-{names}".rstrip("-")


def owed(statements: Sequence[Statement]) -> tuple[int, int]:
    """Sum up what is owed to tenants at a month's end, and what they owe; both at least 0."""
    closings = [one.figures.closing_micros for one in statements]
    return sum(max(one, 0) for one in closings), -sum(min(one, 0) for one in closings)


def _charge_row(label: str, one: ChargeLine) -> list[Cell]:
    whose = (label, one.tenant, str(one.token_id), one.model or "-")
    return [*whose, one.tasks, amount(one.amount_micros)]


def _state(statement: Statement) -> str:
    if statement.closed_at is not None:
        return f"closed {_moment(statement, statement.closed_at)}"
    return "not closed" if statement.is_over else _not_over(statement)


def _not_over(statement: Statement) -> str:
    has_begun = statement.recomputed_at >= statement.start_at
    return "the month is not over" if has_begun else "the month has not begun"


def _moment(statement: Statement, at: datetime) -> str:
    zone = read_zone(statement.timezone)
    local = at.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M:%S} {local:%z}"
