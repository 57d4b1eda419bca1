"""What each paid endpoint costs: held before, charged as Kling deducts, with books that agree."""

import itertools
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from relay.kling.alike import Reading
from relay.kling.body import read_fields
from relay.kling.endpoints import BY_NAME
from relay.kling.wanted import read_wanted
from relay.pricing.book import Pack, Per, PriceBook, PriceRow
from relay.pricing.edit import end_price, set_price
from relay.pricing.official import OFFICIAL
from relay.pricing.quote import UnitPrices, quote
from relay.sandbox.catalogue import BY_PATH
from relay.sandbox.errors import Refusal
from relay.sandbox.faults import Faults
from relay.sandbox.new_models import MODELS
from relay.sandbox.new_orders import new_order
from relay.sandbox.orders import legacy_order
from relay.sandbox.settings import DEFAULT_ACCOUNT
from relay.sandbox.units import units_of
from tests.corpus.examples import BY_EXAMPLE, UNPRICED
from tests.corpus.play import Recording, play, post
from tests.corpus.seen import wrong_money
from tests.relay_app import bearer
from tests.sandbox.bodies import BODIES

VIDEO_MICROS, IMAGE_MICROS = 140_000, 3_500
"""One unit of each pack at Kling's list price in USD (docs/kling-api.md 10)."""
IMAGES = {
    *("generations", "omni-image", "multi-image2image", "expand", "kolors-virtual-try-on"),
    *("ai-multi-shot", *(name for name, pack in UNPRICED.items() if pack == "image")),
}
PAID = [
    name
    for name, one in BY_EXAMPLE.items()
    if one.endpoint.makes_a_row and not one.endpoint.is_free
]
FREE = [
    name for name, one in BY_EXAMPLE.items() if one.endpoint.makes_a_row and one.endpoint.is_free
]
BOOK = PriceBook([], OFFICIAL)


@pytest.mark.parametrize("name", PAID)
async def test_the_charge_is_kling_s_deduction_and_was_held(
    recording: Recording, name: str
) -> None:
    """Hold >= charge = what the sandbox deducted x the list price of the unit."""
    one = recording.examples[name]

    assert wrong_money(one, IMAGE_MICROS if name in IMAGES else VIDEO_MICROS) == []
    assert one.row["charged_micros"] > 0


@pytest.mark.parametrize("name", FREE)
async def test_what_kling_gives_away_costs_nothing(recording: Recording, name: str) -> None:
    """Elements are kept as rows, without a hold and without a charge."""
    row = recording.examples[name].row

    assert (row["state"], row["hold_micros"], row["charged_micros"]) == ("succeed", 0, 0)


async def test_the_books_agree_after_the_whole_corpus(recording: Recording) -> None:
    """`relay audit` finds nothing."""
    report = await recording.world.relay.audit()

    assert report.ok, report.differences


MARGIN = """
SELECT coalesce(cost_pack, pack) AS pack, sum(cost_units) AS units, sum(charged_micros) AS charged,
       count(*) FILTER (WHERE cost_units IS NULL) AS unknown
FROM tasks WHERE id = ANY($1) GROUP BY 1 ORDER BY 1
"""


async def test_margin_is_a_sum(recording: Recording) -> None:
    """By Kling's word for the pack: what it deducted in the corpus, charged at list price."""
    paid = {name: recording.examples[name] for name in PAID}
    deducted = {"image": Decimal(0), "video": Decimal(0), "try-on": Decimal(0)}
    for name, one in paid.items():
        assert one.units is not None, name
        pack = "try-on" if "try-on" in name else "image" if name in IMAGES else "video"
        deducted[pack] += Decimal(one.units)

    rows = await recording.world.relay.rows(MARGIN, [one.row["id"] for one in paid.values()])

    assert {row["pack"]: row["units"] for row in rows} == deducted
    assert {row["pack"]: row["charged"] for row in rows} == {
        "image": deducted["image"] * IMAGE_MICROS,
        "try-on": deducted["try-on"] * IMAGE_MICROS,
        "video": deducted["video"] * VIDEO_MICROS,
    }
    assert sum(row["unknown"] for row in rows) == 0


async def test_each_task_says_what_was_wanted(recording: Recording) -> None:
    """The model is the one of its quote, the cost what the sandbox deducted."""
    for name, one in recording.examples.items():
        if not one.example.endpoint.makes_a_row:
            continue
        wanted = json.loads(one.row["quote"])["wanted"]
        assert wanted["endpoint"] == one.example.endpoint_name
        assert one.row["model"] == wanted.get("model"), name
        expected = None if one.units is None else Decimal(one.units)
        assert one.row["cost_units"] == expected, name


