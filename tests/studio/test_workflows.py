"""Workflows over the same books: what each makes, what it may cost, and what is refused."""

import asyncio
from decimal import Decimal
from typing import Any

from relay.tenants.tokens import IssuedToken
from tests.relay_app import Relay, bearer
from tests.studio.asking import PICTURE, SOUND, VIDEO, ended, make
from tests.studio.flows import FLOWS

QUOTA_MICROS = 100_000_000


async def test_each_is_quoted_as_a_whole_made_and_charged_within_that(studio: Relay) -> None:
    """What it may cost is told by step before it starts, and its charges are those of its tasks."""
    tokens = {
        path: await studio.add_tenant(path.replace("/", "-"), quota_micros=QUOTA_MICROS)
        for path in FLOWS
    }

    await asyncio.gather(*(_try_flow(studio, path, token) for path, token in tokens.items()))

    assert (await studio.audit()).ok


async def _try_flow(studio: Relay, path: str, token: IssuedToken) -> None:
    body, names = FLOWS[path]
    tenant = path.replace("/", "-")

    dry = await make(studio, token, f"{path}?dry_run=true", body)
    priced = await make(studio, token, f"{path}/quote", body)
    tasks_before = await _tasks(studio, tenant)
    answer = await make(studio, token, path, body)

    assert priced.status_code == 200, priced.text
    assert priced.json() == dry.json()
    quote = priced.json()
    assert [step["name"] for step in quote["steps"]] == names
    assert _micros(quote["total"]) == sum(_micros(step["price"]) for step in quote["steps"]) > 0
    assert tasks_before == []
    assert answer.status_code == 200, answer.text
    seen = await ended(studio, token, answer.json()["task_id"])
    assert seen["status"] == "completed", seen
    assert seen["output_url"].startswith("http")
    assert [step["name"] for step in seen["steps"]] == names
    tasks = await _tasks(studio, tenant)
    assert len({task["create_key"] for task in tasks}) == len(tasks)
    charged = sum(task["charged_micros"] for task in tasks)
    assert 0 < charged <= _micros(quote["total"])
    assert _micros(seen["charged"]) == charged
    assert await studio.account(tenant) == (QUOTA_MICROS - charged, 0)


async def test_templates_are_listed_with_inputs_and_prices_in_the_callers_language(
    studio: Relay,
) -> None:
    token = await studio.add_tenant("lists")

    english = await _get(studio, token, "templates", "en")
    chinese = await _get(studio, token, "templates", "zh-CN")

    by_name = {one["name"]: one for one in english["templates"]}
    assert [
        *("batch-avatars", "digital-human", "product-showcase"),
        *("transition-camera", "transition-light", "transition-morph"),
    ] == list(by_name)
    human = by_name["digital-human"]
    assert human["either"] == [["text", "audio_url"], ["image", "video_url"]]
    assert next(one for one in human["inputs"] if one["name"] == "mode")["default"] == "std"
    assert all(_micros(one["price"]) > 0 for one in english["templates"])
    assert "用文本或录音" in chinese["templates"][1]["summary"]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("koubo/digital-human", {"text": "x", "image": PICTURE}, "voice_id"),
    ("koubo/digital-human", {"image": PICTURE}, "text"),
    ("koubo/digital-human", {"audio_url": SOUND, "image": PICTURE, "video_url": VIDEO}, "image"),
    ("koubo/digital-human", {"audio_url": SOUND, "image": PICTURE, "mode": "4k"}, "mode"),
    ("koubo/digital-human", {"audio_url": SOUND, "image": {"$from": "x", "path": "y"}}, "image"),
    ("koubo/batch-avatars", {"audio_url": SOUND, "images": [PICTURE] * 21}, "images"),
    ("koubo/batch-avatars", {"audio_url": SOUND, "images": []}, "images"),
    ("koubo/product-showcase", {"image": PICTURE}, "prompt"),
    ("koubo/product-showcase", {"image": PICTURE, "prompt": "x", "cap": "nothing"}, "cap"),
    ("koubo/product-showcase", {"image": PICTURE, "prompt": "x", "cap": True}, "cap"),
    ("variants", {"capability": "fly", "input": {}}, "capability"),
    ("variants", {"capability": "text_to_video", "input": {}}, "input"),
    ("variants", {"capability": "text_to_video", "input": {"prompt": "x"}, "n": 21}, "n"),
    ("variants", {"capability": "text_to_video", "input": {"prompt": "x", "mode": "fast"}}, "mode"),
    (
        "variants",
        {
            "capability": "text_to_video",
            "input": {"prompt": "x", "camera_control": {"$from": "z", "path": "y"}},
        },
        "$from",
    ),
]


