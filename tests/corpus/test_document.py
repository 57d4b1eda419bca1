"""The OpenAPI document against all that was played: what it says of bodies and replies is so."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS31Validator

from relay.kling.endpoint import Endpoint, EndpointKind, Generation
from relay.kling.endpoints import ENDPOINTS, QUERY_PATHS
from relay.proxy.own_headers import KEY_CHARS_MAX, KEY_HEADER
from tests.corpus.examples import BY_EXAMPLE
from tests.corpus.play import Recording
from tests.relay_app import bearer

READS = [endpoint.name for endpoint in ENDPOINTS if endpoint.kind is EndpointKind.READ]


@pytest.fixture(scope="module")
def document(recording: Recording) -> dict[str, Any]:
    app: Any = recording.world.relay.app
    read: dict[str, Any] = json.loads(app.document.content)
    return read


def wrong_body(document: dict[str, Any], path: str, body: bytes) -> list[str]:
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return list(faults(document, schema, body))


def wrong_reply(
    document: dict[str, Any], method: str, path: str, response: httpx.Response
) -> list[str]:
    """What of a reply is not as its status is described."""
    described = document["paths"][path][method.lower()]["responses"][str(response.status_code)]
    if "$ref" in described:
        described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
    assert set(described["headers"]) <= set(response.headers)
    schema = described["content"]["application/json"]["schema"]
    return list(faults(document, schema, response.content))


def faults(document: dict[str, Any], schema: dict[str, Any], body: bytes) -> Iterator[str]:
    validator = OAS31Validator({**schema, "components": document["components"]})
    for error in validator.iter_errors(json.loads(body)):
        yield f"{list(error.absolute_path)}: {error.message}"


def query_of(endpoint: Endpoint, kind: str) -> str:
    if endpoint.generation is not Generation.LEGACY:
        return QUERY_PATHS[endpoint.generation]
    return endpoint.path if kind == "list" else f"{endpoint.path}/{{id}}"


@pytest.mark.parametrize("name", BY_EXAMPLE)
def test_a_body_that_kling_takes_is_as_described(
    recording: Recording, document: dict[str, Any], name: str
) -> None:
    """With fields that nobody knows; and one whose price cannot be read is not."""
    one = recording.examples[name]
    path = one.example.endpoint.path
    model = one.example.endpoint.pricing.model

    assert wrong_body(document, path, one.sent) == []
    if model is not None:
        assert wrong_body(document, path, b'{"%b": []}' % model.name.encode()) != []


@pytest.mark.parametrize("name", BY_EXAMPLE)
def test_what_came_of_it_is_as_described(
    recording: Recording, document: dict[str, Any], name: str
) -> None:
    """The reply to the create, and each query and list of the task."""
    one = recording.examples[name]
    endpoint = one.example.endpoint

    assert wrong_reply(document, "POST", endpoint.path, one.created.response) == []
    for kind, answered in one.queries.items():
        is_cursor = kind == "list" and endpoint.generation is not Generation.LEGACY
        method, path = "POST" if is_cursor else "GET", query_of(endpoint, kind)
        assert wrong_reply(document, method, path, answered.response) == [], kind


@pytest.mark.parametrize("name", READS)
def test_what_all_share_is_as_described(
    recording: Recording, document: dict[str, Any], name: str
) -> None:
    """The presets."""
    path = next(endpoint.path for endpoint in ENDPOINTS if endpoint.name == name)

    assert wrong_reply(document, "GET", path, recording.reads[name].response) == []


async def test_the_account_and_the_refusals_are_as_described(
    recording: Recording, document: dict[str, Any]
) -> None:
    """Quota, charges in units and in currency, the short query; 400, 401, 404 and 429."""
    world = recording.world
    client, headers = world.relay.client, bearer(world.acme)
    task_id = recording.examples["text2video"].kling_id
    clip, costs = "/v1/videos/text2video", "/account/costs"
    poor = bearer(await world.relay.add_tenant("poor", quota_micros=0))

    answers = [
        ("GET", costs, await client.get(costs, params=TIMES, headers=headers)),
        ("GET", "/v1/videos/{id}", await client.get(f"/v1/videos/{task_id}", headers=headers)),
        ("GET", costs, await client.get(costs, headers=headers)),
        ("GET", costs, await client.get(costs)),
        ("GET", f"{clip}/{{id}}", await client.get(f"{clip}/none", headers=headers)),
        ("POST", clip, await client.post(clip, headers=headers, content=b"[")),
        ("POST", clip, await client.post(clip, headers=headers, json={"model_name": "none"})),
        ("POST", clip, await client.post(clip, headers=poor, json={"model_name": "kling-v3"})),
    ]
    for path in ("/account/billing/package", "/account/billing/balance"):
        answers.append(("POST", path, await client.post(path, headers=headers, json=PAGE_BODY)))
        assert answers[-1][2].json()["data"]["result"]["detail"]

    statuses = [answer.status_code for _, _, answer in answers]
    assert statuses == [200, 200, 400, 401, 400, 400, 404, 429, 200, 200]
    for method, path, answer in answers:
        assert wrong_reply(document, method, path, answer) == [], (method, path)
    assert wrong_body(document, "/account/billing/package", json.dumps(PAGE_BODY).encode()) == []


async def test_a_key_is_read_where_it_is_described(
    recording: Recording, document: dict[str, Any]
) -> None:
    """One of 256 characters is refused by each create that honours keys; free calls know none."""
    client, headers = recording.world.relay.client, bearer(recording.world.acme)
    reference = f"#/components/parameters/{KEY_HEADER}"
    described, honoured = set(), set()

    for path, item in document["paths"].items():
        for method, operation in item.items():
            if {"$ref": reference} in operation.get("parameters", []):
                described.add((method, path))
            asked = path.format(id="none", model="kling-v3")
            answer = await client.request(
                method, asked, json={}, headers={**headers, KEY_HEADER: "k" * (KEY_CHARS_MAX + 1)}
            )
            if KEY_HEADER in answer.json()["message"]:
                assert (answer.status_code, answer.json()["code"]) == (400, 1201)
                honoured.add((method, path))

    assert described == honoured
    free = {one.path for one in ENDPOINTS if not one.makes_a_row}
    assert {path for _, path in described}.isdisjoint(free)
    assert len(described) == len(ENDPOINTS) - len(free)


TIMES = {"start_time": "0", "end_time": "9999999999999"}
PAGE_BODY: dict[str, Any] = {
    "start_time": 0,
    "end_time": "9999999999999",
    "limit": 10,
    "filters": [{"key": "package_name", "values": ["Quota"]}],
}
