"""Everybody at the portal's door, and in it, while programs create."""

import asyncio
from collections import Counter

from relay.portal.behind import OF_ADDRESS_MAX
from tests.portal.visiting import COOKIE, OURS, browser, visiting
from tests.relay_app import fixture_relay

AT_ONCE = 30
OF_A_PAGE = 12
"""Several times what the pages' connections serve at once. Thirty took so long on a busy machine
that creates ran out of time for want of a core, which is not what this is about."""


async def test_creates_go_on_beside_a_flood_of_pages(database_url: str) -> None:
    """Pages of one tenant, cookies that are none, and wrong keys: no create of anybody fails.

    Of wrong keys the door judges twenty; a page waits for its turn, or is told to come again.
    """
    async with fixture_relay(database_url, portal=True) as relay, browser(relay) as stranger:
        await relay.add_channel()
        acme, other = await relay.add_tenant(), await relay.add_tenant("other")
        stranger.cookies.set(COOKIE, "chosen-by-somebody")
        async with visiting(relay) as ann:
            pages = [ann.get(path) for path in ("", "/tasks", "/usage") for _ in range(OF_A_PAGE)]
            strangers = [stranger.get("/portal/tasks") for _ in range(AT_ONCE)]
            guesses = [
                stranger.post("/portal/login", data={"key": f"sk-{number}"}, headers=OURS)
                for number in range(AT_ONCE)
            ]
            creates = [relay.submit(token) for token in (acme, other) for _ in range(5)]
            flood = asyncio.gather(*pages, *strangers, *guesses)
            made = await asyncio.gather(*creates)
            answers = [answer.status_code for answer in await flood]

        assert [(one.status_code, one.json()["code"]) for one in made] == [(200, 0)] * len(made)
        # How many of each is the machine's matter: who waits long for a connection is told so.
        of_pages, at_door = set(answers[: len(pages)]), Counter(answers[len(pages) :])
        assert of_pages <= {200, 503}
        assert set(at_door) <= {303, 403, 429, 503}
        assert at_door[403] <= OF_ADDRESS_MAX
