"""What a person does in a page, by what its parts are called; and by keys alone."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.console.browsing import PHONE
from tests.waiting import PATIENCE_S

expect.set_options(timeout=PATIENCE_S * 1000)

FOCUS = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  // A field for a day has a button of the browser's own in it.
  const isPicker = one.type === "date" && !one.matches(":focus");
  const isRinged = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return {
    shown: (isPicker || isRinged) && box.width > 0 && box.height > 0,
    tag: one.outerHTML.slice(0, 120),
    is: one.matches("#list tbody a") ? "row" : one.id || one.textContent.trim(),
  };
}"""
OVERHANG = "document.documentElement.scrollWidth - innerWidth"
GROUND = "getComputedStyle(document.body).backgroundColor"


def inside(page: Any) -> Any:
    """Where a person looks: the drawer, where one is open."""
    return page.locator("#drawer article, #main:not(:has(#drawer article))").first


async def follow(page: Any, *names: str | re.Pattern[str]) -> None:
    """Follow links, as they are called."""
    for name in names:
        await inside(page).get_by_role("link", name=name, exact=True).first.click()


async def press(page: Any, name: str | re.Pattern[str]) -> None:
    await inside(page).get_by_role("button", name=name, exact=True).click()


async def fill(page: Any, **fields: str) -> None:
    """Fill fields in, by their ids."""
    for name, value in fields.items():
        field = inside(page).locator(f"#{name}")
        if await field.evaluate("one => one.tagName") == "SELECT":
            await field.select_option(value)
        else:
            await field.fill(value)


async def is_done(page: Any) -> None:
    """Wait until the page says that it was."""
    await inside(page).locator(".banner.good").first.wait_for()


async def tab_to(page: Any, name: str | re.Pattern[str]) -> None:
    """Press Tab until something has the focus; whatever has it on the way shows that it has."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        there = await page.evaluate(FOCUS)
        assert there["shown"], there["tag"]
        if re.fullmatch(re.escape(name) if isinstance(name, str) else name, there["is"]):
            return
    pytest.fail(f"no Tab leads to {name}")


async def fits_in_the_dark(page: Any) -> None:
    """Nothing hangs over a phone, and its ground is dark."""
    assert await page.evaluate(OVERHANG) <= 0, page.url
    ground = await page.evaluate(GROUND)
    assert sum(int(one) for one in re.findall(r"\d+", ground)[:3]) < 200, ground


async def fills_the_phone(drawer: Any) -> None:
    assert (await drawer.bounding_box())["width"] >= PHONE[0] * 0.95


async def log_out_and_press_back(page: Any) -> None:
    """Nobody who presses Back in that browser sees anything."""
    await page.locator("details.me summary").click()
    await page.locator("details.me form[action$='/leave'] button").click()
    await page.wait_for_url("**/login?said=left")
    await page.go_back()
    await expect(page.locator("form[action$='/login']")).to_be_visible()
    await expect(page.locator("#list")).to_have_count(0)
