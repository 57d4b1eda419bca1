"""Tenants of the studio at work while all breaks: they create, repeat, follow, cancel and retry."""

import asyncio
import copy
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx

from relay.kling.codes import Code
from relay.studio.capabilities import CAPABILITIES
from relay.tenants.tokens import IssuedToken
from tests.e2e.world import World
from tests.relay_app import bearer
from tests.studio.flows import FLOWS
from tests.studio.least import PLAIN
from tests.waiting import settle_for

ENDS = ("completed", "failed", "cancelled")
CLIENTS = 6
"""Of each tenant, at a time."""
NO_MONEY = (Code.ACCOUNT_IN_ARREARS, Code.RESOURCE_PACK_USED_UP, Code.NO_PERMISSION)
FAULTS = (
    *("fail", "units 2", "no deduction", "slow 1.5", "delay 0.4", "error 1301"),
    *("drop", "cut", "html", "html refused", "no id"),
    *("lost callback", "double callback", "late callback 1", "reverse callbacks"),
)
TEXTS = ("prompt", "text", "sound_prompt", "motion_prompt")
WITH_PROMPT = ("image_to_video", "motion_control", "avatar")
"""What takes a prompt, and has none in the least that it takes."""
LISTED: dict[str, dict[str, Any]] = {
    **{path: body for path, (body, _) in FLOWS.items()},
    **{
        capability.path: PLAIN[capability.name]
        | ({"prompt": "it moves"} if capability.name in WITH_PROMPT else {})
        for capability in CAPABILITIES
        if capability.name != "video_extend"
    },
    # Of a clip that nobody made before.
    "video-extend": {"video_id": "v-1", "prompt": "it goes on [any ids]"},
}
"""All that the studio makes."""


class Order(NamedTuple):
    """What somebody wants, and does about it."""

    key: str
    path: str
    body: dict[str, Any]
    cancels_after: int | None
    """Looks at it, before it is cancelled."""
    retries: int
    """How often it is retried by hand, should it fail."""
    repeats: bool
    """Whether it is created once more, though the answer came."""


def orders_of(tenant: str, chance: random.Random, number: int) -> list[Order]:
    """Choose a tenant's orders; each of what there is about equally often."""
    paths = [*LISTED] * (number // len(LISTED) + 1)
    chance.shuffle(paths)
    return [
        Order(
            f"{tenant}-{place}",
            path,
            _faulty(LISTED[path], chance),
            chance.randrange(8) if chance.random() < 0.15 else None,
            chance.choice((0, 1, 1, 2)),
            chance.random() < 0.2,
        )
        for place, path in enumerate(paths[:number])
    ]


def _faulty(body: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Ask for something that goes wrong, half of the time, where there is a text for it."""
    body = copy.deepcopy(body)
    asked = body.get("input", body)
    texts = [name for name in TEXTS if name in asked]
    if texts and chance.random() < 0.5:
        asked[chance.choice(texts)] += f" [{chance.choice(FAULTS)}]"
    return body


class RunOrders:
    """The orders of some tenants; each is created until it has an answer, then looked at."""

    def __init__(
        self, world: World, urls: Sequence[str], keys: dict[str, list[IssuedToken]]
    ) -> None:
        """`keys`: of each tenant; the first creates."""
        self._world = world
        self._urls = urls
        self._keys = keys
        self.did: Counter[str] = Counter()
        self.ids: dict[str, str] = {}
        """What the tenants were told: the id of each order that has one."""

    async def run(self, chance: random.Random, *, each: int) -> None:
        """Place so many orders of each tenant, and see all of them end."""
        async with asyncio.TaskGroup() as clients:
            for tenant in self._keys:
                waiting = iter(orders_of(tenant, chance, each))
                for _ in range(CLIENTS):
                    own = random.Random(chance.random())
                    clients.create_task(self._work(tenant, waiting, own))

    async def go_on(self, tenant: str, chance: random.Random, until: asyncio.Event) -> None:
        """Have one made that goes well, one after the other.

        What breaks Kling each time is told from a Kling that is away by what others have made.
        """
        for place in itertools.count():
            if until.is_set():
                return
            body = LISTED["text-to-video"]
            plain = Order(f"{tenant}-more-{place}", "text-to-video", body, None, 0, repeats=False)
            await self._work(tenant, iter((plain,)), chance)

    async def _work(self, tenant: str, waiting: Any, chance: random.Random) -> None:
        for order in waiting:
            task_id = await self._create(tenant, order, chance)
            if task_id is None:
                continue
            self.ids[order.key] = task_id
            if order.repeats:
                assert await self._create(tenant, order, chance) == task_id
            self.did[await self._see(tenant, order, task_id, chance)] += 1

    async def _create(self, tenant: str, order: Order, chance: random.Random) -> str | None:
        """Create under the order's own key, again and again; None: there is no money for it."""
        token = self._keys[tenant][0]
        while True:
            headers = {"idempotency-key": order.key}
            answer = await self._ask(token, "POST", order.path, chance, order.body, **headers)
            if answer is not None:
                told = answer.json()
                if told.get("task_id"):
                    return str(told["task_id"])
                if told.get("error_code") in NO_MONEY:
                    self.did["refused"] += 1
                    return None
                assert answer.status_code in (429, 500, 503), (order, told)
            self.did["create repeated"] += 1
            await settle_for(0.1, because="a tenant without an answer asks again, but not at once")

    async def _see(self, tenant: str, order: Order, task_id: str, chance: random.Random) -> str:
        """Look until it has ended for good; cancel and retry on the way."""
        retries, looks, path = order.retries, 0, f"ai-task/{task_id}"
        while True:
            token = chance.choice(self._keys[tenant])
            if looks == order.cancels_after:
                self.did["cancels"] += 1
                await self._ask(token, "POST", f"{path}/cancel", chance)
            answer = await self._ask(token, "GET", path, chance)
            looks += 1
            if answer is not None and answer.status_code == 200:
                seen = answer.json()
                if seen["status"] == "completed" or (seen["status"] in ENDS and not retries):
                    return str(seen["status"])
                if seen["status"] in ENDS:
                    assert seen["can_retry"], seen
                    retries -= 1
                    self.did["retries"] += 1
                    await self._ask(token, "POST", f"{path}/retry", chance)
            await settle_for(0.1 + chance.random() / 3, because="clients do not ask all the time")

    async def _ask(
        self,
        token: IssuedToken,
        method: str,
        path: str,
        chance: random.Random,
        body: Any = None,
        **headers: str,
    ) -> httpx.Response | None:
        """Ask one of the relays; None if it was killed meanwhile, or is not there."""
        url = f"{chance.choice(self._urls)}/api/kling/{path}"
        try:
            return await self._world.http.request(
                method, url, headers=bearer(token) | headers, json=body
            )
        except httpx.TransportError:
            self.did["answers lost"] += 1
            return None
