"""A request that names what is not the tenant's is refused as if it did not exist (T4)."""

from typing import Any

import pytest

from relay.kling.endpoint import Endpoint, Reference
from relay.kling.endpoints import ENDPOINTS
from tests.owners.two_accounts import URL, Shop, kling_error

PLACES = [
    pytest.param(endpoint, reference, id=f"{endpoint.name}-{reference.path}")
    for endpoint in ENDPOINTS
    for reference in endpoint.references
]
IMAGE2VIDEO = "/v1/videos/image2video"
EXTEND = "/v1/videos/video-extend"


def naming(reference: Reference, name: Any) -> dict[str, Any]:
    """The smallest body that names it there."""
    value = name
    for part in reversed(reference.path.split(".")):
        value = {part.removesuffix("[]"): [value] if part.endswith("[]") else value}
    assert isinstance(value, dict)
    return value


def path_of(endpoint: Endpoint) -> str:
    return endpoint.path.replace("{model}", "kling-3.0")


@pytest.mark.parametrize(("endpoint", "reference"), PLACES)
async def test_nothing_of_another_tenants_can_be_named_anywhere(
    shop: Shop, endpoint: Endpoint, reference: Reference
) -> None:
    """Every place where any endpoint takes an id: 400/1201, nothing written, Kling not asked.

    Another tenant's, an expired one, a deleted one of one's own, and one that nobody ever had: the
    same words for all, but that Kling tells who deletes what it has deleted (docs/kling-api.md 17).
    """
    owner, thief = await shop.tenant(), await shop.tenant()
    stem = f"{owner.tenant}-{endpoint.name}"
    kind = reference.kind.value
    await shop.claim(owner, kind, f"{stem}-1")
    await shop.claim(thief, kind, f"{stem}-2", more="now() - interval '1 second'")
    await shop.claim(thief, kind, f"{stem}-3")
    await shop.relay.rows(
        "UPDATE owners SET deleted_at = now() WHERE resource_id = $1", f"{stem}-3"
    )
    # Voices of these two are the vendor's names, so that what we never saw is Kling's to refuse.
    is_fixed = endpoint.has_fixed_voices and kind == "voice"
    names = [f"{stem}-1"] if is_fixed else [f"{stem}-{number}" for number in (1, 2, 3, 4)]
    before = await shop.written()

    answers = [await shop.post(thief, path_of(endpoint), naming(reference, name)) for name in names]

    assert [kling_error(answer) for answer in answers] == [(400, 1201)] * len(names)
    words = [answer.json()["message"] for answer in answers]
    if endpoint.deletes is not None:
        assert words.pop(2) == f"{kind.capitalize()} already be deleted"
    assert set(words) == {f"{kind.capitalize()} id not found"}
    assert stem not in answers[0].json()["message"]
    assert shop.kling.posts == []
    assert await shop.written() == before


async def test_an_id_of_another_kind_is_not_found(shop: Shop) -> None:
    """A tenant's own video is no audio, no voice and no element."""
    token = await shop.tenant()
    await shop.claim(token, "video", "kind-1")

    answers = [
        await shop.post(
            token, "/v1/videos/avatar/image2video", {"image": URL, "audio_id": "kind-1"}
        ),
        await shop.post(
            token, IMAGE2VIDEO, {"image": URL, "element_list": [{"element_id": "kind-1"}]}
        ),
    ]

    assert [kling_error(answer) for answer in answers] == [(400, 1201)] * 2
    assert shop.kling.posts == []


async def test_things_of_two_accounts_do_not_meet(shop: Shop) -> None:
    """One element on each account: not found, whichever stands first, and beside a shared one."""
    token = await shop.tenant()
    await shop.claim(token, "element", "11", on="one")
    await shop.claim(token, "element", "12", on="two")
    await shop.claim(token, "element", "13", on="one")
    await shop.claim(token, "element", "13", on="two")
    before = await shop.written()

    for ids in ([11, 12], [12, 11], [13, 11, 12], [12, 13, 11]):
        body = {"image": URL, "element_list": [{"element_id": one} for one in ids]}
        assert kling_error(await shop.post(token, IMAGE2VIDEO, body)) == (400, 1201)

    assert shop.kling.posts == []
    assert await shop.written() == before


