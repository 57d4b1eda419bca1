"""Results that are given again, to whom, for what, and that nothing is taken for them."""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.runs.plan import Plan, PlannedStep
from relay.tenants.tokens import IssuedToken
from relay.worker.forget_old import Ages, forget_old
from tests.assets.kling_files import FILES_URL, PICTURE, Keeper, open_keeper
from tests.clones import cloned
from tests.relay_app import Relay, bearer
from tests.studio.asking import ended, make, seen
from tests.waiting import PATIENCE_S

CLIP = {"prompt": "a red fox in the snow", "reuse_days": 7}
CLIP_MICROS = 210_000


@pytest.fixture(scope="module")
async def keeper(
    postgres_server: EmbeddedPostgres, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Keeper]:
    """A studio that keeps results; tests bring tenants of their own."""
    folder = tmp_path_factory.mktemp("assets")
    async with (
        cloned(postgres_server, template) as url,
        open_keeper(
            url,
            folder,
            asset_url=FILES_URL,
            callback_allow="127.0.0.1",
            with_callbacks=True,
            studio=True,
            free_calls_per_s=1.0,
        ) as opened,
    ):
        yield opened


async def made(keeper: Keeper, token: IssuedToken, path: str, body: Any) -> Any:
    """Have something made, not given again; returns it once it is completed."""
    answer = (await make(keeper.relay, token, path, body)).json()
    assert answer["success"], answer
    assert not answer["is_reused"], answer
    task = await ended(keeper.relay, token, answer["task_id"])
    assert (task["status"], task["reused_from"]) == ("completed", None), task
    return task


async def is_reused(keeper: Keeper, token: IssuedToken, path: str, body: Any) -> bool:
    answer = (await make(keeper.relay, token, path, body)).json()
    assert answer["success"], answer
    return bool(answer["is_reused"])


async def spent(relay: Relay, tenant: str) -> tuple[int, int, int]:
    """What is left, what is held, and how many tasks there are, of a tenant."""
    row = await relay.row(
        "SELECT a.quota_micros, a.held_micros, (SELECT count(*) FROM tasks WHERE tenant_id = t.id)"
        " AS tasks FROM tenants t JOIN accounts a ON a.id = t.account_id WHERE t.name = $1",
        tenant,
    )
    return row["quota_micros"], row["held_micros"], row["tasks"]


async def give(relay: Relay, tenant: str, micros: int) -> None:
    """Have more on an account, or less; to be taken back before the books are looked at."""
    await relay.rows(
        "UPDATE accounts SET quota_micros = quota_micros + $2 WHERE id ="
        " (SELECT account_id FROM tenants WHERE name = $1)",
        *(tenant, micros),
    )


async def run_of(relay: Relay, task_id: str) -> Any:
    return await relay.row("SELECT * FROM runs WHERE public_id = $1", uuid.UUID(task_id))


async def test_the_same_request_is_given_the_same_file_at_no_charge(keeper: Keeper) -> None:
    """At once, with an id of its own, of an empty account too, for no hold, entry or task."""
    relay, token = keeper.relay, await keeper.add_tenant("again")
    first = await made(keeper, token, "text-to-video", CLIP)
    await give(relay, "again", CLIP_MICROS - 10_000_000)

    answers = [
        (await make(relay, token, "text-to-video", CLIP, **{"Idempotency-Key": key})).json()
        for key in ("one", "one", "two")
    ]
    anew = await make(relay, token, "text-to-video", {"prompt": CLIP["prompt"]})

    assert {(one["status"], one["is_reused"]) for one in answers} == {("completed", True)}
    assert answers[0]["task_id"] == answers[1]["task_id"] != answers[2]["task_id"]
    assert anew.json()["error_code"] == 1102
    for one in answers:
        task = await seen(relay, token, one["task_id"])
        assert task["task_id"] == one["task_id"] != first["task_id"]
        assert (task["status"], task["progress"], task["stage"]) == ("completed", 100, "ended")
        assert (task["quote"], task["charged"]) == ("0", "0")
        assert (task["reused_from"], task["started_at"]) == (first["task_id"], None)
        assert task["output_asset_id"] == first["output_asset_id"] is not None
        assert task["result_metadata"]["assets"] == first["result_metadata"]["assets"]
        assert task["output_url"].startswith(FILES_URL)
        assert task["provider_task_id"] == first["provider_task_id"]
        assert task["input_params"] == CLIP
        assert task["status_message"] == "Done: made before, and given again at no charge"
    assert first["charged"] == "0.21"
    assert await spent(relay, "again") == (0, 0, 1)
    await give(relay, "again", 10_000_000 - CLIP_MICROS)
    assert (await relay.audit()).ok


