"""T4 where Kling's own answer is about the whole account: `/tasks`, `/solutions`, `/account`."""

import json
from typing import Any

import pytest

from relay.pricing.quote import UnitPrices
from relay.proxy.account import Accounts
from relay.proxy.page import read_page
from relay.tenants.caller import Caller
from relay.tenants.tokens import IssuedToken
from tests.owners.two_accounts import Shop, kling_error
from tests.relay_app import bearer
from tests.waiting import wait_until

NEW = "/text-to-video/kling-3.0"
TRY_ON = "/solutions/virtual_try_on"
WINDOW = "start_time=1&end_time=4102444800000"
PACKAGE, BALANCE = "/account/billing/package", "/account/billing/balance"


async def get(shop: Shop, token: IssuedToken, path: str) -> Any:
    response = await shop.relay.client.get(path, headers=bearer(token))
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def create(shop: Shop, token: IssuedToken, path: str, external_id: str = "") -> str:
    body = {"prompt": "a fox", "options": {"external_task_id": external_id}}
    response = await shop.post(token, path, body, on="one")
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    return str(data.get("id") or data["task_id"])


async def settled(shop: Shop, token: IssuedToken, root: str, *ids: str) -> None:
    async def have_succeeded() -> bool:
        rows = await get(shop, token, f"{root}?task_ids={','.join(ids)}")
        return all("succe" in str(row.get("status") or row.get("task_status")) for row in rows)

    await wait_until(have_succeeded)


@pytest.mark.parametrize(("root", "path"), [("/tasks", NEW), ("/solutions", TRY_ON)])
async def test_queries_and_cursors_know_only_ones_own(shop: Shop, root: str, path: str) -> None:
    """By Kling's id and by the same external id of two tenants; lists and their pages too."""
    tokens = [await shop.tenant() for _ in range(2)]
    ids = {token.tenant: [await create(shop, token, path, "order-1")] for token in tokens}
    for token in tokens:
        ids[token.tenant].append(await create(shop, token, path))
        await settled(shop, token, root, *ids[token.tenant])
    everything = ",".join(one for both in ids.values() for one in both)

    for token in tokens:
        own = ids[token.tenant]
        found = await get(shop, token, f"{root}?task_ids={everything}")
        named = await get(shop, token, f"{root}?external_task_ids=order-1,order-2")
        pages, cursor = [], ""
        for _ in range(2):
            page = await shop.post(token, root, {"limit": 1, "cursor": cursor})
            pages.append(page.json()["data"])
            cursor = pages[-1]["next_cursor"]

        assert [row.get("id") or row["task_id"] for row in found] == own
        assert [row.get("id") or row["task_id"] for row in named] == own[:1]
        shown = [row.get("id") or row["task_id"] for page in pages for row in page["result"]]
        assert shown == own[::-1]
        assert [page["has_more"] for page in pages] == [True, False]
        assert pages[-1]["next_cursor"] == ""


async def test_tasks_of_legacy_paths_are_found_in_the_words_of_2_0(shop: Shop) -> None:
    """As Kling finds them (docs/kling-api.md 17): by either id, one's own only, and no call's."""
    token, thief = await shop.tenant(), await shop.tenant()
    body = {"model_name": "kling-v1", "prompt": "a fox", "external_task_id": "fox"}
    video = await shop.made(token, "/v1/videos/text2video", body)
    image = await shop.made(token, "/v1/images/generations", {"prompt": "a fox", "n": 2})
    speech = await shop.post(token, "/v1/audio/tts", {"text": "a", "voice_id": "x"}, on="one")
    new = await create(shop, token, NEW)
    await settled(shop, token, "/tasks", new)
    ids = [new, image["task_id"], video["task_id"]]
    asked = ",".join([*ids, speech.json()["data"]["task_id"]])

    tasks = await get(shop, token, f"/tasks?task_ids={asked}")
    named = await get(shop, token, "/v1/tasks?external_task_ids=fox")
    stolen = await get(shop, thief, f"/tasks?task_ids={asked}")
    none = await get(shop, token, f"/solutions?task_ids={asked}")
    crossed = [
        await get(shop, token, f"/tasks?task_ids=fox,{new}"),
        await get(shop, token, f"/tasks?external_task_ids={video['task_id']}"),
    ]

    assert [task["id"] for task in tasks] == ids
    assert set(tasks[0]) <= set(tasks[1]) == set(tasks[2])
    assert named == [tasks[2]]
    assert stolen == none == []
    assert crossed == [tasks[:1], []]
    (clip,) = video["task_result"]["videos"]
    assert tasks[2] == {
        "id": video["task_id"],
        "status": "succeeded",
        "message": "",
        "create_time": video["created_at"],
        "update_time": video["updated_at"],
        "external_id": "fox",
        "outputs": [{"type": "video", **clip}],
        "billing": [{"charge_type": "unit", "amount": "1", "package_type": "video"}],
    }
    assert [out["type"] for out in tasks[1]["outputs"]] == ["image"] * 2
    assert tasks[1]["billing"][0]["package_type"] == "image"