async def test_the_account_calls_show_the_tenants_own_charges(recording: Recording) -> None:
    """Every charge of acme's once, in units and in currency, in the sandbox's fields.

    Beside them are lines of no task, for what was paid in.
    """
    world = recording.world
    window = {"start_time": 1, "end_time": 2_000_000_000_000, "limit": 500}
    charged = {
        one.kling_id: one.row["charged_micros"]
        for one in recording.examples.values()
        if one.kling_id and one.row["charged_micros"]
    }
    for page in ("package", "balance"):
        path = f"/account/billing/{page}"
        own = await world.relay.client.post(path, json=window, headers=bearer(world.acme))
        rows = [row for row in own.json()["data"]["result"]["detail"] if row["task_id"]]
        theirs = await world.relay.client.post(path, json=window, headers=bearer(world.other))
        kling = await _kling(recording, path, window)

        found = {row["task_id"]: row for row in rows}
        assert len(found) == len(rows)
        assert set(charged) <= set(found)
        others = {one["task_id"] for one in theirs.json()["data"]["result"]["detail"]}
        assert not set(found) & others
        for row in kling["data"]["result"]["detail"]:
            if row["task_id"] not in found:
                continue
            ours = found[row["task_id"]]
            assert set(row) <= set(ours)
            assert {name: type(ours[name]) for name in row} == {
                name: type(value) for name, value in row.items()
            }
            if page == "balance":
                assert round(ours["deduction_amount"] * 1_000_000) == charged[row["task_id"]]


async def test_costs_show_the_quota_as_a_pack(recording: Recording) -> None:
    """Wrapped twice, with the names that the sandbox has; remaining is the quota at list price."""
    world = recording.world
    query = "/account/costs?start_time=1&end_time=2"

    own = (await world.relay.client.get(query, headers=bearer(world.acme))).json()
    kling = await _kling(recording, query, None)

    (pack,) = own["data"]["resource_pack_subscribe_infos"]
    quota = (await world.relay.account())[0]
    assert set(own["data"]) == set(kling["data"])
    assert set(pack) == set(kling["data"]["resource_pack_subscribe_infos"][0])
    assert pack["remaining_quantity"] == pytest.approx(quota / VIDEO_MICROS, abs=0.0001)


async def _kling(recording: Recording, path: str, body: object) -> Any:
    """Ask the sandbox itself, as its account's owner."""
    transport = httpx.ASGITransport(app=recording.world.sandbox)
    async with httpx.AsyncClient(transport=transport, base_url="http://kling") as client:
        headers = {"authorization": f"Bearer {DEFAULT_ACCOUNT.api_key}"}
        method = "GET" if body is None else "POST"
        response = await client.request(method, path, json=body, headers=headers)
        return response.json()


async def test_the_catch_all_prices_whatever_has_no_price(recording: Recording) -> None:
    """With '*' set an effect works at once, and an unknown model gets Kling's own answer."""
    world = recording.world
    catch_all = PriceRow(endpoint="*", per=Per.TASK, units=Decimal(50), pack=Pack.VIDEO)
    effect = PriceRow(endpoint="effects", per=Per.TASK, units=Decimal(25))
    async with world.relay.sessions.begin() as session:
        await end_price(session, effect)
        await set_price(session, catch_all)
    try:
        world.relay.read_anew()
        one = await play(world, world.acme, BY_EXAMPLE["effects"], {}, tag="catch-all ")
        unknown = await post(
            world, world.acme, "/v1/videos/text2video", b'{"model_name":"kling-v99","prompt":"x"}'
        )
    finally:
        async with world.relay.sessions.begin() as session:
            await end_price(session, catch_all)
            await set_price(session, effect)
        world.relay.read_anew()

    assert (one.row["hold_micros"], one.row["charged_micros"]) == (7_000_000, 280_000)
    assert (unknown.status_code, unknown.json()["code"]) == (404, 1203)
    assert unknown.json()["message"] == "model_name kling-v99 does not exist"


@pytest.mark.parametrize(
    ("model", "code"), [("kling-v1", 0), ("kling-v1-6", 0), ("kling-v1-5", 1203)]
)
async def test_a_retired_model_passes(recording: Recording, model: str, code: int) -> None:
    """What it answers is Kling's business; a refusal comes back with the hold released."""
    world = recording.world
    held = (await world.relay.account())[1]

    body = json.dumps({"model_name": model, "prompt": "a fox [slow 60]"}).encode()
    response = await post(world, world.acme, "/v1/videos/text2video", body)

    assert response.json()["code"] == code
    if code:
        assert response.json()["message"] == f"model_name {model} does not exist"
        assert (await world.relay.account())[1] == held