async def test_it_is_listed_and_its_events_end_at_once(keeper: Keeper) -> None:
    """Its list tells it in the caller's language; cancelling and retrying it change nothing."""
    relay, token = keeper.relay, await keeper.add_tenant("listed")
    first = await made(keeper, token, "text-to-video", CLIP)
    task_id = (await make(relay, token, "text-to-video", CLIP)).json()["task_id"]
    headers = bearer(token) | {"Accept-Language": "zh-CN"}

    listed = (await relay.client.get("/api/kling/ai-tasks", headers=headers)).json()
    async with asyncio.timeout(PATIENCE_S):
        events = await relay.client.get(f"/api/kling/ai-task/{task_id}/events", headers=headers)
    cancelled = await relay.client.post(f"/api/kling/ai-task/{task_id}/cancel", headers=headers)
    retried = await relay.client.post(f"/api/kling/ai-task/{task_id}/retry", headers=headers)

    assert [one["task_id"] for one in listed["tasks"]] == [task_id, first["task_id"]]
    assert listed["tasks"][0]["status_message"] == "已完成：复用之前的结果，不收费"  # noqa: RUF001 (as Chinese is written)
    assert events.text.count("event: progress") == 1
    assert '"status":"completed"' in events.text
    assert cancelled.json()["success"] is False
    assert retried.status_code == 400
    assert (await seen(relay, token, task_id))["reused_from"] == first["task_id"]
    moves = await relay.rows(
        "SELECT shown FROM run_events WHERE run_id = $1", (await run_of(relay, task_id))["id"]
    )
    assert ['"state":"completed"' in move["shown"] for move in moves] == [True]


async def test_items_of_a_batch_are_given_again_too(keeper: Keeper) -> None:
    """Each is told so in its place, and when the batch is sent once more."""
    relay, token = keeper.relay, await keeper.add_tenant("many")
    first = await made(keeper, token, "text-to-video", CLIP)
    before = await spent(relay, "many")
    body = {"items": [{"task_type": "text_to_video"} | CLIP]}
    headers = {"Idempotency-Key": "batch"}

    answers = [(await make(relay, token, "batch", body, **headers)).json() for _ in range(2)]

    (item,), (again,) = (answer["items"] for answer in answers)
    assert (item["status"], item["is_reused"]) == ("completed", True)
    assert (again["task_id"], again["is_reused"]) == (item["task_id"], True)
    assert (await seen(relay, token, item["task_id"]))["reused_from"] == first["task_id"]
    assert await spent(relay, "many") == before
    assert (await relay.audit()).ok


async def test_what_another_tenant_made_is_given_to_nobody_else(keeper: Keeper) -> None:
    """Nor are their codes equal, so that nobody who reads rows sees that they asked for the same;
    nor is what a sandbox made given to who pays."""
    relay = keeper.relay
    owner, other = await keeper.add_tenant("has-it"), await keeper.add_tenant("has-not")
    first = await made(keeper, owner, "text-to-video", CLIP)

    second = await made(keeper, other, "text-to-video", CLIP)

    assert second["charged"] == "0.21"
    assert not set(first["result_metadata"]["assets"]) & set(second["result_metadata"]["assets"])
    rows = [await run_of(relay, one["task_id"]) for one in (first, second)]
    assert len({row["inputs_mac"] for row in rows}) == 2
    caller = await relay.faces.own._authenticator.authenticate(  # noqa: SLF001 (a caller as any)
        f"Bearer {owner.api_key}", now_s=0.0
    )
    plan = Plan("text_to_video", (PlannedStep("video", "text2video", {"prompt": "x"}),))
    reuse = relay.parts.runs.beginner.reuse
    codes = [
        await reuse.mac_of(one, plan)
        for one in (caller, msgspec.structs.replace(caller, is_test=True))
    ]
    assert len(set(codes)) == 2