async def test_a_query_of_many_takes_twenty_ids(shop: Shop) -> None:
    """Twenty, however often each stands there; one more is 400/1201 (docs/kling-api.md 17)."""
    token = await shop.tenant()

    for name in ("task_ids", "external_task_ids"):
        for path in ("/tasks", "/solutions"):
            ids = [str(number) for number in range(20)]
            query = f"{path}?{name}={','.join(ids * 2)}"
            assert await get(shop, token, query) == []
            more = await shop.relay.client.get(f"{query},20", headers=bearer(token))
            assert kling_error(more) == (400, 1201)
            assert more.json()["message"].startswith(name)


async def test_a_cursor_of_another_tenants_page_shows_nothing_of_it(shop: Shop) -> None:
    """A cursor is a place, no credential."""
    owner, thief = await shop.tenant(), await shop.tenant()
    for _ in range(3):
        await create(shop, owner, NEW)
    page = (await shop.post(owner, "/tasks", {"limit": 1})).json()["data"]

    stolen = await shop.post(thief, "/tasks", {"cursor": page["next_cursor"]})

    assert stolen.json()["data"] == {"count": 0, "has_more": False}


@pytest.mark.parametrize("root", ["/tasks", "/solutions"])
async def test_a_query_of_many_wants_exactly_one_kind_of_ids(shop: Shop, root: str) -> None:
    """Kling's own words for none and for both."""
    token = await shop.tenant()

    for query in ("", "?task_ids=", "?task_ids=1&external_task_ids=2", "?task_ids=%00", "?x=1"):
        response = await shop.relay.client.get(f"{root}{query}", headers=bearer(token))

        assert kling_error(response) == (400, 1201)
        assert response.json()["message"] == "task_ids or external_task_ids is required"


async def test_the_account_is_the_tenants_own(shop: Shop) -> None:
    """One pack with what it bought and has left, in units of 0.14; nothing of another tenant's."""
    rich, poor = await shop.tenant(quota_micros=14_000_000), await shop.tenant(quota_micros=0)
    await shop.post(rich, "/v1/audio/tts", {"text": "a", "voice_id": "x"}, on="one")

    costs = await get(shop, rich, f"/account/costs?{WINDOW}")
    nothing = await get(shop, poor, f"/account/costs?{WINDOW}")
    other = await get(shop, rich, f"/account/costs?{WINDOW}&resource_pack_name=other")

    (pack,) = costs["resource_pack_subscribe_infos"]
    assert (pack["total_quantity"], pack["remaining_quantity"]) == (100.0, 99.95)
    assert pack["status"] == "online"
    assert nothing == other == {"code": 0, "msg": "success"}
    assert [asked.path for asked in shop.kling.asked] == ["/v1/audio/tts"]


async def test_charges_are_told_in_units_and_in_currency(shop: Shop) -> None:
    """Newest first, by pages; the amounts of a row chain to the next one."""
    token, other = await shop.tenant(quota_micros=14_000_000), await shop.tenant()
    for one in (token, token, token, other):
        await shop.post(one, "/v1/audio/tts", {"text": "a", "voice_id": "x"}, on="one")

    pages, cursor = [], ""
    for _ in range(2):
        body = {"start_time": 1, "end_time": "4102444800000", "limit": 2, "cursor": cursor}
        data = (await shop.post(token, PACKAGE, body)).json()["data"]
        pages.append(data)
        cursor = data["next_cursor"]
    *rows, sold = [row for page in pages for row in page["result"]["detail"]]
    *cash, cash_sold = (await shop.post(token, BALANCE, {})).json()["data"]["result"]["detail"]

    assert [page["has_more"] for page in pages] == [True, False]
    assert (sold["deduction_amount"], cash_sold["deduction_amount"]) == (-100.0, -14.0)
    assert (sold["product_function"], sold["task_id"]) == ("topup", "")
    assert [row["deduction_amount"] for row in rows] == [0.05] * 3
    assert [row["unit_before_deduction"] for row in rows] == [99.9, 99.95, 100.0]
    assert [row["unit_after_deduction"] for row in rows] == [99.85, 99.9, 99.95]
    assert [row["deduction_amount"] for row in cash] == [0.007] * 3
    assert {row["currency"] for row in cash} == {"USD"}
    assert {row["product_function"] for row in rows} == {"tts"}


