"""`/relay/prices` and `/relay/quote`: what a tenant pays, will pay, and would hold."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from relay.moments import ms_of
from relay.pricing.book import ANY_ENDPOINT, Multiplier, Per, PriceKind, PriceRow
from relay.pricing.edit import set_multiplier, set_price
from relay.pricing.in_force import read_prices
from relay.tenants.tables import Tenant
from tests.relay_app import CLIP, Relay, bearer, fixture_relay

CREATE = "/v1/videos/text2video"


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url) as running:
        await running.add_channel()
        yield running


async def priced(
    relay: Relay, *what: PriceRow | Multiplier, acme_in: str | None = None
) -> datetime:
    """Set prices, with acme in a price group; returns the moment before which nothing holds."""
    async with relay.sessions.begin() as session:
        for one in what:
            if isinstance(one, PriceRow):
                await set_price(session, one)
            else:
                await set_multiplier(session, one)
        tenant = await session.get_one(Tenant, 1)
        tenant.price_group = acme_in
        now = (await read_prices(session)).at
    relay.read_anew()
    return now


async def asked(relay: Relay, token: Any, body: Any) -> Any:
    return await relay.client.post("/relay/quote", json=body, headers=bearer(token))


async def listed(relay: Relay, token: Any, query: str = "") -> Any:
    answer = await relay.client.get(f"/relay/prices{query}", headers=bearer(token))
    assert answer.json()["code"] == 0
    return answer.json()["data"]


async def test_a_quote_is_what_the_create_then_holds(relay: Relay) -> None:
    """By whichever row, as the create's path may be spelt; and it wrote nothing."""
    token = await relay.add_tenant()
    now = await priced(
        relay,
        PriceRow("omni-video", amount_micros=70_001, kind=PriceKind.FIXED, price_group="vip"),
        Multiplier(Decimal("1.2"), price_group="vip"),
        acme_in="vip",
    )
    del now
    creates = [
        (CREATE, CLIP),
        (f"/kling{CREATE}/", {**CLIP, "mode": "pro", "sound": "on", "duration": "10"}),
        (
            "/v1/videos/omni-video",
            {"model_name": "kling-video-o1", "prompt": "a fox", "aspect_ratio": "1:1"},
        ),
        ("/text-to-video/kling-3.0", {"prompt": "a fox", "settings": {"resolution": "720p"}}),
        ("/v1/images/generations", {"model_name": "kling-v2", "prompt": "a fox", "n": 3}),
    ]
    quoted = [(await asked(relay, token, {"path": path, "body": body})) for path, body in creates]
    written = await relay.rows("SELECT count(*) FROM tasks")
    for path, body in creates:
        answer = await relay.client.post(path, json=body, headers=bearer(token))
        assert answer.status_code == 200, answer.text

    assert written == [(0,)]
    holds = [
        row["hold_micros"] for row in await relay.rows("SELECT hold_micros FROM tasks ORDER BY id")
    ]
    data = [one.json()["data"] for one in quoted]
    assert [int(Decimal(one["hold"]) * 1_000_000) for one in data] == holds
    assert holds[0] == 504_000
    assert data[0]["price"] | {"model": None} == {
        "model": None,
        "mode": "std",
        "sound": False,
        "voice": None,
        "video_input": None,
        "duration": None,
        "per": "second",
        "units": "0.6",
        "pack": "video",
        "unit_price": "0.168",
        "seconds": 5,
    }
    assert (data[0]["whose"], data[0]["settled_by"], data[0]["final_unit_deduction"]) == (
        *("by the list", "deduction"),
        "3.6",
    )
    assert (data[2]["whose"], data[2]["price"]["amount"]) == ("yours", "0.070001")
    assert "vip" not in quoted[2].text


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({}, 1201, "path, body"),
        ([], 1201, "path, body"),
        ({"path": CREATE}, 1201, "path, body"),
        ({"path": 5, "body": {}}, 1201, "path, body"),
        ({"path": CREATE, "body": []}, 1200, "must be a JSON object"),
        ({"path": CREATE, "body": {"duration": []}}, 1201, "duration"),
        ({"path": "/v1/videos/text3video", "body": {}}, 1202, "text3video"),
        ({"path": "x" * 601, "body": {}}, 1201, "path: must be at most 600"),
        ({"path": "/account/billing/package", "body": {}}, 1201, "must be that of a create"),
        ({"path": "/v1/videos/\x00", "body": {}}, 1202, ""),
        ({"path": CREATE, "body": {"model_name": "kling-v99"}}, 1203, "kling-v99"),
    ],
)
async def test_a_quote_that_cannot_be_made_is_refused_as_the_create(
    relay: Relay, body: Any, code: int, said: str
) -> None:
    """In Kling's envelope; and nothing is written, not even that the price is missing."""
    token = await relay.add_tenant()

    answer = await asked(relay, token, body)

    assert 400 <= answer.status_code < 500
    assert answer.json().keys() == {"code", "message", "request_id"}
    assert answer.json()["code"] == code
    assert said in answer.json()["message"]
    assert await relay.rows("SELECT 1 FROM price_misses") == []
    assert (await relay.client.post("/relay/quote", json=body)).json()["code"] == 1001


