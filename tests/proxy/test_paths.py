"""Paths in every spelling that clients send, and lists."""

import random
from urllib.parse import quote

import pytest

from relay.errors import UnknownPath
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import Endpoint, EndpointKind
from relay.kling.endpoints import NEW, SOLUTIONS, VIDEOS
from relay.proxy.paths import REMEMBERED_BYTES_MAX, REMEMBERED_MAX, Operation, Route, Router
from relay.tenants.tokens import IssuedToken
from tests.relay_app import CLIP, TEXT2VIDEO, Relay, bearer

find_route = Router(Catalogue()).find
TASKS = [
    endpoint
    for endpoint in VIDEOS
    if endpoint.kind is EndpointKind.TASK and endpoint.path == f"/v1/videos/{endpoint.name}"
]

SPELLINGS = (
    *("/kling/v1/videos/{}", "/v1/videos/{}", "/kling/videos/{}", "/videos/{}"),
    *("//kling//v1///videos//{}", "/kling/v1/v1/videos/{}", "/v1/v1/videos/{}"),
    *("/kling/v1/videos/{}/", "/videos/{}///"),
)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("endpoint", TASKS, ids=lambda endpoint: endpoint.name)
def test_every_spelling_reaches_the_endpoint(spelling: str, endpoint: Endpoint) -> None:
    """POST creates, GET lists, and an id behind it queries; /kling and /v1 are optional."""
    name = endpoint.name
    path = spelling.format(name).encode()

    create, listing = find_route("POST", path), find_route("GET", path)
    query = find_route("GET", path.rstrip(b"/") + b"//86728374/")

    assert (create.operation, create.endpoint) == (Operation.CREATE, endpoint)
    assert (listing.operation, listing.endpoint) == (Operation.LIST, endpoint)
    assert (query.operation, query.endpoint, query.key) == (Operation.QUERY, endpoint, "86728374")


BASES = ("", "/kling", "/v1", "/kling/v1", "/v1/v1", "/kling/v1/v1/v1", "//kling//v1/")
"""What base URLs put in front of a path."""


@pytest.mark.parametrize("base", BASES)
def test_paths_without_a_version_work_behind_every_base_url(base: str) -> None:
    """2.0's creates, the solutions, the queries of both and the account, none of which has /v1."""
    for endpoint in NEW:
        path = base + endpoint.path.replace("{model}", "kling-3.0%2B")
        route = find_route("POST", path.encode())
        assert (route.operation, route.endpoint) == (Operation.CREATE, endpoint)
        assert route.model == "kling-3.0+"
    for endpoint in SOLUTIONS:
        assert find_route("POST", (base + endpoint.path).encode()).endpoint == endpoint
    for path, get in (("/tasks", Operation.QUERY_MANY), ("/account/costs", Operation.COSTS)):
        assert find_route("GET", (base + path).encode()).operation is get


ADVICE = [
    ("POST", "/v1/videos/lipsync", "use /v1/videos/identify-face and then /v1/videos/advanced-lip"),
    ("GET", "/kling/v1/videos/lipsync/86728374", "use /v1/videos/identify-face"),
    ("POST", "/videos/extend/", "use /v1/videos/video-extend"),
    ("POST", "/v1/v1/videos/motion/generation", "use /v1/videos/motion-control"),
    ("GET", "/v1/videos/motion/generation/86728374", "use /v1/videos/motion-control"),
    ("POST", "/v1/videos/text-to-video", "use /v1/videos/text2video"),
    ("POST", "/v1/videos/TEXT2VIDEO", "use /v1/videos/text2video"),
    ("POST", "/v1/images/multi_image_2_image", "use /v1/images/multi-image2image"),
    ("POST", "/text-to-video", "use /text-to-video/{model}"),
    ("GET", "/text-to-video/kling-3.0", "which takes POST"),
    ("PUT", "/v1/videos/text2video", "which takes POST and GET"),
    ("POST", "/v1/videos/text2video/86728374", "which takes GET"),
    ("POST", "/account/costs", "which takes GET"),
]


@pytest.mark.parametrize(("method", "path", "advice"), ADVICE)
def test_a_wrong_path_is_told_the_right_one(method: str, path: str, advice: str) -> None:
    """Those that circulate, other spellings of Kling's, and other methods."""
    with pytest.raises(UnknownPath) as raised:
        find_route(method, path.encode())

    assert raised.value.message.startswith(
        f"the requested method is invalid: {method} {path}, {advice}"
    )


