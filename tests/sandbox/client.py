"""A caller of the sandbox: one client, one account, and waiting for ends."""

import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt

from relay.sandbox.settings import DEFAULT_ACCOUNT, Account
from tests.waiting import wait_until

TEXT2VIDEO = "/v1/videos/text2video"


def sign(
    account: Account = DEFAULT_ACCOUNT,
    *,
    expires_in_s: float = 1800,
    begins_in_s: float = -5,
    headers: Mapping[str, str] | None = None,
    secret_key: str | None = None,
    algorithm: str = "HS256",
) -> str:
    """Sign a JWT as Kling's SDKs do."""
    now = time.time()
    claims = {
        "iss": account.access_key,
        "exp": int(now + expires_in_s),
        "nbf": int(now + begins_in_s),
    }
    key = account.secret_key if secret_key is None else secret_key
    return jwt.encode(claims, key, algorithm=algorithm, headers=dict(headers or {}))


class Caller:
    """Calls Kling's paths with an API key."""

    def __init__(self, http: httpx.AsyncClient, account: Account = DEFAULT_ACCOUNT) -> None:
        self.http = http
        self._headers = {"authorization": f"Bearer {account.api_key}"}

    async def create(self, path: str = TEXT2VIDEO, **body: object) -> httpx.Response:
        return await self.http.post(path, json=body, headers=self._headers)

    async def finished(self, path: str = TEXT2VIDEO, **body: object) -> dict[str, Any]:
        """Create a legacy task and wait for its end."""
        task = await self.accepted(path, **body)
        return await self.ended(task["task_id"], path)

    async def new_finished(self, path: str, **body: object) -> dict[str, Any]:
        """Create a task of API 2.0 and wait for its end."""
        task = await self.accepted(path, **body)

        async def end() -> dict[str, Any] | None:
            (data,) = (await self.get(f"/tasks?task_ids={task['id']}")).json()["data"]
            return data if data["status"] in {"succeeded", "failed"} else None

        return await wait_until(end)

    async def accepted(self, path: str = TEXT2VIDEO, **body: object) -> dict[str, Any]:
        response = await self.create(path, **body)
        assert response.status_code == 200, response.text
        data: dict[str, Any] = response.json()["data"]
        return data

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(path, headers=self._headers)

    async def ended(self, name: str, path: str = TEXT2VIDEO) -> dict[str, Any]:
        """Poll until the task has ended."""

        async def end() -> dict[str, Any] | None:
            data: dict[str, Any] = (await self.get(f"{path}/{name}")).json()["data"]
            return data if data["task_status"] in {"succeed", "failed"} else None

        return await wait_until(end)

    async def log(self, event: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = (await self.http.get("/sandbox/log")).json()
        return [entry for entry in entries if entry["event"] == event]
