"""What was deducted from each account: the rows of its bills (docs/kling-api.md 4.16)."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from relay.sandbox.endpoint import Results
from relay.sandbox.tasks import Task
from relay.sandbox.units import pack_of

API_KEY_NAME = "sandbox"
PACK_UNITS = {"video": Decimal(1_000_000), "image": Decimal(10_000_000), "try-on": Decimal(10_000)}
"""What each account's packs held at first, unless the settings say less of the video pack."""

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
    """Every account's charges, the oldest first. `owner` is its access key."""

    def __init__(self, *, video_units: int | None = None) -> None:
        self._video_units = video_units
        self._bought: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._of: defaultdict[str, list[Charge]] = defaultdict(list)
        self._used: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)

    def add(self, owner: str, charge: Charge) -> None:
        """Deduct it from what is left."""
        pack = (owner, charge.product_type)
        kept = Charge(
            task_id=charge.task_id,
            at_ms=charge.at_ms,
            product_type=charge.product_type,
            product_function=charge.product_function,
            units=charge.units,
            cash=charge.cash,
            about=charge.about,
            before=self.left(owner, charge.product_type),
            cash_before=CASH - self._used[owner, "cash"],
        )
        self._used[pack] += charge.units
        self._used[owner, "cash"] += charge.cash
        self._of[owner].append(kept)

    def of(self, owner: str) -> list[Charge]:
        """List an account's charges; only ever appended to."""
        return self._of[owner]

    def left(self, owner: str, product_type: str) -> Decimal:
        """Say what a pack still holds."""
        return self.total(owner, product_type) - self._used[owner, product_type]

    def total(self, owner: str, product_type: str) -> Decimal:
        """Say what a pack held at first, with what was bought."""
        first = PACK_UNITS[product_type]
        if product_type == "video" and self._video_units is not None:
            first = Decimal(self._video_units)
        return first + self._bought[owner, product_type]

    def buy(self, owner: str, product_type: str, units: Decimal) -> None:
        """Put more into a pack."""
        self._bought[owner, product_type] += units

    def is_used_up(self, owner: str, product_type: str) -> bool:
        """Tell whether a pack pays for nothing more; of packs without a limit it never is."""
        return (
            product_type == "video"
            and self._video_units is not None
            and self.left(owner, product_type) <= 0
        )

    def clear(self) -> None:
        """Forget every charge."""
        self._bought.clear()
        self._of.clear()
        self._used.clear()


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