@pytest.mark.parametrize("ids", [[13, 12], [12, 13], [13]])
async def test_a_thing_on_two_accounts_goes_with_the_other_one(shop: Shop, ids: list[int]) -> None:
    """What the tenant has on both is used where the rest of the request is."""
    token = await shop.tenant()
    names = {number: f"{token.tenant}-{number}" for number in (12, 13)}
    await shop.claim(token, "element", names[12], on="two")
    await shop.claim(token, "element", names[13], on="one")
    await shop.claim(token, "element", names[13], on="two")
    body = {"image": URL, "element_list": [{"element_id": names[one]} for one in ids]}

    await shop.post(token, IMAGE2VIDEO, body)

    assert [asked.account for asked in shop.kling.posts] == ["two" if 12 in ids else "one"]


async def test_two_tenants_may_have_the_same_id_on_two_accounts(shop: Shop) -> None:
    """An id is unique on its account only: each goes to its own."""
    first, second = await shop.tenant(), await shop.tenant()
    await shop.claim(first, "video", "same", on="one")
    await shop.claim(second, "video", "same", on="two")

    for token in (first, second):
        await shop.post(token, EXTEND, {"video_id": "same"})

    assert [asked.account for asked in shop.kling.posts] == ["one", "two"]


async def test_an_account_that_is_off_is_never_replaced(shop: Shop) -> None:
    """503/5001 for what lives there, nothing held; others are served; an unknown id stays 1201."""
    token, other = await shop.tenant(), await shop.tenant()
    await shop.claim(token, "video", "off-1", on="two")
    before = await shop.written()
    await set_enabled(shop, "two", is_enabled=False)
    try:
        tied = await shop.post(token, EXTEND, {"video_id": "off-1"})
        stolen = await shop.post(other, EXTEND, {"video_id": "off-1"})
        unknown = await shop.post(token, EXTEND, {"video_id": "off-2"})
        free = await shop.post(
            token, "/v1/videos/multi-elements/init-selection", {"video_id": "off-1"}
        )
        untied = await shop.written()
    finally:
        await set_enabled(shop, "two", is_enabled=True)

    assert (kling_error(tied), kling_error(free)) == ((503, 5001), (503, 5001))
    assert (kling_error(stolen), kling_error(unknown)) == ((400, 1201), (400, 1201))
    assert shop.kling.posts == []
    assert untied == before


async def test_an_owner_that_takes_nothing_now_is_not_replaced_either(shop: Shop) -> None:
    """Not sent, and the other channel would be another account: 503, the hold released."""
    token = await shop.tenant()
    await shop.claim(token, "video", "down-1", on="two")

    answer = await shop.post(token, EXTEND, {"video_id": "down-1"}, on="one")

    assert kling_error(answer) == (503, 5001)
    assert shop.kling.posts == []
    assert (await shop.relay.account(token.tenant))[1] == 0


async def test_a_claimed_video_of_klings_own_is_used(shop: Shop) -> None:
    """Made at Kling before the tenant came here: refused until the operator claims it."""
    maker, token = await shop.tenant(), await shop.tenant()
    video = await shop.video(maker, on="two")
    await shop.relay.rows("DELETE FROM owners WHERE resource_id = $1", video)
    refused = await shop.post(token, EXTEND, {"video_id": video})

    await shop.claim(token, "video", video, on="two")
    taken = await shop.post(token, EXTEND, {"video_id": video})

    assert kling_error(refused) == (400, 1201)
    assert taken.status_code == 200, taken.text
    await shop.ended(token, EXTEND, taken.json()["data"]["task_id"])


