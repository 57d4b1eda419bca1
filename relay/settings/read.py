"""Reading what is set: a file, the environment over it, and a machine's own beneath both."""

import os
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from relay.choices import CHOICES
from relay.machine import Machine, UnreadableEnvFile
from relay.misspelt import find_misspelt, meant
from relay.secret_files import SETTING_OF, SecretFileError, with_secret_files
from relay.settings.checks import check
from relay.settings.values import (
    CONFIG_ENV,
    ENV_PREFIX,
    FILE_ONLY,
    NAMING_A_DATABASE,
    Settings,
    SettingsError,
)


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
    check(settings)
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
