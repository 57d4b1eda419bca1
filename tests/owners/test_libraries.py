"""Point 8: lists of elements and voices show the tenant's own, and it deletes only its own."""

from typing import Any

import pytest

from relay.tenants.tokens import IssuedToken
from tests.owners.two_accounts import URL, Shop, kling_error
from tests.relay_app import bearer
from tests.waiting import wait_until

ADVANCED = "/v1/general/advanced-custom-elements"
OLD = "/v1/general/custom-elements"
VOICES = "/v1/general/custom-voices"


async def listed(shop: Shop, token: IssuedToken, path: str) -> list[Any]:
    response = await shop.relay.client.get(path, headers=bearer(token))
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    assert isinstance(data, list)
    return data


async def test_two_tenants_on_one_account_see_only_their_own(shop: Shop) -> None:
    """Elements of both libraries and voices; with a third tenant's list empty."""
    first, second, third = [await shop.tenant() for _ in range(3)]
    ids: dict[str, set[str]] = {}
    for token in (first, second):
        old = await shop.post(token, OLD, {"element_name": "fox"}, on="one")
        ids[token.tenant] = {
            str(await shop.element(token)),
            await shop.voice(token),
            str(old.json()["data"]["element_id"]),
        }

    for token in (first, second, third):
        shown = str([await listed(shop, token, path) for path in (ADVANCED, OLD, VOICES)])

        for tenant, own in ids.items():
            for one in own:
                assert (one in shown) == (tenant == token.tenant), (one, tenant, token.tenant)


@pytest.mark.parametrize("path", ["delete-elements", "delete-advanced-elements"])
@pytest.mark.parametrize("spelling", [int, str])
async def test_an_element_is_deleted_by_its_tenant_alone(
    shop: Shop, path: str, spelling: type
) -> None:
    """Another tenant: 1201 and Kling unasked. Its own: gone for every later request."""
    owner, thief = await shop.tenant(), await shop.tenant()
    element = await shop.element(owner, on="two")
    naming = {"element_id": spelling(element)}
    use = {"model_name": "kling-v3", "image": URL, "element_list": [naming]}
    shop.kling.asked.clear()

    stolen = await shop.post(thief, f"/v1/general/{path}", naming)
    unasked = list(shop.kling.posts)
    used = await shop.post(owner, "/v1/videos/image2video", use)
    deleted = await shop.post(owner, f"/v1/general/{path}", naming)
    again = await shop.post(owner, f"/v1/general/{path}", naming)
    after = await shop.post(owner, "/v1/videos/image2video", use)

    assert kling_error(stolen) == (400, 1201)
    assert unasked == []
    assert used.status_code == 200, used.text
    assert deleted.status_code == 200, deleted.text
    assert deleted.json()["data"]["task_status"] == "succeed"
    assert (kling_error(again), kling_error(after)) == ((400, 1201), (400, 1201))
    assert [asked.account for asked in shop.kling.posts] == ["two"] * 2


@pytest.mark.parametrize(
    ("path", "field", "more"),
    [
        ("delete-elements", "element_id", b'"element_ids":["%b"]'),
        ("delete-advanced-elements", "element_id", b'"elementId":"%b","voice_id":"%b"'),
        ("delete-voices", "voice_id", b'"all":true,"voices":[{"voice_id":"%b"}]'),
    ],
)
async def test_a_delete_passes_what_it_documents_and_nothing_else(
    shop: Shop, path: str, field: str, more: bytes
) -> None:
    """What Kling might read beside it was judged by nobody: it stays here."""
    token = await shop.tenant()
    name = f"{token.tenant}-{path}".encode()
    await shop.claim(token, field.removesuffix("_id"), name.decode())

    await shop.post(
        token,
        f"/v1/general/{path}",
        b'{"%b":"%b",%b,"callback_url":"x"}' % (field.encode(), name, more.replace(b"%b", b"7")),
    )

    (asked,) = shop.kling.posts
    assert asked.body == b'{"%b":"%b"}' % (field.encode(), name)


async def test_a_deleted_element_says_so_in_its_task(shop: Shop) -> None:
    """Kling's own word: `status` becomes `deleted` at the next query."""
    token = await shop.tenant()
    element = await shop.element(token)
    await shop.post(token, "/v1/general/delete-elements", {"element_id": element})
    (task,) = await listed(shop, token, ADVANCED)

    async def says_so() -> bool:
        data = (await shop.relay.get(token, task["task_id"], path=ADVANCED)).json()["data"]
        return bool(data["task_result"]["elements"][0]["status"] == "deleted")

    await wait_until(says_so)


async def test_an_old_element_that_was_deleted_is_not_listed(shop: Shop) -> None:
    """What a call made has no task that could tell; the other one stays."""
    token = await shop.tenant()
    made = [
        (await shop.post(token, OLD, {"element_name": name}, on="one")).json()["data"]["element_id"]
        for name in ("fox", "cup")
    ]

    await shop.post(token, "/v1/general/delete-elements", {"element_id": made[0]})

    assert [one["element_id"] for one in await listed(shop, token, OLD)] == [made[1]]


async def test_a_voice_is_deleted_by_its_tenant_alone(shop: Shop) -> None:
    """As elements are."""
    owner, thief = await shop.tenant(), await shop.tenant()
    voice = await shop.voice(owner, on="two")
    shop.kling.asked.clear()

    stolen = await shop.post(thief, "/v1/general/delete-voices", {"voice_id": voice})
    deleted = await shop.post(owner, "/v1/general/delete-voices", {"voice_id": voice})
    again = await shop.post(owner, "/v1/general/delete-voices", {"voice_id": voice})

    assert kling_error(stolen) == kling_error(again) == (400, 1201)
    assert deleted.status_code == 200, deleted.text
    assert [asked.account for asked in shop.kling.posts] == ["two"]


@pytest.mark.parametrize("fault", ["error 5000", "error 1302", "html", "html refused", "drop"])
async def test_a_delete_that_did_not_surely_happen_forgets_nothing(shop: Shop, fault: str) -> None:
    """Whatever Kling answers but success: the element can be named again."""
    token = await shop.tenant()
    element = await shop.element(token)

    shop.kling.fault = f"[{fault}]"
    try:
        failed = await shop.post(token, "/v1/general/delete-elements", {"element_id": element})
    finally:
        shop.kling.fault = ""

    assert failed.status_code >= 400
    row = await shop.relay.row("SELECT deleted_at FROM owners WHERE resource_id = $1", str(element))
    assert row["deleted_at"] is None


async def test_making_an_element_costs_nothing_and_a_voice_its_price(shop: Shop) -> None:
    """Elements need no quota at all; a voice is refused without it."""
    token = await shop.tenant(quota_micros=0)

    await shop.element(token)
    old = await shop.post(token, OLD, {"element_name": "fox"}, on="one")
    voice = await shop.post(token, VOICES, {"voice_name": "v", "voice_url": URL})

    assert old.status_code == 200, old.text
    assert kling_error(voice) == (429, 1102)
    assert await shop.relay.account(token.tenant) == (0, 0)
