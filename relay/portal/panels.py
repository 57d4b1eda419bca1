"""Panels of the studio: what is filled in for each thing that it makes, and where it is asked.

A workflow's panel is made of the workflow itself, an operator's own too; those of pictures have
rows here, since a capability tells no more of its fields than their names.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from relay.kling.inputs import PICTURE_ASPECTS, Kind
from relay.portal.asking_studio import PREFIX, AskingStudio

WORKFLOW, IMAGE = "workflow", "image"
FIRST = ("digital-human", "product-showcase")
"""Workflows with a place of their own before all others."""
KINDS = {
    "text": Kind.TEXT,
    "number": Kind.NUMBER,
    "picture": Kind.PICTURE,
    "video": Kind.VIDEO,
    "sound": Kind.SOUND,
}
LINES = ("voice_id",)
"""Texts of a single line."""
FILES = (Kind.PICTURE, Kind.SOUND, Kind.VIDEO)
USUAL_MOST = 100


class Field(msgspec.Struct, frozen=True):
    """One thing that is filled in."""

    name: str
    kind: Kind
    label: str = ""
    """In the visitor's language; empty where pages have a word of their own for it."""
    named: str = ""
    """By which name pages have that word, if not its own."""
    options: tuple[str, ...] = ()
    default: str = ""
    is_required: bool = False
    needed_with: str | None = None
    """Required where that one is given."""
    is_list: bool = False
    most: int = 1
    """How many."""


class Panel(msgspec.Struct, frozen=True):
    """One page to make something at."""

    kind: str
    name: str
    task_type: str
    """As runs have it."""
    summary: str
    path: str
    """Where programs ask for the same."""
    fields: tuple[Field, ...]
    either: tuple[tuple[str, ...], ...]
    """Of each group exactly one is to be given."""
    price: str | None
    """What it costs at the least; None where it has no price, or is not for this key."""
    is_open: bool = False
    """Kling decides the length of a step: what it costs is that price at the most."""

    @property
    def address(self) -> str:
        """Below the studio's pages."""
        return f"make/{self.kind}/{self.name}"

    @property
    def groups(self) -> list[tuple[tuple[str, ...], list[Field]]]:
        """List fields in order, with those together that one of a group's stands between."""
        names = [one.name for one in self.fields]
        spans = {}
        for group in self.either:
            places = [names.index(name) for name in group]
            spans[min(places)] = (group, max(places))
        found: list[tuple[tuple[str, ...], list[Field]]] = []
        place = 0
        while place < len(names):
            group, last = spans.get(place, ((), place))
            found.append((group, list(self.fields[place : last + 1])))
            place = last + 1
        return found

    @property
    def has_files(self) -> bool:
        return any(one.kind in FILES for one in self.fields)

    async def quote(self, asking: AskingStudio, body: dict[str, Any]) -> Any:
        """Ask what it may cost, in all and by step.

        Raises:
            StudioSaid
        """
        if self.kind == WORKFLOW:
            return await asking.post(f"{self._below}/quote", body)
        # A create of its own has no quote: as one of several it costs the same.
        wanted = {"capability": self.task_type, "input": body, "n": 1}
        return await asking.post("/variants/quote", wanted)

    async def start(self, asking: AskingStudio, body: dict[str, Any], *, key: str, cap: str) -> Any:
        """Have it made, at no more than what was seen.

        Raises:
            StudioSaid
        """
        return await asking.post(self._below, self.sent(body, cap=cap), key=key)

    def sent(self, body: dict[str, Any], *, cap: str) -> dict[str, Any]:
        """Say what is sent: a workflow takes what it may cost, a create has one price."""
        is_capped = self.kind == WORKFLOW and float(cap) > 0
        return body | {"cap": cap} if is_capped else body

    @property
    def _below(self) -> str:
        return self.path.removeprefix(PREFIX)


_MODEL = Field("model", Kind.MODEL)
_COUNT = Field("n", Kind.WHOLE)
_ASPECTS = ("auto", *PICTURE_ASPECTS)


