"""With `--lint` what Kling's documents forbid is refused before anything is held."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.desk.tenants import TenantChanges, change_tenant
from relay.tenants.tokens import IssuedToken
from tests.clones import cloned
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, Relay, fixture_relay

QUOTA_MICROS = 10_000_000
TAIL_AND_CAMERA: dict[str, Any] = {
    "model_name": "kling-v3",
    "image": "https://example.com/a.png",
    "image_tail": "https://example.com/b.png",
    "camera_control": {"type": "simple", "config": {"zoom": 3}},
}
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a create": (
        "/kling/v1/videos/image2video",
        TAIL_AND_CAMERA,
        "image_tail: cannot be used with camera_control",
    ),
    "a paid call": (
        "/kling/v1/videos/identify-face",
        {"video_url": "https://example.com/a.mp4", "video_id": "1"},
        "video_id: cannot be used with video_url",
    ),
    "a free call": (
        "/kling/v1/videos/multi-elements/init-selection",
        {"video_url": "AAAAIGZ0eXA="},
        "video_url: must be an http or https URL",
    ),
    "of a model in the path": (
        "/kling/text-to-video/kling-2.6",
        {"prompt": "a fox", "settings": {"duration": 7}},
        "settings.duration: must be one of 5, 10",
    ),
}


class Shop(NamedTuple):
    relay: Relay
    checked: IssuedToken
    plain: IssuedToken

    def asked(self) -> list[dict[str, object]]:
        """What reached Kling."""
        assert self.relay.sandbox is not None
        return [one for one in self.relay.sandbox.requests.entries if one["method"] == "POST"]


@pytest.fixture(scope="module")
async def shop(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Shop]:
    async with cloned(postgres_server, template) as url, fixture_relay(url) as relay:
        await relay.add_channel()
        checked = await relay.add_tenant("acme", quota_micros=QUOTA_MICROS)
        plain = await relay.add_tenant("beta", quota_micros=QUOTA_MICROS)
        async with relay.sessions.begin() as session:
            await change_tenant(session, ACTOR, "acme", TenantChanges(lints_creates=True))
        yield Shop(relay, checked, plain)


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_documents_forbid_is_refused_at_once(shop: Shop, name: str) -> None:
    """400/1201 with the field named; nothing is held or written, and Kling is not asked."""
    path, body, says = REFUSED[name]
    before = len(shop.asked())

    answer = await shop.relay.submit(shop.checked, {**body, "external_task_id": "mine"}, path=path)

    told = answer.json()
    assert (answer.status_code, told["code"], told["message"]) == (400, 1201, says)
    assert await shop.relay.account("acme") == (QUOTA_MICROS, 0)
    assert await shop.relay.rows("SELECT FROM tasks WHERE tenant_external_id = 'mine'") == []
    assert len(shop.asked()) == before


async def test_a_tenant_that_did_not_ask_for_it_hears_kling_itself(shop: Shop) -> None:
    """Off, the body passes as it is: Kling was asked, and held for, and says no by itself."""
    path, body, _ = REFUSED["a create"]
    before = len(shop.asked())

    answer = await shop.relay.submit(shop.plain, body, path=path)

    assert answer.json()["message"] == (
        "image_tail excludes static_mask, dynamic_masks and camera_control"
    )
    assert len(shop.asked()) == before + 1
    assert await shop.relay.account("beta") == (QUOTA_MICROS, 0)


async def test_what_breaks_no_rule_goes_on(shop: Shop) -> None:
    """Also with the external id of a create that was refused."""
    answer = await shop.relay.submit(shop.checked, {**CLIP, "external_task_id": "mine"})

    assert answer.json()["code"] == 0
    assert await shop.relay.account("acme") == (QUOTA_MICROS, CLIP_MICROS)