async def test_a_circulating_path_is_no_id_unless_a_task_has_it(shared: Relay, tenant: str) -> None:
    """`GET /v1/videos/extend` reads as the short query of a task that the tenant named so."""
    token = await shared.add_tenant(tenant)

    wrong = await shared.get(token, "extend", path="/v1/videos")
    missing = await shared.get(token, "text3video", path="/v1/videos")
    named = await shared.submit(token, CLIP | {"external_task_id": "extend"})
    found = await shared.get(token, "extend", path="/v1/videos")

    assert (wrong.status_code, wrong.json()["code"]) == (404, 1202)
    assert wrong.json()["message"].endswith("use /v1/videos/video-extend")
    assert (missing.status_code, missing.json()["code"]) == (400, 1201)
    assert found.json()["data"]["task_id"] == named.json()["data"]["task_id"]


@pytest.mark.parametrize(
    ("segment", "key"),
    [
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("%E4%B8%AD%F0%9F%A6%8A", "中🦊"),
        ("a+b%20c", "a+b c"),
        ("%ff", "\ufffd"),
        ("a%00b", "a\ufffdb"),
        ("x" * 2000, "x" * 600),
    ],
)
def test_an_id_is_decoded_after_the_path_is_split(segment: str, key: str) -> None:
    """An external id may hold a slash; what cannot be an id finds nothing, and breaks nothing."""
    assert find_route("GET", f"/v1/videos/text2video/{segment}".encode()).key == key


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/kling"),
        ("GET", "/v1"),
        ("GET", "/v1/videos"),
        ("POST", "/v1/videos"),
        ("POST", "/v1/videos/lipsync"),
        ("POST", "/v1/videos/text2video/1"),
        ("DELETE", "/v1/videos/text2video/1"),
        ("PUT", "/v1/videos/text2video"),
        ("HEAD", "/v1/videos/text2video"),
        ("GET", "/v1/videos/text2video/1/2"),
        ("GET", "/v1/tasks/1"),
        ("GET", "/kling/kling/v1/videos/text2video"),
        ("POST", "/v1/videos/TEXT2VIDEO"),
        ("POST", "/v1/videos/text2video%2F"),
    ],
)
def test_what_kling_does_not_have_is_an_unknown_path(method: str, path: str) -> None:
    """404/1202, as Kling's table has it."""
    with pytest.raises(UnknownPath) as raised:
        find_route(method, path.encode())

    assert (raised.value.http_status, raised.value.code) == (404, 1202)


def test_the_label_of_a_route_holds_no_id() -> None:
    """It goes to the log; an external id may be a customer's name."""
    assert find_route("GET", b"/v1/videos/secret-customer").label == "any.query"
    assert find_route("GET", b"/v1/videos/text2video/secret-customer").label == "text2video.query"


def test_a_path_means_the_same_when_it_is_asked_again() -> None:
    """One router that remembers, against a fresh one for each of some thousand odd paths."""
    catalogue = Catalogue()
    words = [endpoint.path.strip("/").split("/") for endpoint in catalogue.endpoints]
    words += [["account", "billing", "package"], ["account", "costs"], ["tasks"], ["solutions"]]
    tails = ["", "/", "/id", "/id/", "//id", "/%2F", "/v1", "/kling", "/costs", "/text2video"]
    asked = {
        (method, "/".join([*prefix, *path[:end]]) + tail)
        for path in words
        for method in ("GET", "POST")
        for prefix in (["", "kling"], [""], ["", "v1", "v1", ""])
        for end in range(1, len(path) + 1)
        for tail in (*tails, f"/{path[-1]}")
    }
    shuffled = random.Random(3).sample(sorted(asked) * 2, 2 * len(asked))
    router = Router(catalogue)

    for method, path in shuffled:
        fresh = Router(catalogue)
        assert found(router, method, path) == found(fresh, method, path), (method, path)


def found(router: Router, method: str, path: str) -> Route | None:
    try:
        return router.find(method, path.encode())
    except UnknownPath:
        return None


