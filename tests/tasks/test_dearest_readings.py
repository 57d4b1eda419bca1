"""What is spelt oddly passes on as it is, and is held at the dearest that Kling may read in it."""

import itertools
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from relay.database.cached import Cached
from relay.database.engine import open_engine, open_sessions
from relay.database.ids import AccountId, TenantId
from relay.errors import RelayError
from relay.kling.body import read_fields
from relay.kling.endpoints import BY_NAME
from relay.kling.transport import Reply
from relay.pricing.book import Per, PriceKind, PriceRow
from relay.pricing.edit import set_price
from relay.pricing.in_force import Prices as InForce
from relay.pricing.official import OFFICIAL
from relay.pricing.quote import Quote, UnitPrices
from relay.tasks.quoter import Quoter
from relay.tenants.caller import Caller
from tests.relay_app import CLIP, CLIP_MICROS, running_relay
from tests.tasks.scripted_kling import Call, ScriptedKling, success

CALLER = Caller(
    token_id=1,
    tenant_id=TenantId(1),
    tenant="acme",
    account_id=AccountId(1),
)


class Prices(NamedTuple):
    """Quotes by one quoter, which remembers them."""

    quoter: Quoter

    async def quote(self, name: str, body: dict[str, Any] | str, model: str | None = None) -> Quote:
        text = body if isinstance(body, str) else json.dumps(body)
        fields = read_fields(text.encode())
        return (await self.quoter.quote(CALLER, BY_NAME[name], fields, model)).quote

    async def hold(self, name: str, body: dict[str, Any] | str, model: str | None = None) -> int:
        return (await self.quote(name, body, model)).hold_micros


@pytest.fixture
async def prices() -> AsyncIterator[Prices]:
    """By Kling's list alone; what has no price would be noted in a database, and there is none."""

    async def read() -> InForce:
        return InForce(official=OFFICIAL, at=datetime.now(UTC))

    engine = open_engine("postgresql://127.0.0.1:9/none")
    quoter = Quoter(
        open_sessions(engine), Cached(read, of="prices", age_max_s=3600), UnitPrices(140_000, 3_500)
    )
    yield Prices(quoter)
    await engine.dispose()


V3 = {"model_name": "kling-v3", "prompt": "a fox <<<voice_1>>>"}
OMNI = {"model_name": "kling-v3-omni", "mode": "std"}
V26 = {"model_name": "kling-v2-6", "mode": "pro", "sound": "on", "prompt": "<<<voice_1>>>"}
V3_IMAGE = {"model_name": "kling-v2-1", "prompt": "a fox"}
O_IMAGE = {"model_name": "kling-v3-omni", "prompt": "a fox"}
DEARER: list[tuple[str, str | None, dict[str, Any], str, Any]] = [
    # endpoint, model in the path, a cheap body, what makes it dearer
    ("text2video", None, V3, "mode", "4k"),
    ("text2video", None, V3, "duration", "10"),
    ("image2video", None, {**V3, "duration": "5", "mode": "std"}, "duration", 15),
    ("text2video", None, V3, "sound", "on"),
    ("text2video", None, {"mode": "pro", "prompt": "x"}, "model_name", "kling-v2-master"),
    ("text2video", None, V26, "voice_list", [{"voice_id": "1"}]),
    ("omni-video", None, {**OMNI, "duration": "3"}, "video_list", [{"refer_type": "base"}]),
    ("omni-video", None, {**OMNI, "sound": "off"}, "sound", True),
    ("avatar", None, {}, "mode", "pro"),
    ("generations", None, V3_IMAGE, "image", "aGVsbG8="),
    ("generations", None, V3_IMAGE, "n", 4),
    ("omni-image", None, O_IMAGE, "resolution", "4k"),
    ("omni-image", None, {**O_IMAGE, "n": 2}, "result_type", "series"),
    ("omni-image", None, {**O_IMAGE, "result_type": "series"}, "series_amount", "auto"),
    ("text-to-video", "kling-3.0", {"prompt": "x"}, "settings", {"duration": 15}),
    ("text-to-video", "kling-3.0", {"prompt": "x"}, "settings", {"audio": "native"}),
    ("2.0-omni-video", "kling-3.0-omni", {}, "contents", [{"type": "base_video", "url": "u"}]),
]
SPELLINGS: list[Callable[[str], str]] = [
    str.upper,
    str.title,
    lambda name: name.replace("_", "-"),
    lambda name: name.replace("_", ""),
    lambda name: f"_{name}",
    lambda name: "".join(itertools.chain.from_iterable(zip(name, itertools.repeat("_")))),
    lambda name: name.replace("s", "\u017f"),  # a letter that is an s, as cases go
]