async def test_another_text_or_model_is_another_request(keeper: Keeper) -> None:
    """A default that is spelled out is none; a URL is its letters, and nobody fetches it."""
    token = await keeper.add_tenant("changes")
    first = await made(keeper, token, "image-to-video", CLIP | {"image": "https://a.example/1.png"})
    body = first["input_params"]
    [model] = await keeper.relay.rows(
        "SELECT model FROM tasks t JOIN tenants n ON n.id = t.tenant_id WHERE n.name = 'changes'"
    )

    same = [
        body | {"reuse_days": 1},
        body | {"model": model["model"]},
        body | {"negative_prompt": ""},
    ]
    others = [
        body | {"prompt": "a red fox in the snow."},
        body | {"image": "https://a.example/1.png?"},
        body | {"mode": "pro"},
        body | {"reuse_days": 0},
    ]

    assert [await is_reused(keeper, token, "image-to-video", one) for one in same] == [True] * 3
    assert [await is_reused(keeper, token, "image-to-video", one) for one in others] == [False] * 4


async def test_a_file_is_what_is_in_it(keeper: Keeper) -> None:
    """As base64, by its id, and by another id of the same content: not by other bytes."""
    relay, token = keeper.relay, await keeper.add_tenant("files")
    uploads = "/api/assets"

    async def send(content: bytes) -> str:
        answer = await relay.client.post(uploads, content=content, headers=bearer(token))
        return str(answer.json()["data"]["asset_id"])

    other = PICTURE + b"\0"
    before = await send(PICTURE)
    first = await made(keeper, token, "image-to-video", CLIP | {"image": before})
    in_base64 = base64.b64encode(PICTURE).decode()
    given = [before, f"asset://{before}", in_base64, f"data:image/png;base64,{in_base64}"]
    same = [
        await is_reused(keeper, token, "image-to-video", CLIP | {"image": one}) for one in given
    ]
    await relay.client.delete(f"{uploads}/{before}", headers=bearer(token))
    after = await send(PICTURE)

    assert same == [True] * 4
    assert after != before
    assert await is_reused(keeper, token, "image-to-video", CLIP | {"image": after})
    assert not await is_reused(keeper, token, "image-to-video", CLIP | {"image": await send(other)})
    assert first["charged"] == "0.21"


async def test_what_is_gone_or_too_old_is_made_anew(keeper: Keeper) -> None:
    """By its tenant's deletion, its time, its age in days, or since the inputs are forgotten."""
    relay, token = keeper.relay, await keeper.add_tenant("gone")

    async def one_made() -> Any:
        return await made(keeper, token, "text-to-video", CLIP)

    async def change(task: Any, what: str, *values: Any) -> None:
        run = await run_of(relay, task["task_id"])
        await relay.rows(what, run["id"], *values)

    first = await one_made()
    await relay.client.delete(f"/api/assets/{first['output_asset_id']}", headers=bearer(token))
    second = await one_made()
    assert await is_reused(keeper, token, "text-to-video", CLIP)
    await change(
        second,
        "UPDATE assets SET kept_until = now() WHERE task_id IN"
        " (SELECT task_id FROM run_steps WHERE run_id = $1)",
    )
    third = await one_made()
    await change(
        third, "UPDATE runs SET ended_at = now() - interval '7 days 1 minute' WHERE id = $1"
    )
    fourth = await one_made()
    await change(third, "UPDATE runs SET ended_at = now() - interval '6 days' WHERE id = $1")
    await change(fourth, "UPDATE runs SET ended_at = now() - interval '31 days' WHERE id = $1")
    assert await is_reused(keeper, token, "text-to-video", CLIP)
    await change(third, "UPDATE runs SET ended_at = now() - interval '31 days' WHERE id = $1")
    await forget_old(relay.sessions, Ages(30, 30, 30, 30, 30, inputs_days=30))
    fifth = await one_made()

    tasks = (first, second, third, fourth, fifth)
    assert len({task["output_asset_id"] for task in tasks}) == 5
    forgotten = await run_of(relay, third["task_id"])
    assert (forgotten["inputs_mac"], forgotten["input_sealed"]) == (None, None)
    assert (await relay.audit()).ok


