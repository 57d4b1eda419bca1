"""What a setting may not be, in one sentence each."""

import re

from relay.choices import BOUNDS
from relay.months import read_zone
from relay.networks import check_networks
from relay.settings.values import (
    CONNECTIONS_MAX,
    CONNECTIONS_MIN,
    ENV_PREFIX,
    GREATEST_UNIT_PRICE,
    LEAST_UNIT_PRICE,
    LIST_UNIT_PRICES,
    NO_PREFIXES,
    Settings,
    SettingsError,
)
from relay.urls import is_base_url, is_mail_server, is_url


def check(settings: Settings) -> None:
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