async def test_what_cannot_be_made_is_refused_by_the_fields_name(studio: Relay) -> None:
    """Nothing is written or held, and Kling is not asked."""
    token = await studio.add_tenant("refused")
    runs = await studio.rows("SELECT count(*) FROM runs")

    for path, body, field in REFUSED:
        answer = await make(studio, token, path, body)

        assert answer.status_code == 400, (path, answer.text)
        assert answer.json()["error_code"] == 1201
        assert field in answer.json()["error_message"], answer.text
    for path in ("templates/none", "templates/none?dry_run=true", "templates/none/quote"):
        unknown = await make(studio, token, path, {})
        assert (unknown.status_code, unknown.json()["error_code"]) == (404, 1203)
        said = unknown.json()["error_message"]
        assert said.startswith("No template is called 'none': batch-avatars, digital-human, ")
    assert await studio.rows("SELECT count(*) FROM runs") == runs
    assert await _tasks(studio, "refused") == []


async def test_a_cap_below_the_quote_is_refused_before_anything_is_held(studio: Relay) -> None:
    token = await studio.add_tenant("capped", quota_micros=QUOTA_MICROS)
    body = {"capability": "text_to_video", "input": {"prompt": "a fox"}}

    quote = (await make(studio, token, "variants/quote", body | {"cap": "0.5"})).json()
    low = await make(studio, token, "variants", body | {"cap": "0.5"})
    high = await make(studio, token, "variants", body | {"cap": quote["total"]})

    assert (quote["total"], quote["is_within_cap"]) == ("0.63", False)
    assert low.status_code == 403
    assert low.json()["error_code"] == 1103
    assert high.status_code == 200
    seen = await ended(studio, token, high.json()["task_id"])
    assert (seen["status"], seen["charged"]) == ("completed", "0.63")
    assert seen["input_params"]["cap"] == "0.63"
    assert len(await _tasks(studio, "capped")) == 3


async def test_a_field_of_no_input_is_told_of_and_a_key_makes_one_run(studio: Relay) -> None:
    token = await studio.add_tenant("keyed", quota_micros=QUOTA_MICROS)
    body = {"from_image_url": PICTURE, "to_image_url": PICTURE, "style": "wild"}

    one = await make(studio, token, "templates/transition-light", body, **{"Idempotency-Key": "a"})
    two = await make(studio, token, "templates/transition-light", body, **{"Idempotency-Key": "a"})

    assert one.json()["task_id"] == two.json()["task_id"]
    assert one.json()["notes"] == ["style has no effect: transition-light has no such input"]
    await ended(studio, token, one.json()["task_id"])
    assert len(await _tasks(studio, "keyed")) == 1


async def _get(relay: Relay, token: IssuedToken, path: str, language: str) -> Any:
    headers = bearer(token) | {"Accept-Language": language}
    answer = await relay.client.get(f"/api/kling/{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _tasks(relay: Relay, tenant: str) -> list[Any]:
    return await relay.rows(
        "SELECT t.* FROM tasks t JOIN tenants n ON n.id = t.tenant_id"
        " WHERE n.name = $1 ORDER BY t.id",
        tenant,
    )


def _micros(amount: str) -> int:
    return int(Decimal(amount) * 1_000_000)