VICTIM = 829836802793406551
ODD = [
    f'[{{"element_id":{VICTIM}}},null]',
    f'[null,{{"element_id":{VICTIM}}}]',
    f'[{{"element_id":{VICTIM}}},1]',
    f'[{{"element_id":{VICTIM}}},[]]',
    f'{{"element_id":{VICTIM}}}',
    f'"[{{\\"element_id\\":{VICTIM}}}]"',
    f'[{{"element_id":{VICTIM}.0}}]',
    f'[{{"element_id":{VICTIM}e0}}]',
    '[{"element_id":8.29836802793406551e17}]',
    f'[{{"element_id":[{VICTIM}]}}]',
    f'[{{"element_id":{{"id":{VICTIM}}}}}]',
    f'[{{"element_id":"{"0" * 300}{VICTIM}"}}]',
    f'[{{"element_id":" {VICTIM} "}}]',
    f'[{{"element_id":"+{VICTIM}"}}]',
    f'[{{"element_id":"0{VICTIM}"}}]',
    f'[{{"element_id":"{VICTIM}\\u0000"}}]',
    f'[{{"element_id":"{VICTIM}\\ud83d"}}]',
    f'[{{"note":"\\ud83d","element_id":{VICTIM}}}]',
    f'[{{"element_\\u0069d":{VICTIM}}}]',
    f'[{{"element_id":1,"element_id":{VICTIM}}}]',
    '[{"element_id":"829836802793406\\u0035\\u0035\\u0031"}]',
    '[{"element_id":true}]',
    '[{"element_id":{}}]',
    "1",
]


@pytest.mark.parametrize("spelt", ODD)
async def test_no_spelling_of_another_tenants_id_passes(shop: Shop, spelt: str) -> None:
    """Whatever a lenient parser might read as the id is refused before Kling sees it."""
    owner, thief = await shop.tenant(), await shop.tenant()
    await shop.relay.rows("DELETE FROM owners WHERE resource_id = $1", str(VICTIM))
    await shop.claim(owner, "element", str(VICTIM))
    before = await shop.written()
    body = b'{"image":"%b","element_list":%b}' % (URL.encode(), spelt.encode())

    answer = await shop.post(thief, IMAGE2VIDEO, body)

    assert kling_error(answer) == (400, 1201), answer.text
    assert shop.kling.posts == []
    assert await shop.written() == before


@pytest.mark.parametrize("field", ["video_id", "audio_id", "session_id"])
@pytest.mark.parametrize("spelt", ["7.0", "[7]", '{"id":7}', "true", '"7\\u0000"', "7e0"])
async def test_no_odd_id_at_the_top_passes_either(shop: Shop, field: str, spelt: str) -> None:
    """A video, an audio and a session, as Kling never documents them."""
    token = await shop.tenant()
    path = {
        "video_id": EXTEND,
        "audio_id": "/v1/videos/avatar/image2video",
        "session_id": "/v1/videos/multi-elements",
    }[field]

    answer = await shop.post(token, path, b'{"%b":%b}' % (field.encode(), spelt.encode()))

    assert kling_error(answer) == (400, 1201)
    assert field in answer.json()["message"]
    assert shop.kling.posts == []


@pytest.mark.parametrize(
    "spelt", ["null", "[]", '""', "[null]", '[{"element_id":null}]', '[{"element_id":""}]', "[{}]"]
)
async def test_what_names_nothing_passes_as_it_is(shop: Shop, spelt: str) -> None:
    """Absent, null and empty are Kling's to judge, byte for byte."""
    token = await shop.tenant()
    body = b'{"model_name":"kling-v3","image":"%b","element_list":%b}' % (
        URL.encode(),
        spelt.encode(),
    )

    await shop.post(token, IMAGE2VIDEO, body)

    (asked,) = shop.kling.posts
    assert b'"element_list":' + spelt.encode() in asked.body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/videos/lip-sync", b'{"input":{"text":"a fox \\ud83e","video_id":"%b"}}'),
        (IMAGE2VIDEO, b'{"element_list":[{"note":"a fox \\ud83e","element_id":"%b"}]}'),
    ],
)
async def test_half_an_emoji_beside_an_id_harms_neither(shop: Shop, path: str, body: bytes) -> None:
    """The text passes byte for byte, and the id is still looked up."""
    token, thief = await shop.tenant(), await shop.tenant()
    name = f"half-{token.tenant}"
    await shop.claim(token, "element" if b"element_id" in body else "video", name, on="two")
    content = body % name.encode()

    stolen = await shop.post(thief, path, content)
    unasked = list(shop.kling.posts)
    await shop.post(token, path, content)

    assert kling_error(stolen) == (400, 1201)
    assert unasked == []
    (asked,) = shop.kling.posts
    assert asked.account == "two"
    assert b'"a fox \\ud83e"' in asked.body


