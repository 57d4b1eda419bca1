"""A relay with callbacks on, before a Kling whose tasks run for ever unless a test says more."""

from collections.abc import AsyncIterator

import pytest

from relay.tenants.tokens import IssuedToken
from tests.callbacks.news import queried
from tests.proxy.scripted_kling import ScriptedKling, accepts_then
from tests.relay_app import CLIP, Relay, fixture_relay

HOOK = "https://tenant.example/hook"


@pytest.fixture
def kling() -> ScriptedKling:
    return ScriptedKling(accepts_then(queried("processing")))


@pytest.fixture
async def relay(database_url: str, kling: ScriptedKling) -> AsyncIterator[Relay]:
    """One submitted clip with an external id and a callback URL; the books are right at the end."""
    async with fixture_relay(
        database_url, transport=kling, with_callbacks=True, refresh_s=600.0
    ) as running:
        yield running
        report = await running.audit()
        assert report.ok, report


@pytest.fixture
async def token(relay: Relay) -> IssuedToken:
    """A tenant whose one clip Kling has taken."""
    token, _ = await relay.add_tenant(), await relay.add_channel()
    response = await relay.submit(token, CLIP | {"external_task_id": "t-1", "callback_url": HOOK})
    assert response.status_code == 200, response.text
    return token


@pytest.fixture
async def injected_id(relay: Relay, token: IssuedToken) -> str:
    """What we injected."""
    _ = token
    return str((await relay.row("SELECT injected_id FROM tasks"))["injected_id"])
