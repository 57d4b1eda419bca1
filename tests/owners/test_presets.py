"""Presets: ids that Kling shows to everybody are nobody's, and cost few questions."""

import asyncio
import json

import pytest

from relay.channels.opened import OpenedChannel
from relay.errors import Unavailable
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import Resource
from relay.kling.jwt import JwtCache
from relay.kling.references import NamedResource
from relay.kling.transport import MaybeSent, NotSent, Reply
from relay.sandbox.presets import NEW_PRESET_ELEMENTS, OLD_PRESET_ELEMENTS, PRESET_VOICES
from relay.tasks.presets import PRESETS_AGE_MIN_S, Presets
from relay.tasks.upstream import Upstream
from tests.owners.two_accounts import TTS, URL, Shop, kling_error
from tests.proxy.scripted_kling import (
    Asked,
    ScriptedKling,
    created,
    envelope,
    refusal,
    reply,
)
from tests.relay_app import bearer, running_relay

CHANNEL = OpenedChannel(
    id=1,
    name="main",
    base_url="http://kling.test",
    access_key=None,
    secret_key=None,
    api_key="key",
)
FOX = NamedResource(Resource.ELEMENT, "829836802793406551")


class Lists:
    """Kling's two lists of elements, and the clock; `answer` says what each page is."""

    def __init__(self) -> None:
        self.ids: list[int] = [int(FOX.id)]
        self.failure: Reply | Exception | None = None
        self.now = 1000.0
        self.kling = ScriptedKling(self._answer)
        self.presets = Presets(
            Upstream(self.kling, JwtCache()), Catalogue(), clock=lambda: self.now
        )

    async def _answer(self, asked: Asked) -> Reply:
        await asyncio.sleep(0)
        if isinstance(self.failure, Exception):
            raise self.failure
        if self.failure is not None:
            return self.failure
        ids = self.ids if "advanced" in asked.url else []
        return envelope(
            json.dumps(
                [{"task_result": {"elements": [{"element_id": one}]}} for one in ids]
            ).encode()
        )

    async def has(self, number: int) -> bool:
        return await self.presets.has(CHANNEL, NamedResource(Resource.ELEMENT, str(number)))


async def test_all_tenants_may_name_klings_own(shop: Shop) -> None:
    """Elements of both libraries and a voice; no row says that the tenant owns one."""
    token = await shop.tenant()
    elements = [NEW_PRESET_ELEMENTS[0]["element_id"], OLD_PRESET_ELEMENTS[0]["element_id"]]

    answers = [
        await shop.post(
            token,
            "/v1/videos/image2video",
            {"model_name": "kling-v3", "image": URL, "element_list": [{"element_id": one}]},
        )
        for one in elements
    ]
    spoken = await shop.post(
        token,
        "/v1/videos/text2video",
        {
            "model_name": "kling-v3",
            "prompt": "a",
            "sound": "on",
            "voice_list": [{"voice_id": PRESET_VOICES[0]["voice_id"]}],
        },
    )

    assert [answer.status_code for answer in (*answers, spoken)] == [200] * 3, answers[0].text
    assert (
        await shop.relay.rows(
            "SELECT FROM owners WHERE resource_id = ANY($1)", [str(one) for one in elements]
        )
        == []
    )


async def test_a_preset_goes_with_a_thing_of_ones_own(shop: Shop) -> None:
    """On account two, where the own element is."""
    token = await shop.tenant()
    own = await shop.element(token, on="two")
    both = [{"element_id": own}, {"element_id": NEW_PRESET_ELEMENTS[1]["element_id"]}]
    shop.kling.asked.clear()

    answer = await shop.post(
        token,
        "/v1/videos/image2video",
        {"model_name": "kling-v3", "image": URL, "element_list": both},
    )

    assert answer.status_code == 200, answer.text
    assert [asked.account for asked in shop.kling.posts] == ["two"]


async def test_nobody_deletes_a_preset(shop: Shop) -> None:
    """1201, and Kling is not asked to."""
    token = await shop.tenant()

    answers = [
        await shop.post(
            token, f"/v1/general/{name}", {"element_id": NEW_PRESET_ELEMENTS[0]["element_id"]}
        )
        for name in ("delete-elements", "delete-advanced-elements")
    ]

    assert [kling_error(answer) for answer in answers] == [(400, 1201)] * 2
    assert shop.kling.posts == []


async def test_a_voice_of_tts_is_a_name_that_is_klings_to_know(shop: Shop) -> None:
    """No list shows them; any name passes, but not another tenant's custom voice."""
    token, other = await shop.tenant(), await shop.tenant()
    voice = await shop.voice(other)
    shop.kling.asked.clear()

    spoken = await shop.post(token, "/v1/audio/tts", TTS)
    stolen = await shop.post(token, "/v1/audio/tts", {**TTS, "voice_id": voice})

    assert spoken.status_code == 200, spoken.text
    assert kling_error(stolen) == (400, 1201)
    assert [asked.path for asked in shop.kling.asked] == ["/v1/audio/tts"]