@pytest.mark.parametrize("case", DEARER, ids=lambda case: f"{case[0]}.{case[3]}")
async def test_a_field_under_another_spelling_is_held_for(
    prices: Prices, case: tuple[str, str | None, dict[str, Any], str, Any]
) -> None:
    """Beside the right one or in its place, before it or after it, and never by the memory."""
    endpoint, model, cheap, name, value = case
    least = await prices.hold(endpoint, cheap, model)
    most = await prices.hold(endpoint, {**cheap, name: value}, model)
    assert most > least

    for spelling in {spell(name) for spell in SPELLINGS} - {name}:
        for body in ({**cheap, spelling: value}, {spelling: value, **cheap}):
            assert await prices.hold(endpoint, body, model) == most, body
    assert await prices.hold(endpoint, {**cheap, f"{name}_x": value}, model) == least
    assert await prices.hold(endpoint, cheap, model) == least


@pytest.mark.parametrize(
    ("endpoint", "model", "body", "dear"),
    [
        (
            "text-to-video",
            "kling-3.0",
            '{"settings":{%s}}',
            ('"duration":3', '"duration":15'),
        ),
        ("text-to-video", "kling-3.0", '{"settings":{%s}}', ('"audio":"off"', '"Audio":"native"')),
        (
            "text-to-video",
            "kling-3.0",
            '{"prompt":"x", "Settings": {%s}}',
            ('"resolution" : "720p"', '"resolution" : "4k"'),
        ),
        (
            "2.0-omni-video",
            "kling-3.0-omni",
            '{"contents":[{"text":"a","type":"prompt"},{%s,"url":"https:\\/\\/a\\"b"}]}',
            ('"type":"refer_image"', '"type" :"feature_video"'),
        ),
        (
            "2.0-omni-video",
            "kling-3.0-omni",
            '{"contents":[{%s}],"settings":{"duration":3}}',
            ('"type":"element"', '"TYPE":"base_video","x":[{"type":"prompt"}]'),
        ),
        (
            "omni-video",
            None,
            '{"model_name":"kling-v3-omni","duration":"3","video_list":[{ %s }]}',
            ('"refer_type":"feature"', '"refer_type":"base"'),
        ),
    ],
)
async def test_of_two_equal_names_the_dearer_is_held_for(
    prices: Prices, endpoint: str, model: str | None, body: str, dear: tuple[str, str]
) -> None:
    """In either order, and with each of them twice; alone, the cheap one is cheap."""
    cheap, costly = dear
    most = await prices.hold(endpoint, body % costly, model)
    assert await prices.hold(endpoint, body % cheap, model) < most

    for both in (f"{cheap},{costly}", f"{costly},{cheap}", f"{cheap}, {costly} ,{cheap}"):
        assert await prices.hold(endpoint, body % both, model) == most, both
    assert await prices.hold(endpoint, body % f"{cheap},{cheap}", model) < most


CONTENTS = '{"contents":[{"type":"prompt","text":"x"},%s],"settings":{"duration":3}}'
BASE = '{"type":"base_video","url":"u"}'


