"""Bad input for each endpoint: Kling's error, no row, no hold, and Kling is not asked."""

import uuid

import httpx
import pytest

from relay.kling.endpoint import EndpointKind, Field
from relay.tenants.tokens import IssuedToken
from tests.corpus.examples import BY_EXAMPLE, EXAMPLES, UNPRICED, Example
from tests.corpus.play import Recording, post
from tests.relay_app import TEXT2VIDEO, bearer

FIRST = [example for example in EXAMPLES if not example.odd_name]
NAMES = [example.name for example in FIRST]
BROKEN = {
    "not JSON": b'{"prompt": fox}',
    "empty": b"",
    "an array": b"[1]",
    "a string": b'"fox"',
    "not UTF-8": b'{"prompt":"\xff"}',
    "cut": b'{"prompt":"a fox',
}
ONE_PRICE = {"kolors-virtual-try-on", "multi-image2image"}
PRICED_BY_MODEL = [
    one.name for one in FIRST if one.endpoint.pricing.model and one.name not in ONE_PRICE
]
NEVER_LEARNED = "829836802793406559"


def _pricing_fields(example: Example) -> list[Field]:
    pricing = example.endpoint.pricing
    fields = (pricing.model, pricing.mode, pricing.duration, pricing.sound, pricing.count)
    return [field for field in fields if field is not None]


async def refused(recording: Recording, example: Example, body: bytes) -> httpx.Response:
    """Send it as a tenant of its own, and see that nothing came of it."""
    world = recording.world
    token = await new_tenant(recording)
    before = await world.written(token)

    response = await post(world, token, example.path, body)

    after = await world.written(token)
    assert before[:2] == after[:2] == (0, 0), "a row or a hold was left"
    marks = [one for one in world.tap.asked[before[2] :] if one.body == body]
    assert after[2] == before[2], f"Kling was asked: {marks}"
    assert set(response.json()) == {"code", "message", "request_id"}
    return response


async def new_tenant(recording: Recording) -> IssuedToken:
    name = f"t-{uuid.uuid4().hex[:12]}"
    return await recording.world.relay.add_tenant(name, quota_micros=100_000_000)


@pytest.mark.parametrize("name", NAMES)
async def test_a_body_that_is_no_object(recording: Recording, name: str) -> None:
    """400/1200, as Kling says to parameters that cannot be read."""
    for why, body in BROKEN.items():
        response = await refused(recording, BY_EXAMPLE[name], body)

        assert (response.status_code, response.json()["code"]) == (400, 1200), why


@pytest.mark.parametrize("name", [one.name for one in FIRST if _pricing_fields(one)])
async def test_a_pricing_field_of_another_type(recording: Recording, name: str) -> None:
    """400/1201 with the field's name: what cannot be priced is not sent."""
    example = BY_EXAMPLE[name]
    for field in _pricing_fields(example):
        head, _, last = field.name.partition(".")
        body = b'{"%b":{"x":[true]}}' % head.encode()
        if last:
            body = b'{"%b":{"%b":{"x":[true]}}}' % (head.encode(), last.encode())

        response = await refused(recording, example, body)

        assert (response.status_code, response.json()["code"]) == (400, 1201), field
        assert response.json()["message"].startswith(f"{field.name}: ")


@pytest.mark.parametrize(
    "name", [one.name for one in FIRST if one.endpoint.kind is EndpointKind.TASK]
)
async def test_a_bad_callback_url_or_external_id(recording: Recording, name: str) -> None:
    """400/1201: not a URL, a private address, not a string, too long."""
    example = BY_EXAMPLE[name]
    url, external_id = example.endpoint.callback_field, example.endpoint.external_id_field
    for path, value in (
        (url, b'"nowhere"'),
        (url, b'"http://127.0.0.1/"'),
        (url, b"5"),
        (external_id, b'{"x":1}'),
        (external_id, b'"%b"' % (b"x" * 513)),
    ):
        body = b'{"%b":%b}' % (path[-1].encode(), value)
        if len(path) > 1:
            body = b'{"%b":%b}' % (path[0].encode(), body)

        response = await refused(recording, example, body)

        assert (response.status_code, response.json()["code"]) == (400, 1201), value


@pytest.mark.parametrize("name", [one.name for one in EXAMPLES if one.endpoint.references])
async def test_an_id_of_another_tenant_or_of_nobody(recording: Recording, name: str) -> None:
    """400/1201 for both, in the same words, at each place where an id may stand (T4)."""
    example, found = BY_EXAMPLE[name], recording.examples[name].foreign

    paths = [reference.path for reference in example.endpoint.references]
    assert found == dict.fromkeys((*example.places, *paths), (400, 1201))
    for place in example.places:
        ids = dict.fromkeys(("PRESET", *example.places), NEVER_LEARNED) | {place: NEVER_LEARNED}
        response = await refused(recording, example, example.body(ids))
        assert (response.status_code, response.json()["code"]) == (400, 1201)
        assert response.json()["message"].endswith(" not found")


@pytest.mark.parametrize("name", PRICED_BY_MODEL)
async def test_a_model_without_a_price(recording: Recording, name: str) -> None:
    """404/1203, Kling's own code for a model that there is not, and `price missing` names it.

    Where the price is the same for all models, the model is Kling's business.
    """
    example = BY_EXAMPLE[name]

    response = await refused(recording, example, b'{"model_name":"kling-v99"}')

    assert (response.status_code, response.json()["code"]) == (404, 1203)
    misses = await recording.world.relay.rows(
        "SELECT wanted->>'endpoint' AS endpoint, wanted->>'model' AS model FROM price_misses"
    )
    assert (name, "kling-v99") in {tuple(row) for row in misses}


@pytest.mark.parametrize("name", [one.name for one in FIRST if one.model])
async def test_a_model_in_the_path_without_a_price(recording: Recording, name: str) -> None:
    """404/1203 in 2.0 too, where the model is a segment."""
    example = BY_EXAMPLE[name]._replace(model="kling-9.9")

    response = await refused(recording, example, b'{"prompt":"a fox"}')

    assert (response.status_code, response.json()["code"]) == (404, 1203)


async def test_what_ships_unpriced_is_refused_as_such(recording: Recording) -> None:
    """Effects and solutions: 404/1203 and named by `price missing`, until a price is set."""
    assert recording.refused_unpriced == dict.fromkeys(UNPRICED, (404, 1203))
    assert set(recording.misses) == set(UNPRICED)
    for name in UNPRICED:
        assert recording.examples[name].row["charged_micros"] > 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/videos/text3video"),
        ("GET", "/v1/videos/identify-face"),
        ("GET", "/v1/audio/tts/1"),
        ("GET", "/text-to-video/kling-3.0"),
        ("POST", "/v1/general/presets-voices"),
        ("POST", "/solutions/teleport"),
        ("DELETE", TEXT2VIDEO),
    ],
)
async def test_what_the_catalogue_lacks(recording: Recording, method: str, path: str) -> None:
    """404/1202, Kling's code for an unknown path or method; nothing is passed on."""
    world = recording.world
    token = await new_tenant(recording)
    asked = len(world.tap.asked)

    response = await world.relay.client.request(method, path, json={}, headers=bearer(token))

    assert (response.status_code, response.json()["code"]) == (404, 1202)
    assert len(world.tap.asked) == asked
