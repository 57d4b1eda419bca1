"""Every capability with the least that it takes: what Kling gets, and what it costs."""

import asyncio
from decimal import Decimal
from typing import Any

from relay.desk.prices import set_price
from relay.kling.models import models_at
from relay.pricing.book import Per, PriceKind, PriceRow
from relay.studio.capabilities import CAPABILITIES
from tests.relay_app import ACTOR, Relay, bearer
from tests.studio.asking import ended, make
from tests.studio.least import PLAIN
from tests.studio.v1 import asked, books

EFFECT_MICROS = 600_000
PRICES = {
    # Kling's list of units a second, at 0.14 USD: all clips here last 5 s (docs/kling-api.md 10).
    **dict.fromkeys(("text_to_video", "image_to_video"), "0.21"),  # 2.6, 0.3
    "multi_image_to_video": "0.56",  # 3.0 Omni in its default, pro, 0.8
    "motion_control": "0.35",  # 2.6, 0.5
    "avatar": "0.28",  # 0.4
    "video_extend": "0.28",  # of a clip of V1.6, 2 units
    "lip_sync": "0.077",  # 0.5 units, and 0.05 for the face
    "multi_elements": "0.42",  # 3 units
    "text_to_speech": "0.007",  # 0.05 units
    "effects": "0.6",
    # Eight units of pictures at 0.0035 USD.
    **dict.fromkeys(("image_generation", "omni_image", "face_swap"), "0.028"),
    **dict.fromkeys(("inpaint", "replace_background"), "0.028"),
    "virtual_try_on": "0.07",
}


async def test_the_least_of_each_capability_is_what_kling_takes(studio: Relay) -> None:
    """All run to their end beside each other; each is charged once, by its own price."""
    token = await studio.add_tenant("minimal", quota_micros=10**9)
    async with studio.sessions.begin() as session:
        price = PriceRow("effects", PriceKind.FIXED, Per.TASK, amount_micros=EFFECT_MICROS)
        await set_price(session, ACTOR, price)
    studio.read_anew()
    old = {"model_name": "kling-v1-6", "prompt": "a fox", "duration": "5", "mode": "std"}
    source = (await studio.submit(token, old)).json()["data"]["task_id"]
    data: Any = {}
    while data.get("task_status") != "succeed":
        data = (await studio.get(token, source)).json()["data"]
    extended = {"video_id": data["task_result"]["videos"][0]["id"]}
    assert set(PLAIN) == {capability.name for capability in CAPABILITIES}
    before = len(asked(studio))

    async def one(name: str, path: str) -> Any:
        answer = await make(studio, token, path, PLAIN[name] or extended)
        assert answer.status_code == 200, (name, answer.text)
        seen = await ended(studio, token, answer.json()["task_id"])
        assert seen["status"] == "completed", seen
        return name, Decimal(seen["charged"])

    charged = dict(await asyncio.gather(*(one(row.name, row.path) for row in CAPABILITIES)))

    sent = asked(studio)[before:]  # each passes the lint
    assert len(sent) == len(CAPABILITIES) + 2  # the face of a lip sync, the session of an edit
    for endpoint, body in sent:
        assert body.get("model_name") in (*models_at(endpoint), None)
    held, tasks = await books(studio, "minimal")
    assert held == 0
    assert sum(micros or 0 for _, micros in tasks[1:]) == sum(charged.values()) * 1_000_000
    assert charged == {name: Decimal(price) for name, price in PRICES.items()}


async def test_models_are_those_that_kling_has(studio: Relay) -> None:
    """Listed with the default first; others are refused with what can be asked for instead."""
    token = await studio.add_tenant("models")
    listed = (await studio.client.get("/api/kling/capabilities", headers=bearer(token))).json()
    models = {one["name"]: one["models"] for one in listed["capabilities"]}
    assert models["text_to_video"] == ["kling-v2-6", "kling-v2-5-turbo", "kling-v3"]
    assert models["multi_image_to_video"] == ["kling-v3-omni", "kling-video-o1"]
    assert models["video_extend"] == []
    defaults = {one["name"]: one["default_model"] for one in listed["capabilities"]}
    assert all(defaults[name] == (those or [None])[0] for name, those in models.items())
    before = len(asked(studio))

    refused = {
        ("text-to-video", "model", "kling-v1-6"): (
            "model: kling-v1-6 is retired since 2026-09-15; in its place there is kling-v2-6"
        ),
        ("text-to-video", "model_name", "kling-v3-omni"): (
            "model_name: must be one of kling-v2-6, kling-v2-5-turbo, kling-v3"
        ),
        ("image-generation", "model", "kling-v2"): (
            "model: kling-v2 is retired since 2026-09-15; in its place there is kling-v2-1"
        ),
        ("text-to-video", "cfg_scale", 7): "cfg_scale: must be a number from 0 to 1",
    }
    for (path, field, value), says in refused.items():
        answer = await make(studio, token, path, {"prompt": "a fox", field: value})
        told = answer.json()
        assert (answer.status_code, told["error_code"]) == (400, 1201)
        assert told["error_message"] == says
    assert await books(studio, "models") == (0, [])
    assert len(asked(studio)) == before
