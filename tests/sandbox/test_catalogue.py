import re

import pytest

from relay.sandbox.calls import Call
from relay.sandbox.catalogue import CreateTask, find_route, list_rows
from relay.sandbox.errors import HTTP_STATUS
from relay.sandbox.new_models import MODELS
from relay.sandbox.settings import DEFAULT_ACCOUNT
from tests.sandbox.bodies import BODIES
from tests.sandbox.client import Caller, sign

POSTS = sorted({row.path for row in list_rows() if row.method == "POST"})
GETS = sorted({row.path for row in list_rows() if row.method == "GET"})
QUERIES = {"/tasks": "task_ids=1", "/solutions": "task_ids=1"}
WINDOW = "start_time=1&end_time=2"
API_KEY = {"authorization": f"Bearer {DEFAULT_ACCOUNT.api_key}"}

ISSUE = """
/v1/videos/ text2video image2video multi-image2video omni-video motion-control video-extend lip-sync
identify-face advanced-lip-sync effects avatar/image2video multi-elements
multi-elements/init-selection multi-elements/add-selection multi-elements/delete-selection
multi-elements/clear-selection multi-elements/preview-selection image-recognize
/v1/images/ generations omni-image multi-image2image editing/expand kolors-virtual-try-on
/v1/audio/ text-to-audio video-to-audio tts
/v1/general/ ai-multi-shot custom-elements advanced-custom-elements presets-elements
advanced-presets-elements delete-elements delete-advanced-elements custom-voices presets-voices
delete-voices
/ text-to-video/{model} image-to-video/{model} omni-video/{model} motion-control/{model} tasks
solutions
/solutions/ virtual_try_on e-commerce/goods_studio e-commerce/clothing_dupe talking_agent
drama_subtitle
/account/ costs billing/package billing/balance
"""


def _paths_of(text: str) -> set[str]:
    paths, root = set(), ""
    for word in text.split():
        if word.startswith("/"):
            root = word
        else:
            paths.add(root + word)
    return paths


def _real(path: str) -> str:
    operation = path.split("/")[1]
    return path.replace("{model}", next(iter(MODELS.get(operation, {"": ""}))))


def test_every_endpoint_of_section_3_has_its_row_and_nothing_else_has() -> None:
    """The tables of 3.1 to 3.3, written out once more by hand; method and path are the key."""
    rows = list_rows()

    assert {row.path for row in rows} == _paths_of(ISSUE)
    assert len({(row.method, row.path) for row in rows}) == len(rows)


def test_rows_say_what_section_3_says() -> None:
    """Synchronous ones have no query; three types are found by Kling's id alone; 2.0 by key."""
    rows = {(row.method, row.path): row for row in list_rows()}

    assert rows["POST", "/v1/audio/tts"].is_sync
    assert not rows["POST", "/v1/audio/tts"].has_query
    assert rows["POST", "/v1/videos/identify-face"].is_paid
    assert not rows["POST", "/v1/general/delete-voices"].is_paid
    assert rows["POST", "/tasks"].credentials == ("api_key",)
    assert rows["GET", "/account/costs"].credentials == ("api_key", "jwt")
    assert {
        row.path for row in rows.values() if not row.is_sync and not row.finds_by_external_id
    } == {
        "/v1/videos/lip-sync",
        "/v1/videos/advanced-lip-sync",
        "/v1/general/ai-multi-shot",
    }


async def test_the_catalogue_is_shown_at_the_sandbox(kling: Caller) -> None:
    """`GET /sandbox` has the same rows as JSON."""
    overview = (await kling.http.get("/sandbox")).json()

    shown = [(row["method"], row["path"], row["is_sync"]) for row in overview["catalogue"]]
    assert shown == [(row.method, row.path, row.is_sync) for row in list_rows()]


@pytest.mark.parametrize("path", POSTS)
async def test_every_post_accepts_its_smallest_body(slow_kling: Caller, path: str) -> None:
    """HTTP 200 with code 0 and data, ids of others allowed; deletes find nothing to delete."""
    response = await slow_kling.create(
        _real(path), **{**BODIES[path], "sandbox_fault": "[any ids]"}
    )

    reply = response.json()
    if "/delete-" in path and not path.endswith("selection"):
        assert (response.status_code, reply["code"]) == (400, 1201)
    elif path.endswith("delete-selection"):
        assert reply["message"].startswith("points ")
    else:
        assert (response.status_code, reply["code"]) == (200, 0), reply
        assert reply["data"]


