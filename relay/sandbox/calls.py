"""What a row of the catalogue says of a call that is answered at once, and what it is charged."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from relay.sandbox.books import Asked, Books
from relay.sandbox.charges import Charge
from relay.sandbox.endpoint import ANY_CREDENTIAL, API_KEY_ONLY, Credential, Generation
from relay.sandbox.envelopes import deduction
from relay.sandbox.things import ThingKind
from relay.sandbox.units import plain


@dataclass(frozen=True, slots=True)
class Call:
    """One method and path whose reply is the whole answer: no task, no callback."""

    method: Literal["GET", "POST"]
    path: str
    answer: Callable[[Books, Asked], object]
    """Makes `data` of the reply."""
    generation: Generation = "legacy"
    units: str | None = None
    """What the call costs, in video units; None if it is free and says nothing about it."""
    needs: tuple[tuple[str, ...], ...] = ()
    ids: tuple[tuple[ThingKind, str], ...] = ()

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """Say which credentials are let in."""
        return ANY_CREDENTIAL if self.generation in {"legacy", "account"} else API_KEY_ONLY


def charge_call(books: Books, asked: Asked, call: Call, data: dict[str, Any]) -> dict[str, Any]:
    """Charge for a synchronous call, tell the ledger, and write what was deducted.

    The id that a bill names is the reply's, or one that nobody else hears of.
    """
    words = asked.faults.words
    units = Decimal(words.get("units", "0" if "cash" in words else call.units or "0"))
    cash = Decimal(words.get("cash", words.get("mixed", 0)))
    is_charged = "no deduction" not in words
    if is_charged:
        name = data.get("task_id") or data.get("session_id") or books.ids.task(asked.now_ms)
        charge = Charge(name, asked.now_ms, "video", call.path.strip("/"), units, cash)
        books.charges.add(asked.owner, charge)
    books.ledger.add(
        "answered",
        account=asked.owner,
        endpoint=call.path,
        units=plain(units) if is_charged else None,
    )
    return deduction(units, cash) if is_charged else {}
