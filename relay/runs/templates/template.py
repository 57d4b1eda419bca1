"""What a template says, as its file is read: every field by its name, and none that is unknown.

    [summary]
    en = "A picture that says a text."
    zh = "让图片说出一段话。"

    [[inputs]]
    name = "text"
    type = "text"                  # text, number, picture, video, sound, list
    label = { en = "Text", zh = "文本" }
    is_required = true
    most = 1000                    # characters; of a number its bounds, of a list its items

    [[steps]]
    name = "speech"
    endpoint = "tts"               # a name of `relay channel` and `relay price`
    body = { text = "{text}" }     # a value that is one hole keeps its type
    is_result = false

    [[steps]]
    name = "video"
    endpoint = "avatar"
    when = "image"                 # only where that input is given
    body = { image = "{image}", audio_id = { "$from" = "speech", path = "task_result.audios.0.id"} }

A field whose hole stays empty, since that input is not given or that step is not made, is left out.
`each` names a list, or a number: the step is made once for each, `{each}` is what it is made for,
and a step of the same `each` takes what its own twin made.
"""

from enum import StrEnum
from typing import Any

import msgspec

KINDS_OF_LIST = ("text", "picture", "video", "sound")


class InputType(StrEnum):
    """What an input is."""

    TEXT = "text"
    NUMBER = "number"
    PICTURE = "picture"
    """A URL, base64, or the id of an asset."""
    VIDEO = "video"
    """A URL, or the id of an asset."""
    SOUND = "sound"
    LIST = "list"


MEDIA = frozenset({InputType.PICTURE, InputType.VIDEO, InputType.SOUND})


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same in two languages."""

    en: str
    zh: str

    def in_(self, language: str) -> str:
        return self.zh if language.startswith("zh") else self.en


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of whoever runs it."""

    name: str
    type: InputType
    label: Words
    of: InputType = InputType.TEXT
    """What a list is of."""
    is_required: bool = False
    needed_with: str | None = None
    """Required where that input is given."""
    is_whole: bool = False
    """Of a number: without a fraction."""
    default: str | int | float | list[str] | None = None
    choices: tuple[str | int | float, ...] = ()
    least: int | float | None = None
    """Of a number, or how many a list has."""
    most: int | float | None = None
    """The same; of a text, its characters."""

    @property
    def media(self) -> InputType | None:
        """Say which kind of file it takes; None of what is no file."""
        kind = self.of if self.type is InputType.LIST else self.type
        return kind if kind in MEDIA else None


class StepTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One create of Kling's, or one for each of several."""

    name: str
    endpoint: str
    body: dict[str, Any]
    model: str | None = None
    """Of a 2.0 create, in whose path it stands; it may be a hole."""
    when: str | tuple[str, ...] = ()
    """Inputs that must all be given, or the step is not made."""
    each: str | None = None
    needs: tuple[str, ...] = ()
    is_result: bool = True

    @property
    def conditions(self) -> tuple[str, ...]:
        return (self.when,) if isinstance(self.when, str) else self.when


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file, as it stands."""

    summary: Words
    steps: tuple[StepTemplate, ...]
    inputs: tuple[Input, ...] = ()
    either: tuple[tuple[str, ...], ...] = ()
    """Of each group of inputs exactly one has to be given."""


class Template(msgspec.Struct, frozen=True):
    """One that was read and checked."""

    name: str
    """That of its file: `digital-human`."""
    written: Written
    is_ours: bool
    """Of the package; else of the operator's folder."""

    @property
    def kind(self) -> str:
        """Name it as runs and their lists have it."""
        return self.name.replace("-", "_")

    @property
    def summary(self) -> Words:
        return self.written.summary

    @property
    def inputs(self) -> tuple[Input, ...]:
        return self.written.inputs

    @property
    def steps(self) -> tuple[StepTemplate, ...]:
        return self.written.steps
