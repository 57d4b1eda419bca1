"""What a request may hold: in its path, its query, its headers and its body, as far as we know."""

from typing import Any

from relay.kling.body import CALLBACK_URL_CHARS_MAX, EXTERNAL_ID_CHARS_MAX
from relay.kling.endpoint import Endpoint, EndpointKind, Field, Generation
from relay.kling.endpoints import IDS_PER_QUERY
from relay.proxy.own_headers import KEY_CHARS_MAX, KEY_HEADER, QUEUE_HEADER
from relay.proxy.page import LIMIT_DEFAULT, LIMIT_MAX
from relay.proxy.paths import ID_CHARS_MAX, Operation, Route
from relay.proxy.query import PAGE_DEFAULT, PAGE_MAX, SIZE_DEFAULT

Schema = dict[str, Any]

NUMBER = ["string", "number"]
"""5, "5" and 5.0 are read alike."""

PARAMETERS: dict[str, Schema] = {
    KEY_HEADER: {
        "name": KEY_HEADER,
        "in": "header",
        "required": False,
        "description": "A key of your own for this create, the same with each retry of it. For 24"
        " hours a create of the same credential that has it is answered as the first one was, and"
        " charged once; a refusal frees it. With another path or body it is refused with 400/1201."
        " While nobody knows what became of the first one, a retry waits; 504/5002 then means:"
        " still not, send it again. It never reaches Kling.",
        "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX},
    },
    QUEUE_HEADER: {
        "name": QUEUE_HEADER,
        "in": "header",
        "required": False,
        "description": "For how long this create may wait for room, instead of being refused with"
        " 429/1303: `8m`, `30s`, `1h`, `on` (8 minutes) or `off`. It is answered at once, and is"
        " `submitted` while it waits. It never reaches Kling.",
        "schema": {"type": "string"},
        "example": "8m",
    },
}
"""What the document keeps once for all operations."""


def parameters(path: str, route: Route) -> list[Schema]:
    """List what stands in the path, in the query and in headers."""
    found: list[Schema] = []
    if "{id}" in path:
        found.append(_in_path("id", _id_words(route), maxLength=ID_CHARS_MAX))
    if "{model}" in path:
        found.append(_in_path("model", "The model, such as `kling-3.0`."))
    if _may_be_repeated(route):
        found.append({"$ref": f"#/components/parameters/{KEY_HEADER}"})
    if _may_wait(route):
        found.append({"$ref": f"#/components/parameters/{QUEUE_HEADER}"})
    return found + _in_query(route)


def _may_be_repeated(route: Route) -> bool:
    """Tell whether it is a create that knows its retries: of free calls nothing is kept."""
    if route.operation is not Operation.CREATE:
        return False
    assert route.endpoint is not None, "a create belongs to one endpoint"
    return route.endpoint.makes_a_row


def _may_wait(route: Route) -> bool:
    """Tell whether it is a create that may wait for room: of a task that takes units."""
    endpoint = route.endpoint
    return (
        route.operation is Operation.CREATE
        and endpoint is not None
        and endpoint.kind is EndpointKind.TASK
        and not endpoint.is_free
    )


def _id_words(route: Route) -> str:
    if route.endpoint is not None and not route.endpoint.is_found_by_external_id:
        return "Kling's `task_id`."
    return (
        "Kling's `task_id`, or your own `external_task_id`; percent-encoded where it holds more"
        " than letters and digits."
    )


def _in_path(name: str, words: str, **bounds: int) -> Schema:
    schema: Schema = {"type": "string", **bounds}
    return {"name": name, "in": "path", "required": True, "description": words, "schema": schema}


def _in_query(route: Route) -> list[Schema]:
    match route.operation:
        case Operation.LIST:
            assert route.endpoint is not None, "a list belongs to one endpoint"
            return _pages(size_max=route.endpoint.page_size_max)
        case Operation.READ:
            return _pages(size_max=None)
        case Operation.QUERY_MANY:
            either = f"At most {IDS_PER_QUERY}, with commas between them. Exactly one of the two."
            return [
                _query("task_ids", "Kling's ids. " + either, {"type": "string"}),
                _query("external_task_ids", "Your own ids. " + either, {"type": "string"}),
            ]
        case Operation.COSTS:
            return [
                _query("start_time", "In milliseconds.", _MS, required=True),
                _query("end_time", "In milliseconds.", _MS, required=True),
                _query("resource_pack_name", "Only the pack of this name.", {"type": "string"}),
            ]
        case _:
            return []


_MS: Schema = {"type": "integer", "format": "int64", "minimum": 0}


def _pages(*, size_max: int | None) -> list[Schema]:
    page: Schema = {"type": "integer", "default": PAGE_DEFAULT, "minimum": 1, "maximum": PAGE_MAX}
    size: Schema = {"type": "integer", "default": SIZE_DEFAULT, "minimum": 1}
    if size_max is not None:
        size["maximum"] = size_max
    return [
        _query("pageNum", "Which page, newest first.", page),
        _query("pageSize", "How many on a page.", size),
    ]


