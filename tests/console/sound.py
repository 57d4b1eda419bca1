"""What no page may have, in any look: looked for in a real browser."""

import re
from collections.abc import Sequence
from typing import Any

from tests.console.browsing import PHONE, WIDE, Browsing

LOOKS = [("en", "light", WIDE), ("zh", "dark", PHONE)]
TEXTS = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode())
    if (!walker.currentNode.parentElement.closest("code, pre, script, textarea, .mono"))
      found.push(walker.currentNode.data);
  for (const one of document.querySelectorAll("[title], [aria-label], [placeholder]"))
    found.push(one.title, one.ariaLabel ?? "", one.placeholder ?? "");
  return found;
}"""
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
    """Find pages that are wider than their window, take a name for markup, or break axe's rules."""
    from axe_playwright_python.async_playwright import Axe  # noqa: PLC0415 (not everywhere)

    found: dict[str, Any] = {}
    for language, scheme, size in LOOKS:
        painted: set[str] = set()
        async with browser.page(language=language, scheme=scheme, size=size) as page:
            for number, address in enumerate(addresses):
                answer = await page.goto(f"{browser.root}{address}")
                assert answer.status in (200, 404), address
                found |= await _width_of(page, f"{language} {address}")
                if language != "en":
                    found |= await _english_of(page, f"{language} {address}")
                found |= await _markup_of(page, f"{language} {address}")
                if scheme == "dark" and number % DARK_EVERY:
                    continue
                # The frame is the same on all; in the dark, only what is seen differs.
                options: dict[str, Any] = {"runOnly": [CONTRAST]} if scheme == "dark" else {}
                before = len(painted)
                painted |= set(await page.evaluate(PAINTED))
                if scheme == "light" and len(painted) == before:
                    options = {"rules": {CONTRAST: {"enabled": False}}}
                given = {"context": "main" if address else None, "options": ONLY_WRONGS | options}
                found |= await _wrongs_of(page, Axe(), f"{language} {address}", **given)
        async with browser.page(language=language, scheme=scheme, size=size, enters=False) as page:
            for address in ("/login", "/enter?key=x"):
                answer = await page.goto(f"{browser.root}{address}")
                assert answer.status in (200, 404), address
                found |= await _width_of(page, f"{language} {address}")
                found |= await _wrongs_of(page, Axe(), f"{language} {address}")
    return found


async def _english_of(page: Any, name: str) -> dict[str, Any]:
    """Find sentences that nobody translated: three words in a row, of which two are no names."""
    texts = await page.evaluate(TEXTS)
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
