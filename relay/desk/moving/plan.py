"""What a move would do, line by line; holds keys, and spells none."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import msgspec

from relay.channels.edit import ChannelKeys
from relay.codes.edit import NewCode
from relay.kling.proxy import Proxy
from relay.new_api.rows import Key
from relay.pricing.book import PriceRow

QUIET = timedelta(minutes=1)
"""How long nothing is to have happened there: what it counts, it writes within seconds."""
SOURCE_CHARS_MAX = 32
"""So that a reference has room for it."""


class Verdict(StrEnum):
    """What becomes of a line."""

    NEW = "new"
    """It is made."""
    SAME = "same"
    """It is here already, and stays."""
    CORRECTED = "corrected"
    """Its opening is made what is left there by now."""
    DIFFERS = "differs"
    """It is here, and otherwise than there: it stays as it is here."""
    LEFT_OUT = "left out"
    """It is not taken over."""


class Choices(msgspec.Struct, frozen=True):
    """What the operator says of a move."""

    source: str
    """What this installation is called here, in references and for the next run."""
    currency: str
    rate: Decimal
    """How much of our currency a dollar is."""
    base_url: str | None = None
    """For channels that lead to Kling's own host; None: the one that takes the keys."""


class ChannelLine(msgspec.Struct, frozen=True):
    """A Kling account."""

    verdict: Verdict
    name: str
    of: tuple[str, ...]
    """The channels there that it stands in."""
    note: str = ""
    keys: ChannelKeys | None = None
    base_url: str | None = None
    groups: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    priority: int = 0
    weight: int = 1
    proxy: Proxy | None = None
    is_enabled: bool = True

    def __repr__(self) -> str:
        return f"ChannelLine({self.name!r})"


class ModelLine(msgspec.Struct, frozen=True):
    """A name that channels there give to a model."""

    verdict: Verdict
    name: str
    model: str
    """What Kling calls it."""
    note: str = ""


class PriceLine(msgspec.Struct, frozen=True):
    """A fixed price of a price group."""

    verdict: Verdict
    row: PriceRow
    here_micros: int | None = None
    """What the row that is here already says."""


class KeyLine(msgspec.Struct, frozen=True):
    """A tenant's API key."""

    verdict: Verdict
    key: Key
    groups: tuple[str, ...] | None = None
    note: str = ""
    limits: tuple[str, ...] = ()
    """What limits it there, for people; it does here, too."""
    total_micros: int | None = None
    """What it may still spend; None is what its tenant has."""


class TenantLine(msgspec.Struct, frozen=True):
    """A user, as a tenant."""

    verdict: Verdict
    user_id: int
    username: str
    name: str
    """Here."""
    units: int
    micros: int
    moved_micros: int | None = None
    """What its opening here is; None if it was not moved yet."""
    price_group: str | None = None
    groups: tuple[str, ...] = ()
    is_enabled: bool = True
    keys: tuple[KeyLine, ...] = ()
    note: str = ""


class CodeLine(msgspec.Struct, frozen=True):
    """A redeem code."""

    verdict: Verdict
    id: int
    """There."""
    code: NewCode
    note: str = ""


class Compared(msgspec.Struct, frozen=True):
    """What a tenant pays for a clip there, and here."""

    tenant: str
    using: str
    """The group that its keys use there."""
    model: str
    there_micros: int | None
    here_micros: int | None
    """By all that is here, with what is planned; None: no price."""

    @property
    def is_same(self) -> bool:
        return self.there_micros == self.here_micros


class Plan(msgspec.Struct, frozen=True):
    """All of a move but for the tasks that ended, which are many."""

    choices: Choices
    where: str
    version: str
    units_per_usd: Decimal
    is_units_said: bool
    channels: list[ChannelLine]
    models: list[ModelLine]
    prices: list[PriceLine]
    tenants: list[TenantLine]
    codes: list[CodeLine]
    codes_gone: list[int]
    """Ours, of codes that were moved before, that nobody used here, and that are not free there."""
    compared: list[Compared]
    idle_users: int
    """With neither a key nor anything left: nothing is to be taken over of them."""
    running: list[str]
    used_at: datetime | None
    is_quiet: bool
    not_taken: list[str]
    """Sentences about what there is beside, and stays there."""

    @property
    def is_at_rest(self) -> bool:
        """Tell whether nothing runs there and nothing was used lately."""
        return not self.running and self.is_quiet

    @property
    def tenants_to_open(self) -> Sequence[TenantLine]:
        return [line for line in self.tenants if line.verdict is Verdict.NEW]