@pytest.mark.parametrize(
    ("endpoint", "model", "odd", "dear"),
    [
        *(
            ("2.0-omni-video", "kling-3.0-omni", CONTENTS % item, CONTENTS % BASE)
            for item in (
                '{"type":"Base_Video"}',
                '{"type":"baseVideo"}',
                '{"type":"video_of_tomorrow"}',
                '{"type":["base_video"]}',
                '{"type":null}',
                '{"url":"u"}',
                '{"type":"prompt","Type":"base-video"}',
            )
        ),
        *(
            (
                "omni-video",
                None,
                {**OMNI, "duration": "3", "video_list": videos},
                {**OMNI, "duration": "3", "video_list": [{"refer_type": "base"}]},
            )
            for videos in (
                [{"refer_type": "Feature"}],
                [{"refer_type": "Base"}],
                [{"refer_type": 1}],
                [{"refer_type": "feature", "referType": "base"}],
                {"refer_type": "base"},
            )
        ),
        *(
            ("text2video", None, {**V3, "sound": word}, {**V3, "sound": "on"})
            for word in ("yes", "loud", 1, "y", "Off.")
        ),
        *(
            ("text2video", None, {**V3, "duration": word}, {**V3, "duration": "15"})
            for word in ("15s", "abc", 0, -1, True, "nan", "sNaN", "0x5", "-0", 14.5)
        ),
        *(
            ("text2video", None, {**V3, "mode": word}, {**V3, "mode": "4k"})
            for word in ("4K", "4-k", "4 K")
        ),
        ("omni-video", None, {**OMNI, "mode": "Std"}, {**OMNI, "mode": "pro"}),
        *(
            ("text2video", None, {**V3, "model_name": word}, V3)
            for word in ("KLING-V3", "kling_v3", "Kling V3")
        ),
        ("text-to-video", "Kling-3-0", {}, None),
        *(
            ("omni-image", None, {**O_IMAGE, field: word}, {**O_IMAGE, "n": 9})
            for field, word in (("n", "many"), ("n", 0), ("n", 8.5))
        ),
        (
            "omni-image",
            None,
            {**O_IMAGE, "result_type": "Series", "series_amount": "AUTO"},
            {**O_IMAGE, "n": 9},
        ),
        ("generations", None, {**V3_IMAGE, "image": " "}, {**V3_IMAGE, "image": "x"}),
        *(
            ("text2video", None, {**V26, "voice_list": ["1"], "prompt": text}, None)
            for text in ("<<<Voice_1>>>", "<<<voice1>>>", "<<<1>>>", "\ud83d <<<voice_1>>>")
        ),
    ],
)
async def test_a_value_that_is_not_known_to_be_cheap_is_held_for(
    prices: Prices, endpoint: str, model: str | None, odd: Any, dear: Any
) -> None:
    """At the dearest that it may be; where `dear` is None, at the price with voice or of 3.0."""
    if dear is None and endpoint == "text2video":
        del odd["voice_list"]
        least = await prices.hold(endpoint, odd)
        odd["voice_list"] = [{"voice_id": "1"}]
        assert await prices.hold(endpoint, odd) == least * Decimal("1.2")
        return
    most = await prices.hold(endpoint, dear or odd, model if dear else "kling-3.0")

    assert await prices.hold(endpoint, odd, model) == most


async def test_a_model_that_is_not_named_may_be_any_that_kling_has(prices: Prices) -> None:
    """Absent, null, "" or under the old name: 3.0's 0.9 a second with sound, not 1.0's clip.

    Of models that Kling ended its own default is left; a named one is what it says.
    """
    body = {"prompt": "x", "mode": "std"}
    silent = await prices.hold("text2video", {**body, "model_name": "kling-v3"})

    for none in ({}, {"model_name": None}, {"model_name": ""}, {"model": "kling-v1"}):
        assert await prices.hold("text2video", {**body, **none}) == silent
    old = {**body, "model": "kling-v2-1-master", "mode": "pro"}
    assert await prices.hold("text2video", old) == 10 * 140_000
    named = {**body, "model_name": "kling-v1", "model": "kling-v2-master"}
    assert await prices.hold("text2video", named) == 140_000
    loud = {**body, "sound": "on", "duration": "10"}
    assert await prices.hold("text2video", loud) == 9 * 140_000


async def test_shots_may_be_longer_than_their_clip(prices: Prices) -> None:
    """Three of 4 s are 12, whatever `duration` says; equal to it they are plain."""
    shots = [{"index": n, "prompt": "x", "duration": "4"} for n in range(3)]

    short = await prices.hold("text2video", {**V3, "duration": "3", "multi_prompt": shots})
    absent = await prices.hold("omni-video", {**OMNI, "multi_prompt": shots})
    right = await prices.hold("text2video", {**V3, "duration": "12", "multi_prompt": shots})

    assert short == right == absent == Decimal("0.6") * 12 * 140_000


