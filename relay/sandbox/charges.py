"""What was deducted from each account: the rows of its bills (docs/kling-api.md 4.16)."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from relay.sandbox.endpoint import Call, Results
from relay.sandbox.envelopes import deduction
from relay.sandbox.tasks import Task
from relay.sandbox.units import pack_of, plain

if TYPE_CHECKING:
    from relay.sandbox.books import Asked, Books

API_KEY_NAME = "sandbox"
PACK_UNITS = {"video": Decimal(1_000_000), "image": Decimal(10_000_000), "try-on": Decimal(10_000)}
"""What each account's packs held at first. They may run out; nothing is refused then."""

CASH = Decimal(100_000)
"""What each account's balance was at first."""

_RESOLUTIONS = {"std": "720p", "pro": "1080p"}


@dataclass(frozen=True, slots=True)
class Charge:
    """One success; `at_ms` is when it was deducted."""

    task_id: str
    at_ms: int
    product_type: str
    product_function: str
    units: Decimal
    cash: Decimal
    about: dict[str, Any] = field(default_factory=dict)
    """Model, resolution and what else a row says of a video."""
    before: Decimal = Decimal(0)
    cash_before: Decimal = Decimal(0)


class Charges:
    """Every account's charges, the oldest first. `account` is an access key."""

    def __init__(self) -> None:
        self._of: defaultdict[str, list[Charge]] = defaultdict(list)
        self._used: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)

    def add(self, account: str, charge: Charge) -> None:
        """Deduct it from what is left."""
        pack = (account, charge.product_type)
        kept = Charge(
            task_id=charge.task_id,
            at_ms=charge.at_ms,
            product_type=charge.product_type,
            product_function=charge.product_function,
            units=charge.units,
            cash=charge.cash,
            about=charge.about,
            before=PACK_UNITS[charge.product_type] - self._used[pack],
            cash_before=CASH - self._used[account, "cash"],
        )
        self._used[pack] += charge.units
        self._used[account, "cash"] += charge.cash
        self._of[account].append(kept)

    def of(self, account: str) -> list[Charge]:
        """List an account's charges; only ever appended to."""
        return self._of[account]

    def left(self, account: str, product_type: str) -> Decimal:
        """Say what a pack still holds."""
        return PACK_UNITS[product_type] - self._used[account, product_type]

    def clear(self) -> None:
        """Forget every charge."""
        self._of.clear()
        self._used.clear()


def charge_call(books: "Books", asked: "Asked", call: Call, data: dict[str, Any]) -> dict[str, Any]:
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


def charge_of(task: Task) -> Charge | None:
    """Make the charge of a success; None if it was deducted nothing."""
    order = task.order
    if task.units is None or (not task.units and not task.cash):
        return None
    about: dict[str, Any] = {"model_name": order.model}
    if order.mode or order.resolution:
        about["resolution"] = order.resolution or _RESOLUTIONS.get(order.mode, order.mode)
    results: Results = order.endpoint.results
    if results == "videos":
        about |= {
            "duration": f"{order.seconds}.04",
            "refer_video_input": order.video_input,
            "video_sound": "native" if order.sound else "off",
            "voice_control": order.voice_control,
        }
    return Charge(
        task_id=task.id,
        at_ms=task.updated_ms,
        product_type=pack_of(order.endpoint),
        product_function=order.endpoint.path.strip("/"),
        units=task.units,
        cash=task.cash,
        about=about,
    )
