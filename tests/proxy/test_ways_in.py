"""Health is Litestar's, callbacks are the receiver's, and every other path is Kling's surface."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.relay_app import PUBLIC_URL, Relay, fixture_relay

KLINGS = (
    *("/", "/health", "/healthy/live", "/v1/health/live", "//health/live", "/Health/live"),
    *("/schema", "/v1/videos/text2video", "/internal", "/internal/", "/internal/callbacks"),
    *("/internal%2Fcallback/x", "/v1/internal", "/%"),
)


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with fixture_relay(database_url, with_callbacks=True) as running:
        await running.add_channel()
        yield running


@pytest.mark.parametrize(("path", "status"), [("live", "live"), ("ready", "ready")])
async def test_health_is_asked_without_a_credential(relay: Relay, path: str, status: str) -> None:
    """By whatever watches the process; it is no path of Kling's."""
    answer = await relay.client.get(f"/health/{path}")

    assert (answer.status_code, answer.json()) == (200, {"status": status})
    assert "x-request-id" not in answer.headers


async def test_every_other_path_is_answered_as_kling_does(relay: Relay) -> None:
    """In the envelope, with a request id, and not before somebody says who they are."""
    answers = {
        (method, path): await relay.client.request(method, PUBLIC_URL + path)
        for method in ("GET", "POST", "DELETE", "OPTIONS")
        for path in KLINGS
    }

    for asked, answer in answers.items():
        assert (answer.status_code, answer.json()["code"]) == (401, 1001), asked
        assert answer.headers["x-request-id"] == answer.json()["request_id"]


async def test_a_callback_path_is_found_behind_whatever_stands_before_it(relay: Relay) -> None:
    """A public URL's own path, and slashes doubled: the path is still the authority."""
    url = relay.faces.receiver.paths.url("no-such-task", 1)
    assert url is not None
    path = url.removeprefix(PUBLIC_URL)
    paths = [
        before + spelling
        for before in ("", "/", "/relay", "//relay//eu/")
        for spelling in (path, path.replace("/", "//"))
    ]

    for one in paths:
        taken = await relay.client.post(PUBLIC_URL + one, json={"task_id": "1"})
        forged = await relay.client.post(PUBLIC_URL + one[:-1] + "!", json={"task_id": "1"})

        # In the receiver's words: a path of ours whose task is gone, and one not made by us.
        assert (taken.status_code, taken.json()) == (200, {"code": 0, "message": "SUCCEED"}), one
        assert (forged.status_code, forged.json()["code"]) == (401, 1000), one


async def test_a_websocket_is_closed_and_nothing_breaks(relay: Relay) -> None:
    """uvicorn lets one through where a library for it is installed."""
    for path in ("/v1/videos/text2video", "/health/live", "/internal/callback/x"):
        assert await _closed(relay, path)

    assert (await relay.client.get("/health/live")).status_code == 200


async def _closed(relay: Relay, path: str) -> bool:
    said: list[str] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"} if not said else {"type": "websocket.disconnect"}

    async def send(message: Any) -> None:
        said.append(message["type"])

    scope: Any = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"relay.test")],
        "client": ("127.0.0.1", 1),
        "server": ("relay.test", 80),
        "subprotocols": [],
        "state": {},
        "extensions": {},
    }
    await relay.app(scope, receive, send)
    return said == ["websocket.close"]