async def test_a_tenant_sees_its_own_prices_and_those_to_come(relay: Relay) -> None:
    """Not those that never take a task of its own, nor anybody else's, nor when those change."""
    acme, beta = await relay.add_tenant(), await relay.add_tenant("beta")
    soon = datetime.fromisoformat("2100-01-01T00:00:00+00:00")
    now = await priced(
        relay,
        PriceRow("text2video", units=Decimal(1), tenant_id=1, model="kling-v3"),
        PriceRow("text2video", units=Decimal(2), tenant_id=2, valid_from=soon),
        PriceRow(
            *("text2video", PriceKind.FIXED, Per.TASK),
            amount_micros=5,
            tenant_id=1,
            model="kling-v3",
            mode="pro",
            valid_from=soon,
            valid_to=soon + timedelta(days=1),
        ),
        PriceRow(ANY_ENDPOINT, units=Decimal(9), per=Per.TASK),
        Multiplier(Decimal("1.1"), tenant_id=1, valid_from=soon + timedelta(days=2)),
    )

    whole = await listed(relay, acme)
    data = await listed(relay, acme, "?endpoint=text2video")
    others = await listed(relay, beta, "?endpoint=text2video")

    own = [one for one in data["prices"] if one["model"] == "kling-v3"]
    assert [(one["price"], one["per"], one["mode"]) for one in own] == [("0.14", "second", None)]
    assert [one["at"] for one in data["coming"]] == [
        ms_of(soon + timedelta(days=number)) for number in range(3)
    ]
    first, second, third = data["coming"]
    assert [(one["price"], one["mode"]) for one in first["prices"]] == [("0.000005", "pro")]
    assert (second["prices"], [one["mode"] for one in second["ended"]]) == ([], ["pro"])
    assert {one["price"] for one in third["prices"] if one["model"] == "kling-v3"} == {"0.154"}
    assert [one["at"] for one in others["coming"]] == [ms_of(soon)]
    assert [one["price"] for one in others["coming"][0]["prices"]] == ["0.28"]
    assert whole["prices"][-1]["endpoint"] == ANY_ENDPOINT
    assert {one["endpoint"] for one in data["prices"]} == {"text2video"}
    assert now < soon


async def test_a_quote_says_until_when_it_holds(relay: Relay) -> None:
    """At most: somebody else's change is none of it."""
    acme, beta = await relay.add_tenant(), await relay.add_tenant("beta")
    soon = datetime.fromisoformat("2100-01-01T00:00:00+00:00")
    await priced(relay, PriceRow("tts", units=Decimal(1), tenant_id=2, valid_from=soon))

    quotes = [await asked(relay, token, {"path": CREATE, "body": CLIP}) for token in (acme, beta)]

    assert [one.json()["data"]["good_until"] for one in quotes] == [None, ms_of(soon)]
