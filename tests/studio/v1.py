"""A tenant at `/api/v1`, and what reached Kling."""

import json
from typing import Any

import httpx

from relay.kling.body import read_fields
from relay.kling.endpoints import ENDPOINTS
from relay.kling.lint.judge import lint
from relay.tenants.tokens import IssuedToken
from tests.relay_app import Relay, bearer
from tests.waiting import wait_until

BY_PATH = {endpoint.path: endpoint for endpoint in ENDPOINTS}


def asked(relay: Relay) -> list[tuple[str, Any]]:
    """The creates that reached Kling, by our name of the endpoint; all of them pass the lint."""
    assert relay.sandbox is not None
    found = []
    for one in relay.sandbox.requests.entries:
        endpoint = BY_PATH.get(str(one["path"]))
        if one["method"] != "POST" or endpoint is None:
            continue
        body = str(one["body"])
        assert lint(endpoint, read_fields(body.encode())) is None, body
        found.append((endpoint.name, json.loads(body)))
    return found


async def post(
    relay: Relay, token: IssuedToken, path: str, body: Any, **headers: str
) -> httpx.Response:
    """POST a create below `/api/v1/`."""
    return await relay.client.post(f"/api/v1/{path}", headers=bearer(token) | headers, json=body)


async def made(relay: Relay, token: IssuedToken, path: str, body: Any) -> Any:
    """Create, and return what is told of it."""
    answer = await post(relay, token, path, body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["message"] == "success"
    assert told["raw_data"]["code"] == 0
    assert told["raw_data"]["data"].get("task_id") == told["task_id"]
    return told


async def finished(relay: Relay, token: IssuedToken, kind: str, task_id: str) -> Any:
    """Poll a task to its end; returns `data` of Kling's reply."""
    data: Any = None

    async def is_over() -> bool:
        nonlocal data
        answer = await relay.client.get(f"/api/v1/tasks/{kind}/{task_id}", headers=bearer(token))
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["task_id"], told["message"]) == (task_id, "success")
        data = told["raw_data"]["data"]
        return data["task_status"] in ("succeed", "failed")

    await wait_until(is_over)
    assert data["task_status"] == "succeed", data
    return data


async def books(relay: Relay, tenant: str) -> tuple[int, list[tuple[str, int]]]:
    """What is held of a tenant, and its tasks with what each was charged."""
    rows = await relay.rows(
        "SELECT t.endpoint, t.charged_micros FROM tasks t JOIN tenants n ON n.id = t.tenant_id"
        " WHERE n.name = $1 ORDER BY t.id",
        tenant,
    )
    _, held = await relay.account(tenant)
    return held, [(row["endpoint"], row["charged_micros"]) for row in rows]
