"""The catalogue, against docs/kling-api.md 3, 4 and 7."""

import re

import pytest

from relay.kling.endpoint import Credential, Endpoint, EndpointKind, Generation
from relay.kling.endpoints import BY_NAME, ENDPOINTS, FAMILIES

LEGACY_TASKS = [
    endpoint
    for endpoint in ENDPOINTS
    if endpoint.generation is Generation.LEGACY and endpoint.kind is EndpointKind.TASK
]


def test_the_four_main_creates_are_there() -> None:
    """On Kling's own paths, found by external id too, listed, with both kinds of credential."""
    for name in ("text2video", "image2video", "multi-image2video", "omni-video"):
        endpoint = BY_NAME[name]
        assert endpoint.path == f"/v1/videos/{name}"
        assert endpoint.is_found_by_external_id
        assert endpoint.is_listed
        assert not endpoint.is_free
        assert endpoint.credentials == set(Credential)


def test_names_and_paths_are_unique() -> None:
    """The name stands in every task's row for ever."""
    paths = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}

    assert len(BY_NAME) == len(paths) == len(ENDPOINTS)


@pytest.mark.parametrize("endpoint", LEGACY_TASKS, ids=lambda endpoint: endpoint.name)
def test_a_legacy_path_is_plain(endpoint: Endpoint) -> None:
    """Compared with what is left of a request's path without slashes and prefix."""
    assert re.fullmatch(r"(/[a-z0-9-]+)+", endpoint.path)
    assert endpoint.path.split("/")[2] in FAMILIES
    assert (endpoint.callback_field, endpoint.external_id_field) == (
        ("callback_url",),
        ("external_task_id",),
    )


@pytest.mark.parametrize(
    "endpoint",
    [endpoint for endpoint in ENDPOINTS if endpoint.generation is not Generation.LEGACY],
    ids=lambda endpoint: endpoint.name,
)
def test_newer_generations_take_an_api_key_and_options(endpoint: Endpoint) -> None:
    """docs/kling-api.md 2 and 4.17: a JWT is not taken there."""
    assert endpoint.credentials == {Credential.API_KEY}
    assert endpoint.external_id_field == ("options", "external_task_id")
    assert endpoint.callback_field == ("options", "callback_url")


@pytest.mark.parametrize(
    ("name", "model", "mode", "sound"),
    [
        ("text2video", "kling-v1", "std", "off"),
        ("image2video", "kling-v1", "std", "off"),
        ("multi-image2video", "kling-v1-6", "std", None),
        ("omni-video", "kling-video-o1", "pro", "off"),
    ],
)
def test_defaults_are_kling_s(name: str, model: str, mode: str, sound: str | None) -> None:
    """Sections 4.1 to 4.4: what Kling takes for an absent field is what is charged for."""
    pricing = BY_NAME[name].pricing

    assert pricing.model is not None
    assert pricing.mode is not None
    assert pricing.duration is not None
    assert (pricing.model.default, pricing.mode.default) == (model, mode)
    assert pricing.duration.default == "5"
    assert (pricing.sound.default if pricing.sound else None) == sound
