"""The tenants' part: submit, poll and download as any client of Kling does, over HTTP."""

import asyncio
import itertools
from typing import Any

import httpx
import msgspec

from relay.cli.demo.orders import BEYOND_QUOTA, ORDERS, Order
from relay.cli.demo.progress import Progress
from relay.cli.demo.stage import DemoTenant
from relay.cli.failure import Failure

POLL_S = 0.4
HTTP_TIMEOUT_S = 15.0
STORY_MAX_S = 25.0
"""From the first submit to the last answer; the tasks take two seconds."""
ENDED = ("succeed", "failed")


class Played(msgspec.Struct):
    """What a tenant saw of one order."""

    order: Order
    http_status: int
    code: int
    message: str
    created: dict[str, Any]
    """The task object in the reply to the submit; {} if it was refused."""
    by_id: dict[str, Any] = {}
    by_external_id: dict[str, Any] = {}
    video: bytes = b""

    @property
    def task_id(self) -> str:
        return str(self.created.get("task_id", ""))


class Story(msgspec.Struct, frozen=True):
    """All that both tenants saw."""

    played: list[Played]
    refused: Played
    """The submit beyond the quota."""
    lists: dict[str, list[str]]
    """Ids of the tasks that each tenant is shown in the list of the first order's kind."""


async def tell_story(relay_url: str, tenants: dict[str, DemoTenant], progress: Progress) -> Story:
    """Submit everything, follow what was accepted to its end, and fetch the videos.

    Raises:
        Failure: it did not end in time, or the relay did not answer.
    """
    doing = "submitting"
    try:
        # Proxies of the environment are for other hosts than this one.
        async with (
            asyncio.timeout(STORY_MAX_S),
            httpx.AsyncClient(base_url=relay_url, timeout=HTTP_TIMEOUT_S, trust_env=False) as http,
        ):
            clients = _Clients(http, tenants, progress)
            played = [await clients.submit(order) for order in ORDERS]
            refused = await clients.submit(BEYOND_QUOTA)
            doing = "waiting for the tasks"
            await asyncio.gather(*(clients.follow(one) for one in played if one.task_id))
            doing = "downloading the videos"
            await asyncio.gather(*(clients.download(one) for one in played))
            doing = "listing the tasks"
            lists = {name: await clients.list(name, ORDERS[0].path) for name in tenants}
    except TimeoutError as error:
        raise Failure(f"the demo was still {doing} after {STORY_MAX_S:.0f} s") from error
    except httpx.HTTPError as error:
        raise Failure(f"no answer while {doing}: {type(error).__name__} {error}") from error
    return Story(played=played, refused=refused, lists=lists)


class _Clients:
    """Both tenants' clients: one connection pool, their own credentials."""

    def __init__(
        self, http: httpx.AsyncClient, tenants: dict[str, DemoTenant], progress: Progress
    ) -> None:
        self._http = http
        self._tenants = tenants
        self._progress = progress

    async def submit(self, order: Order) -> Played:
        http_status, envelope = await self._ask(order.tenant, "POST", order.path, json=order.body)
        played = Played(
            order=order,
            http_status=http_status,
            code=envelope.get("code", -1),
            message=str(envelope.get("message", "")),
            created=envelope.get("data") or {},
        )
        if played.task_id:
            self._tell(order, "submitted", f"{played.task_id}, {order.about}")
        else:
            self._tell(order, "refused", f"HTTP {played.http_status}, code {played.code}")
        return played

    async def follow(self, played: Played) -> None:
        """Poll by Kling's id and, where the tenant gave one, by its own in turn."""
        order, shown = played.order, "submitted"
        keys = itertools.cycle(filter(None, [played.task_id, order.external_task_id]))
        while played.by_id.get("task_status") not in ENDED:
            status = str((await self._task(order, next(keys))).get("task_status"))
            if status != shown:
                self._tell(order, status, played.task_id)
                shown = status
            if status in ENDED:
                played.by_id = await self._task(order, played.task_id)
            else:
                await asyncio.sleep(POLL_S)
        if order.external_task_id:
            played.by_external_id = await self._task(order, order.external_task_id)

    async def download(self, played: Played) -> None:
        for video in (played.by_id.get("task_result") or {}).get("videos", []):
            reply = await self._http.get(video["url"])
            played.video = reply.content if reply.is_success else b""

    async def list(self, tenant: str, path: str) -> list[str]:
        page = {"pageNum": "1", "pageSize": "30"}
        _, envelope = await self._ask(tenant, "GET", path, params=page)
        return [str(task["task_id"]) for task in envelope.get("data") or []]

    async def _task(self, order: Order, key: str) -> dict[str, Any]:
        _, envelope = await self._ask(order.tenant, "GET", f"{order.path}/{key}")
        return envelope.get("data") or {}

    async def _ask(
        self, tenant: str, method: str, path: str, **sent: Any
    ) -> tuple[int, dict[str, Any]]:
        """Send one request; returns its status and its envelope, {} if the reply has none."""
        headers = {"Authorization": self._tenants[tenant].authorization()}
        reply = await self._http.request(method, path, headers=headers, **sent)
        try:
            value = reply.json()
        except ValueError:
            value = None
        return reply.status_code, value if isinstance(value, dict) else {}

    def _tell(self, order: Order, status: str, detail: str) -> None:
        self._progress.tell(order.tenant, order.endpoint, status, detail)
