"""Pictures of every page of the console and of the portal.

`uv run --group browser python -m tests.console.shots DIR`
Wide and as on a phone, light and dark, in both languages, of the story that the browser tests look
at. For a person to look at; nothing compares them.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from relay.database.embedded import embedded_postgres
from relay.database.migrate import migrate
from tests.console.browsing import CHROMIUM, PHONE, WIDE, Browsing, browsing
from tests.console.story import tell_story
from tests.portal.story import tell_tenants_story
from tests.portal.visiting import browsing_portal
from tests.relay_app import fixture_relay

LOOKS = {
    "wide-en-light": ("en", "light", WIDE),
    "wide-zh-dark": ("zh", "dark", WIDE),
    "phone-zh-light": ("zh", "light", PHONE),
    "phone-en-dark": ("en", "dark", PHONE),
}


async def take(folder: Path, database_url: str) -> int:
    taken = 0
    async with fixture_relay(
        database_url, portal=True, studio=True, portal_name="Acme Video"
    ) as relay:
        of_console = await tell_story(relay)
        async with browsing(relay) as browser:
            taken += await _take_all(browser, of_console, folder / "console")
        of_portal = await tell_tenants_story(relay)
        async with browsing_portal(relay) as browser:
            taken += await _take_all(browser, of_portal, folder / "portal")
    return taken


async def _take_all(browser: Browsing, addresses: Sequence[str], folder: Path) -> int:
    for look, (language, scheme, size) in LOOKS.items():
        async with browser.page(language=language, scheme=scheme, size=size) as page:
            for address in addresses:
                await page.goto(f"{browser.root}{address}")
                name = re.sub(r"\W+", "-", address).strip("-") or "home"
                await page.screenshot(path=folder / f"{name}.{look}.png", full_page=True)
    return len(LOOKS) * len(addresses)


def main() -> None:
    if len(sys.argv) != 2 or CHROMIUM is None:
        sys.exit(__doc__ if CHROMIUM else "there is no chromium on this machine")
    folder = Path(sys.argv[1])
    for site in ("console", "portal"):
        (folder / site).mkdir(parents=True, exist_ok=True)
    top = Path(tempfile.mkdtemp(prefix="kling-relay-shots-"))
    top.chmod(0o711)
    with embedded_postgres(top / "data", linger_s=0.2) as server:

        async def run() -> int:
            await migrate(server.url("postgres"))
            return await take(folder, server.url("postgres"))

        taken = asyncio.run(run())
    sys.stdout.write(f"{taken} pictures in {folder}\n")


if __name__ == "__main__":
    main()
