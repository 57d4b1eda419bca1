"""A relay's channels, tenants, limits and prices in one file of TOML, to be kept and applied.

What the file names is to be so; what it leaves out stays as it is. Nothing is removed but what says
`remove = true`, and prices where `prices_are_whole` says that the file has them all.
"""

import tomllib
from datetime import tzinfo
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from relay.kling.catalogue import Catalogue
from relay.limits.tables import IN_MICROS, LimitKind
from relay.money import micros_of
from relay.pricing.file import FileError, PriceFile, one_line, read_moment, read_tables

NONE = "none"
"""What a text of the file says to have nothing."""
AMOUNT_MAX = 1_000_000_000
ENTRIES_MAX = 10_000


class SecretRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is: never in the file itself."""

    env: str | None = None
    file: str | None = None
    """A path, from where the file of TOML is."""

    def __str__(self) -> str:
        """Spell it for people."""
        return f"${self.env}" if self.env is not None else f"the file {self.file}"


SECRETS = ("access_key", "secret_key", "api_key", "webhook_secret")


class ChannelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is, and of a new channel is as `relay channel add` has it."""

    name: str
    remove: bool = False
    base_url: str | None = None
    access_key: SecretRef | None = None
    secret_key: SecretRef | None = None
    api_key: SecretRef | None = None
    webhook_secret: SecretRef | None = None
    enabled: bool | None = None
    priority: int | None = None
    weight: int | None = None
    room: dict[str, int] | None = None
    groups: list[str] | None = None
    models: list[str] | None = None
    is_sandbox: bool | None = None


class TenantEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is; `none` takes away."""

    name: str
    remove: bool = False
    opening_quota: Decimal | None = None
    """Of one that is opened by this; quota is money, and no matter of a file later on."""
    enabled: bool | None = None
    price_group: str | None = None
    tasks_max: int | str | None = None
    groups: list[str] | str | None = None
    contact: str | None = None
    shows_quote: bool | None = None
    joins_retries: bool | None = None
    queue_s: int | str | None = None
    queue_weight: int | None = None
    room_min: int | None = None
    expires_at: Any = None
    addresses: list[str] | str | None = None
    endpoints: list[str] | str | None = None
    models: list[str] | str | None = None
    limits: dict[LimitKind, Any] = {}
    """Amounts of money as decimals, `in_flight` and `rate` as whole numbers."""

    def given(self, *names: str) -> dict[str, Any]:
        """Take what is named of some fields, `none` as None."""
        found = {name: getattr(self, name) for name in names}
        return {
            name: None if value == NONE else value
            for name, value in found.items()
            if value is not None
        }

    @property
    def allowed(self) -> dict[LimitKind, int | None]:
        """Say what limits allow, in micros or whole numbers; None takes one away."""
        return {
            kind: None if amount == NONE else _allowed(kind, Decimal(amount))
            for kind, amount in self.limits.items()
        }


class SetupFile(msgspec.Struct, frozen=True):
    """A file as it was read."""

    channels: list[ChannelEntry]
    tenants: list[TenantEntry]
    prices: PriceFile
    prices_are_whole: bool = False

    @property
    def has_prices(self) -> bool:
        said = self.prices.multiplies_amounts is not None
        return bool(self.prices.rows or self.prices.multipliers or said or self.prices_are_whole)


class _Tables(msgspec.Struct, forbid_unknown_fields=True):
    channel: list[dict[str, Any]] = []
    tenant: list[dict[str, Any]] = []
    price: list[dict[str, Any]] = []
    multiplier: list[dict[str, Any]] = []
    multiplies_amounts: bool | None = None
    prices_are_whole: bool = False


Entry = TypeVar("Entry", ChannelEntry, TenantEntry)


def read_setup(text: str, zone: tzinfo, catalogue: Catalogue) -> SetupFile:
    """Read a file; moments without an offset are those of `zone`.

    Raises:
        FileError: one sentence, with the line or the table and its key.
    """
    try:
        whole = msgspec.convert(tomllib.loads(text, parse_float=Decimal), _Tables)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError, ArithmeticError) as error:
        raise FileError(one_line(error)) from error
    if len(whole.channel) + len(whole.tenant) > ENTRIES_MAX:
        raise FileError(f"it has more than {ENTRIES_MAX:,} channels and tenants")
    known = {endpoint.name for endpoint in catalogue.endpoints}
    tenants = [
        _tenant(_entry(table, TenantEntry, label), label, zone, known)
        for table, label in _labelled("tenant", whole.tenant)
    ]
    channels = [
        _channel(_entry(table, ChannelEntry, label), label)
        for table, label in _labelled("channel", whole.channel)
    ]
    _refuse_doubles("channel", channels)
    _refuse_doubles("tenant", tenants)
    prices = read_tables(whole.price, whole.multiplier, whole.multiplies_amounts, zone, catalogue)
    return SetupFile(channels, tenants, prices, whole.prices_are_whole)


def label_of(kind: str, number: int, name: object) -> str:
    """Name an entry for people: its number among its kind, and what it is called."""
    return f"{kind} {number} ({name})" if isinstance(name, str) else f"{kind} {number}"


def _labelled(kind: str, tables: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    return [
        (table, label_of(kind, number, table.get("name"))) for number, table in enumerate(tables, 1)
    ]


def _entry(table: dict[str, Any], kind: type[Entry], label: str) -> Entry:
    for name in SECRETS if "base_url" in kind.__struct_fields__ else ():
        if isinstance(table.get(name), str):
            raise FileError(
                f"{label}: {name} is a secret, and stands in no file: say"
                f' {name} = {{ env = "NAME" }} or {{ file = "PATH" }}'
            )
    try:
        entry = msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise FileError(f"{label}: {one_line(error)}") from error
    if not entry.name.isprintable():
        raise FileError(f"{label}: its name has characters that cannot be seen")
    return entry


def _channel(entry: ChannelEntry, label: str) -> ChannelEntry:
    for name in SECRETS:
        ref = getattr(entry, name)
        if ref is not None and (ref.env is None) == (ref.file is None):
            raise FileError(f"{label}: {name} is in one place: env or file")
    if (entry.access_key is None) != (entry.secret_key is None):
        raise FileError(f"{label}: access_key and secret_key go together")
    return entry


def _tenant(entry: TenantEntry, label: str, zone: tzinfo, endpoints: set[str]) -> TenantEntry:
    for name in ("tasks_max", "queue_s", "groups", "addresses", "endpoints", "models"):
        value = getattr(entry, name)
        if isinstance(value, str) and value != NONE:
            raise FileError(f"{label}: {name} = {value!r} is neither none nor what it takes")
    if isinstance(entry.endpoints, list) and (unknown := set(entry.endpoints) - endpoints):
        raise FileError(f"{label}: there is no endpoint '{min(unknown)}'")
    if entry.opening_quota is not None:
        _amount(label, "opening_quota", entry.opening_quota)
    for kind, amount in entry.limits.items():
        if amount != NONE:
            _limit(label, kind, amount)
    if entry.expires_at is None or entry.expires_at == NONE:
        return entry
    at = read_moment(label, "expires_at", entry.expires_at, zone)
    return msgspec.structs.replace(entry, expires_at=at)


def _limit(label: str, kind: LimitKind, amount: object) -> None:
    try:
        number = Decimal(str(amount))
    except ArithmeticError as error:
        raise FileError(f"{label}: limits.{kind.value} is no number, and not none") from error
    _amount(label, f"limits.{kind.value}", number)
    if kind not in IN_MICROS and number != int(number):
        raise FileError(f"{label}: limits.{kind.value} is a whole number")


def _amount(label: str, name: str, amount: Decimal) -> None:
    if not amount.is_finite() or not 0 <= amount <= AMOUNT_MAX:
        raise FileError(f"{label}: {name} must be 0 to {AMOUNT_MAX:,}")
    if amount != amount.quantize(Decimal("0.000001")):
        raise FileError(f"{label}: {name} has more than 6 decimal places")


def _allowed(kind: LimitKind, amount: Decimal) -> int:
    return micros_of(amount) if kind in IN_MICROS else int(amount)


def _refuse_doubles(kind: str, entries: list[Any]) -> None:
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, 1):
        if entry.name in seen:
            raise FileError(f"{kind} {number} ({entry.name}): so is {kind} {seen[entry.name]}")
        seen[entry.name] = number
