"""Clients that break at the slightest difference (docs/kling-api.md 13), over real sockets."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal

import httpx
import msgspec
import pytest

from tests.clients.conftest import Shop
from tests.relay_app import CLIP, bearer, signed
from tests.waiting import PATIENCE_S, settle_for, wait_until

IMPATIENT_S = 5.0
"""What it waits for an answer; this one is part of the promise."""
PROMPT = {"model_name": "kling-v3", "prompt": "a fox", "duration": "5"}


class _Info(msgspec.Struct):
    external_task_id: str | msgspec.UnsetType = msgspec.UNSET


class _Video(msgspec.Struct):
    id: str
    url: str
    duration: str


class _Result(msgspec.Struct):
    videos: list[_Video]


class _Task(msgspec.Struct):
    """What the strictest parser asks of `data`: a number where a string is expected breaks it."""

    task_id: str
    task_status: Literal["submitted", "processing", "succeed", "failed"]
    created_at: int
    updated_at: int
    task_info: _Info
    task_status_msg: str | msgspec.UnsetType = msgspec.UNSET
    task_result: _Result | msgspec.UnsetType = msgspec.UNSET
    final_unit_deduction: str | msgspec.UnsetType = msgspec.UNSET


class _Envelope(msgspec.Struct):
    code: int
    message: str
    request_id: str


class _One(_Envelope):
    data: _Task


class _Many(_Envelope):
    data: list[_Task]


class _Error(_Envelope, forbid_unknown_fields=True):
    pass


class CheckingClient:
    """Decodes every answer by its schema, strictly; polls until the end."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, headers: dict[str, str]) -> None:
        self._http = http
        self._base_url = base_url
        self._headers = headers

    async def create(self, body: dict[str, Any]) -> _Task:
        answer = await self._http.post(self._base_url, json=body, headers=self._headers)
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=_One).data

    async def poll(self, task_id: str) -> _Task:
        url = f"{self._base_url}/{task_id}"

        async def end() -> _Task | None:
            answer = await self._http.get(url, headers=self._headers)
            task = msgspec.json.decode(answer.content, type=_One).data
            return task if task.task_status in ("succeed", "failed") else None

        return await wait_until(end)

    async def list(self) -> list[_Task]:
        answer = await self._http.get(self._base_url, headers=self._headers)
        return msgspec.json.decode(answer.content, type=_Many).data


async def test_a_schema_checking_client_finds_nothing_wrong(shop: Shop) -> None:
    """Create, each poll and the list decode strictly: ids, deductions, durations are strings."""
    client = CheckingClient(
        shop.world.http, f"{shop.world.url}/kling/v1/videos/text2video", bearer(shop.token)
    )

    created = await client.create(PROMPT)
    named = await client.create({**PROMPT, "external_task_id": "strict-1"})
    done = await client.poll(created.task_id)
    await client.poll(named.task_id)
    listed = {task.task_id: task for task in await client.list()}

    assert created.task_info == _Info()
    assert named.task_info == _Info(external_task_id="strict-1")
    assert done.task_status == "succeed"
    assert isinstance(done.task_result, _Result)
    assert done.final_unit_deduction == "3"
    assert done.created_at <= done.updated_at
    assert listed[done.task_id] == done


@pytest.mark.parametrize(
    ("method", "path", "json", "refusal"),
    [
        ("GET", "/v1/videos/text2video/none", None, (400, 1201)),
        ("POST", "/v1/videos/text2video", [], (400, 1200)),
        ("POST", "/v1/videos/text2video", {"model_name": "kling-v99", "prompt": "a"}, (404, 1203)),
        ("POST", "/v1/videos/text2video", {"prompt": "[error 1301]"}, (400, 1301)),
        ("POST", "/v1/videos/text2video", {"prompt": "[error 1102]"}, (503, 5001)),
        ("DELETE", "/v1/videos/text2video/none", None, (404, 1202)),
        ("POST", "/v1/videos/image2video", {"element_list": [{"element_id": 9}]}, (400, 1201)),
        ("POST", "/v1/nothing/there", {}, (404, 1202)),
    ],
)
async def test_every_refusal_is_klings_error(
    shop: Shop, method: str, path: str, json: Any, refusal: tuple[int, int]
) -> None:
    """Three fields of these types and no other, whoever refused."""
    answer = await shop.world.http.request(
        method, shop.world.url + path, headers=bearer(shop.token), json=json
    )

    assert (answer.status_code, msgspec.json.decode(answer.content, type=_Error).code) == refusal
    if refusal == (503, 5001):
        await shop.world.heal()