ANYWHERE = [
    '"videoId":"{0}"',
    '"VIDEO_IDS":["x",{{"a":"{0}"}}]',
    '"tomorrow":[{{"refer-video-id":"{0}"}}]',
    '"tomorrow":{{"a":{{"b":[[{{"element_ids":["{0}"]}}]]}}}}',
    '"a":{{"\\u0076oice_id":"{0}"}}',
    '"a":{{"session_id":"x","session_id":"{0}","session_id":"y"}}',
    '"a":[{{"text":"' + "x" * 2000 + '","audioID":" {0} "}}]',
]


@pytest.mark.parametrize("spelt", ANYWHERE)
async def test_what_is_another_tenants_can_be_named_nowhere(shop: Shop, spelt: str) -> None:
    """Under any spelling, at any depth, and under the name of another kind: as if it were not.

    One's own passes there, and what nobody has is Kling's to judge, as no page has such a field.
    """
    owner, thief = await shop.tenant(), await shop.tenant()
    await shop.claim(owner, "video", f"of-{owner.tenant}")
    body = '{{"model_name":"kling-v3","prompt":"a fox",{}}}'
    named = body.format(spelt.format(f"of-{owner.tenant}"))
    before = await shop.written()

    stolen = await shop.post(thief, "/v1/videos/text2video", named.encode())
    unasked, written = list(shop.kling.posts), await shop.written()
    own = await shop.post(owner, "/v1/videos/text2video", named.encode(), on="one")
    nobodys = body.format(spelt.format("nobodys")).encode()
    free = await shop.post(thief, "/v1/videos/text2video", nobodys, on="one")

    assert kling_error(stolen) == (400, 1201)
    assert stolen.json()["message"].endswith(" id not found")
    assert (unasked, written) == ([], before)
    assert own.status_code == free.status_code == 200
    assert spelt.format("nobodys").encode() in shop.kling.posts[-1].body


@pytest.mark.parametrize(
    "path", ["/v1/general/custom-elements", "/v1/videos/multi-elements/init-selection"]
)
async def test_a_free_call_names_nothing_of_another_tenants_either(shop: Shop, path: str) -> None:
    """Calls without a row go the same way."""
    owner, thief = await shop.tenant(), await shop.tenant()
    await shop.claim(owner, "element", f"free-{owner.tenant}")
    body = {"element_name": "fox", "video_url": URL, "a": [{"ElementId": f"free-{owner.tenant}"}]}

    answer = await shop.post(thief, path, body)

    assert kling_error(answer) == (400, 1201)
    assert shop.kling.posts == []


async def test_more_ids_than_anybody_needs_are_refused(shop: Shop) -> None:
    """101 of them: 1201 before the database is asked."""
    token = await shop.tenant()
    ids = [{"element_id": number} for number in range(101)]

    answer = await shop.post(token, IMAGE2VIDEO, {"image": URL, "element_list": ids})

    assert kling_error(answer) == (400, 1201)


async def set_enabled(shop: Shop, name: str, *, is_enabled: bool) -> None:
    """Switch a channel, and let the relay see it."""
    await shop.relay.rows("UPDATE channels SET enabled = $1 WHERE name = $2", is_enabled, name)
    shop.relay.read_anew()
