"""Elements and voices beside the tasks that make them (docs/kling-api.md 3.1): presets and deletes.

Two libraries of elements: the advanced ones are made by tasks, the old ones at once. What the old
pages show of an element is not in our reference; its name, description and id are ours to guess.
"""

from typing import Any

from relay.sandbox.books import Asked, Books
from relay.sandbox.errors import Refusal
from relay.sandbox.presets import NEW_PRESET_ELEMENTS, OLD_PRESET_ELEMENTS, PRESET_VOICES
from relay.sandbox.results import owner_of
from relay.sandbox.things import Thing, ThingKind

_BEGAN_MS = 1_740_000_000_000
"""When Kling's own were made."""


def create_element(books: Books, asked: Asked) -> dict[str, Any]:
    """Make an old element at once."""
    name = books.ids.other(asked.now_ms, "5")
    shown = {
        "element_id": int(name),
        "element_name": asked.fields.text("element_name", longest=20),
        "element_description": asked.fields.text("element_description", longest=100),
        "owned_by": owner_of(asked.account),
    }
    books.things.add(asked.owner, Thing("element", name, asked.now_ms, shown=shown))
    return shown


def list_elements(books: Books, asked: Asked) -> list[dict[str, Any]]:
    """List the account's old elements, those that were deleted too."""
    return _page(asked, books.things.shown(asked.owner, "element"))


def list_old_presets(books: Books, asked: Asked) -> list[dict[str, Any]]:
    """List Kling's old elements."""
    _ = books
    return _page(asked, OLD_PRESET_ELEMENTS)


def list_presets(books: Books, asked: Asked) -> list[dict[str, Any]]:
    """List Kling's elements, each as the task that made it."""
    _ = books
    return _page(asked, [_made("elements", one, one["element_id"]) for one in NEW_PRESET_ELEMENTS])


def list_voices(books: Books, asked: Asked) -> list[dict[str, Any]]:
    """List Kling's voices, each as the task that made it."""
    _ = books
    return _page(asked, [_made("voices", one, one["voice_id"]) for one in PRESET_VOICES])


def delete_element(books: Books, asked: Asked) -> dict[str, Any]:
    """Delete one of the account's elements, of either library."""
    return _delete(books, asked, "element", "element_id")


def delete_voice(books: Books, asked: Asked) -> dict[str, Any]:
    """Delete one of the account's voices."""
    return _delete(books, asked, "voice", "voice_id")


def _delete(books: Books, asked: Asked, kind: ThingKind, field: str) -> dict[str, Any]:
    """Delete what the account made itself: presets stay.

    Raises:
        Refusal: 1201 the account has no such thing, or has it no more.
    """
    name = str(asked.values[field])
    if books.things.was_deleted(asked.owner, kind, name):
        raise Refusal(1201, f"{kind.capitalize()} already be deleted")
    thing = books.things.own(asked.owner, kind, name, now_ms=asked.now_ms)
    if thing is None:
        raise Refusal(1201, f"{field} {name[:100]} not found")
    thing.is_deleted = True
    if thing.shown:
        thing.shown["status"] = "deleted"
    return {"task_id": books.ids.task(asked.now_ms), "task_status": "succeed"}


def _made(results: str, one: dict[str, Any], name: object) -> dict[str, Any]:
    return {
        "task_id": str(name),
        "task_status": "succeed",
        "task_status_msg": "",
        "task_result": {results: [one]},
        "created_at": _BEGAN_MS,
        "updated_at": _BEGAN_MS,
    }


def _page(asked: Asked, shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    number = asked.fields.whole("pageNum", range(1, 1001), 1)
    size = asked.fields.whole("pageSize", range(1, 1001), 30)
    return shown[(number - 1) * size : number * size]