def _query(name: str, words: str, schema: Schema, *, required: bool = False) -> Schema:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": words,
        "schema": schema,
    }


def body(route: Route) -> Schema | None:
    """Describe the body; None if there is none."""
    match route.operation:
        case Operation.CREATE:
            assert route.endpoint is not None, "a create belongs to one endpoint"
            return _of_endpoint(route.endpoint)
        case Operation.LIST_MANY:
            is_solution = route.generation is Generation.SOLUTIONS
            limit = LIMIT_MAX if is_solution else LIMIT_DEFAULT
            return _page_body("`status` and `product_type`", limit=limit)
        case Operation.PACKAGE:
            return _page_body("`api_key_name`, and `package_name` or `package_id`")
        case Operation.BALANCE:
            return _page_body("`api_key_name`")
        case _:
            return None


def _page_body(keys: str, *, limit: int = LIMIT_DEFAULT) -> Schema:
    moment: Schema = {"type": NUMBER, "description": "In milliseconds."}
    values: Schema = {"type": "array", "items": {"type": "string"}}
    one: Schema = {
        "type": "object",
        "required": ["key", "values"],
        "properties": {"key": {"type": "string"}, "values": values},
    }
    return _object(
        {
            "start_time": moment,
            "end_time": moment,
            "limit": {"type": NUMBER, "default": limit, "maximum": LIMIT_MAX},
            "cursor": {
                "type": "string",
                "description": "`next_cursor` of the page before; empty for the first.",
            },
            "filters": {"type": "array", "items": one, "description": f"Keys are {keys}."},
        }
    )


def _of_endpoint(endpoint: Endpoint) -> Schema:
    """Put together what prices a task, what names things, and where to tell of it."""
    whole = _object({})
    pricing, is_legacy = endpoint.pricing, endpoint.generation is Generation.LEGACY
    _put(whole, pricing.model, "string", "Which model. Prices the task.")
    _put(whole, pricing.mode, "string", "Mode or resolution. Prices the task.")
    _put(whole, pricing.duration, NUMBER, "Whole seconds. Prices the task.", is_text=is_legacy)
    _put(whole, pricing.sound, ["string", "boolean"], "With sound or without. Prices the task.")
    _put(whole, pricing.count, NUMBER, "How many. Prices the task.", is_text=False)
    for name in pricing.inputs:
        words = "Prices the task if it is set."
        is_list = name.endswith("_list")
        _set(whole, name, _list(words) if is_list else {"type": "string", "description": words})
    if pricing.voice_list is not None:
        words = "Prices the task if a prompt refers to it."
        _set(whole, pricing.voice_list, _list(words))
    if pricing.contents is not None:
        words = "Prompt, frames, videos, elements and voices. Prices the task by their types."
        _set(whole, pricing.contents, _list(words))
        _set(whole, f"{pricing.contents}[].type", {"type": "string"})
    for reference in endpoint.references:
        words = f"Id of your own {reference.kind.value}, or of one that Kling offers."
        _set(whole, reference.path, {"type": ["string", "integer"], "description": words})
    if endpoint.kind is EndpointKind.TASK:
        _set(whole, ".".join(endpoint.callback_field), _CALLBACK_URL)
        _set(whole, ".".join(endpoint.external_id_field), _EXTERNAL_ID)
    return whole


_CALLBACK_URL: Schema = {
    "type": "string",
    "maxLength": CALLBACK_URL_CHARS_MAX,
    "description": "Where each change of the task's status is posted to.",
}
_EXTERNAL_ID: Schema = {
    "type": "string",
    "maxLength": EXTERNAL_ID_CHARS_MAX,
    "description": "An id of your own, unique among your tasks. Send one with every create: after"
    " an answer that was lost, it finds the task.",
}


def _put(
    whole: Schema,
    field: Field | None,
    kind: str | list[str],
    words: str,
    *,
    is_text: bool = True,
) -> None:
    """Place a field that prices the task; `is_text` tells how Kling documents its default."""
    if field is None:
        return
    leaf: Schema = {"type": kind, "description": words}
    if field.default is not None:
        leaf["default"] = field.default if is_text else int(field.default)
    _set(whole, field.name, leaf)


def _set(whole: Schema, path: str, leaf: Schema) -> None:
    """Place a schema at `a.b` in objects, or at `a[].b` in the objects of their lists."""
    head, _, rest = path.partition(".")
    properties = whole["properties"]
    if not rest:
        properties[head] = properties.get(head, {}) | leaf
        return
    name = head.removesuffix("[]")
    if name == head:
        _set(properties.setdefault(name, _object({})), rest, leaf)
    else:
        _set(properties.setdefault(name, _list(""))["items"], rest, leaf)


def _list(words: str) -> Schema:
    described: Schema = {"description": words} if words else {}
    return {"type": "array", "items": _object({}), **described}


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": True}
