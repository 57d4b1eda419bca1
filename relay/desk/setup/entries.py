"""What the tables of a file say: one struct of each kind; what is left out stays as it is."""

from decimal import Decimal
from typing import Any

import msgspec

from relay.alerts.tables import Severity
from relay.channels.costs import CostUnit
from relay.limits.tables import IN_MICROS, LimitKind
from relay.money import micros_of
from relay.operators.tables import Role

NONE = "none"
"""What a text of the file says to have nothing."""
KEYS = ("access_key", "secret_key", "api_key", "webhook_secret")
SECRETS = (*KEYS, "proxy_password", "url")
"""What stands in no file: each is read from where the file says."""


class Ref(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is, or certificates: not in the file itself."""

    env: str | None = None
    file: str | None = None
    """A path, from where the file of TOML is."""

    def __str__(self) -> str:
        """Spell it for people."""
        return f"${self.env}" if self.env is not None else f"the file {self.file}"


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table. `remove` takes away what it names."""

    remove: bool = False

    @property
    def called(self) -> tuple[str, ...]:
        """Tell what it is of: no two tables of a kind are of the same."""
        return (str(getattr(self, "name", "")),)

    def given(self, *names: str) -> dict[str, Any]:
        """Take what is named of some fields, `none` as None."""
        found = {name: getattr(self, name) for name in names}
        return {
            name: None if value == NONE else value
            for name, value in found.items()
            if value is not None
        }


class ChannelEntry(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out of a new one is as `relay channel add` has it."""

    name: str
    base_url: str | None = None
    access_key: Ref | None = None
    secret_key: Ref | None = None
    api_key: Ref | None = None
    webhook_secret: Ref | None = None
    same_account: bool = False
    """Whether it may have keys that another channel has."""
    enabled: bool | None = None
    priority: int | None = None
    weight: int | None = None
    room: dict[str, int] | None = None
    groups: list[str] | None = None
    models: list[str] | None = None
    is_sandbox: bool | None = None
    proxy: str | None = None
    """Without its password."""
    proxy_password: Ref | None = None
    ca_pem: str | Ref | None = None
    connect_timeout_s: Any = None
    timeout_s: Any = None


class CostEntry(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one unit of a channel costs from a moment on; rows are never removed."""

    channel: str
    unit: CostUnit
    price: Decimal
    currency: str | None = None
    """None is that of the books."""
    rate: Decimal = Decimal(1)
    rate_per: Decimal = Decimal(1)
    valid_from: Any = msgspec.field(name="from")

    @property
    def called(self) -> tuple[str, ...]:
        return (self.channel, self.unit.value, str(self.valid_from))


class BoundEntry(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tenant and a token may be bounded by alike."""

    name: str
    groups: list[str] | str | None = None
    queue_s: int | str | None = None
    expires_at: Any = None
    addresses: list[str] | str | None = None
    endpoints: list[str] | str | None = None
    models: list[str] | str | None = None
    limits: dict[LimitKind, Any] = {}
    """Amounts of money as decimals, `in_flight` and `rate` as whole numbers."""

    @property
    def allowed(self) -> dict[LimitKind, int | None]:
        """Say what limits allow, in micros or whole numbers; None takes one away."""
        return {
            kind: None if amount == NONE else _allowed(kind, Decimal(amount))
            for kind, amount in self.limits.items()
        }


class TenantEntry(BoundEntry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`none` takes away."""

    parent: str | None = None
    """Whose sub-tenant it is; its name begins with that one's, and a slash."""
    factor: Decimal | None = None
    """Of a sub-tenant: how many times its parent's prices its own are."""
    opening_quota: Decimal | None = None
    """Of one that is opened by this; quota is money, and no matter of a file later on."""
    credit: Decimal | None = None
    enabled: bool | None = None
    price_group: str | None = None
    tasks_max: int | str | None = None
    contact: str | None = None
    notes: str | None = None
    shows_quote: bool | None = None
    joins_retries: bool | None = None
    lints_creates: bool | None = None
    queue_weight: int | None = None
    room_min: int | None = None
    keep_results_days: int | str | None = None
    asset_bytes_max: int | str | None = None
    asset_gb_month: Any = None
    """What a GB-month of its files costs, a decimal; `none` is what it costs everybody."""
    result_urls: str | None = None

    @property
    def storage_price(self) -> dict[str, int | None]:
        """Say what of a GB-month's price is to be put into its row, in micros."""
        return {
            f"{name}_micros": None if amount is None else micros_of(Decimal(amount))
            for name, amount in self.given("asset_gb_month").items()
        }


class TokenEntry(BoundEntry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of a token that is there, by what people call it: no file makes one."""

    tenant: str

    @property
    def called(self) -> tuple[str, ...]:
        return (self.tenant, self.name)


class PlaceEntry(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where alerts go. Its URL is what it is known by, and a secret."""

    url: Ref
    shown: str | None = None
    """What of the URL may be seen, by which a place is known where the URL is not at hand."""
    least: Severity = Severity.TICKET

    @property
    def called(self) -> tuple[str, ...]:
        return (str(self.url),)


class RuleEntry(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is set of a rule of alerts; `none` is the rule's own."""

    name: str
    bound: Any = None
    pause_s: int | str | None = None


class OperatorEntry(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may act in the office; no file makes a token."""

    name: str
    role: Role | None = None
    ceilings: dict[str, Any] = {}
    """By act, in the relay's currency and any 24 hours; `none` is its role's."""

    @property
    def ceilings_micros(self) -> dict[str, int | None]:
        return {
            act: None if amount == NONE else micros_of(Decimal(amount))
            for act, amount in self.ceilings.items()
        }


def _allowed(kind: LimitKind, amount: Decimal) -> int:
    return micros_of(amount) if kind in IN_MICROS else int(amount)