def _picture(name: str, named: str = "", *, must: bool = False, most: int = 1) -> Field:
    return Field(name, Kind.PICTURE, named=named, is_required=must, is_list=most > 1, most=most)


def _prompt(*, must: bool = False) -> Field:
    return Field("prompt", Kind.TEXT, is_required=must)


def _choice(name: str, *options: str) -> Field:
    return Field(name, Kind.CHOICE, options=options)


_OMNI = (
    _MODEL,
    _choice("resolution", "1k", "2k", "4k"),
    _choice("aspect_ratio", *_ASPECTS),
    _COUNT,
)
IMAGES: dict[str, tuple[Field, ...]] = {
    "image-generation": (
        *(_prompt(must=True), Field("negative_prompt", Kind.TEXT), _picture("image")),
        *(_choice("image_reference", "subject", "face"), _MODEL),
        *(_choice("resolution", "1k", "2k"), _choice("aspect_ratio", *PICTURE_ASPECTS), _COUNT),
    ),
    "omni-image": (_prompt(must=True), _picture("images", most=10), *_OMNI),
    "face-swap": (
        *(_picture("image", "scene_image", must=True), _picture("face_image", must=True)),
        *(_prompt(), *_OMNI),
    ),
    "replace-background": (
        *(_picture("image", must=True), _prompt(), _picture("background_image"), *_OMNI),
    ),
    "inpaint": (
        *(_picture("image", must=True), _prompt(must=True), _picture("mask_image"), *_OMNI),
    ),
    "virtual-try-on": (
        *(_picture("human_image", must=True), _picture("cloth_image", must=True), _MODEL),
    ),
}
"""Source: `relay/studio/capabilities/images.py`; of what is chosen from, docs/kling-api.md 4."""


async def read_panels(asking: AskingStudio) -> list[Panel]:
    """List all that there are, workflows first.

    Raises:
        StudioSaid
    """
    told = (await asking.get("/templates"))["templates"]
    offered = (await asking.get("/capabilities"))["capabilities"]
    by_path = {one["path"].removeprefix(f"{PREFIX}/"): one for one in offered}
    return [
        *sorted((_of_workflow(one) for one in told), key=_place),
        *(_of_image(name, by_path[name]) for name in IMAGES if name in by_path),
    ]


def find_panel(panels: Sequence[Panel], kind: str, name: str) -> Panel | None:
    return next((one for one in panels if (one.kind, one.name) == (kind, name)), None)


def _place(panel: Panel) -> tuple[int, str]:
    return FIRST.index(panel.name) if panel.name in FIRST else len(FIRST), panel.name


def _of_workflow(told: dict[str, Any]) -> Panel:
    is_koubo = told["name"] in (*FIRST, "batch-avatars")
    return Panel(
        WORKFLOW,
        told["name"],
        told["task_type"],
        told["summary"],
        f"{PREFIX}/koubo/{told['name']}" if is_koubo else told["path"],
        tuple(_of_input(one) for one in told["inputs"]),
        tuple(tuple(group) for group in told["either"]),
        told["price"],
        told["is_open"],
    )


def _of_input(told: dict[str, Any]) -> Field:
    is_list = told["type"] == "list"
    kind = KINDS[told["of"] if is_list else told["type"]]
    if kind is Kind.TEXT and told["choices"]:
        kind = Kind.CHOICE
    elif kind is Kind.TEXT and told["name"] in LINES:
        kind = Kind.LINE
    default = told["default"]
    return Field(
        told["name"],
        kind,
        told["label"],
        options=tuple(map(str, told["choices"])),
        default="\n".join(default) if isinstance(default, list) else str(default or ""),
        is_required=told["is_required"],
        needed_with=told["needed_with"],
        is_list=is_list,
        most=int(told["most"] or USUAL_MOST) if is_list else 1,
    )


def _of_image(name: str, told: dict[str, Any]) -> Panel:
    fields = tuple(
        msgspec.structs.replace(one, options=tuple(told["models"])) if one is _MODEL else one
        for one in IMAGES[name]
        if one is not _MODEL or told["models"]
    )
    return Panel(
        *(IMAGE, name, told["name"], told["summary"], told["path"], fields, (), told["price"])
    )
