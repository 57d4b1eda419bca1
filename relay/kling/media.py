"""Which fields of a create take a URL of a picture, video or sound; and files of ours in them.

A tenant may put `asset://{id}` there, of a file that we keep for it. It is read in these fields
alone: anywhere else it is a text like any other, and Kling's to refuse. Of the solutions nobody has
seen which fields there are: there it is read wherever it is all of a text.

Source: docs/kling-api.md 4, and 3.3 of the solutions.
"""

import re
from collections.abc import Callable
from functools import partial

import msgspec
from msgspec import Raw

from relay.kling.wire import Fields, value_of

SCHEME = "asset://"
_START = b'"asset:'
"""A text that may name a file of ours, as it stands in JSON."""
_PREFIX = re.compile(rb'"\s{0,10}data:[a-z0-9.+/\\;=-]{0,100}base64,', re.IGNORECASE)
PREFIX_BYTES_MAX = 200

_fields = msgspec.json.Decoder(Fields)
_items = msgspec.json.Decoder(list[Raw])


class Media(msgspec.Struct, frozen=True):
    """One field that takes a URL."""

    path: str
    """`a.b` goes into objects, `a[].b` into their lists, `a[]` is a list of texts."""
    takes_base64: bool = True
    """Of a picture or a sound; Kling takes no video so."""

    @property
    def steps(self) -> list[str]:
        return self.path.replace("[]", ".[]").split(".")

    @property
    def name(self) -> str:
        """What the field is called in a refusal."""
        return self.path.replace("[]", "")


def _of(*paths: str, urls: tuple[str, ...] = ()) -> tuple[Media, ...]:
    """List fields that take base64 too, and such as take a URL alone."""
    return (*map(Media, paths), *(Media(path, takes_base64=False) for path in urls))


MEDIA = {
    "image2video": _of("image", "image_tail", "static_mask", "dynamic_masks[].mask"),
    "multi-image2video": _of("image_list[].image"),
    "omni-video": _of("image_list[].image_url", urls=("video_list[].video_url",)),
    "motion-control": _of("image_url", urls=("video_url",)),
    "lip-sync": _of(urls=("input.video_url", "input.audio_url")),
    "identify-face": _of(urls=("video_url",)),
    "advanced-lip-sync": _of("face_choose[].sound_file"),
    "effects": _of("input.image", "input.images[]"),
    "avatar": _of("image", "sound_file"),
    "multi-elements": _of("image_list[].image"),
    "init-selection": _of(urls=("video_url",)),
    "image-recognize": _of("image"),
    "generations": _of("image"),
    "omni-image": _of("image_list[].image"),
    "multi-image2image": _of("subject_image_list[].subject_image", "scene_image", "style_image"),
    "expand": _of("image"),
    "kolors-virtual-try-on": _of("human_image", "cloth_image"),
    "video-to-audio": _of(urls=("video_url",)),
    "ai-multi-shot": _of("element_frontal_image"),
    "custom-elements": _of("element_frontal_image", "element_refer_list[].image_url"),
    "advanced-custom-elements": _of(
        "element_image_list.frontal_image",
        "element_image_list.refer_images[].image_url",
        urls=("element_video_list.refer_videos[].video_url",),
    ),
    "custom-voices": _of(urls=("voice_url",)),
    "image-to-video": _of("contents[].url"),
    "2.0-omni-video": _of("contents[].url"),
    "2.0-motion-control": _of("contents[].url"),
}
"""By the endpoint's name. An endpoint that is not here takes none."""
ANYWHERE = frozenset(
    {
        *("solutions-virtual_try_on", "solutions-goods_studio", "solutions-clothing_dupe"),
        *("solutions-talking_agent", "solutions-drama_subtitle"),
    }
)
"""Of which the fields are not known."""
OURS = "options"
"""Beside the fields of an endpoint: where its callback goes, and its ids."""


_WAYS = {
    name: [(media, media.steps[0], media.steps[1:]) for media in fields]
    for name, fields in MEDIA.items()
}


