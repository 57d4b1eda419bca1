"""The key of a price row on the command line: an endpoint and what distinguishes its tasks."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.endpoints import catalogue, priced_named
from relay.cli.parameters import Switch

if TYPE_CHECKING:
    from collections.abc import Callable

    from relay.kling.wanted import Wanted
    from relay.pricing.book import PriceRow


@dataclass(frozen=True)
class Key:
    """None fits anything, or stands for Kling's default where a task is quoted."""

    endpoint: str
    model: str | None
    mode: str | None
    sound: bool | None
    voice: bool | None
    video_input: bool | None
    duration_s: int | None

    def fields(self) -> dict[str, Any]:
        return dict(self.__dict__)


def key_options(
    *, or_any: bool, or_gone: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ENDPOINT and the options of the key, passed on as one `key`.

    `or_any` takes `*` too; `or_gone` an endpoint that the settings do not add any more.
    """
    others = "; '*', in quotes, is whatever has no row" if or_any else ""
    options = [
        click.argument("endpoint", help=f"Such as text2video or omni-video{others}."),
        click.option("--model", help="Kling's model_name, such as kling-v3."),
        click.option("--mode", help="std, pro or 4k."),
        click.option("--sound", type=Switch(), help="With generated sound."),
        click.option("--voice", type=Switch(), help="With voice control."),
        click.option("--video-input", type=Switch(), help="With a video as input."),
        click.option(
            "--duration", "duration_s", type=click.IntRange(1, 3600), help="Seconds of the clip."
        ),
    ]

    def added(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def with_key(**values: Any) -> Any:
            fields = {name: values.pop(name) for name in Key.__dataclass_fields__}
            if not or_gone:
                fields["endpoint"] = priced_named(fields["endpoint"], or_any=or_any)
            return function(key=Key(**fields), **values)

        for option in reversed(options):
            option(with_key)
        return with_key

    return added


def refuse_unpriced(key: Key) -> None:
    """Refuse a key that no task has: an empty word, or a field its endpoint is not priced by."""
    for option, word in (("--model", key.model), ("--mode", key.mode)):
        if word == "":
            raise click.UsageError(f"{option} is empty; left out, it fits any.")
    if key.endpoint == "*":
        return
    pricing = catalogue().priced_as(key.endpoint).pricing
    contents = pricing.contents
    known = {
        "--model": (key.model, pricing.model or contents),
        "--mode": (key.mode, pricing.mode),
        "--sound": (key.sound, pricing.sound),
        "--voice": (key.voice, pricing.voice_list or contents),
        "--video-input": (key.video_input, pricing.inputs or contents),
        "--duration": (key.duration_s, pricing.duration),
    }
    for option, (given, field) in known.items():
        if given is not None and not field:
            raise click.UsageError(f"{key.endpoint} is not priced by {option}.")


def quoted_key(row: PriceRow) -> str:
    """Spell a row's key as `price set` takes it."""
    words = [shlex.quote(row.endpoint)]
    for option, value in (("--model", row.model), ("--mode", row.mode)):
        if value is not None:
            words += [option, shlex.quote(value)]
    switches = (("--sound", row.sound), ("--voice", row.voice), ("--video-input", row.video_input))
    for option, flag in switches:
        if flag is not None:
            words += [option, "on" if flag else "off"]
    if row.duration_s is not None:
        words += ["--duration", str(row.duration_s)]
    return " ".join(words)


def ready_line(wanted: Wanted) -> str | None:
    """Spell a command that would price what was refused, with X for the number.

    Model and mode are a tenant's words, so they are quoted for a shell; None where they hold
    characters that do more than show.
    """
    if not str(wanted).isprintable():
        return None
    words = ["relay price set", shlex.quote(wanted.endpoint)]
    for option, word in (("--model", wanted.model), ("--mode", wanted.mode)):
        if word is not None:
            words += [option, shlex.quote(word)]
    switches = {
        "--sound": wanted.sound,
        "--voice": wanted.voice,
        "--video-input": wanted.video_input,
    }
    for option, flag in switches.items():
        if flag is not None:
            words += [option, "on" if flag else "off"]
    has_length = wanted.seconds is not None or wanted.is_open
    price = "--units-per-second X" if has_length else "--units X"
    if wanted.is_image:
        price = "--units-per-image X"
    return " ".join([*words, price])
