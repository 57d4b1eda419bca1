"""What can be set, and what it is without."""

from datetime import tzinfo
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import msgspec

from relay.choices import Language, RoomScope, Underquoted
from relay.money import micros_of
from relay.months import read_zone

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
    studio_reuse_days: int = 30
    """How old a result may be at the most that an equal request is given again; 0 gives none."""
    studio_templates: str | None = None
    """A folder of workflows that goes before `relay/runs/templates`, file by file."""
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
