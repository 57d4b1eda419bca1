"""The OpenAPI document: valid, true to the routes and the codes, and told to tenants only."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from relay import errors
from relay.app import Relay as App
from relay.app import create_app
from relay.kling.codes import RESELLERS_BUSINESS, Code
from relay.kling.endpoint import EndpointKind, Generation
from relay.kling.endpoints import BY_NAME, ENDPOINTS
from relay.proxy.openapi.errors import MEANINGS
from relay.secrets import KeyRing, new_secret_key
from relay.settings import AddedEndpoint, Settings
from tests.proxy.test_routes import ADDED, handlers
from tests.relay_app import Relay, bearer

PATH = "/relay/openapi.json"
Json = dict[str, Any]


def app_with(*added: AddedEndpoint) -> App:
    return create_app(
        Settings(endpoints=added),
        database_url="postgresql://nowhere/none",
        keys=KeyRing.parse(new_secret_key()),
    )


@cache
def document(*added: AddedEndpoint) -> Json:
    read: Json = json.loads(app_with(*added).document.content)
    return read


def operations(described: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


@pytest.mark.parametrize("added", [(), ADDED], ids=["Kling's own", "with an operator's"])
def test_the_document_is_valid(added: tuple[AddedEndpoint, ...]) -> None:
    """OpenAPI 3.1, with every reference in it resolved."""
    described = document(*added)

    assert described["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []


def test_new_apis_paths_stand_in_it_where_they_are_served() -> None:
    """Beside all others, which stay as they are; the whole is valid."""
    app = create_app(
        Settings(new_api_paths=True),
        database_url="postgresql://nowhere/none",
        keys=KeyRing.parse(new_secret_key()),
    )
    described = json.loads(app.document.content)

    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []
    assert set(described["paths"]) - set(document()["paths"]) == {
        *("/v1/video/generations", "/v1/video/generations/{id}"),
        *("/v1/videos", "/v1/videos/task_{id}", "/v1/videos/task_{id}/content"),
    }
    assert document()["paths"].items() <= described["paths"].items()
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(names)) == len(names)


def test_every_route_stands_in_it_once() -> None:
    """And nothing else: what Litestar has of Kling's, an operator's endpoints too."""
    app = app_with(*ADDED)
    described = list(operations(json.loads(app.document.content)))

    assert {(method, path) for method, path, _ in described} == {
        (method, path) for method, path, _ in handlers(app)
    }
    assert len({operation["operationId"] for _, _, operation in described}) == len(described)


def test_every_operation_declares_all_of_klings_errors() -> None:
    """21 codes, each under Kling's own HTTP status and in one of the envelopes; a text for each."""
    described = document()
    replies = described["components"]["responses"]

    assert set(MEANINGS) == set(Code) - {Code.OK}
    for _, path, operation in operations(described):
        declared = {
            (int(status), code)
            for status, reply in operation["responses"].items()
            if status != "200"
            for code in codes_of(replies[reply["$ref"].rpartition("/")[2]])
        }
        assert declared == {(code.http_status, int(code)) for code in MEANINGS}, path


def codes_of(reply: Json) -> list[int]:
    schema = reply["content"]["application/json"]["schema"]
    assert {"$ref": "#/components/schemas/Error"} in schema["allOf"]
    codes: list[int] = schema["allOf"][1]["properties"]["code"]["enum"]
    assert [int(code) for code in re.findall(r"- `(\d+)`", reply["description"])] == codes
    return codes


def test_every_refusal_of_ours_is_one_that_is_declared() -> None:
    """The tree of errors draws each with a code of Kling's, under that code's status."""
    tree = re.findall(r"(\d{3})  (\d{4})(?:-(\d{4}))?", errors.__doc__ or "")
    drawn = {
        (int(status), code)
        for status, first, last in tree
        for code in range(int(first), int(last or first) + 1)
    }

    assert len(drawn) > 10
    assert drawn <= {(code.http_status, int(code)) for code in MEANINGS}