async def test_chains_and_variants_are_given_again_as_a_whole(keeper: Keeper) -> None:
    """By all that they made, in its order; with another number of variants it is made anew."""
    relay, token = keeper.relay, await keeper.add_tenant("chains")
    await give(relay, "chains", 90_000_000)
    variants = {"capability": "text_to_video", "input": {"prompt": "x"}, "n": 2, "reuse_days": 7}
    picture = (
        await relay.client.post("/api/assets", content=PICTURE, headers=bearer(token))
    ).json()["data"]["asset_id"]
    human = {"image": picture, "text": "Hello!", "voice_id": "genshin_vindi2", "reuse_days": 7}

    for path, body in (
        ("variants", variants),
        ("avatar", human),
        ("koubo/digital-human", human),
    ):
        first = await made(keeper, token, path, body)
        answer = (await make(relay, token, path, body)).json()
        task = await seen(relay, token, answer["task_id"])

        assert answer["is_reused"], path
        assert answer["notes"] == []
        assert task["result_metadata"]["assets"] == first["result_metadata"]["assets"]
        assert [step["name"] for step in task["steps"]] == [step["name"] for step in first["steps"]]
        assert task["charged"] == "0"
        assert float(first["charged"]) > 0
    assert not await is_reused(keeper, token, "variants", variants | {"n": 1})
    await give(relay, "chains", -90_000_000)


async def test_where_nothing_is_kept_it_is_made_and_that_is_said(keeper: Keeper) -> None:
    """No code is written; days that cannot be meant are refused by their name."""
    relay = keeper.relay
    token = await relay.add_tenant("keeps-none")

    answers = [(await make(relay, token, "text-to-video", CLIP)).json() for _ in range(2)]
    refused = [
        (
            await make(relay, token, path, {"prompt": "x", "image": "https://a.example/1"} | body)
        ).json()
        for path in ("text-to-video", "koubo/product-showcase")
        for body in ({"reuse_days": -1}, {"reuse_days": 31}, {"reuse_days": "x"})
    ]

    assert [one["is_reused"] for one in answers] == [False, False]
    assert [one["notes"] for one in answers] == [
        ["reuse_days has no effect: of your results none is kept to be given again"]
    ] * 2
    assert {one["error_code"] for one in refused} == {1201}
    assert all("reuse_days" in one["error_message"] for one in refused), refused
    rows = await relay.rows("SELECT inputs_mac FROM runs WHERE token_id = $1", token.id)
    assert [row["inputs_mac"] for row in rows] == [None, None]


async def test_a_tenant_is_given_again_at_a_pace(keeper: Keeper) -> None:
    """As free calls are, since no limit of creates counts them; what is refused writes nothing."""
    relay, token = keeper.relay, await keeper.add_tenant("hurries")
    await made(keeper, token, "text-to-video", CLIP)

    answers = await asyncio.gather(*(make(relay, token, "text-to-video", CLIP) for _ in range(60)))

    given = [one.json() for one in answers if one.status_code == 200]
    assert 10 <= len(given) < 60
    assert all(one["is_reused"] for one in given)
    assert {one.json()["error_code"] for one in answers if one.status_code != 200} == {1302}
    runs = await relay.rows("SELECT 1 FROM runs WHERE token_id = $1", token.id)
    assert len(runs) == len(given) + 1