async def test_the_most_impatient_client_is_never_kept_waiting(shop: Shop) -> None:
    """5 s for every request, three tasks polled once a second, only 200 with `data` will do."""
    world, statuses = shop.world, list[str]()
    async with httpx.AsyncClient(timeout=IMPATIENT_S, trust_env=False) as http:

        async def follow(number: int) -> None:
            url = f"{world.url}/v1/videos/text2video"
            body = {**CLIP, "prompt": f"[slow 2.5] {number}"}
            created = await http.post(url, json=body, headers=bearer(shop.token))
            assert created.status_code == 200
            task_id = created.json()["data"]["task_id"]
            status = ""
            while status != "succeed":
                began = time.monotonic()
                polled = await http.get(f"{url}/{task_id}", headers=bearer(shop.token))
                assert polled.status_code == 200
                assert time.monotonic() - began < IMPATIENT_S
                status = polled.json()["data"]["task_status"]
                statuses.append(status)
                rest_s = max(0.0, 1 - (time.monotonic() - began))
                await settle_for(rest_s, because="it polls once a second")

        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(follow(number) for number in range(3)))

    assert statuses.count("succeed") == 3
    assert len(statuses) >= 9


@pytest.mark.parametrize(
    ("age_s", "status", "code"),
    [(0, 200, 0), (1790, 200, 0), (1800, 200, 0), (1802, 200, 0), (1900, 401, 1004)],
)
async def test_a_client_that_keeps_its_token_for_all_of_its_life_is_served(
    shop: Shop, age_s: int, status: int, code: int
) -> None:
    """Signed once for 1,800 s, and sent once more just after: Kling's clients do."""
    token = signed(shop.token, now_s=int(time.time()) - age_s)

    answer = await shop.world.http.get(
        f"{shop.world.url}/v1/videos/text2video", headers={"Authorization": f"Bearer {token}"}
    )

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def as_documented(url: str) -> str:
    return url


def with_double_slash(url: str) -> str:
    """One client sends two before the id."""
    head, _, name = url.rpartition("/")
    return f"{head}//{name}"


@pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/", "/kling", "/kling/", "/kling/v1/"])
@pytest.mark.parametrize("spell", [as_documented, with_double_slash])
async def test_any_base_url_reaches_the_task(
    shop: Shop, base: str, spell: Callable[[str], str]
) -> None:
    """With and without `/v1`, `/kling` and a slash at its end, also where the client adds `/v1`."""
    root = shop.world.url + base
    created = await shop.world.http.post(
        f"{root}/v1/images/kolors-virtual-try-on",
        headers=bearer(shop.token),
        json={"human_image": "https://example.com/a.png"},
    )
    task_id = created.json()["data"]["task_id"]

    answers = [
        await shop.world.http.get(spell(root + path), headers=bearer(shop.token))
        for path in (
            f"/images/kolors-virtual-try-on/{task_id}",
            f"/v1/images/kolors-virtual-try-on/{task_id}",
        )
    ]

    assert [answer.json()["data"]["task_id"] for answer in answers] == [task_id] * 2


async def test_a_relay_of_the_new_api_family_stands_in_front(shop: Shop) -> None:
    """Its channel key is our `sk-`; `model` beside `model_name` passes, and prices nothing."""
    headers = {**bearer(shop.token), "User-Agent": "kling-sdk/1.0"}
    url = f"{shop.world.url}/kling/v1/videos"
    body = {
        "prompt": "a fox",
        "mode": "std",
        "duration": "5",
        "aspect_ratio": "1:1",
        "model_name": "kling-v3",
        "model": "kling-v1",
        "cfg_scale": 0.5,
        "metadata": {"a": 1},
    }
    assert headers["Authorization"].startswith("Bearer sk-")

    created = await shop.world.http.post(f"{url}/text2video", headers=headers, json=body)
    task_id = created.json()["data"]["task_id"]
    polled = await shop.world.http.get(f"{url}/text2video/{task_id}", headers=headers)
    requests = (await shop.world.http.get(f"{shop.world.kling_url}/sandbox/requests")).json()
    sent = next(one for one in reversed(requests) if one["method"] == "POST")

    assert polled.json()["data"]["task_id"] == task_id
    assert '"model":"kling-v1"' in sent["body"].replace(": ", ":")
    assert dict(map(tuple, sent["headers"]))["user-agent"] != "kling-sdk/1.0"
    row = await shop.world.task(task_id)
    assert row["hold_micros"] == 420_000  # of kling-v3
