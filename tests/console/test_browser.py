"""The console in a real browser: an operator's work, with and without a script, by keys alone."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest

from relay.database.embedded import EmbeddedPostgres
from tests.clones import cloned
from tests.console.browsing import Browsing, browsing, skip_without_browser
from tests.console.sound import wrongs_in_all_looks, wrongs_of_all
from tests.console.story import tell_story
from tests.relay_app import Relay, fixture_relay

skip_without_browser()

from playwright.async_api import expect  # noqa: E402 (not on every machine)


class World(NamedTuple):
    relay: Relay
    browser: Browsing
    addresses: list[str]


@pytest.fixture(scope="module")
async def world(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[World]:
    """One relay with a story and one browser, for all of them: a browser takes long to start."""
    async with cloned(postgres_server, template) as url, fixture_relay(url) as relay:
        addresses = await tell_story(relay)
        async with browsing(relay) as browser:
            yield World(relay, browser, addresses)


async def refunded(relay: Relay) -> list[int]:
    rows = await relay.rows("SELECT amount_micros FROM entries WHERE kind = 'refund' ORDER BY id")
    return [row["amount_micros"] for row in rows]


async def test_an_operator_finds_a_task_and_refunds_a_part(world: World) -> None:
    """From the list through the drawer to the form, with a script and without one, to the micro."""
    relay, browser, addresses = world
    task = next(one for one in addresses if one.startswith("/tasks/"))
    before = await refunded(relay)
    async with browser.page() as page:
        await page.goto("/console/tasks")
        await page.click(f"a[href='/console{task}']")
        await page.wait_for_selector("#drawer #task h1")
        assert page.url.endswith(task), "an address that can be sent to a colleague"
        await page.keyboard.press("Escape")
        await page.wait_for_selector("#drawer #task", state="detached")
        assert page.url.endswith("/console/tasks")
        await page.click(f"a[href='/console{task}']")
        await page.click("#drawer a[href$='/refund']")
        await _refund(page, "0.1")
    async with browser.page(has_script=False) as page:
        await page.goto("/console/tasks")
        await page.click(f"a[href='/console{task}']")
        await page.click("a[href$='/refund']")
        await page.fill("#amount", "4711")
        await page.select_option("#reason", "goodwill")
        await page.click("form.stack button.main")
        assert "is left to refund" in await page.inner_text("#amount-error")
        assert await page.input_value("#amount") == "4711"
        await _refund(page, "0.05")
        await page.go_back()
        assert "0.05" in await page.inner_text("form.stack button.main"), "the confirmation"
        await page.go_back()
        assert await page.input_value("#amount") == "4711"
    assert await refunded(relay) == [*before, 100_000, 50_000]
    assert browser.wrongs == []


async def _refund(page: Any, amount: str) -> None:
    await page.fill("#amount", amount)
    await page.select_option("#reason", "goodwill")
    await page.click("form.stack button.main")
    await page.click(f"form.stack button.main:has-text('{amount}')")  # it names the money now
    await page.wait_for_selector(".banner.good")


async def test_a_list_lives_unless_somebody_reads(world: World) -> None:
    """What is new appears by itself; while one is further down it waits to be asked for."""
    relay, browser, _ = world
    (row,) = await relay.rows("SELECT count(*) AS number FROM tasks")
    async with browser.page() as page:
        await page.goto("/console/tasks")
        rows = page.locator("#list tbody tr")
        await expect(rows).to_have_count(row["number"])
        await page.mouse.move(5, 5)
        token = await relay.add_tenant("late")
        await relay.submit(token)
        await expect(rows).to_have_count(row["number"] + 1)
        await page.focus("#list tbody a")
        await relay.submit(token)
        await page.wait_for_selector("#waiting:not([hidden])")
        await expect(rows).to_have_count(row["number"] + 1)
        await page.click("#waiting")
        await expect(rows).to_have_count(row["number"] + 2)
        assert browser.wrongs == []


async def test_keys_alone_are_enough(world: World) -> None:
    """To the search by a slash, to a task, to its form and back, and past the menu at once."""
    _, browser, _ = world
    async with browser.page() as page:
        await page.goto("/console")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        await page.keyboard.press("/")
        await page.keyboard.type("1")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/console/tasks/*")
        await page.goto("/console/tasks")
        await page.focus("#list tbody a")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#drawer #task h1")
        assert await page.evaluate("document.activeElement.closest('#drawer') !== null")
        await page.keyboard.press("Escape")
        assert await page.evaluate("document.activeElement.closest('#list') !== null")
        assert browser.wrongs == []


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
