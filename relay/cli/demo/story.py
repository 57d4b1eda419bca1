"""The tenants' part: submit, poll and download as any client of Kling does, over HTTP."""

import asyncio
import itertools
from typing import Any

import httpx
import msgspec

from relay.cli.demo.orders import BEYOND_QUOTA, ORDERS, Order
from relay.cli.demo.progress import Progress
from relay.cli.demo.tenants import DemoTenant
from relay.cli.failure import Failure

POLL_S = 0.4
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


class Tenants:
    """Both tenants' clients: one connection pool, their own credentials."""

    def __init__(
        self, http: httpx.AsyncClient, tenants: dict[str, DemoTenant], progress: Progress
    ) -> None:
        self._http = http
        self._tenants = tenants
        self._progress = progress

    async def play(self) -> Story:
        """Submit everything, follow what was accepted to its end, and fetch the videos.

        Raises:
            Failure: it did not end in time, or the relay did not answer.
        """
        doing = "submitting"
        try:
            async with asyncio.timeout(STORY_MAX_S):
                played = [await self._submit(order) for order in ORDERS]
                refused = await self._submit(BEYOND_QUOTA)
                doing = "waiting for the tasks"
                await asyncio.gather(*(self._follow(one) for one in played if one.task_id))
                doing = "downloading the videos"
                await asyncio.gather(*(self._download(one) for one in played))
                doing = "listing the tasks"
                lists = {name: await self._list(name, ORDERS[0].path) for name in self._tenants}
        except TimeoutError as error:
            raise Failure(f"the demo was still {doing} after {STORY_MAX_S:.0f} s") from error
        except httpx.HTTPError as error:
            raise Failure(f"no answer while {doing}: {type(error).__name__} {error}") from error
        return Story(played=played, refused=refused, lists=lists)

    async def _submit(self, order: Order) -> Played:
        headers = self._headers(order.tenant)
        reply = await self._http.post(order.path, json=order.body, headers=headers)
        envelope = _object(reply)
        played = Played(
            order=order,
            http_status=reply.status_code,
            code=envelope.get("code", -1),
            message=str(envelope.get("message", "")),
            created=envelope.get("data") or {},
        )
        if played.task_id:
            self._tell(order, "submitted", f"{played.task_id}, {order.about}")
        else:
            self._tell(order, "refused", f"HTTP {played.http_status}, code {played.code}")
        return played

    async def _follow(self, played: Played) -> None:
        """Poll by Kling's id and, where the tenant gave one, by its own in turn."""
        order, shown = played.order, "submitted"
        keys = itertools.cycle(filter(None, [played.task_id, order.external_task_id]))
        while played.by_id.get("task_status") not in ENDED:
            data = await self._task(order, next(keys))
            status = str(data.get("task_status"))
            if status != shown:
                self._tell(order, status, played.task_id)
                shown = status
            if status in ENDED:
                played.by_id = await self._task(order, played.task_id)
            else:
                await asyncio.sleep(POLL_S)
        if order.external_task_id:
            played.by_external_id = await self._task(order, order.external_task_id)

    async def _download(self, played: Played) -> None:
        for url in result_urls(played.by_id):
            reply = await self._http.get(url)
            played.video = reply.content if reply.is_success else b""

    async def _list(self, tenant: str, path: str) -> list[str]:
        page = {"pageNum": "1", "pageSize": "30"}
        reply = await self._http.get(path, params=page, headers=self._headers(tenant))
        return [str(task["task_id"]) for task in _object(reply).get("data") or []]

    async def _task(self, order: Order, key: str) -> dict[str, Any]:
        reply = await self._http.get(f"{order.path}/{key}", headers=self._headers(order.tenant))
        return _object(reply).get("data") or {}

    def _headers(self, tenant: str) -> dict[str, str]:
        return {"Authorization": self._tenants[tenant].authorization()}

    def _tell(self, order: Order, status: str, detail: str) -> None:
        self._progress.tell(order.tenant, order.endpoint, status, detail)


def result_urls(data: dict[str, Any]) -> list[str]:
    """List a finished task's videos."""
    return [video["url"] for video in (data.get("task_result") or {}).get("videos", [])]


def _object(reply: httpx.Response) -> dict[str, Any]:
    try:
        value = reply.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
