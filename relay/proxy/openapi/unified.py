"""New-api's paths in the document, where they are served (`RELAY_NEW_API_PATHS`)."""

from typing import Any

from relay.new_api.unified import RATIOS, STATES
from relay.proxy.own_headers import KEY_HEADER, QUEUE_HEADER

Schema = dict[str, Any]

TAG = "new-api"
VIDEO = "/v1/videos/task_{id}"
"""With the prefix: without it the path is the short query of Kling's ids."""
ABOUT = (
    "For clients of new-api: its bodies, ids and errors, over the same tasks, keys and quota. An id"
    " here is `task_` and the task's own."
)
_STRING: Schema = {"type": "string"}
_INTEGER: Schema = {"type": "integer"}
_OBJECT: Schema = {"type": "object", "additionalProperties": True}

SCHEMAS: dict[str, Schema] = {
    "UnifiedCreate": {
        "type": "object",
        "required": ["model", "prompt"],
        "properties": {
            "model": {"type": "string", "description": "As Kling names it, such as `kling-v3`."},
            "prompt": {"type": "string", "minLength": 1},
            "mode": {"type": "string", "default": "std"},
            "duration": {"type": ["integer", "string"], "description": "Seconds.", "default": 5},
            "seconds": {"type": ["integer", "string"], "description": "In place of `duration`."},
            "size": {"type": "string", "examples": list(RATIOS), "description": "Others are 1:1."},
            "image": {"type": "string", "description": "A URL or base64; makes it image-to-video."},
            "images": {"type": "array", "items": _STRING, "description": "The first one counts."},
            "input_reference": {"type": "string", "description": "In place of `image`."},
            "metadata": _OBJECT
            | {"description": "Fields of Kling's own body, which go before all others."},
        },
        "additionalProperties": True,
    },
    "UnifiedVideo": {
        "type": "object",
        "required": ["id", "object", "status", "progress"],
        "properties": {
            "id": _STRING,
            "task_id": _STRING,
            "object": {"const": "video"},
            "model": _STRING,
            "status": {"type": "string", "enum": [said for _, said, _ in STATES.values()]},
            "progress": _INTEGER,
            "created_at": {"type": "integer", "description": "In seconds."},
            "completed_at": {"type": "integer", "description": "In seconds."},
            "seconds": _STRING,
            "metadata": {"type": "object", "properties": {"url": _STRING}},
            "error": {"type": "object", "properties": {"message": _STRING, "code": _STRING}},
        },
    },
    "UnifiedTask": {
        "type": "object",
        "required": ["code", "data"],
        "properties": {
            "code": {"const": "success"},
            "message": _STRING,
            "data": _OBJECT
            | {
                "properties": {
                    "task_id": _STRING,
                    "status": {"type": "string", "enum": [said for said, _, _ in STATES.values()]},
                    "progress": {"type": "string", "examples": ["100%"]},
                    "fail_reason": _STRING,
                    "result_url": _STRING,
                    "submit_time": _INTEGER,
                    "finish_time": _INTEGER,
                    "data": _OBJECT | {"description": "Kling's own answer."},
                }
            },
        },
    },
    "UnifiedError": {
        "description": "One of new-api's two: `code`, `message` and `data`, or `error`.",
        "type": "object",
        "properties": {
            "code": _STRING,
            "message": _STRING,
            "data": {"type": "null"},
            "error": {"type": "object", "properties": {"message": _STRING, "type": _STRING}},
        },
    },
}


def unified_paths() -> dict[str, dict[str, Schema]]:
    """Describe each of them, a create first."""
    video, task = _json("UnifiedVideo"), _json("UnifiedTask")
    create = _operation("create", "Create a video", video) | {
        "parameters": [
            {"$ref": f"#/components/parameters/{name}"} for name in (KEY_HEADER, QUEUE_HEADER)
        ],
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"$ref": "#/components/schemas/UnifiedCreate"}}
                for kind in ("application/json", "multipart/form-data")
            },
        },
    }
    behind = {"parameters": [_id("What stands behind `task_` in a video's id.")]}
    content = _operation("content", "Read a video's bytes", _bytes("The whole file.")) | {
        "description": "From where Kling has it: for 30 days. A file on a host that is not Kling's"
        " is led to.",
        "parameters": [*behind["parameters"], {"name": "range", "in": "header", "schema": _STRING}],
    }
    content["responses"]["206"] = _bytes("The part that `range` asks for.")
    content["responses"]["302"] = {"description": "`location` says where the file is."}
    return {
        "/v1/video/generations": {
            "post": create | {"operationId": "new_api.generations.create"},
        },
        "/v1/video/generations/{id}": {
            "get": _operation("generations.query", "Get a task", task)
            | {"parameters": [_id("`task_…`, or an id of before you came here.")]}
        },
        "/v1/videos": {"post": create | {"operationId": "new_api.videos.create"}},
        VIDEO: {"get": _operation("videos.query", "Get a video", video) | behind},
        f"{VIDEO}/content": {"get": content},
    }


def _operation(name: str, summary: str, success: Schema) -> Schema:
    refused: Schema = {
        "description": "In new-api's words.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/UnifiedError"}}},
    }
    return {
        "operationId": f"new_api.{name}",
        "summary": summary,
        "tags": [TAG],
        "responses": {"200": success, "default": refused},
    }


def _id(words: str) -> Schema:
    return {"name": "id", "in": "path", "required": True, "schema": _STRING, "description": words}


def _json(name: str) -> Schema:
    schema: Schema = {"$ref": f"#/components/schemas/{name}"}
    return {"description": "Done, or begun.", "content": {"application/json": {"schema": schema}}}


def _bytes(words: str) -> Schema:
    return {
        "description": words,
        "content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}},
    }
