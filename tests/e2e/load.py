"""Tenants at work while something breaks: they submit, repeat what got no answer, and poll."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence

import httpx

from relay.tenants.tokens import IssuedToken
from tests.e2e.world import World
from tests.waiting import PATIENCE_S, settle_for

PROMPTS = (
    "a fox",
    "a fox [fail]",
    "a fox [units 2]",
    "a fox [drop]",
    "a fox [cut]",
    "a fox [html]",
    "a fox [no deduction]",
    "a fox [delay 0.4]",
    "a fox [double callback]",
    "a fox [lost callback]",
    "a fox [error 1301]",
    "a fox [reverse callbacks]",
)
CLIENTS = 4
"""Of each tenant, at a time."""


class Load:
    """A bounded number of orders; each is repeated under its own id until it has an answer."""

    def __init__(self, world: World, urls: Sequence[str]) -> None:
        self._world = world
        self._urls = itertools.cycle(urls)
        self._running: asyncio.Future[list[None]] | None = None
        self.ids: dict[str, str] = {}
        """What the tenants were told: Kling's id of each order that has one."""
        self.unanswered = 0

    def begin(self, tokens: Sequence[IssuedToken], *, orders: int) -> None:
        """Let each tenant place so many orders from now on."""
        shared = [(token, iter(range(orders))) for token in tokens]
        self._running = asyncio.gather(*(self._work(*work) for work in shared * CLIENTS))

    async def done(self) -> None:
        """Wait until every order has its answer.

        Raises:
            AssertionError: one got none, or an answer that no failure around here explains.
        """
        assert self._running is not None, "begin comes first"
        await asyncio.wait_for(self._running, 3 * PATIENCE_S)

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _work(self, token: IssuedToken, numbers: Iterator[int]) -> None:
        for number in numbers:
            await self._order(token, f"{token.tenant}-{number}", PROMPTS[number % len(PROMPTS)])

    async def _order(self, token: IssuedToken, order: str, prompt: str) -> None:
        deadline = time.monotonic() + 2 * PATIENCE_S  # it may outlive four starts of a relay
        body = {"prompt": prompt, "external_task_id": order}
        last: object = None
        while time.monotonic() < deadline:
            try:
                reply = await self._world.send(token, body, url=next(self._urls))
                last = reply.text
                told = reply.json()
                if reply.status_code < 500:
                    assert told["code"] in (0, 1201, 1301), told
                    if told["code"] == 0:
                        self.ids[order] = told["data"]["task_id"]
                    await self._world.ask(token, order, url=next(self._urls))
                    return
            except (httpx.TransportError, ValueError) as error:
                last = error  # killed under us, or Kling's own 502 page: the answer is lost
            self.unanswered += 1
            await settle_for(0.1, because="a tenant without an answer asks again, but not at once")
        raise AssertionError(f"{order} got no answer in {2 * PATIENCE_S} s, last {last!r}")