def test_what_kling_says_of_the_resellers_account_is_not_promised() -> None:
    """A tenant never sees it (T3), but for the codes that the relay says of the tenant's own."""
    own = {*range(1000, 1005), 1102}

    assert {code for code, words in MEANINGS.items() if "not sent here" in words} == {
        code for code in RESELLERS_BUSINESS if code not in own
    }


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_a_body_names_what_the_catalogue_knows(endpoint: Any) -> None:
    """What prices a task, what names things, callback and external id; and forbids nothing."""
    item = document()["paths"][endpoint.path]
    if endpoint.kind is EndpointKind.READ:
        assert list(item) == ["get"]
        return
    schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]

    pricing = endpoint.pricing
    fields = [pricing.model, pricing.mode, pricing.duration, pricing.sound, pricing.count]
    known = [field.name for field in fields if field is not None]
    known += [name for name in (pricing.voice_list, pricing.contents, *pricing.inputs) if name]
    known += [reference.path for reference in endpoint.references]
    if endpoint.kind is EndpointKind.TASK:
        known += [".".join(endpoint.callback_field), ".".join(endpoint.external_id_field)]
    assert set(known) <= set(paths_in(schema))
    assert all(one.get("additionalProperties") is True for one in objects_in(schema))
    for field in filter(None, fields):
        assert str(at(schema, field.name).get("default")) == str(field.default)


def paths_in(schema: Json, before: str = "") -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        yield before + name
        yield from paths_in(inner, f"{before}{name}.")
        yield from paths_in(inner.get("items", {}), f"{before}{name}[].")


def objects_in(schema: Json) -> Iterator[Json]:
    if schema.get("type") == "object":
        yield schema
    for inner in (*schema.get("properties", {}).values(), schema.get("items")):
        if inner:
            yield from objects_in(inner)


def at(schema: Json, path: str) -> Json:
    for name in path.split("."):
        schema = schema["properties"][name]
    return schema


def test_a_tag_tells_the_generation() -> None:
    """Both generations and the solutions; the account belongs to none of them."""
    described = document()
    names = [tag["name"] for tag in described["tags"]]
    used = {tag for _, _, operation in operations(described) for tag in operation["tags"]}

    assert set(names) == used == {*Generation, "account"}
    new = described["paths"][BY_NAME["text-to-video"].path]["post"]
    assert new["tags"] == ["2.0"]
    assert [one.get("name") for one in new["parameters"]] == ["model", None, None]


async def test_a_tenant_reads_it_with_its_bearer(shared: Relay, tenant: str) -> None:
    """As it is, without an envelope; every tenant the same bytes."""
    token = await shared.add_tenant(tenant)

    answer = await shared.client.get(PATH, headers=bearer(token))
    again = await shared.client.get("/relay//openapi.json/", headers=bearer(token))

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["x-request-id"]
    assert answer.json()["info"]["title"] == "Kling"
    assert again.content == answer.content


@pytest.mark.parametrize(
    ("headers", "code"), [({}, 1001), ({"Authorization": "Bearer sk-nobodys"}, 1002)]
)
async def test_nobody_else_learns_that_it_is_there(
    shared: Relay, headers: dict[str, str], code: int
) -> None:
    """401, as on any path that Kling has or has not: a public page would tell us from Kling."""
    answers = [await shared.client.get(path, headers=headers) for path in (PATH, "/nothing")]

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert {tuple(sorted(answer.headers)) for answer in answers} == {
        ("content-length", "content-type", "x-request-id")
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", PATH), ("HEAD", PATH), ("OPTIONS", PATH), ("GET", PATH + "/x")),
        *(("GET", "/relay"), ("GET", "/relay/openapi"), ("GET", "/v1" + PATH)),
        *(("GET", "/kling" + PATH), ("GET", "/relay/openapi%2Ejson")),
    ],
)
async def test_its_neighbours_are_klings_404(
    shared: Relay, tenant: str, method: str, path: str
) -> None:
    """404/1202 with a bearer, as for every path that nobody has."""
    token = await shared.add_tenant(tenant)

    answer = await shared.client.request(method, path, headers=bearer(token))

    assert answer.status_code == 404
    if method != "HEAD":
        assert answer.json()["code"] == 1202
