"""What no page may have, in any look: looked for in a real browser."""

import itertools
import re
from collections.abc import Sequence
from typing import Any

from tests.console.browsing import PHONE, WIDE, Browsing

LOOKS = list(itertools.product(("en", "zh"), ("light", "dark"), (WIDE, PHONE)))
TEXTS = """async (address) => {
  const answer = await fetch(address, {headers: {"Accept-Language": "zh-CN"}}), found = [];
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode())
    if (!walker.currentNode.parentElement.closest("code, pre, script, textarea, .mono"))
      found.push(walker.currentNode.data);
  for (const one of page.querySelectorAll("[title], [aria-label], [placeholder]"))
    found.push(one.title, one.ariaLabel ?? "", one.placeholder ?? "");
  return found;
}"""
"""What a page says in Chinese; nothing of it is drawn, which takes longer than all the rest."""
ENGLISH = re.compile(r"(?<![\w'-])(?!relay )[A-Za-z']{2,} [a-z']{2,} [a-z']{2,}(?![\w=-])")
"""Commands begin with `relay`."""
ONLY_WRONGS = {"resultTypes": ["violations"], "preload": False}
"""`preload` would ask for each style sheet once more, for a rule that axe has switched off."""
CONTRAST = "color-contrast"
"""The half of axe's work: it is done where something is painted that no page before had."""
DARK_EVERY = 5
"""Of the pages: all are of the same colours, and axe takes longer than a page does."""
PAINTED = """
() => [...new Set([...document.querySelectorAll("main, main *")].map((one) => {
    const told = /^(class|type|open|hidden|disabled|aria-(current|invalid|pressed))$/, way = [];
    for (let at = one; at.tagName !== "BODY"; at = at.parentElement) {
        const seen = [...at.attributes].filter(({name}) => told.test(name));
        way.push([at.tagName, ...seen.map(({name, value}) => `${name}=${value}`)].join(" "));
    }
    return way.join(" < ");
}))]
"""
"""All that a style sheet can tell apart on a page: elements by their ways down from the body."""


async def wrongs_of_all(browser: Browsing, addresses: Sequence[str]) -> dict[str, Any]:
    """Find pages that are wider than their window, take a name for markup, or break axe's rules.

    Each is loaded once, and then looked at wide and narrow, and some in the dark as well.
    """
    from axe_playwright_python.async_playwright import Axe  # noqa: PLC0415 (not everywhere)

    found: dict[str, Any] = {}
    painted: set[str] = set()
    async with browser.page(size=PHONE) as page:
        for number, address in enumerate(addresses):
            answer = await page.goto(f"{browser.root}{address}")
            assert answer.status in (200, 404), address
            found |= await _width_of(page, f"{address}, narrow")
            await page.set_viewport_size(dict(zip(("width", "height"), WIDE, strict=True)))
            found |= await _width_of(page, f"{address}, wide")
            found |= await _english_of(page, address)
            found |= await _markup_of(page, address)
            before = len(painted)
            painted |= set(await page.evaluate(PAINTED))
            rules = {} if len(painted) > before else {"rules": {CONTRAST: {"enabled": False}}}
            # The frame is the same on all.
            given = {"context": "main" if address else None, "options": ONLY_WRONGS | rules}
            found |= await _wrongs_of(page, Axe(), address, **given)
            if number % DARK_EVERY == 0:
                # Only what is seen differs.
                await page.emulate_media(color_scheme="dark")
                options = ONLY_WRONGS | {"runOnly": [CONTRAST]}
                found |= await _wrongs_of(page, Axe(), f"{address}, dark", options=options)
                await page.emulate_media(color_scheme="light")
            await page.set_viewport_size(dict(zip(("width", "height"), PHONE, strict=True)))
    return found | await _wrongs_outside(browser, Axe(), "en", "dark", PHONE)


async def wrongs_in_all_looks(browser: Browsing, addresses: Sequence[str]) -> dict[str, Any]:
    """Find the same by loading each page in each language, scheme and width."""
    from axe_playwright_python.async_playwright import Axe  # noqa: PLC0415 (not everywhere)

    found: dict[str, Any] = {}
    for language, scheme, size in LOOKS:
        async with browser.page(language=language, scheme=scheme, size=size) as page:
            for address in addresses:
                name = f"{address}, {language} {scheme} {size}"
                answer = await page.goto(f"{browser.root}{address}")
                assert answer.status in (200, 404), address
                found |= await _width_of(page, name)
                found |= await _markup_of(page, name)
                found |= await _wrongs_of(page, Axe(), name, options=ONLY_WRONGS)
        found |= await _wrongs_outside(browser, Axe(), language, scheme, size)
    return found


async def _wrongs_outside(
    browser: Browsing, axe: Any, language: str, scheme: str, size: tuple[int, int]
) -> dict[str, Any]:
    """Look at the pages before the login."""
    found: dict[str, Any] = {}
    async with browser.page(language=language, scheme=scheme, size=size, enters=False) as page:
        for address in ("/login", "/enter?key=x"):
            answer = await page.goto(f"{browser.root}{address}")
            assert answer.status in (200, 404), address
            name = f"{address}, {language} {scheme} {size}"
            found |= await _width_of(page, name)
            found |= await _wrongs_of(page, axe, name)
    return found


async def _english_of(page: Any, name: str) -> dict[str, Any]:
    """Find sentences that nobody translated: three words in a row, of which two are no names."""
    texts = await page.evaluate(TEXTS, page.url)
    said = [text for text in texts if ENGLISH.search(text)]
    return {f"{name}: English": said} if said else {}


async def _width_of(page: Any, name: str) -> dict[str, Any]:
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return {f"{name}: too wide": wide} if wide > 0 else {}


async def _markup_of(page: Any, name: str) -> dict[str, Any]:
    """What somebody called his things (MARKUP of the stories) is text, wherever it stands."""
    made = await page.evaluate("document.querySelectorAll('img[src=x], [onerror]').length")
    return {f"{name}: markup": made} if made else {}


async def _wrongs_of(page: Any, axe: Any, name: str, **given: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    results = await axe.run(page, **given)
    for one in results.response["violations"]:
        found[f"{name}: {one['id']}"] = [node["html"][:200] for node in one["nodes"]][:3]
    return found
