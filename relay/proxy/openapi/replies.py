"""What a success holds: Kling's envelope, and in `data` what the operation is about.

Source: docs/kling-api.md 5.1 to 5.5. Nothing is required of a task that Kling might leave out.
"""

from typing import Any

from relay.kling.endpoint import EndpointKind, Generation
from relay.proxy.openapi.errors import component_name, error_statuses
from relay.proxy.paths import Operation, Route

Schema = dict[str, Any]

TASK: Schema = {"$ref": "#/components/schemas/Task"}
NEW_TASK: Schema = {"$ref": "#/components/schemas/NewTask"}
ANYTHING: Schema = {"type": "object", "additionalProperties": True}


def replies(route: Route) -> dict[str, Schema]:
    """Describe the success and, by reference, every error."""
    found: dict[str, Schema] = {"200": _success(_data(route))}
    for status in error_statuses():
        found[str(status)] = {"$ref": f"#/components/responses/{component_name(status)}"}
    return found


def _success(data: Schema) -> Schema:
    return {
        "description": "Done, or begun.",
        "headers": {"x-request-id": {"$ref": "#/components/headers/x-request-id"}},
        "content": {
            "application/json": {
                "schema": {
                    "allOf": [
                        {"$ref": "#/components/schemas/Success"},
                        {"properties": {"data": data}, "required": ["data"]},
                    ]
                }
            }
        },
    }


def _data(route: Route) -> Schema:
    if route.operation in _DATA:
        return _DATA[route.operation]
    if route.operation is Operation.QUERY and route.endpoint is None:
        return {"anyOf": [TASK, NEW_TASK]}
    if _is_call(route):
        one = ANYTHING
    else:
        one = TASK if route.generation is Generation.LEGACY else NEW_TASK
    return _list(one) if route.operation is Operation.LIST else one


def _is_call(route: Route) -> bool:
    return route.endpoint is not None and route.endpoint.kind is EndpointKind.CALL


_INTEGER: Schema = {"type": "integer"}
_MS: Schema = {"type": "integer", "format": "int64", "description": "In milliseconds."}
_STRING: Schema = {"type": "string"}
_UNITS: Schema = {"type": "string", "description": "Units that you are charged; a decimal."}


def _list(one: Schema) -> Schema:
    return {"type": "array", "items": one}


def _page(properties: Schema) -> Schema:
    rest: Schema = {"next_cursor": _STRING, "has_more": {"type": "boolean"}}
    return {"type": "object", "properties": properties | rest}


_COSTS: Schema = {
    "type": "object",
    "properties": {
        "code": _INTEGER,
        "msg": _STRING,
        "resource_pack_subscribe_infos": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "resource_pack_name": _STRING,
                    "resource_pack_id": _STRING,
                    "resource_pack_type": _STRING,
                    "total_quantity": {"type": "number"},
                    "remaining_quantity": {"type": "number"},
                    "purchase_time": _MS,
                    "effective_time": _MS,
                    "invalid_time": _MS,
                    "status": _STRING,
                },
            },
        },
    },
}

_DATA: dict[Operation, Schema] = {
    Operation.READ: {"description": "As Kling answers.", "type": ["array", "object"]},
    Operation.QUERY_MANY: _list(NEW_TASK),
    Operation.LIST_MANY: _page({"result": _list(NEW_TASK), "count": _INTEGER}),
    Operation.COSTS: _COSTS,
    **dict.fromkeys(
        (Operation.PACKAGE, Operation.BALANCE),
        _page(
            {
                "result": {
                    "type": "object",
                    "properties": {"detail": _list(ANYTHING), "count": _INTEGER},
                }
            }
        ),
    ),
}

SCHEMAS: dict[str, Schema] = {
    "Success": {
        "type": "object",
        "required": ["code", "message", "request_id"],
        "properties": {
            "code": {"const": 0},
            "message": {"type": "string", "examples": ["SUCCEED"]},
            "request_id": _STRING,
        },
    },
    "Task": {
        "type": "object",
        "description": "A task in the words of `/v1`. Fields that are not named here pass too.",
        "properties": {
            "task_id": _STRING,
            "task_status": {
                "type": "string",
                "enum": ["submitted", "processing", "succeed", "failed"],
            },
            "task_status_msg": {"type": "string", "description": "Why it failed."},
            "task_info": {"type": "object", "properties": {"external_task_id": _STRING}},
            "task_result": {
                "type": "object",
                "description": "`videos`, `images`, `audios`, `elements` or `voices`, with URLs.",
                "additionalProperties": True,
            },
            "final_unit_deduction": _UNITS,
            "created_at": _MS,
            "updated_at": _MS,
        },
        "additionalProperties": True,
    },
    "NewTask": {
        "type": "object",
        "description": "A task in the words of 2.0. Fields that are not named here pass too.",
        "properties": {
            "id": _STRING,
            "status": {
                "type": "string",
                "description": "One of the solutions says `succeed`, and `task_id` for `id`.",
                "enum": ["submitted", "processing", "succeeded", "succeed", "failed"],
            },
            "message": {"type": "string", "description": "Why it failed."},
            "external_id": _STRING,
            "outputs": {"type": "array", "items": ANYTHING},
            "billing": {"type": "array", "items": ANYTHING},
            "create_time": _MS,
            "update_time": _MS,
        },
        "additionalProperties": True,
    },
}
HEADERS: dict[str, Schema] = {
    "x-request-id": {
        "description": "As in the body; tell your provider, should you ask about a request.",
        "schema": _STRING,
    }
}
