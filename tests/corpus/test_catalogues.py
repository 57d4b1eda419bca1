"""Two tables of Kling's endpoints, written apart from docs/kling-api.md, say the same."""

import pytest

from relay.kling.endpoint import Credential, Endpoint, EndpointKind, Generation
from relay.kling.endpoints import ENDPOINTS, QUERY_PATHS
from relay.sandbox.catalogue import Row, list_rows

SANDBOX = {(row.method, row.path): row for row in list_rows()}
RELAY = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}
ACCOUNT = {
    ("GET", "/account/costs"),
    ("POST", "/account/billing/package"),
    ("POST", "/account/billing/balance"),
}
"""Answered from our books: no row of the relay's catalogue."""
QUERIES = {(method, path) for path in QUERY_PATHS.values() for method in ("GET", "POST")}
"""2.0's and the solutions' queries: rows of the sandbox, and at the relay of the generation."""
LISTS = {("GET", "/v1/general/custom-elements")}
"""A list beside a synchronous POST: a row of the sandbox, and at the relay `is_listed`."""
CREDENTIALS = {Credential.API_KEY: "api_key", Credential.KEY_PAIR: "jwt"}

WHERE_ONE_NAMES_MORE = {
    # 2.0's contents are of one shape for all operations. The relay looks for both kinds of ids
    # everywhere, so that none of another tenant's passes where Kling may take more than it says.
    "/text-to-video/{model}": {"contents[].element_id", "contents[].voice_id"},
    "/omni-video/{model}": {"contents[].voice_id"},
    "/motion-control/{model}": {"contents[].voice_id"},
    # The vendor's fixed voices; a tenant's own voice there is somebody's (T4).
    "/v1/audio/tts": {"voice_id"},
    "/v1/videos/lip-sync": {"input.voice_id"},
}


def test_both_know_the_same_methods_and_paths() -> None:
    """But for queries and account calls, which are no endpoints of the relay's catalogue."""
    assert set(SANDBOX) - ACCOUNT - QUERIES - LISTS == set(RELAY)
    assert set(SANDBOX) >= ACCOUNT | QUERIES | LISTS


@pytest.mark.parametrize("key", RELAY, ids=lambda key: key[1])
def test_a_row_says_the_same_in_both(key: tuple[str, str]) -> None:
    """Generation, sync, credentials, list, query by external id, paid or free."""
    assert _facts(RELAY[key]) == _facts_of_sandbox(SANDBOX[key])


@pytest.mark.parametrize("key", RELAY, ids=lambda key: key[1])
def test_a_body_names_ids_at_the_same_places(key: tuple[str, str]) -> None:
    """A place that only the sandbox knew would be a way to another tenant's things."""
    ours = {reference.path for reference in RELAY[key].references}
    theirs = set(SANDBOX[key].ids)

    assert theirs <= ours
    assert ours - theirs == WHERE_ONE_NAMES_MORE.get(key[1], set())


def _facts(endpoint: Endpoint) -> dict[str, object]:
    is_task = endpoint.kind is EndpointKind.TASK
    return {
        "generation": endpoint.generation.value,
        "is_sync": not is_task,
        "has_list": endpoint.is_listed or endpoint.generation is not Generation.LEGACY,
        "finds_by_external_id": is_task and endpoint.is_found_by_external_id,
        "credentials": {CREDENTIALS[one] for one in endpoint.credentials},
        "is_paid": not endpoint.is_free,
    }


def _facts_of_sandbox(row: Row) -> dict[str, object]:
    return {
        "generation": row.generation,
        "is_sync": row.is_sync,
        "has_list": row.has_list,
        "finds_by_external_id": row.finds_by_external_id,
        "credentials": set(row.credentials),
        "is_paid": row.is_paid,
    }
