"""The queries of API 2.0 and of the solutions: by ids, and read on by a cursor (5.5, 3.3)."""

from typing import Any

from relay.sandbox.books import Asked, Books
from relay.sandbox.cursors import Reading, read_cursor, with_cursor
from relay.sandbox.endpoint import Generation
from relay.sandbox.errors import Refusal
from relay.sandbox.new_envelopes import described, described_anew
from relay.sandbox.tasks import Task
from relay.sandbox.units import pack_of

LIMIT = 100
LIMIT_MAX = 500
IDS_MAX = 20
"""The solutions page says so, and of 2.0 one source (section 17)."""
FINDS: dict[Generation, frozenset[Generation]] = {
    # That 2.0 finds legacy tasks is one source's word (section 17); in which shape, nobody's.
    "2.0": frozenset({"2.0", "legacy"}),
    "solutions": frozenset({"solutions"}),
}
_FILTERS = ("status", "product_type")


def find_tasks(books: Books, asked: Asked) -> list[dict[str, Any]]:
    """Find tasks of API 2.0 and legacy ones, at most 20; unknown ids are left out."""
    return [described_anew(task) for task in _named(books, asked, "2.0")]


def find_solutions(books: Books, asked: Asked) -> list[dict[str, Any]]:
    """Find tasks of the solutions, at most 20."""
    return [described(task) for task in _named(books, asked, "solutions")]


def list_tasks(books: Books, asked: Asked) -> dict[str, Any]:
    """List tasks of API 2.0, the newest first."""
    reading = read_cursor(asked.fields, keys=_FILTERS, limit=LIMIT, limit_max=LIMIT_MAX)
    return _listed(books, asked, "2.0", reading)


def list_solutions(books: Books, asked: Asked) -> dict[str, Any]:
    """List tasks of the solutions; a limit below 1 is 1, one too high the highest."""
    reading = read_cursor(
        asked.fields, keys=_FILTERS, limit=LIMIT_MAX, limit_max=LIMIT_MAX, is_limit_forced=True
    )
    return _listed(books, asked, "solutions", reading)


def _named(books: Books, asked: Asked, generation: Generation) -> list[Task]:
    """Find what the query names.

    Raises:
        Refusal: 1201 it has both or none of the two kinds of ids, or too many.
    """
    fields = asked.fields
    if fields.has("task_ids") == fields.has("external_task_ids"):
        raise Refusal(1201, "task_ids or external_task_ids is required")
    field = "task_ids" if fields.has("task_ids") else "external_task_ids"
    names = list(dict.fromkeys(name.strip() for name in fields.text(field).split(",")))
    if len(names) > IDS_MAX:
        raise fields.refusal(field, f"must have at most {IDS_MAX} ids")
    are_external = field == "external_task_ids"
    return books.tasks.named(asked.account, FINDS[generation], names, are_external=are_external)


def _listed(books: Books, asked: Asked, generation: Generation, reading: Reading) -> dict[str, Any]:
    """Write one page; an empty one has no `result`, as recorded live."""
    tasks = books.tasks.of_generation(asked.account, generation)
    found, cursor = reading.page(tasks, at_ms=lambda task: task.created_ms, has=_has)
    result = {"result": [described(task) for task in found]} if found else {}
    return with_cursor({**result, "count": len(found)}, cursor)


def _has(task: Task, key: str, value: str) -> bool:
    """Compare one filter; what `product_type` takes is not documented: pack, or operation."""
    if key == "status":
        status = task.order.endpoint.dialect.succeed if task.status == "succeed" else task.status
        return value == status
    return value in {pack_of(task.order.endpoint), task.order.endpoint.path.split("/")[1]}
