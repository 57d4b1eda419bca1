"""Many creates in one request: what each is answered, and what becomes of all of them."""

import asyncio
from typing import Any

import httpx

from relay.desk.money import add_quota
from relay.desk.tokens import issue_token
from relay.runs.batches import ITEMS_MAX
from relay.tenants.scope import Scope
from relay.tenants.tokens import IssuedToken
from tests.relay_app import ACTOR, Relay, bearer
from tests.runs.working import claim_soon, tasks_of
from tests.waiting import wait_until

CLIP_MICROS = 210_000
"""Of a clip of 5 s by the default model, at the list price."""
QUOTA_MICROS = 100_000_000
PICTURE = "https://files.example.com/fox.png"


def clip(words: str, **more: Any) -> dict[str, Any]:
    return {"task_type": "text_to_video", "prompt": words, **more}


async def send(
    relay: Relay, token: IssuedToken, items: list[Any], *, key: str | None = None, **more: Any
) -> httpx.Response:
    headers = bearer(token) | ({} if key is None else {"Idempotency-Key": key})
    body = {"items": items, **more}
    return await relay.client.post("/api/kling/batch", headers=headers, json=body)


async def taken(relay: Relay, token: IssuedToken, items: list[Any], **more: Any) -> Any:
    answer = await send(relay, token, items, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ask(relay: Relay, token: IssuedToken, method: str, path: str) -> Any:
    return await relay.client.request(method, f"/api/kling/{path}", headers=bearer(token))


async def work_off(relay: Relay, token: IssuedToken) -> None:
    """Be the worker until all runs of a token have ended."""
    is_open = "SELECT 1 FROM runs WHERE token_id = $1 AND ended_at IS NULL"
    while await relay.rows(is_open, token.id):
        for looked in await relay.parts.tasks.looker.claim_due(100):
            await relay.parts.tasks.looker.look(looked)
        await relay.rows("UPDATE tasks SET next_look_at = now() WHERE hold_ended_at IS NULL")
        due = await claim_soon(relay)
        await asyncio.gather(*(relay.parts.runs.runner.advance(one) for one in due))


async def test_good_and_bad_are_answered_in_their_places_and_the_good_are_made(
    relay: Relay,
) -> None:
    """Each bad one is told its field as its own path would; what was made is charged once each."""
    token = await relay.add_tenant("mixed", quota_micros=QUOTA_MICROS)
    items = [
        clip("a fox"),
        {"task_type": "text_to_video"},
        {"task_type": "fly"},
        {"prompt": "a fox"},
        "a fox",
        clip("a fox", model_name="kling-v1-6"),
        clip(5),  # type: ignore[arg-type]
        clip("a fox", cfg_scale=7),
        {"task_type": "text-to-speech", "text": "hello", "voice_id": "girlfriend_1_speech02"},
        {
            "task_type": "digital_human",
            "text": "Good morning",
            "voice_id": "genshin_vindi2",
            "image": PICTURE,
        },
        {"task_type": "variants", "capability": "text_to_video", "input": {"prompt": "x"}, "n": 2},
        clip("a fox", idempotency_key="x" * 256),
        clip("a fox", prompt_from={"$from": "a", "path": "b"}),
    ]

    answer = await taken(relay, token, items, key="mixed")
    await work_off(relay, token)
    again = await taken(relay, token, items, key="mixed")

    refused = {
        place: (item["error_code"], item["error_message"])
        for place, item in enumerate(answer["items"])
        if not item["success"]
    }
    said = {
        1: "prompt: must be given",
        2: "task_type: must be one of text_to_video, ",
        3: "task_type: must be given",
        4: "items.4: must be an object",
        5: "model_name: kling-v1-6 is retired",
        6: "prompt: must be a text",
        7: "cfg_scale: must be a number from 0 to 1",
        11: "idempotency_key: must be a text of at most 255 characters",
    }
    assert {place: code for place, (code, _) in refused.items()} == dict.fromkeys(said, 1201)
    for place, words in said.items():
        assert refused[place][1].startswith(words), refused[place]
    assert (answer["taken"], answer["refused"]) == (5, 8)
    by_place = {row["batch_place"]: row for row in await _runs(relay, token)}
    assert list(by_place) == [0, 8, 9, 10, 12]
    assert {row["state"] for row in by_place.values()} == {"completed"}
    for place, row in by_place.items():
        told = again["items"][place]
        assert (told["task_id"], told["status"]) == (str(row["public_id"]), "completed")
    tasks = await tasks_of(relay, "mixed")
    assert len({task["create_key"] for task in tasks}) == len(tasks) == 7
    charged = sum(task["charged_micros"] for task in tasks)
    assert await relay.account("mixed") == (QUOTA_MICROS - charged, 0)
    assert (await relay.audit()).ok


async def test_what_is_left_to_spend_and_the_cap_bound_what_is_taken(relay: Relay) -> None:
    """What waits is not spent twice, by a second batch neither; each that is too much is told so,
    and is asked for anew by the same key."""
    token = await relay.add_tenant("poor", quota_micros=3 * CLIP_MICROS)
    speech = {"task_type": "text_to_speech", "text": "hello", "voice_id": "girlfriend_1_speech02"}
    clips = [clip(f"fox {number}") for number in range(3)]

    capped = await taken(relay, token, [*clips, speech], cap="0.42")
    second = await taken(relay, token, clips, key="poor")
    async with relay.sessions.begin() as session:
        await add_quota(
            *(session, ACTOR, "poor"),
            amount_micros=10 * CLIP_MICROS,
            reference="bank 1",
            currency="USD",
        )
    richer = await taken(relay, token, clips, key="poor")
    await work_off(relay, token)

    assert [item["success"] for item in capped["items"]] == [True, True, False, False]
    assert capped["items"][2]["error_code"] == 1103
    assert "what the batch may cost" in capped["items"][2]["error_message"]
    assert [item["success"] for item in second["items"]] == [True, False, False]
    assert second["items"][1]["error_code"] == 1102
    assert "needed 0.21 USD, available 0 USD" in second["items"][1]["error_message"]
    assert [item["success"] for item in richer["items"]] == [True, True, True]
    assert richer["items"][0]["task_id"] == second["items"][0]["task_id"]
    assert await relay.account("poor") == ((3 + 10 - 2 - 3) * CLIP_MICROS, 0)


async def test_a_batch_is_its_tenants_alone(relay: Relay) -> None:
    """Another one neither sees nor stops it, and by the same key makes a batch of its own; a key
    that only reads sends none."""
    owner, other = await relay.add_tenant("owns"), await relay.add_tenant("others")
    batch = await taken(relay, owner, [clip("a fox")], key="k")
    async with relay.sessions.begin() as session:
        reader = await issue_token(session, ACTOR, "owns", relay.keys, scope=Scope.READ)
        caller = await issue_token(session, ACTOR, "owns", relay.keys, scope=Scope.CALL)

    path = f"batch/{batch['batch_id']}"
    unseen = [
        await ask(relay, other, "GET", path),
        await ask(relay, other, "POST", f"{path}/cancel"),
        await ask(relay, owner, "GET", "batch/not-an-id"),
    ]
    listed = (await ask(relay, other, "GET", f"ai-tasks?batch={batch['batch_id']}")).json()
    own = await taken(relay, other, [clip("a fox")], key="k")
    refused = await send(relay, reader, [clip("a fox")])
    stopped = await ask(relay, reader, "POST", f"{path}/cancel")

    for answer in unseen:
        assert (answer.status_code, answer.json()["error_message"]) == (400, "Batch not found")
    assert listed["tasks"] == []
    assert own["batch_id"] != batch["batch_id"]
    assert (refused.status_code, stopped.status_code) == (403, 403)
    seen = (await ask(relay, reader, "GET", path)).json()
    assert (seen["pending"], seen["cancelled"]) == (1, 0)
    # What it may cost is told to who asked for it, and to who sees all that is the tenant's.
    told = [(await ask(relay, key, "GET", path)).json()["quote"] for key in (owner, caller)]
    assert told == ["0.21", None]
    mine = (await ask(relay, owner, "GET", f"ai-tasks?batch={batch['batch_id']}")).json()["tasks"]
    assert [(one["batch_id"], one["batch_item"]) for one in mine] == [(batch["batch_id"], 0)]


async def test_keys_of_a_batch_and_of_its_items_find_what_there_is(relay: Relay) -> None:
    """Another batch under the key of one is refused as a whole, another item in its place."""
    token = await relay.add_tenant("keyed")
    items = [clip("a", idempotency_key="one"), clip("b", idempotency_key="two")]
    first = await taken(relay, token, items, key="batch")

    changed = await send(relay, token, [clip("a"), clip("c")], key="batch")
    single = await relay.client.post(
        "/api/kling/text-to-video",
        headers=bearer(token) | {"Idempotency-Key": "one"},
        json={"prompt": "a"},
    )
    turned = await taken(
        relay,
        token,
        [
            clip("b", idempotency_key="two"),
            clip("c", idempotency_key="one"),
            clip("d", idempotency_key="new"),
            clip("e", idempotency_key="new"),
        ],
    )

    assert changed.status_code == 400
    assert changed.json()["error_message"] == "Idempotency-Key: was used for another request"
    ids = [item["task_id"] for item in first["items"]]
    assert single.json()["task_id"] == ids[0]
    assert [item["idempotency_key"] for item in first["items"]] == ["one", "two"]
    assert [item["success"] for item in turned["items"]] == [True, False, True, False]
    assert turned["items"][0]["task_id"] == ids[1]
    assert "used for another request" in turned["items"][3]["error_message"]
    assert len(await _runs(relay, token)) == 3


async def test_who_was_cut_off_hears_of_what_was_written(relay: Relay) -> None:
    """What was written stays, the rest is written by the next one under the key: each once."""
    token = await relay.add_tenant("cut", quota_micros=100 * CLIP_MICROS)
    items = [clip(f"fox {number}") for number in range(100)]
    cut_off = asyncio.create_task(taken(relay, token, items, key="cut"))

    async def is_begun() -> bool:
        return bool(await _runs(relay, token))

    await wait_until(is_begun)
    cut_off.cancel()
    await asyncio.gather(cut_off, return_exceptions=True)
    before = [str(row["public_id"]) for row in await _runs(relay, token)]
    whole = await taken(relay, token, items, key="cut")

    ids = [item["task_id"] for item in whole["items"]]
    assert 0 < len(before) <= len(items)
    assert ids[: len(before)] == before
    assert len(set(ids)) == len(await _runs(relay, token)) == len(items)


async def test_a_tenants_limit_makes_a_batch_slow_and_lets_none_of_it_fail(relay: Relay) -> None:
    """Six, one at a time: those that find no room wait for their turn, however often."""
    token = await relay.add_tenant("narrow", tasks_max=1)
    answer = await taken(relay, token, [clip(f"fox {number}") for number in range(6)])

    await work_off(relay, token)

    seen = (await ask(relay, token, "GET", f"batch/{answer['batch_id']}")).json()
    assert (seen["completed"], seen["is_over"]) == (6, True)
    assert len(await tasks_of(relay, "narrow")) == 6
    assert (await relay.audit()).ok


async def test_a_batch_that_is_none_is_refused_as_a_whole(relay: Relay) -> None:
    token = await relay.add_tenant("none")

    for items, more, field in (
        ([], {}, "items"),
        ([clip("a")] * (ITEMS_MAX + 1), {}, "items"),
        ([clip("a")], {"cap": "much"}, "cap"),
    ):
        answer = await send(relay, token, items, **more)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error_message"].startswith(field)
    none = await taken(relay, token, [{"task_type": "fly"}])
    assert (none["success"], none["taken"]) == (False, 0)
    assert await _runs(relay, token) == []


async def test_what_waits_of_a_batch_is_taken_back_and_what_kling_has_is_made(
    relay: Relay,
) -> None:
    """Of five, one is at Kling when they are cancelled: it is finished and charged, it alone."""
    token = await relay.add_tenant("regrets")
    answer = await taken(relay, token, [clip(f"fox {number}") for number in range(5)])
    due = await claim_soon(relay)
    await relay.parts.runs.runner.advance(min(due))

    path = f"batch/{answer['batch_id']}"
    cancelled = await ask(relay, token, "POST", f"{path}/cancel")
    await work_off(relay, token)
    seen = (await ask(relay, token, "GET", path)).json()

    assert cancelled.status_code == 200, cancelled.text
    assert "Nothing new of it begins" in cancelled.json()["message"]
    assert (seen["completed"], seen["cancelled"], seen["is_over"]) == (1, 4, True)
    assert len(await tasks_of(relay, "regrets")) == 1
    assert await relay.account("regrets") == (10_000_000 - CLIP_MICROS, 0)


async def test_five_hundred_sent_twice_at_once_are_five_hundred_that_wait(relay: Relay) -> None:
    """Both hear of the same tasks, in the order of the items; nothing is sent by the requests.

    The last one of this file: they wait on.
    """
    token = await relay.add_tenant("many", quota_micros=ITEMS_MAX * CLIP_MICROS)
    items = [clip(f"fox {number}") for number in range(ITEMS_MAX)]

    both = await asyncio.gather(
        *(taken(relay, token, items, key="the same") for _ in range(2)),
    )
    seen = (await ask(relay, token, "GET", f"batch/{both[0]['batch_id']}")).json()

    assert both[0]["items"] == both[1]["items"]
    assert (both[0]["taken"], both[0]["refused"]) == (ITEMS_MAX, 0)
    ids = [item["task_id"] for item in both[0]["items"]]
    places = await relay.rows(
        "SELECT public_id FROM runs WHERE token_id = $1 ORDER BY batch_place", token.id
    )
    assert [str(row["public_id"]) for row in places] == ids
    assert await tasks_of(relay, "many") == []
    assert await relay.account("many") == (ITEMS_MAX * CLIP_MICROS, 0)
    assert (seen["tasks"], seen["pending"], seen["is_over"]) == (ITEMS_MAX, ITEMS_MAX, False)
    assert seen["quote"] == "105"


async def _runs(relay: Relay, token: IssuedToken) -> list[Any]:
    return await relay.rows("SELECT * FROM runs WHERE token_id = $1 ORDER BY id", token.id)
