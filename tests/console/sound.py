"""What no page may have, in any look: looked for in a real browser."""

import itertools
import re
from collections.abc import Sequence
from typing import Any

from tests.console.browsing import PHONE, WIDE, Browsing

LOOKS = list(itertools.product(("en", "zh"), ("light", "dark"), (WIDE, PHONE)))
ENGLISH = re.compile(r"(?<![\w'-])(?!relay )[A-Za-z']{2,} [a-z']{2,} [a-z']{2,}(?![\w=-])")
"""Commands begin with `relay`."""
ONLY_WRONGS: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
"""`preload` would ask for each style sheet once more, for a rule that axe has switched off."""
CONTRAST = "color-contrast"
"""The half of axe's work: it is done where something is painted that no page before had."""
DARK_EVERY = 5
"""Of the pages: all are of the same colours, and axe takes longer than a page does."""
LOOK = """
async (address) => {
  const texts = [];
  if (address) {
    const answer = await fetch(address, {headers: {"Accept-Language": "zh-CN"}});
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode())
      if (!walker.currentNode.parentElement.closest("code, pre, script, textarea, .mono"))
        texts.push(walker.currentNode.data);
    for (const one of page.querySelectorAll("[title], [aria-label], [placeholder]"))
      texts.push(one.title, one.ariaLabel ?? "", one.placeholder ?? "");
  }
  const told = /^(class|type|open|hidden|disabled|aria-(current|invalid|pressed))$/;
  const wayOf = (one) => {
    const way = [];
    for (let at = one; at.tagName !== "BODY"; at = at.parentElement) {
      const seen = [...at.attributes].filter(({name}) => told.test(name));
      way.push([at.tagName, ...seen.map(({name, value}) => `${name}=${value}`)].join(" "));
    }
    return way.join(" < ");
  };
  return {
    texts,
    markup: document.querySelectorAll("img[src=x], [onerror]").length,
    painted: [...new Set([...document.querySelectorAll("main, main *")].map(wayOf))],
  };
}"""
"""What a page says in Chinese (nothing of it is drawn, which takes longer than all the rest), how
much markup somebody made of his names, and all that a style sheet can tell apart on it: elements by
their ways down from the body. One question: to ask takes longer than to find out."""
WIDER = "document.documentElement.scrollWidth - innerWidth"
WRONGS = """
async ([context, options]) => {
  const {violations} = await axe.run(context ?? document, options);
  return violations.map(({id, nodes}) => [id, nodes.slice(0, 3).map(({html}) => html)]);
}"""


async def wrongs_of_all(browser: Browsing, addresses: Sequence[str]) -> dict[str, Any]:
    """Find pages that are wider than their window, take a name for markup, or break axe's rules.

    Each is loaded once, and then looked at wide and narrow, and some in the dark as well.
    """
    found: dict[str, Any] = {}
    painted: set[str] = set()
    async with browser.page(size=PHONE) as page:
        await _know_axe(page)
        for number, address in enumerate(addresses):
            answer = await page.goto(f"{browser.root}{address}")
            assert answer.status in (200, 404), address
            found |= await _width_of(page, f"{address}, narrow")
            await _resize(page, WIDE)
            found |= await _width_of(page, f"{address}, wide")
            seen = await page.evaluate(LOOK, page.url)
            found |= _english_in(seen["texts"], address) | _markup_in(seen["markup"], address)
            before = len(painted)
            painted |= set(seen["painted"])
            rules = {} if len(painted) > before else {"rules": {CONTRAST: {"enabled": False}}}
            context = "main" if address else None  # the frame is the same on all
            found |= await _wrongs_of(page, address, context, ONLY_WRONGS | rules)
            if number % DARK_EVERY == 0:
                found |= await _wrongs_in_the_dark(page, address)
            await _resize(page, PHONE)
    return found | await _wrongs_outside(browser, "en", "dark", PHONE)


async def wrongs_in_all_looks(browser: Browsing, addresses: Sequence[str]) -> dict[str, Any]:
    """Find the same by loading each page in each language, scheme and width."""
    found: dict[str, Any] = {}
    for language, scheme, size in LOOKS:
        async with browser.page(language=language, scheme=scheme, size=size) as page:
            await _know_axe(page)
            for address in addresses:
                name = f"{address}, {language} {scheme} {size}"
                answer = await page.goto(f"{browser.root}{address}")
                assert answer.status in (200, 404), address
                found |= await _width_of(page, name)
                found |= _markup_in((await page.evaluate(LOOK, ""))["markup"], name)
                found |= await _wrongs_of(page, name)
        found |= await _wrongs_outside(browser, language, scheme, size)
    return found


async def _wrongs_outside(
    browser: Browsing, language: str, scheme: str, size: tuple[int, int]
) -> dict[str, Any]:
    """Look at the pages before the login."""
    found: dict[str, Any] = {}
    async with browser.page(language=language, scheme=scheme, size=size, enters=False) as page:
        await _know_axe(page)
        for address in ("/login", "/enter?key=x"):
            answer = await page.goto(f"{browser.root}{address}")
            assert answer.status in (200, 404), address
            name = f"{address}, {language} {scheme} {size}"
            found |= await _width_of(page, name)
            found |= await _wrongs_of(page, name)
    return found


async def _know_axe(page: Any) -> None:
    """Have each page that is loaded from now on know axe: half a megabyte, handed over once."""
    from axe_playwright_python.base import AXE_SCRIPT  # noqa: PLC0415 (not everywhere)

    await page.add_init_script(AXE_SCRIPT)


async def _resize(page: Any, size: tuple[int, int]) -> None:
    await page.set_viewport_size({"width": size[0], "height": size[1]})


def _english_in(texts: Sequence[str], name: str) -> dict[str, Any]:
    """Find sentences that nobody translated: three words in a row, of which two are no names."""
    said = [text for text in texts if ENGLISH.search(text)]
    return {f"{name}: English": said} if said else {}


def _markup_in(made: int, name: str) -> dict[str, Any]:
    """What somebody called his things (MARKUP of the stories) is text, wherever it stands."""
    return {f"{name}: markup": made} if made else {}


async def _width_of(page: Any, name: str) -> dict[str, Any]:
    wide = await page.evaluate(WIDER)
    return {f"{name}: too wide": wide} if wide > 0 else {}


async def _wrongs_in_the_dark(page: Any, address: str) -> dict[str, Any]:
    """Only what is seen differs."""
    await page.emulate_media(color_scheme="dark")
    options = ONLY_WRONGS | {"runOnly": [CONTRAST]}
    found = await _wrongs_of(page, f"{address}, dark", options=options)
    await page.emulate_media(color_scheme="light")
    return found


async def _wrongs_of(
    page: Any,
    name: str,
    context: str | None = None,
    options: dict[str, Any] = ONLY_WRONGS,
) -> dict[str, Any]:
    wrongs = await page.evaluate(WRONGS, [context, options])
    return {f"{name}: {rule}": [html[:200] for html in nodes] for rule, nodes in wrongs}
