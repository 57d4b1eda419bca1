"""What an account has and was charged (docs/kling-api.md 4.16, 5.6)."""

import pytest

from relay.sandbox.settings import DEFAULT_ACCOUNT, Account, SandboxSettings
from tests.sandbox.client import Caller, sign
from tests.sandbox.conftest import Opened

COSTS = "/account/costs?start_time=1&end_time=2000000000000"
PACKAGE = "/account/billing/package"
BALANCE = "/account/billing/balance"
WINDOW: dict[str, object] = {"start_time": 1, "end_time": 2_000_000_000_000}


async def test_costs_are_wrapped_twice(kling: Caller) -> None:
    """5.6: data has a code and a msg of its own; what is left is what was not deducted."""
    await kling.finished(prompt="a cat [units 2.5]")

    reply = (await kling.get(COSTS)).json()

    data = reply["data"]
    pack = data["resource_pack_subscribe_infos"][0]
    assert (reply["code"], data["code"], data["msg"]) == (0, 0, "success")
    assert pack["total_quantity"] - pack["remaining_quantity"] == 2.5
    assert set(pack) == {
        "resource_pack_name",
        "resource_pack_id",
        "resource_pack_type",
        "total_quantity",
        "remaining_quantity",
        "purchase_time",
        "effective_time",
        "invalid_time",
        "status",
    }


async def test_one_pack_can_be_named_and_none_can_be_there(kling: Caller) -> None:
    """5.6: without packs the array is absent; start and end are needed; a JWT will do."""
    one = await kling.get(f"{COSTS}&resource_pack_name=sandbox%20image%20pack")
    none = await kling.get(f"{COSTS}&resource_pack_name=other")
    without = await kling.get(f"{COSTS}&sandbox_fault=%5Bno%20packs%5D")
    endless = await kling.get("/account/costs?start_time=1")
    signed = await kling.http.get(COSTS, headers={"authorization": f"Bearer {sign()}"})

    assert len(one.json()["data"]["resource_pack_subscribe_infos"]) == 1
    assert none.json()["data"] == without.json()["data"] == {"code": 0, "msg": "success"}
    assert (endless.status_code, endless.json()["code"]) == (400, 1201)
    assert signed.status_code == 200


async def test_units_are_listed_with_what_was_before_and_after(kling: Caller) -> None:
    """4.16: numbers where Kling has numbers; a row each for task, image task and call."""
    video = await kling.finished(
        model_name="kling-v2-6", mode="pro", sound="on", prompt="a cat", duration="10"
    )
    await kling.finished("/v1/images/generations", prompt="a cat", n=2)
    await kling.accepted("/v1/audio/tts", text="hello", voice_id="x")
    await kling.finished(prompt="[fail]")

    data = await kling.accepted(PACKAGE, **WINDOW)

    speech, images, row = data["result"]["detail"]
    assert (data["result"]["count"], data["has_more"]) == (3, False)
    assert row.pop("deduction_time").isdecimal()
    assert row == {
        "package_id": "501",
        "product_type": "video",
        "task_id": video["task_id"],
        "api_key_name": "sandbox",
        "product_function": "v1/videos/text2video",
        "model_name": "kling-v2-6",
        "resolution": "1080p",
        "duration": "10.04",
        "refer_video_input": False,
        "video_sound": "native",
        "voice_control": False,
        "unit_before_deduction": 1_000_000.0,
        "deduction_amount": 10.0,
        "unit_after_deduction": 999_990.0,
    }
    assert (images["product_type"], images["deduction_amount"]) == ("image", 16.0)
    assert (speech["product_function"], speech["unit_before_deduction"]) == (
        "v1/audio/tts",
        999_990.0,
    )


async def test_money_is_listed_apart(kling: Caller) -> None:
    """4.16: cash rows have cash_type, list_price and currency; a mixed charge is in both lists."""
    await kling.finished(prompt="[cash 0.5]")
    await kling.finished(prompt="[mixed 0.25]")

    money = (await kling.accepted(BALANCE, **WINDOW))["result"]["detail"]
    units = (await kling.accepted(PACKAGE, **WINDOW))["result"]["detail"]

    assert [row["deduction_amount"] for row in money] == [0.25, 0.5]
    assert [row["deduction_amount"] for row in units] == [1.0]
    assert (money[0]["currency"], money[0]["cash_type"]) == ("USD", "balance")
    assert money[0]["list_price"] == "0.25"


async def test_rows_are_read_on_by_cursor_and_filtered(kling: Caller) -> None:
    """4.16: everything beside a cursor is ignored; filters by product type and pack."""
    for _ in range(3):
        await kling.accepted("/v1/audio/tts", text="hello", voice_id="x")
    images = {"key": "product_type", "values": ["image"]}
    videos = {"key": "package_name", "values": ["sandbox video pack"]}

    first = await kling.accepted(PACKAGE, **WINDOW, limit=2)
    rest = await kling.accepted(PACKAGE, cursor=first["next_cursor"], filters=[images])
    none = await kling.accepted(PACKAGE, **WINDOW, filters=[images])
    all_three = await kling.accepted(PACKAGE, **WINDOW, filters=[videos])

    counts = [page["result"]["count"] for page in (first, rest, none, all_three)]
    ids = {row["task_id"] for page in (first, rest) for row in page["result"]["detail"]}
    assert counts == [2, 1, 0, 3]
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PACKAGE, {}),
        (PACKAGE, {"start_time": 1}),
        (PACKAGE, {**WINDOW, "limit": 501}),
        (BALANCE, {**WINDOW, "filters": [{"key": "product_type", "values": ["video"]}]}),
        (
            PACKAGE,
            {
                **WINDOW,
                "filters": [
                    {"key": "package_name", "values": ["a"]},
                    {"key": "package_id", "values": ["b"]},
                ],
            },
        ),
    ],
)
async def test_a_wrong_question_is_1201(kling: Caller, path: str, body: dict[str, object]) -> None:
    """4.16: a window without cursor, at most 500 rows, a name or an id of a pack."""
    response = await kling.create(path, **body)

    assert (response.status_code, response.json()["code"]) == (400, 1201)


async def test_a_bill_is_its_accounts_own(opened: Opened) -> None:
    """Account B sees nothing of what A was charged."""
    other = Account("other-ak", "other-secret-key-that-is-long-enough", "other-api-key")
    async with opened(SandboxSettings(accounts=(DEFAULT_ACCOUNT, other))) as kling:
        await kling.accepted("/v1/audio/tts", text="hello", voice_id="x")

        mine = await kling.accepted(PACKAGE, **WINDOW)
        theirs = await Caller(kling.http, other).accepted(PACKAGE, **WINDOW)

    assert (mine["result"]["count"], theirs["result"]["count"]) == (1, 0)
