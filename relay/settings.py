"""Settings: a TOML file, then the environment over it. A wrong value is one clear sentence.

Every field is `RELAY_` + its name in upper case, such as `RELAY_PUBLIC_URL`; in the file it stands
under its own name. `RELAY_CONFIG` names the file. Where neither names a database, the environment
of the relay that is installed on this machine lies beneath both. Secrets may stand in files of
their own (`secret_files.py`).
"""

import os
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import msgspec

from relay.choices import BOUNDS, CHOICES, Language, RoomScope, Underquoted
from relay.machine import Machine, UnreadableEnvFile
from relay.misspelt import find_misspelt, meant
from relay.money import micros_of
from relay.months import read_zone
from relay.networks import check_networks
from relay.secret_files import SETTING_OF, SecretFileError, with_secret_files
from relay.urls import is_base_url, is_mail_server, is_url

ENV_PREFIX = "RELAY_"
CONFIG_ENV = "RELAY_CONFIG"
FILE_ONLY = {"endpoints"}
NO_PREFIXES = frozenset(
    (
        *("account", "api", "assets", "dashboard", "health", "internal", "portal", "relay"),
        *("v1", "tasks", "solutions", "videos", "images", "audio", "general"),
    )
)
"""First parts of paths that mean something by themselves."""
NAMING_A_DATABASE = {"database_url", "data_dir"}

LIST_UNIT_PRICES = {
    "USD": (Decimal("0.14"), Decimal("0.0035")),
    "CNY": (Decimal(1), Decimal("0.025")),
}
"""Kling's list price of one video unit and one image unit (docs/kling-api.md 10)."""


CONNECTIONS_MIN, CONNECTIONS_MAX = 7, 12
"""Fewer would wait for each other (`database/lines.py`); more make nothing faster."""
LEAST_UNIT_PRICE, GREATEST_UNIT_PRICE = Decimal("0.000001"), Decimal(10) ** 6
"""A unit below one micro would be free."""


class SettingsError(ValueError):
    """One setting cannot be used; the message names it, and never shows a secret."""


class AddedEndpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An endpoint of Kling's that this version does not know, in the legacy shape."""

    name: str
    """For `relay price set`."""
    path: str
    """As Kling's, such as `/v1/videos/new-thing`."""
    is_sync: bool = False
    """The reply is the result; else it makes a task."""
    is_free: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one process of the relay runs."""

    database_url: str | None = None
    """Postgres 15 or newer. None: the embedded one under `data_dir`."""
    database_pool_url: str | None = None
    """The same database through a pooler in transaction mode, such as PgBouncer: for all but holds,
    charges, reads of tasks and migrations. None: those go to `database_url` too."""
    database_connections: int = CONNECTIONS_MAX
    """The most that one process has open to Postgres, each opened at its first use."""
    data_dir: Path | None = None
    """Where the embedded Postgres and its secret key live; None is the system's usual place."""
    secret_key: str | None = None
    """List of `id:key`, the first writes; made by itself only beside the embedded database."""
    public_url: str | None = None
    """Where Kling reaches us for callbacks, path prefix included. None: callbacks are off."""
    host: str = "127.0.0.1"
    port: int = 8700
    office_host: str = "127.0.0.1"
    """Where operators' pages are; anything but loopback shows them to whoever reaches it."""
    office_port: int = 8790
    trusted_proxies: str = "127.0.0.1"
    """Addresses or networks, comma separated, whose X-Forwarded-For is believed; `*` is all."""
    callback_allow: str = ""
    """Addresses or networks, comma separated: where tenants' callbacks may go though not public."""
    currency: str = "USD"
    """USD, CNY or a word of the operator's such as points; fixed with the first ledger entry."""
    timezone: str = "UTC"
    """IANA name, such as Asia/Shanghai: where days and months of usage and statements begin."""
    language: Language = Language.EN
    """Of pages for browsers that ask for none of ours, and of alerts."""
    close_after_days: int = 5
    """When a worker closes the accounts' month by itself, after its end; 0: by command alone."""
    video_unit_price: Decimal | None = None
    """List price of one unit of Kling's video packs, in the currency."""
    image_unit_price: Decimal | None = None
    body_limit_mb: int = 100
    body_budget_mb: int = 256
    """Request bodies in memory at a time, and one beyond it; one tenant gets half, and one."""
    kling_timeout_s: float = 60.0
    submit_timeout_s: float = 90.0
    submit_retry_s: float = 20.0
    """How long a submit of which Kling surely made nothing is tried again, within that."""
    room_scope: RoomScope = RoomScope.MODEL
    """What Kling's limit of running tasks is counted over, as far as 1303 shows nothing else."""
    refresh_s: float | None = None
    """Least time between two questions to Kling about one live task; 0 asks at every GET.

    None: 30 s where callbacks are on and arrive, else 3 s.
    """
    free_calls_per_s: float = 5.0
    """Of one tenant, in each process: what is passed to Kling and costs nothing.

    A studio that clicks through presets and selections asks for one a second.
    """
    lost_looks: int = 3
    lost_after_s: float = 600.0
    """A submit without a verdict is released after this many "not found" over this long."""
    unconfirmed_lost_after_s: float = 86400.0
    """The same where no `relay channel try` has yet seen a task found by our external id."""
    underquoted: Underquoted = Underquoted.HOLD
    """What becomes of price rows for which Kling takes more than they say."""
    new_api_paths: bool = False
    """Whether new-api's own paths are served too, for customers who came from one."""
    audit_every_s: float = 3600.0
    keep_raw_days: int = 30
    keep_deliveries_days: int = 90
    keep_events_days: int = 365
    keep_owners_days: int = 30
    """After Kling forgot what they own."""
    keep_callback_urls_days: int = 30
    """What may be a credential in them, after the last delivery."""
    keep_addresses_days: int = 90
    """From where a task was created; 0 keeps none."""
    backup_to: str | None = None
    """A folder, or `s3://bucket/folder`, that a worker keeps backups in; None: it makes none."""
    backup_every_s: float = 86400.0
    backup_keep: int = 14
    """How many of this database are kept there; older ones are deleted."""
    asset_store: str | None = None
    """Where copied results and uploads lie: a folder, or `s3://bucket/folder`. None: the folder
    `assets` under `data_dir`, or under the system's usual place."""
    asset_url: str | None = None
    """Where links to them lead, an origin of its own that alone serves them; None: `public_url`."""
    asset_link_days: int = 7
    """How long a link to one is good."""
    asset_upload_days: int = 7
    asset_upload_gb: int = 10
    """How long is kept what tenants send; 0 takes nothing."""
    asset_gb_month: Decimal | None = None
    """What 10^9 bytes of files cost that are kept for a month; None is nothing."""
    asset_redirects: bool = False
    """Whether a bucket's files are fetched from the bucket itself, by links that it checks."""
    alert_heartbeat_url: str | None = None
    """Asked for each minute in which a worker judged the rules of alerts; may be a secret."""
    mail_url: str | None = None
    """Of the server by which mail goes to tenants: `mailtos://USER:PASSWORD@HOST?from=ADDRESS`."""
    owners_need_code: bool = False
    """Whether owners log in to the console with a second factor only."""
    kling_prefixes: str = ""
    """What may stand in front of Kling's paths beside `/kling`, comma separated."""
    studio: bool = False
    """Whether tenants may use the friendly paths, `/api/kling/` and `/api/v1/`."""
    studio_days: int = 30
    """After the end of what was asked for there: then what it was asked with is forgotten."""
    studio_prompts: str | None = None
    """A file that goes before `relay/studio/prompts.toml`, text by text."""
    portal: bool = False
    """Whether tenants have pages, under `/portal` of the public listener."""
    portal_name: str = "Portal"
    portal_logo: str | None = None
    """A file: png, jpg, webp or svg."""
    drain_s: float = 30.0
    endpoints: tuple[AddedEndpoint, ...] = ()
    """In the file only: `[[endpoints]]` with name and path, and is_sync or is_free where so."""
    log_level: str = "info"

    @property
    def unit_prices_micros(self) -> tuple[int, int]:
        """Read the list prices of a video unit and an image unit, in micros of the currency."""
        video, image = LIST_UNIT_PRICES.get(self.currency, (None, None))
        prices = (self.video_unit_price or video, self.image_unit_price or image)
        assert None not in prices, "checked when the settings were read"
        first, second = (micros_of(Decimal(price or 0)) for price in prices)
        return first, second

    @property
    def zone(self) -> tzinfo:
        """Read what `timezone` names."""
        return read_zone(self.timezone)

    @property
    def native_prefixes(self) -> list[str]:
        given = (prefix.strip().strip("/") for prefix in self.kling_prefixes.split(","))
        return [prefix for prefix in given if prefix]

    @property
    def callback_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Read what `callback_allow` names."""
        parts = filter(None, (part.strip() for part in self.callback_allow.split(",")))
        return tuple(ip_network(part, strict=False) for part in parts)


def read_settings(
    environ: Mapping[str, str] | None = None, *, machine: Machine | None = None
) -> Settings:
    """Read the file and the environment; where they name no database, `machine`'s own beneath them.

    All of it or nothing: another database with the installed one's keys and URL would be worse.

    Raises:
        SettingsError: with one sentence for a person.
    """
    environ = os.environ if environ is None else environ
    try:
        given = with_secret_files(
            {name: text.strip() for name, text in environ.items() if text.strip()}
        )
        if machine is None or names_database(given):
            return _read(given)
        beneath = machine.read_env_file()
        named = with_secret_files({name: text for name, text in beneath.items() if text})
    except (SecretFileError, UnreadableEnvFile) as error:
        raise SettingsError(str(error)) from error
    try:
        return _read(named | given)
    except SettingsError as error:
        where = f" (in {machine.env_file}, or in the environment)" if beneath else ""
        raise SettingsError(f"{error}{where}") from error


def names_database(environ: Mapping[str, str]) -> bool:
    """Tell whether an environment, or the file that it names, says where the database is."""
    variables = [ENV_PREFIX + name.upper() for name in NAMING_A_DATABASE]
    variables += [name for name, setting in SETTING_OF.items() if setting in variables]
    in_file = NAMING_A_DATABASE & read_file(environ.get(CONFIG_ENV)).keys()
    return bool(in_file) or any(environ.get(name, "").strip() for name in variables)


def _read(environ: Mapping[str, str]) -> Settings:
    _refuse_misspelt(environ)
    values: dict[str, Any] = read_file(environ.get(CONFIG_ENV))
    for name in set(Settings.__struct_fields__) - FILE_ONLY:
        text = environ.get(ENV_PREFIX + name.upper())
        if text is not None:
            values[name] = _from_text(name, text)
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise SettingsError(f"a setting cannot be used: {error}") from error
    _check(settings)
    return settings


def read_file(path: str | None) -> dict[str, Any]:
    """Read what a TOML file sets, by name; nothing without a file. Raises SettingsError."""
    if not path:
        return {}
    try:
        values = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise SettingsError(f"{CONFIG_ENV} names a file that cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    for name in values:
        if name not in Settings.__struct_fields__:
            is_like = meant(name, Settings.__struct_fields__)
            raise SettingsError(f"{path} has an unknown setting '{name}'{is_like}")
    return values


def _refuse_misspelt(names: Iterable[str]) -> None:
    """Refuse variables that are meant for us and set nothing, in whatever letters."""
    known = {ENV_PREFIX + name.upper() for name in set(Settings.__struct_fields__) - FILE_ONLY}
    known |= {CONFIG_ENV, *SETTING_OF}
    in_file = dict.fromkeys(FILE_ONLY, f"in the file only that {CONFIG_ENV} names")
    wrong = find_misspelt(names, known, prefix=ENV_PREFIX, not_here=in_file)
    if wrong:
        raise SettingsError("; ".join(wrong))


def _from_text(name: str, text: str) -> Any:
    expected = typing.get_type_hints(Settings)[name]
    options = typing.get_args(expected) if isinstance(expected, types.UnionType) else (expected,)
    try:
        return msgspec.convert(text, options[0], strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        words: dict[type, str] = {int: "a whole number", float: "a number", **CHOICES}
        words[Decimal] = "a decimal number"
        shown = "" if name == "secret_key" else f", not '{text}'"
        raise SettingsError(
            f"{ENV_PREFIX}{name.upper()} must be {words.get(options[0], 'text')}{shown}"
        ) from error


def _path(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value)).expanduser()
    raise NotImplementedError(kind)


def _check(settings: Settings) -> None:
    name = ENV_PREFIX.__add__
    _check_databases(settings)
    _check_urls(settings)
    if not settings.currency.isalnum() or len(settings.currency) > 16:  # noqa: PLR2004
        raise SettingsError(f"{name('CURRENCY')} must be one word, such as USD, CNY or points")
    if settings.currency.upper() in LIST_UNIT_PRICES.keys() - {settings.currency}:
        raise SettingsError(f"{name('CURRENCY')} must be spelt {settings.currency.upper()}")
    _check_zone(settings.timezone)
    _check_unit_prices(settings)
    _check_numbers(settings)
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise SettingsError(f"{name('LOG_LEVEL')} must be debug, info, warning or error")
    try:
        check_networks(name("TRUSTED_PROXIES"), settings.trusted_proxies.split(","), or_all=True)
        check_networks(
            name("CALLBACK_ALLOW"), filter(str.strip, settings.callback_allow.split(","))
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error
    _check_place(name("BACKUP_TO"), settings.backup_to)
    _check_place(name("ASSET_STORE"), settings.asset_store)
    for prefix in settings.native_prefixes:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", prefix) or prefix in NO_PREFIXES:
            raise SettingsError(f"{name('KLING_PREFIXES')}: {prefix!r} is no prefix, or ours")
    for endpoint in settings.endpoints:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", endpoint.name):
            raise SettingsError(f"the endpoint name '{endpoint.name}' is not a-z, 0-9 and '-'")
        if not re.fullmatch(r"(/[A-Za-z0-9_.-]+)+", endpoint.path):
            raise SettingsError(f"the path of the endpoint '{endpoint.name}' must be like /v1/a/b")


def _check_urls(settings: Settings) -> None:
    name = ENV_PREFIX.__add__
    if (price := settings.asset_gb_month) is not None and not (
        price.is_finite() and LEAST_UNIT_PRICE <= price < GREATEST_UNIT_PRICE
    ):
        raise SettingsError(f"{name('ASSET_GB_MONTH')} must be from 0.000001 to below a million")
    if settings.public_url is not None and not is_base_url(settings.public_url):
        raise SettingsError(f"{name('PUBLIC_URL')} must be a URL such as https://relay.example.com")
    if settings.asset_url is not None and not is_base_url(settings.asset_url):
        raise SettingsError(f"{name('ASSET_URL')} must be a URL such as https://files.example.com")
    if settings.alert_heartbeat_url is not None and not is_url(settings.alert_heartbeat_url):
        raise SettingsError(f"{name('ALERT_HEARTBEAT_URL')} must be a URL such as https://host/ID")
    if settings.mail_url is not None and not is_mail_server(settings.mail_url):
        raise SettingsError(
            f"{name('MAIL_URL')} must be like mailtos://USER:PASSWORD@HOST?from=ADDRESS, without"
            " whom mail goes to"
        )


def _check_databases(settings: Settings) -> None:
    for field in ("database_url", "database_pool_url"):
        scheme = (getattr(settings, field) or "postgresql").partition(":")[0].partition("+")[0]
        if scheme not in ("postgresql", "postgres"):
            raise SettingsError(f"{ENV_PREFIX}{field.upper()} must begin with postgresql://")
    if settings.database_pool_url is not None and settings.database_url is None:
        raise SettingsError(
            f"{ENV_PREFIX}DATABASE_POOL_URL needs {ENV_PREFIX}DATABASE_URL beside it, for the"
            " same database without a pooler"
        )


def _check_zone(zone: str) -> None:
    try:
        read_zone(zone)
    except ValueError as error:
        said = f"{ENV_PREFIX}TIMEZONE must be an IANA name such as Asia/Shanghai: {error}"
        raise SettingsError(said) from error


def _check_place(name: str, place: str | None) -> None:
    """Refuse what a process reads otherwise than a person: a path from wherever it was started."""
    if place is not None and not place.startswith(("/", "s3://")):
        raise SettingsError(f"{name} must be the full path of a folder, or s3://bucket/folder")


def _check_numbers(settings: Settings) -> None:
    for field, (least, most) in BOUNDS.items():
        value = getattr(settings, field)
        if value is not None and not least <= value <= most:
            raise SettingsError(
                f"{ENV_PREFIX}{field.upper()} must be {least:g} to {most:,}, not {value}"
            )
    if not CONNECTIONS_MIN <= settings.database_connections <= CONNECTIONS_MAX:
        raise SettingsError(
            f"{ENV_PREFIX}DATABASE_CONNECTIONS must be {CONNECTIONS_MIN} to {CONNECTIONS_MAX}: with"
            " fewer, money, reads and the audit would wait for each other, and more make nothing"
            " faster"
        )


def _check_unit_prices(settings: Settings) -> None:
    known = settings.currency in LIST_UNIT_PRICES
    for field in ("video_unit_price", "image_unit_price"):
        price = getattr(settings, field)
        if price is None and not known:
            raise SettingsError(
                f"{ENV_PREFIX}CURRENCY is {settings.currency}, so say what one unit costs in it:"
                f" {ENV_PREFIX}{field.upper()} is missing"
            )
        if price is None:
            continue
        if not price.is_finite() or not LEAST_UNIT_PRICE <= price < GREATEST_UNIT_PRICE:
            raise SettingsError(
                f"{ENV_PREFIX}{field.upper()} must be a decimal number of at least 0.000001, and"
                " below a million"
            )