def swap_media(endpoint: str, fields: Fields, swap: Callable[[Media, str], str]) -> Fields:
    """Put something in place of the files of ours that a create names; all else keeps its bytes.

    `swap` is asked of each, by its field and `asset://…`. Returns the fields themselves where there
    is none, and else others: those that were given are not changed.
    """
    if endpoint in ANYWHERE:
        return _swapped_anywhere(fields, swap)
    swapped = fields
    for media, head, rest in _WAYS.get(endpoint, ()):
        raw = swapped.get(head)
        if raw is None or not _may_name(raw):
            continue
        found = _changed(raw, rest, partial(_swapped, swap=partial(swap, media)))
        if found is not raw:
            swapped = {**swapped, head: found}
    return swapped


def _swapped_anywhere(fields: Fields, swap: Callable[[Media, str], str]) -> Fields:
    swapped = fields
    for name, raw in fields.items():
        if name == OURS or not _may_name(raw):
            continue
        found = _swapped_deep(raw, partial(swap, Media(name, takes_base64=False)))
        if found is not raw:
            swapped = {**swapped, name: found}
    return swapped


def _swapped_deep(raw: Raw, swap: Callable[[str], str]) -> Raw:
    """Swap every text below that is a file's name."""
    first = bytes(memoryview(raw)[:1])
    if first == b'"':
        return _swapped(raw, swap)
    try:
        if first == b"[":
            items = _items.decode(raw)
            found = [_swapped_deep(item, swap) for item in items]
            is_same = all(one is other for one, other in zip(items, found, strict=True))
            return raw if is_same else Raw(msgspec.json.encode(found))
        if first == b"{":
            fields = _fields.decode(raw)
            within = {name: _swapped_deep(one, swap) for name, one in fields.items()}
            is_same = all(within[name] is one for name, one in fields.items())
            return raw if is_same else Raw(msgspec.json.encode(within))
    except (msgspec.MsgspecError, RecursionError):
        pass
    return raw


def without_prefixes(endpoint: str, fields: Fields) -> Fields:
    """Take off what browsers put before base64, and Kling refuses (docs/kling-api.md 12).

    Returns the fields themselves where there is none, and else others, of the same bytes otherwise.
    """
    bare = fields
    for media, head, rest in _WAYS.get(endpoint, ()):
        raw = bare.get(head)
        if raw is not None and media.takes_base64:
            found = _changed(raw, rest, _without_prefix)
            if found is not raw:
                bare = {**bare, head: found}
    return bare


def _may_name(raw: Raw) -> bool:
    """Tell whether it is worth a look, by a text's first bytes: it may be megabytes of base64."""
    start = bytes(memoryview(raw)[: len(_START)])
    if start[:1] == b'"':
        return start == _START
    return start[:1] in (b"{", b"[") and SCHEME[:6].encode() in bytes(raw)


def _swapped(raw: Raw, swap: Callable[[str], str]) -> Raw:
    text = value_of(raw) if _may_name(raw) else None
    if not isinstance(text, str) or not text.startswith(SCHEME):
        return raw
    given = swap(text)
    return raw if given == text else Raw(msgspec.json.encode(given))


def _without_prefix(raw: Raw) -> Raw:
    """Look at its first bytes alone: the others may be megabytes."""
    prefix = _PREFIX.match(bytes(memoryview(raw)[:PREFIX_BYTES_MAX]))
    return raw if prefix is None else Raw(b'"' + bytes(memoryview(raw)[prefix.end() :]))


def _changed(raw: Raw, steps: list[str], change: Callable[[Raw], Raw]) -> Raw:
    """Change the values at the end of a path, where there are any."""
    try:
        if not steps:
            return change(raw)
        step, *rest = steps
        if step == "[]":
            items = _items.decode(raw)
            changed = [_changed(item, rest, change) for item in items]
            is_same = all(one is other for one, other in zip(items, changed, strict=True))
            return raw if is_same else Raw(msgspec.json.encode(changed))
        fields = _fields.decode(raw)
        if step not in fields:
            return raw
        found = _changed(fields[step], rest, change)
    except (msgspec.MsgspecError, RecursionError):
        return raw  # of another shape than Kling documents: it says so itself
    return raw if found is fields[step] else Raw(msgspec.json.encode({**fields, step: found}))
