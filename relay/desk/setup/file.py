"""A relay as one file of TOML, to be kept and applied: its tables read and checked.

What the file names is to be so; what it leaves out stays as it is. Nothing is removed but what says
`remove = true`, and prices where `prices_are_whole` says that the file has them all.
"""

import tomllib
from datetime import tzinfo
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from relay.desk.roles import BOUNDED
from relay.desk.setup.entries import (
    NONE,
    SECRETS,
    BoundEntry,
    ChannelEntry,
    CostEntry,
    Entry,
    OperatorEntry,
    PlaceEntry,
    Ref,
    RuleEntry,
    TenantEntry,
    TokenEntry,
)
from relay.kling.catalogue import Catalogue
from relay.kling.proxy import read_proxy
from relay.limits.tables import IN_MICROS, LimitKind
from relay.pricing.file import FileError, PriceFile, one_line, read_moment, read_tables
from relay.tenants.read import own_name, sub_name

AMOUNT_MAX = 1_000_000_000
ENTRIES_MAX = 10_000
OF_PARENT = ("opening_quota", "credit", "price_group", "asset_gb_month", "tasks_max")
"""What a sub-tenant has none of: the tenant above pays, at its prices."""
NAMED = ("tenant", "channel", "name", "unit", "shown")
"""Keys of tables that say what each is of."""


One = TypeVar("One", bound=Entry)
Labelled = list[tuple[str, One]]
"""Each behind how it is named for people: its number among its kind, and what it is called."""


class SetupFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was read."""

    channels: Labelled[ChannelEntry]
    costs: Labelled[CostEntry]
    """In the order that they begin."""
    tenants: Labelled[TenantEntry]
    """Sub-tenants behind all others."""
    tokens: Labelled[TokenEntry]
    places: Labelled[PlaceEntry]
    rules: Labelled[RuleEntry]
    operators: Labelled[OperatorEntry]
    prices: PriceFile
    prices_are_whole: bool = False

    @property
    def has_prices(self) -> bool:
        said = self.prices.multiplies_amounts is not None
        return bool(self.prices.rows or self.prices.multipliers or said or self.prices_are_whole)


Tables = list[dict[str, Any]]


class _Tables(msgspec.Struct, forbid_unknown_fields=True):
    channel: Tables = []
    cost: Tables = []
    tenant: Tables = []
    token: Tables = []
    alert_place: Tables = []
    alert_rule: Tables = []
    operator: Tables = []
    price: Tables = []
    multiplier: Tables = []
    multiplies_amounts: bool | None = None
    prices_are_whole: bool = False


def read_setup(text: str, zone: tzinfo, catalogue: Catalogue) -> SetupFile:
    """Read a file; moments without an offset are those of `zone`.

    Raises:
        FileError: one sentence, with the line or the table and its key.
    """
    try:
        whole = msgspec.convert(tomllib.loads(text, parse_float=Decimal), _Tables)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError, ArithmeticError) as error:
        raise FileError(one_line(error)) from error
    endpoints = {endpoint.name for endpoint in catalogue.endpoints}
    costs = [
        (label, _cost(entry, label, zone)) for label, entry in _read("cost", whole.cost, CostEntry)
    ]
    tenants = [
        (label, _bounded(_tenant(entry, label), label, zone, endpoints))
        for label, entry in _read("tenant", whole.tenant, TenantEntry)
    ]
    file = SetupFile(
        channels=[
            (label, _channel(entry, label))
            for label, entry in _read("channel", whole.channel, ChannelEntry)
        ],
        costs=sorted(costs, key=lambda one: one[1].valid_from),
        tenants=sorted(tenants, key=lambda one: one[1].parent is not None),
        tokens=[
            (label, _bounded(entry, label, zone, endpoints))
            for label, entry in _read("token", whole.token, TokenEntry)
        ],
        places=_read("alert_place", whole.alert_place, PlaceEntry),
        rules=[
            (label, _rule(entry, label))
            for label, entry in _read("alert_rule", whole.alert_rule, RuleEntry)
        ],
        operators=[
            (label, _operator(entry, label))
            for label, entry in _read("operator", whole.operator, OperatorEntry)
        ],
        prices=read_tables(
            *(whole.price, whole.multiplier, whole.multiplies_amounts), zone, catalogue
        ),
        prices_are_whole=whole.prices_are_whole,
    )
    lists = (whole.channel, whole.cost, whole.tenant, whole.token, whole.operator)
    if sum(map(len, lists)) > ENTRIES_MAX:
        raise FileError(f"it has more than {ENTRIES_MAX:,} tables beside its prices")
    return file


def _read(kind: str, tables: Tables, as_: type[One]) -> Labelled[One]:
    """Convert tables of one kind, of which no two are of the same."""
    found: Labelled[One] = []
    seen: dict[tuple[str, ...], int] = {}
    for number, table in enumerate(tables, 1):
        label = _label(kind, number, table)
        entry = _entry(table, as_, label)
        if (first := seen.setdefault(entry.called, number)) != number:
            raise FileError(f"{label}: so is {kind} {first}")
        found.append((label, entry))
    return found


def _label(kind: str, number: int, table: dict[str, Any]) -> str:
    named = [table[key] for key in NAMED if isinstance(table.get(key), str)]
    return f"{kind} {number} ({' '.join(named)})" if named else f"{kind} {number}"


def _entry(table: dict[str, Any], kind: type[One], label: str) -> One:
    for name in SECRETS:
        if name in kind.__struct_fields__ and isinstance(table.get(name), str):
            raise FileError(
                f"{label}: {name} is a secret, and stands in no file: say"
                f' {name} = {{ env = "NAME" }} or {{ file = "PATH" }}'
            )
    try:
        entry = msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise FileError(f"{label}: {one_line(error)}") from error
    for name in NAMED:
        if not str(getattr(entry, name, "")).isprintable():
            raise FileError(f"{label}: its {name} has characters that cannot be seen")
    for name in kind.__struct_fields__:
        ref = getattr(entry, name)
        if isinstance(ref, Ref) and (ref.env is None) == (ref.file is None):
            raise FileError(f"{label}: {name} is in one place: env or file")
    return entry


def _channel(entry: ChannelEntry, label: str) -> ChannelEntry:
    if (entry.access_key is None) != (entry.secret_key is None):
        raise FileError(f"{label}: access_key and secret_key go together")
    for name in ("connect_timeout_s", "timeout_s"):
        value = getattr(entry, name)
        if value not in (None, NONE):
            _number(label, name, value)
    if entry.proxy in (None, NONE):
        return entry
    try:
        proxy = read_proxy(str(entry.proxy))
    except ValueError as error:
        raise FileError(f"{label}: proxy: {error}") from error
    if proxy.password is not None:
        raise FileError(
            f"{label}: a proxy's password is a secret, and stands in no file: say"
            ' proxy_password = { env = "NAME" } or { file = "PATH" }'
        )
    return msgspec.structs.replace(entry, proxy=str(proxy))


def _cost(entry: CostEntry, label: str, zone: tzinfo) -> CostEntry:
    if entry.remove:
        raise FileError(f"{label}: what was paid is not removed: enter another price")
    at = read_moment(label, "from", entry.valid_from, zone)
    return msgspec.structs.replace(entry, valid_from=at)


def _tenant(entry: TenantEntry, label: str) -> TenantEntry:
    if isinstance(entry.tasks_max, str) and entry.tasks_max != NONE:
        raise FileError(f"{label}: tasks_max = {entry.tasks_max!r} is neither none nor a number")
    for name in ("opening_quota", "credit"):
        if (amount := getattr(entry, name)) is not None:
            _amount(label, name, amount)
    if entry.asset_gb_month not in (None, NONE):
        _amount(label, "asset_gb_month", _number(label, "asset_gb_month", entry.asset_gb_month))
    if entry.parent is None:
        if entry.factor is not None:
            raise FileError(f"{label}: only a sub-tenant has a factor: say parent too")
        return entry
    if sub_name(entry.parent, own_name(entry.name)) != entry.name:
        raise FileError(f"{label}: a sub-tenant is called {sub_name(entry.parent, '…')}")
    for name in OF_PARENT:
        if getattr(entry, name) is not None:
            raise FileError(f"{label}: {name} is its parent's, and is said of that one")
    return entry


Bounded = TypeVar("Bounded", bound=BoundEntry)


def _bounded(entry: Bounded, label: str, zone: tzinfo, endpoints: set[str]) -> Bounded:
    for name in ("queue_s", "groups", "addresses", "endpoints", "models"):
        value = getattr(entry, name)
        if isinstance(value, str) and value != NONE:
            raise FileError(f"{label}: {name} = {value!r} is neither none nor what it takes")
    if isinstance(entry.endpoints, list) and (unknown := set(entry.endpoints) - endpoints):
        raise FileError(f"{label}: there is no endpoint '{min(unknown)}'")
    for kind, amount in entry.limits.items():
        if amount != NONE:
            _limit(label, kind, amount)
    if entry.expires_at is None or entry.expires_at == NONE:
        return entry
    at = read_moment(label, "expires_at", entry.expires_at, zone)
    return msgspec.structs.replace(entry, expires_at=at)


def _rule(entry: RuleEntry, label: str) -> RuleEntry:
    if entry.remove:
        raise FileError(f'{label}: a rule is there for good: say bound = "none", pause_s = "none"')
    if isinstance(entry.pause_s, str) and entry.pause_s != NONE:
        raise FileError(f"{label}: pause_s = {entry.pause_s!r} is neither none nor a number")
    if entry.bound not in (None, NONE):
        _number(label, "bound", entry.bound)
    return entry


def _operator(entry: OperatorEntry, label: str) -> OperatorEntry:
    for act, amount in entry.ceilings.items():
        if isinstance(amount, dict):
            spelt = f"{act}.{next(iter(amount), '')}"
            raise FileError(f'{label}: a name with a dot is written "{spelt}"')
        name = f'ceilings."{act}"'
        if act not in BOUNDED:
            bounded = ", ".join(sorted(BOUNDED))
            raise FileError(f"{label}: {name}: {act!r} has no ceiling; these have: {bounded}")
        if amount != NONE:
            _amount(label, name, _number(label, name, amount))
    return entry


def _limit(label: str, kind: LimitKind, amount: object) -> None:
    name = f"limits.{kind.value}"
    number = _number(label, name, amount)
    _amount(label, name, number)
    if kind not in IN_MICROS and number != int(number):
        raise FileError(f"{label}: {name} is a whole number")


def _number(label: str, name: str, given: object) -> Decimal:
    try:
        number = Decimal(str(given))
    except ArithmeticError:
        number = Decimal("nan")
    if not number.is_finite():
        raise FileError(f"{label}: {name} is no number, and not none")
    return number


def _amount(label: str, name: str, amount: Decimal) -> None:
    if not amount.is_finite() or not 0 <= amount <= AMOUNT_MAX:
        raise FileError(f"{label}: {name} must be 0 to {AMOUNT_MAX:,}")
    if amount != amount.quantize(Decimal("0.000001")):
        raise FileError(f"{label}: {name} has more than 6 decimal places")