LEGACY = ("text2video", "image2video", "multi-image2video", "omni-video", "motion-control")
MORE = ("avatar", "multi-elements", "generations", "omni-image", "multi-image2image", "expand")
VARIANTS: dict[str, tuple[object, ...]] = {
    "mode": (None, "std", "pro", "4k"),
    "duration": (None, "3", 5, "10", 15.0),
    "sound": (None, "on"),
    "voice_list": (None, [{"voice_id": "1"}]),
    "video_list": (None, [{"video_url": "https://e.example/a.mp4", "refer_type": "feature"}]),
    "resolution": (None, "2k", "4k"),
    "n": (None, "3"),
    "image": (None, "https://e.example/a.png"),
}
NEW_SETTINGS: dict[str, tuple[object, ...]] = {
    "resolution": (None, "1080p", "4k"),
    "duration": (None, 5, 10, 15),
    "audio": (None, "native", "original"),
}
NOT_IN_THE_LIST = re.compile(
    r"unpriced: ("
    r"\S+ model=kling-v3 .*voice=on.*"  # voice control on 3.0
    r"|omni-image model=kling-image-o1 mode=4k.*"  # O1 in 4k
    r"|\S+ model=kling-2.5-turbo .*sound=on.*"  # sound on 2.5, which has none
    r"|\S+ model=kling-4\.0.*"  # ships unpriced
    r")"
)
"""Kinds of tasks that the sandbox takes and no row of the vendor's list prices (section 10)."""


def _legacy_bodies(name: str) -> Iterator[dict[str, object]]:
    endpoint = BY_NAME[name]
    models = (None, *BY_PATH[endpoint.path].models)
    pricing = endpoint.pricing
    named = {
        one.name for one in (pricing.mode, pricing.duration, pricing.sound, pricing.count) if one
    }
    named |= {*pricing.inputs, pricing.voice_list or ""}
    fields = {key: values for key, values in VARIANTS.items() if key in named}
    for model, *values in itertools.product(models, *fields.values()):
        wanted = {"model_name": model, **dict(zip(fields, values, strict=True))}
        body = {**BODIES[endpoint.path], **{k: v for k, v in wanted.items() if v is not None}}
        yield body | ({"prompt": "<<<voice_1>>>"} if body.get("voice_list") else {})


def _compare(name: str, body: dict[str, object], units: Decimal, model: str | None) -> str | None:
    wanted = read_wanted(
        BY_NAME[name], Reading(read_fields(json.dumps(body).encode())), model=model
    ).wanted[0]
    row = BOOK.find(wanted)
    if row is None:
        return f"unpriced: {wanted}"
    prices = UnitPrices(video_micros=VIDEO_MICROS, image_micros=IMAGE_MICROS)
    quoted = quote(row, wanted, prices=prices, tenant_multiplier=Decimal(1))
    micros = units * (IMAGE_MICROS if name in IMAGES else VIDEO_MICROS)
    if quoted.hold_micros < micros or (quoted.hold_micros > micros and not wanted.is_open):
        return f"held {quoted.hold_micros} of {micros}: {wanted}"
    return None


@pytest.mark.parametrize("name", [*LEGACY, *MORE])
def test_the_price_book_holds_what_the_sandbox_would_deduct(name: str) -> None:
    """Over every combination that the sandbox accepts: equal, or more where the length is open."""
    endpoint, seen, wrong = BY_PATH[BY_NAME[name].path], 0, set()
    for body in _legacy_bodies(name):
        try:
            order = legacy_order(endpoint, body, Faults({}))
        except Refusal:
            continue
        seen += 1
        wrong.add(_compare(name, body, units_of(order), None))

    assert seen > 0
    assert _unexplained(wrong) == []


@pytest.mark.parametrize("operation", MODELS)
def test_the_price_book_holds_what_2_0_would_deduct(operation: str) -> None:
    """The same of each model in the path."""
    name = (
        operation
        if operation in BY_NAME and "2.0-" + operation not in BY_NAME
        else "2.0-" + operation
    )
    path = f"/{operation}/{{model}}"
    seen, wrong = 0, set()
    for model, values in itertools.product(
        MODELS[operation], itertools.product(*NEW_SETTINGS.values())
    ):
        given = {k: v for k, v in zip(NEW_SETTINGS, values, strict=True) if v is not None}
        body = dict(BODIES[path])
        body["settings"] = {**body.get("settings", {}), **given}  # type: ignore[dict-item]  # an object
        try:
            order = new_order(BY_PATH[path], model, body, Faults({}))
        except Refusal:
            continue
        seen += 1
        wrong.add(_compare(name, body, units_of(order), model))

    assert seen > 0
    assert _unexplained(wrong) == []


def _unexplained(wrong: set[str | None]) -> list[str]:
    return sorted(text for text in wrong if text and not NOT_IN_THE_LIST.fullmatch(text))