async def test_a_plain_body_is_still_quoted_by_the_memory(prices: Prices) -> None:
    """Other fields do no harm; a body with an odd one is read each time."""
    plain = json.dumps({**V3, "duration": "5"})
    odd = json.dumps({**V3, "duration": "5", "DURATION": "10"})

    first = await prices.quote("text2video", plain)
    again = await prices.quote("text2video", plain.replace('"prompt"', '"cfg_scale":1,"prompt"'))
    twice = [await prices.quote("text2video", odd) for _ in range(2)]

    assert again is first
    assert twice[0] is not twice[1]
    assert twice[0].hold_micros == 2 * first.hold_micros
    assert await prices.quote("text2video", plain) is first


async def test_a_body_of_hundreds_of_odd_names_is_quoted_at_once(prices: Prices) -> None:
    """Of many readings only those with a price of their own are compared."""
    names = [f"{'_' * n}Duration" for n in range(200)] + [f"{'_' * n}Mode" for n in range(200)]
    body = {**V3, **{name: number % 60 + 1 for number, name in enumerate(names[:200])}}
    body |= dict.fromkeys(names[200:], "4k")

    assert await prices.hold("text2video", body) == 3 * 60 * 140_000


async def test_an_odd_body_reaches_kling_as_it_is_and_costs_what_kling_took(books: str) -> None:
    """Held for the 10 s that `Duration` may mean, charged the 5 s that Kling made of it."""

    async def answer(call: Call) -> Reply:
        if call.method == "POST":
            return success({"task_id": f"k{len(kling.calls)}", "task_status": "submitted"})
        return success({"task_id": call.key, "task_status": "succeed", "final_unit_deduction": "3"})

    kling = ScriptedKling(answer)
    async with running_relay(books, transport=kling, refresh_s=0) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        await relay.submit(token, CLIP)

        odd = {**CLIP, "Duration": "10", "sound": "off"}
        response = await relay.submit(token, odd)
        held = (await relay.account())[1] - CLIP_MICROS

        assert response.status_code == 200, response.text
        sent = kling.calls[-1].body
        assert {name: sent[name] for name in odd} == odd
        assert held == 2 * CLIP_MICROS
        await relay.get(token, response.json()["data"]["task_id"])
        assert await relay.account() == (10_000_000 - CLIP_MICROS, CLIP_MICROS)


async def test_an_unclear_length_costs_a_fixed_price_by_the_result(books: str) -> None:
    """0.1 a second: held for 10, charged for the 5.04 s that came of it."""

    async def answer(call: Call) -> Reply:
        if call.method == "POST":
            return success({"task_id": "k1", "task_status": "submitted"})
        videos = [{"id": "v1", "url": "https://e.example/v.mp4", "duration": "5.04"}]
        return success(
            {"task_id": "k1", "task_status": "succeed", "task_result": {"videos": videos}}
        )

    async with running_relay(books, transport=ScriptedKling(answer), refresh_s=0) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        async with relay.sessions.begin() as session:
            row = PriceRow(
                "text2video", kind=PriceKind.FIXED, per=Per.SECOND, amount_micros=100_000
            )
            await set_price(session, row)

        await relay.submit(token, {**CLIP, "Duration": 10})
        held = await relay.account()
        await relay.get(token, "k1")

        assert held == (10_000_000, 1_000_000)
        assert await relay.account() == (9_500_000, 0)


@pytest.mark.parametrize("value", ['{"a":1}', "[5]", "1e400", "3601"])
async def test_what_kling_takes_nowhere_is_refused_only_under_the_right_name(
    prices: Prices, value: str
) -> None:
    """`duration` is named; an odd spelling of it says nothing then."""
    body = '{"model_name":"kling-v3","prompt":"x","mode":"std","%s":%s}'
    plain = await prices.hold("text2video", {"model_name": "kling-v3", "mode": "std"})

    with pytest.raises(RelayError, match="duration"):
        await prices.hold("text2video", body % ("duration", value))
    assert await prices.hold("text2video", body % ("Duration", value)) == plain
