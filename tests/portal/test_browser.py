"""The portal in a real browser: a tenant's work, with and without a script."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from relay.database.embedded import EmbeddedPostgres
from tests.clones import cloned
from tests.console.browsing import Browsing, skip_without_browser
from tests.console.sound import wrongs_in_all_looks, wrongs_of_all
from tests.console.story import tell_story
from tests.portal.story import tell_tenants_story
from tests.portal.visiting import browsing_portal
from tests.relay_app import Relay, fixture_relay

skip_without_browser()


class World(NamedTuple):
    relay: Relay
    browser: Browsing
    addresses: list[str]


@pytest.fixture(scope="module")
async def world(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[World]:
    """One relay with a story and one browser, for all of them: a browser takes long to start."""
    async with (
        cloned(postgres_server, template) as url,
        fixture_relay(url, portal=True, portal_name="Acme Video", studio=True) as relay,
    ):
        await tell_story(relay)
        addresses = await tell_tenants_story(relay)
        async with browsing_portal(relay) as browser:
            yield World(relay, browser, addresses)


async def test_every_page_is_sound(world: World) -> None:
    """No page is wider than its window, breaks a rule of axe's, complains, or asks anybody else."""
    _, browser, addresses = world

    assert await wrongs_of_all(browser, addresses) == {}
    assert browser.wrongs == []


@pytest.mark.soak
async def test_every_page_is_sound_in_every_look(world: World) -> None:
    """The same in each language, scheme and width, which takes eight times as long."""
    _, browser, addresses = world

    assert await wrongs_in_all_looks(browser, addresses) == {}
    assert browser.wrongs == []
