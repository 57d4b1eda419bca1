"""The OpenAPI document is true: schemathesis makes requests of it, and holds the answers to it."""

from typing import Any

import httpx
import hypothesis
import schemathesis
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from relay.admin.app import CONTROLLERS
from relay.operators.tables import Role
from tests.admin.office import office, token_of
from tests.relay_app import fixture_relay

CASES = 2
"""Of an operation and a kind: it is asked about sixty of them."""
CHECKS = [
    *(not_a_server_error, status_code_conformance, content_type_conformance),
    *(response_schema_conformance,),
]


def cases_of(operation: Any, mode: GenerationMode) -> list[Any]:
    """Make some requests, the same ones each time."""
    made: list[Any] = []

    @hypothesis.settings(
        max_examples=CASES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def make(case: Any) -> None:
        made.append(case)

    make()
    return made


async def test_every_answer_is_as_the_document_says(database_url: str) -> None:
    """To requests that it allows and to some that it does not, of every operation."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_channel()
        await relay.add_tenant("0")
        _, ann = await token_of(relay, "ann", Role.OWNER)
        document = (await client.get("/admin/v1/openapi.json", headers=ann)).json()
        validate(document)
        assert (await client.get("/openapi/admin.json")).json() == document
        schema = schemathesis.openapi.from_dict(document)
        asked = 0
        failed: list[str] = []
        for found in schema.get_all_operations():
            operation: Any = found.ok()  # type: ignore[union-attr]  # another one fails the test
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                for case in cases_of(operation, mode):
                    answer = await ask(client, case, ann)
                    asked += 1
                    try:
                        case.validate_response(answer, checks=CHECKS)
                    except AssertionError as error:
                        failed.append(f"{operation.label}: {error}")
        assert failed == []
        assert asked > len(CONTROLLERS) * CASES


async def ask(client: httpx.AsyncClient, case: Any, headers: dict[str, str]) -> httpx.Response:
    given = case.as_transport_kwargs(base_url="http://localhost")
    # Whose token it is stays so: who is kept out is told in test_gate, and waits for a minute.
    kept = {name: value for name, value in given["headers"].items() if name.lower() not in headers}
    given["headers"] = kept | headers
    for unknown in ("cookies", "timeout"):
        given.pop(unknown, None)
    if "data" in given:
        given["content"] = given.pop("data")
    return await client.request(**given)