class CountedPool:
    """A pool that counts what is asked of it."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.asked = 0

    async def fetch(self, *arguments: Any) -> Any:
        self.asked += 1
        return await self._pool.fetch(*arguments)

    fetchval = fetchrow = None  # more than one row at a time, or the test fails


async def test_a_page_of_charges_costs_no_more_statements_than_one_charge(shop: Shop) -> None:
    """A sum for each charge took 12 s of a page of 500, with 200,000 entries behind it."""
    token = await shop.tenant()
    for _ in range(3):
        await shop.post(token, "/v1/audio/tts", {"text": "a", "voice_id": "x"}, on="one")
    pool: Any = CountedPool(shop.relay.parts.store.pool)
    prices = UnitPrices(video_micros=140_000, image_micros=3_500)
    tenant = await shop.relay.row(
        "SELECT id, account_id FROM tenants WHERE name = $1", token.tenant
    )
    caller = Caller(token.id, tenant["id"], token.tenant, account_id=tenant["account_id"])

    page = await Accounts(pool, prices=prices, currency="USD").package(caller, read_page({}))

    assert len(json.loads(page)["result"]["detail"]) == 4
    assert pool.asked == 1


async def test_charges_are_filtered_by_key_and_time(shop: Shop) -> None:
    """`api_key_name` is the tenant's own token; another pack, another time: nothing."""
    token = await shop.tenant()
    await shop.post(token, "/v1/audio/tts", {"text": "a", "voice_id": "x"}, on="one")
    row, _ = (await shop.post(token, PACKAGE, {})).json()["data"]["result"]["detail"]

    async def count(path: str, **body: Any) -> int:
        response = await shop.post(token, path, body)
        return int(response.json()["data"]["result"]["count"])

    def by(key: str, *values: str) -> list[dict[str, Any]]:
        return [{"key": key, "values": values}]

    assert await count(PACKAGE, filters=by("api_key_name", row["api_key_name"], "z")) == 1
    assert await count(BALANCE, filters=by("api_key_name", row["api_key_name"])) == 1
    assert await count(PACKAGE, filters=by("api_key_name", "token-0")) == 0
    assert await count(PACKAGE, filters=by("package_id", row["package_id"])) == 2
    assert await count(PACKAGE, filters=by("package_id", "2")) == 0
    assert await count(PACKAGE, end_time=1000) == 0
    assert await count(PACKAGE, start_time="4102444800000") == 0


@pytest.mark.parametrize("path", ["/tasks", "/solutions", PACKAGE, BALANCE])
@pytest.mark.parametrize(
    "body",
    [
        {"limit": 501},
        {"limit": True},
        {"limit": "x"},
        {"cursor": "x"},
        {"cursor": 7},
        {"cursor": "9" * 30},
        {"start_time": -1},
        {"start_time": "1e3"},
        {"end_time": {}},
        {"filters": {}},
        {"filters": [1]},
        {"filters": [{"key": "status"}]},
        {"filters": [{"key": 1, "values": []}]},
    ],
)
async def test_a_page_that_cannot_be_asked_for_is_1201(
    shop: Shop, path: str, body: dict[str, Any]
) -> None:
    """As Kling's: 400, and no row of anybody's."""
    token = await shop.tenant()

    assert kling_error(await shop.post(token, path, body)) == (400, 1201)


@pytest.mark.parametrize(("root", "status"), [("/tasks", 400), ("/solutions", 200), (PACKAGE, 400)])
async def test_a_page_of_none_is_one_of_one_for_solutions_alone(
    shop: Shop, root: str, status: int
) -> None:
    """Their page says so of 0 and below (docs/kling-api.md 3.3); elsewhere it is 1201."""
    token = await shop.tenant()
    if root == "/solutions":
        for _ in range(2):
            await create(shop, token, TRY_ON)

    answer = await shop.post(token, root, {"limit": 0})

    assert answer.status_code == status
    if status == 200:
        assert answer.json()["data"]["count"] == 1
        assert answer.json()["data"]["has_more"] is True


@pytest.mark.parametrize("path", ["/tasks", "/solutions", PACKAGE, BALANCE])
@pytest.mark.parametrize("word", ["\u0000", "a\u0000b", "%", "' OR 1=1", "\U0001f98a"])
async def test_odd_words_in_filters_find_nothing(shop: Shop, path: str, word: str) -> None:
    """NUL, patterns and quotes are words like others."""
    token = await shop.tenant()
    filters = [
        {"key": key, "values": [word]}
        for key in ("status", "product_type", "api_key_name", "package_id")
    ]

    response = await shop.post(token, path, {"filters": filters})

    assert response.status_code == 200, response.text