def test_only_a_few_paths_are_remembered_and_no_id() -> None:
    """Tenants choose ids, models and spellings: memory holds the catalogue's words, bounded."""
    router = Router(Catalogue())
    whole, queries = router._whole, router._queries  # noqa: SLF001 (what it keeps)

    for number in range(1500):
        router.find("GET", b"/v1/videos/text2video/id-%d" % number)
        router.find("GET", b"/v1/videos/id-%d" % number)
        router.find("GET", b"/v1/videos/text2video/id-%d/" % number)
        router.find("POST", b"/text-to-video/id-%d" % number)
        router.find("POST", b"/v1/videos/text2video" + b"/" * number)
    kept = [*queries, *(path for _, path in whole)]

    assert set(queries) == {b"/v1/videos/text2video", b"/v1/videos"}
    assert not [path for path in kept if b"id-" in path]
    assert max(map(len, kept)) == REMEMBERED_BYTES_MAX
    for number in range(1500):
        spelling = b"/" * (number % 40) + b"v1" + b"/" * (1 + number // 40) + b"videos/text2video"
        router.find("POST", spelling)
        router.find("GET", spelling + b"/id")
    assert max(len(whole), len(queries)) <= REMEMBERED_MAX
    assert min(len(whole), len(queries)) > 100


async def test_the_short_query_finds_any_kind_and_the_long_one_only_its_own(
    shared: Relay, tenant: str
) -> None:
    """`GET /v1/videos/{id}` serves every kind; under another kind's path it is not found."""
    token = await shared.add_tenant(tenant)
    external_id = "a/b ü %2F"
    submitted = await shared.submit(token, CLIP | {"external_task_id": external_id})
    task_id = submitted.json()["data"]["task_id"]

    for key in (task_id, quote(external_id, safe="")):
        for path in ("/kling/v1/videos", "/videos", TEXT2VIDEO, "/v1//videos//text2video/"):
            found = await shared.get(token, key, path=path)
            assert found.status_code == 200, (path, key, found.text)
            assert found.json()["data"]["task_id"] == task_id
        for path in ("/v1/videos/image2video", "/videos/omni-video"):
            wrong = await shared.get(token, key, path=path)
            assert (wrong.status_code, wrong.json()["code"]) == (400, 1201)


async def test_a_list_is_newest_first_and_cut_into_pages(shared: Relay, tenant: str) -> None:
    """Five tasks in pages of two; only of the endpoint that is asked; refused ones never."""
    token = await shared.add_tenant(tenant)
    ids = [(await shared.submit(token)).json()["data"]["task_id"] for _ in range(5)]
    refused = await shared.submit(token, CLIP | {"prompt": "[error 1301]"})
    assert refused.status_code == 400

    pages = [await listed(shared, token, f"pageNum={page}&pageSize=2") for page in (1, 2, 3, 4)]

    newest = ids[::-1]
    assert pages == [newest[:2], newest[2:4], newest[4:], []]
    assert await listed(shared, token, "") == newest
    assert await listed(shared, token, "pageNum=&pageSize=&other=x") == newest
    assert await listed(shared, token, "pageSize=500&pageNum=1") == newest
    others = await shared.client.get("/v1/videos/image2video", headers=bearer(token))
    assert others.json()["data"] == []


@pytest.mark.parametrize(
    "query",
    [
        *("pageNum=0", "pageNum=1001", "pageNum=-1", "pageNum=abc", "pageNum=1.5"),
        *("pageNum=%D9%A1", "pageNum=" + "9" * 30, "pageNum=%00", "pageNum=1&pageNum=0"),
        *("pageSize=0", "pageSize=501", "pageSize=1e2", "pageSize=0x10", "pageSize=%2B5"),
    ],
)
async def test_a_page_out_of_klings_bounds_is_refused_by_name(
    shared: Relay, tenant: str, query: str
) -> None:
    """pageNum 1 to 1000, pageSize 1 to 500 (docs/kling-api.md 3); 400/1201 naming the field."""
    token = await shared.add_tenant(tenant)

    response = await shared.client.get(f"{TEXT2VIDEO}?{query}", headers=bearer(token))

    assert (response.status_code, response.json()["code"]) == (400, 1201)
    assert response.json()["message"].startswith(query.partition("=")[0])


async def listed(relay: Relay, token: IssuedToken, query: str) -> list[str]:

    response = await relay.client.get(f"{TEXT2VIDEO}?{query}", headers=bearer(token))
    assert response.status_code == 200, response.text
    return [one["task_id"] for one in response.json()["data"]]


def test_other_prefixes_are_a_setting() -> None:
    """`/klingai/v1/...` is Kling's path where the operator says so, and no path of Kling's else."""
    route = Router(Catalogue(), ["klingai"]).find("POST", b"/klingai/v1/videos/text2video")

    assert route == find_route("POST", b"/kling/v1/videos/text2video")
    with pytest.raises(UnknownPath):
        find_route("POST", b"/klingai/v1/videos/text2video")