@pytest.mark.parametrize("path", GETS)
async def test_every_get_answers(slow_kling: Caller, path: str) -> None:
    """HTTP 200 with code 0; presets are there, an account's own things are not yet."""
    response = await slow_kling.get(f"{path}?{QUERIES.get(path, WINDOW)}")

    assert (response.status_code, response.json()["code"]) == (200, 0)


@pytest.mark.parametrize("path", POSTS)
async def test_every_post_refuses_what_is_no_object(slow_kling: Caller, path: str) -> None:
    """Section 8: 400/1200, and no task."""
    response = await slow_kling.http.post(_real(path), content=b"[1]", headers=API_KEY)

    assert (response.status_code, response.json()["code"]) == (400, 1200)
    assert await slow_kling.log("accepted") == []


@pytest.mark.parametrize("path", [path for path in POSTS if BODIES[path]])
async def test_every_post_refuses_a_field_of_another_shape(slow_kling: Caller, path: str) -> None:
    """Section 8: 400/1201 for a field that should be something else, and no task."""
    body: dict[str, object] = {name: {"x": [True]} for name in BODIES[path]}

    response = await slow_kling.create(_real(path), **body)

    assert (response.status_code, response.json()["code"]) == (400, 1201), response.text
    assert await slow_kling.log("accepted") == []


@pytest.mark.parametrize("path", POSTS)
async def test_faults_work_on_every_post(slow_kling: Caller, path: str) -> None:
    """`[error 1301]` by body, header and query: refused with its HTTP status, no task."""
    body = {**BODIES[path], "sandbox_fault": "[any ids]"}
    words = "[error 1301]"
    real = _real(path)
    headers = {**API_KEY, "x-sandbox-fault": words}

    replies = [
        await slow_kling.create(real, **{**body, "sandbox_fault": f"[any ids] {words}"}),
        await slow_kling.http.post(real, json=body, headers=headers),
        await slow_kling.create(f"{real}?sandbox_fault=%5Berror%201301%5D", **body),
    ]

    for reply in replies:
        assert (reply.status_code, reply.json()["code"]) == (HTTP_STATUS[1301], 1301)
    assert await slow_kling.log("accepted") == []


@pytest.mark.parametrize("path", GETS)
async def test_faults_work_on_every_get(slow_kling: Caller, path: str) -> None:
    """`[error 5001]` in the query."""
    query = f"{QUERIES.get(path, WINDOW)}&sandbox_fault=%5Berror%205001%5D"

    response = await slow_kling.get(f"{path}?{query}")

    assert (response.status_code, response.json()["code"]) == (503, 5001)


@pytest.mark.parametrize("row", [row for row in list_rows() if "jwt" not in row.credentials])
async def test_api_2_takes_no_jwt(slow_kling: Caller, row: object) -> None:
    """Section 2: 401/1002 on every path of API 2.0 and of the solutions."""
    method, path = getattr(row, "method", ""), _real(getattr(row, "path", ""))

    response = await slow_kling.http.request(
        method, path, json={}, headers={"authorization": f"Bearer {sign()}"}
    )

    assert (response.status_code, response.json()["code"]) == (401, 1002)


def test_routes_are_found_by_method_and_path() -> None:
    """Selection steps are no tasks of multi-elements; API 2.0 has no GET of its own."""
    step = find_route("POST", "/v1/videos/multi-elements/init-selection")
    create = find_route("POST", "/omni-video/kling-o1")

    assert isinstance(step, Call)
    assert isinstance(create, CreateTask)
    assert create.model == "kling-o1"
    assert find_route("GET", "/omni-video/kling-o1") is None
    assert find_route("GET", "/solutions/talking_agent") is None
    assert find_route("POST", "/v1/videos/text2video/1") is None
    assert all(
        re.fullmatch(r"[a-z0-9-]+(/[a-z0-9_-]+)*", row.name.removesuffix(".get"))
        for row in list_rows()
    )
