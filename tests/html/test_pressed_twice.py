"""A button that is pressed twice, in a real browser: one request is made of it."""

import asyncio
from pathlib import Path
from typing import Any

import relay.html.assets
from tests.console.browsing import CHROMIUM, QUIET, skip_without_browser

skip_without_browser()

from playwright.async_api import async_playwright  # noqa: E402 (not on every machine)

ASSETS = Path(relay.html.assets.__file__).parent
FORM = """<!doctype html><html lang="en"><body><p id="live"></p><main>
<form method="post" action="/make"><button>Make it</button></form></main>
<script src="/htmx.min.js"></script><script src="/pages.js"></script></body></html>"""


async def test_a_button_that_is_pressed_twice_sends_its_form_once() -> None:
    """Presses of a mouse: what Playwright calls a double click the browser makes one of itself."""
    sent: list[str] = []
    pressed = asyncio.Event()

    async def answer(route: Any) -> None:
        asked = route.request
        if asked.method == "POST":
            sent.append(asked.url)
            await pressed.wait()
            await route.fulfill(content_type="text/html", body="<h1>Made</h1>")
        elif asked.url.endswith(".js"):
            await route.fulfill(path=ASSETS / asked.url.rpartition("/")[2])
        else:
            await route.fulfill(content_type="text/html", body=FORM)

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET])
        page = await browser.new_page()
        await page.route("**/*", answer)
        await page.goto("http://relay.test/")
        box = await page.get_by_role("button").bounding_box()
        assert box is not None
        for _ in range(2):
            await page.mouse.click(box["x"] + 5, box["y"] + 5)
        pressed.set()
        await page.get_by_role("heading", name="Made").wait_for()
        await browser.close()

    assert sent == ["http://relay.test/make"]
