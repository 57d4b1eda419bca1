"""Kling's endpoints as data (docs/kling-api.md 3): a new one is a row in a `..._rows` module.

Rows say what differs; routing, credentials, envelopes, ids, lists, callbacks and statuses are the
same for all and stand elsewhere. `list_rows` writes the table out, for comparing it with others.
"""

from dataclasses import dataclass
from urllib.parse import unquote

from relay.sandbox.call_rows import CALLS
from relay.sandbox.calls import Call
from relay.sandbox.endpoint import MODEL, Credential, Endpoint, Generation
from relay.sandbox.media_rows import MEDIA
from relay.sandbox.new_rows import NEW_ENDPOINTS, SOLUTIONS
from relay.sandbox.video_rows import VIDEOS

ENDPOINTS: tuple[Endpoint, ...] = (*VIDEOS, *MEDIA, *NEW_ENDPOINTS, *SOLUTIONS)
BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS}
_CALLS: dict[tuple[str, str], Call] = {(call.method, call.path): call for call in CALLS}


@dataclass(frozen=True, slots=True)
class Row:
    """What the catalogue says of one method and path, which together are its key."""

    name: str
    """Without `/v1` and the family: `avatar/image2video`; a GET beside a POST ends in `.get`."""
    method: str
    path: str
    generation: Generation
    is_sync: bool
    has_query: bool
    """Whether one task can be asked for: GET by id, or API 2.0's and the solutions' queries."""
    has_list: bool
    finds_by_external_id: bool
    credentials: tuple[Credential, ...]
    is_paid: bool
    ids: tuple[str, ...]
    """Where the body names things of the account; deletes name what they delete."""


@dataclass(frozen=True, slots=True)
class CreateTask:
    """POST to an endpoint; `model` is the one in the path, "" for legacy."""

    endpoint: Endpoint
    model: str


@dataclass(frozen=True, slots=True)
class FindTask:
    """GET of one legacy task; `name` is its id, or the caller's."""

    endpoint: Endpoint
    name: str


@dataclass(frozen=True, slots=True)
class ListTasks:
    """GET of an endpoint's legacy tasks."""

    endpoint: Endpoint


Route = CreateTask | FindTask | ListTasks | Call


def find_route(method: str, path: str) -> Route | None:
    """Find what a method and path ask for; `path` is percent-encoded, without doubled slashes."""
    call = _CALLS.get((method, path))
    if call is not None:
        return call
    parent, _, name = path.rpartition("/")
    if method == "POST" and path in BY_PATH:
        return CreateTask(BY_PATH[path], "")
    if method == "POST" and f"{parent}/{MODEL}" in BY_PATH:
        return CreateTask(BY_PATH[f"{parent}/{MODEL}"], unquote(name))
    if method == "GET" and path in BY_PATH and BY_PATH[path].generation == "legacy":
        return ListTasks(BY_PATH[path])
    if method == "GET" and parent in BY_PATH and BY_PATH[parent].generation == "legacy":
        return FindTask(BY_PATH[parent], unquote(name))
    return None


def list_rows() -> list[Row]:
    """List every endpoint that makes tasks, then every call that is answered at once."""
    return [*(_row_of_endpoint(one) for one in ENDPOINTS), *(_row_of_call(one) for one in CALLS)]


def _row_of_endpoint(endpoint: Endpoint) -> Row:
    return Row(
        name=_name_of(endpoint.path),
        method="POST",
        path=endpoint.path,
        generation=endpoint.generation,
        is_sync=False,
        has_query=True,
        has_list=True,
        finds_by_external_id=endpoint.finds_external_id,
        credentials=endpoint.credentials,
        is_paid=endpoint.path != "/v1/general/advanced-custom-elements",
        ids=tuple(where for _, where in endpoint.ids),
    )


def _row_of_call(call: Call) -> Row:
    has_both = ("POST", call.path) in _CALLS and ("GET", call.path) in _CALLS
    deleted = call.needs[0] if "/delete-" in call.path and not call.ids else ()
    return Row(
        name=_name_of(call.path) + (".get" if has_both and call.method == "GET" else ""),
        method=call.method,
        path=call.path,
        generation=call.generation,
        is_sync=True,
        has_query=False,
        has_list=has_both and call.generation == "legacy",
        finds_by_external_id=False,
        credentials=call.credentials,
        is_paid=call.units is not None,
        ids=(*(where for _, where in call.ids), *deleted),
    )


def _name_of(path: str) -> str:
    parts = path.removesuffix(f"/{MODEL}").strip("/").split("/")
    return "/".join(parts[2:] if parts[0] == "v1" else parts)
