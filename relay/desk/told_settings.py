"""How this process is set up: each setting with its value, where that comes from, what it does."""

import os
from collections.abc import Mapping
from enum import Enum, StrEnum
from pathlib import Path

import msgspec

from relay.desk.setting_row import ToldSetting
from relay.desk.setting_texts import TOLD
from relay.machine import Machine, UnreadableEnvFile
from relay.secret_files import SETTING_OF
from relay.settings import CONFIG_ENV, ENV_PREFIX, Settings, names_database, read_file

SECRETS = frozenset(
    ("database_url", "database_pool_url", "secret_key", "mail_url", "alert_heartbeat_url")
)
"""Of these no more is shown than that they are set."""


class Source(StrEnum):
    """Where a value comes from."""

    ENVIRONMENT = "environment"
    FILE = "file"
    """One that is named beside it."""
    DEFAULT = "default"
    PROGRAM = "program"
    """Whoever started it gave it; a test, or a command that has its own."""


class Set(msgspec.Struct, frozen=True):
    """One setting as it is."""

    name: str
    """As a variable."""
    value: str | None
    """None: there is none; of a secret, never."""
    is_secret: bool
    is_set: bool
    source: Source
    file: str | None


class SetRow(msgspec.Struct, frozen=True):
    """What a text is about: one setting, or two that go together."""

    told: ToldSetting
    settings: list[Set]


def read_told(
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    *,
    machine: Machine | None = None,
) -> list[SetRow]:
    """Tell all of them. The values are those of the process; the sources are looked up now."""
    environ = os.environ if environ is None else environ
    sources = _read_sources(environ, machine or Machine())
    return [
        SetRow(told, [_read_set(settings, name, sources) for name in told.names]) for told in TOLD
    ]


def _read_set(settings: Settings, name: str, sources: Mapping[str, tuple[Source, str]]) -> Set:
    field = name.removeprefix(ENV_PREFIX).lower()
    value = getattr(settings, field)
    is_secret, is_set = field in SECRETS, value is not None and value != ""
    is_default = value == getattr(Settings(), field)
    source, file = sources.get(name, (Source.DEFAULT if is_default else Source.PROGRAM, ""))
    shown = _spelt(value) if is_set and not is_secret else None
    return Set(name, shown, is_secret, is_set, source, file or None)


def _read_sources(environ: Mapping[str, str], machine: Machine) -> dict[str, tuple[Source, str]]:
    """Find what names each setting, in the order in which they are read; beside it its file."""
    given = {name for name, text in environ.items() if text.strip()}
    beneath: set[str] = set()
    if not names_database(environ):
        try:
            beneath = {name for name, text in machine.read_env_file().items() if text}
        except UnreadableEnvFile:  # the process could, or it was given its own
            beneath = set()
    config = environ.get(CONFIG_ENV, "")
    sources: dict[str, tuple[Source, str]] = {}
    for field in read_file(config or None):
        sources[ENV_PREFIX + field.upper()] = (Source.FILE, config)
    for names, source in (
        (beneath, (Source.FILE, str(machine.env_file))),
        (given, (Source.ENVIRONMENT, "")),
    ):
        for name in names:
            sources[name] = source
            if name in SETTING_OF:
                sources[SETTING_OF[name]] = (Source.FILE, environ.get(name, ""))
    return sources


def _spelt(value: object) -> str:
    """Spell it as a variable has it."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case Enum():
            return str(value.value)
        case Path():
            return str(value)
        case _:
            return str(value)