async def test_the_lists_pass_to_tenants_as_kling_has_them(shop: Shop) -> None:
    """With the tenant's own page, unchanged but for the credential."""
    token = await shop.tenant()

    shown = await shop.relay.client.get(
        "/kling/v1/general/presets-voices?pageNum=2&pageSize=1", headers=bearer(token)
    )

    (task,) = shown.json()["data"]
    assert task["task_result"]["voices"] == [PRESET_VOICES[1]]
    assert [asked.path for asked in shop.kling.asked] == [
        "/v1/general/presets-voices?pageNum=2&pageSize=1"
    ]


async def test_a_known_preset_costs_no_question() -> None:
    """Both lists once; a hundred uses later still once."""
    lists = Lists()

    for _ in range(100):
        assert await lists.has(int(FOX.id))
        lists.now += 100.0

    assert len(lists.kling.asked) == 2


async def test_unknown_ids_cost_one_question_a_minute() -> None:
    """Fifty at once and fifty later: two lists once; after a minute again, and the new is seen."""
    lists = Lists()

    at_once = await asyncio.gather(*(lists.has(number) for number in range(50)))
    for number in range(50):
        lists.now += PRESETS_AGE_MIN_S / 51
        assert not await lists.has(number)
    asked_in_a_minute = len(lists.kling.asked)
    lists.ids.append(7)
    lists.now += PRESETS_AGE_MIN_S

    assert not any(at_once)
    assert asked_in_a_minute == 2
    assert await lists.has(7)
    assert len(lists.kling.asked) == 4


@pytest.mark.parametrize(
    "failure",
    [MaybeSent("ReadTimeout"), refusal(500, 5000), refusal(429, 1302), reply(502, b"<html>")],
    ids=["timeout", "5000", "1302", "html"],
)
async def test_what_nobody_could_read_is_not_refused_as_unknown(failure: Reply | Exception) -> None:
    """503/5001 for what may be a preset; what was seen before stays."""
    lists = Lists()
    lists.failure = failure
    with pytest.raises(Unavailable):
        await lists.has(int(FOX.id))
    lists.failure = None
    lists.now += PRESETS_AGE_MIN_S + 1
    assert await lists.has(int(FOX.id))
    lists.now += PRESETS_AGE_MIN_S + 1
    lists.failure = failure

    with pytest.raises(Unavailable):
        await lists.has(8)

    assert await lists.has(int(FOX.id))


@pytest.mark.parametrize("answer", [refusal(404, 1202), refusal(403, 1103)])
async def test_a_list_that_the_account_does_not_have_is_empty(answer: Reply) -> None:
    """The old elements may be gone, or not permitted: an unknown id is then just unknown."""
    lists = Lists()
    lists.failure = answer

    assert not await lists.has(int(FOX.id))


async def test_lists_are_read_to_their_end() -> None:
    """A full page of 500 is followed by the next one."""
    lists = Lists()
    pages = {"pageNum=1&": range(1, 501), "pageNum=2&": range(501, 503)}

    async def paged(asked: Asked) -> Reply:
        ids = next((ids for page, ids in pages.items() if page in asked.url), ())
        found = [{"element_id": one} for one in ids] if "advanced" in asked.url else []
        return envelope(json.dumps(found).encode())

    lists.kling.answer = paged

    assert await lists.has(502)
    assert len(lists.kling.asked) == 3


async def test_the_next_account_tells_what_the_first_cannot(database_url: str) -> None:
    """Presets are the same everywhere: read from the second, and the task goes there too."""
    element = {"element_id": int(FOX.id)}

    async def only_the_second(asked: Asked) -> Reply:
        if "first.test" in asked.url:
            raise NotSent("ConnectError")
        if asked.method == "GET":
            return envelope(json.dumps([element]).encode())
        return envelope(created(asked.injected_id))

    kling = ScriptedKling(only_the_second)
    async with running_relay(database_url, transport=kling) as relay:
        await relay.add_channel("first", base_url="http://first.test", priority=2)
        await relay.add_channel("second", base_url="http://second.test", priority=1)
        token = await relay.add_tenant()
        body = {"model_name": "kling-v3", "image": URL, "element_list": [element]}

        taken = await relay.submit(token, body, path="/v1/videos/image2video")
        unknown = await relay.submit(
            token, {**body, "element_list": [{"element_id": 1}]}, path="/v1/videos/image2video"
        )

        assert taken.status_code == 200, taken.text
        assert kling_error(unknown) == (400, 1201)
        assert len(kling.creates) == 2  # the first one's was not sent
