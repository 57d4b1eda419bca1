"""T3: the relay's own refusals are Kling's errors; the reseller's troubles stay its own."""

import json
import uuid
from typing import Any

import httpx
import pytest

from relay.kling.transport import MaybeSent, NotSent, Reply
from tests.proxy.scripted_kling import Asked, ScriptedKling, always, envelope, refusal, reply
from tests.relay_app import CLIP, Relay, bearer, running_relay


def assert_is_klings(response: httpx.Response, status: int, code: int) -> dict[str, Any]:
    """Kling's envelope of an error: code, message, request_id, no data (docs/kling-api.md 5.6)."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert set(body) == {"code", "message", "request_id"}
    assert body["code"] == code
    assert str(uuid.UUID(body["request_id"])) == body["request_id"]
    assert response.headers["x-request-id"] == body["request_id"]
    assert body["message"]
    return body


OWN: tuple[tuple[Any, int, int, str], ...] = (
    (b"[]", 400, 1200, "object"),
    (CLIP | {"duration": ["5"]}, 400, 1201, "duration"),
    (CLIP | {"model_name": "kling-v99"}, 404, 1203, "kling-v99"),
    (
        CLIP | {"duration": "15", "mode": "4k"},
        429,
        1102,
        "Account balance not enough: needed 6.3 USD, available 1 USD",
    ),
)


async def test_own_refusals_have_klings_shape(shared: Relay, tenant: str) -> None:
    """Unreadable, wrong, unpriced, not paid for: status, code and a message that says what."""
    token = await shared.add_tenant(tenant, quota_micros=1_000_000)

    for body, status, code, says in OWN:
        response = await shared.submit(token, body)

        assert says in assert_is_klings(response, status, code)["message"]


async def test_other_refusals_have_klings_shape(database_url: str) -> None:
    """Not found, no such path, too many tasks, duplicate."""
    async with running_relay(database_url) as relay:
        token = await relay.add_tenant(tasks_max=1)
        await relay.add_channel()

        missing = await relay.get(token, "no-such-task")
        nowhere = await relay.client.get("/v1/nothing", headers=bearer(token))
        named = CLIP | {"external_task_id": "t-1"}
        assert (await relay.submit(token, named)).status_code == 200
        many = await relay.submit(token)
        await relay.rows("UPDATE accounts SET tasks_max = NULL")
        twice = await relay.submit(token, named)

    words = "Task not found by id/external id"
    assert assert_is_klings(missing, 400, 1201)["message"] == words
    assert_is_klings(nowhere, 404, 1202)
    assert "limit" in assert_is_klings(many, 429, 1303)["message"]
    assert "external_task_id" in assert_is_klings(twice, 400, 1201)["message"]


async def test_without_a_channel_the_service_is_unavailable(database_url: str) -> None:
    """503/5001, no row and no hold."""
    async with running_relay(database_url) as relay:
        token = await relay.add_tenant()

        response = await relay.submit(token)

        assert await relay.rows("SELECT 1 FROM tasks") == []
        assert await relay.account() == (10_000_000, 0)
    assert_is_klings(response, 503, 5001)


ACCOUNT = [
    *((401, code) for code in (1000, 1001, 1002, 1003, 1004)),
    *((429, code) for code in (1100, 1101, 1102, 1304)),
    (403, 1103),
]


@pytest.mark.parametrize(("status", "code"), ACCOUNT)
async def test_trouble_with_the_channels_account_is_unavailable(
    database_url: str, status: int, code: int
) -> None:
    """Not a word of Kling's reaches the tenant: 503/5001, and the hold is given back."""
    kling = ScriptedKling(always(refusal(status, code, "resource pack of reseller-7 is empty")))
    async with running_relay(database_url, transport=kling) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()

        response = await relay.submit(token)

        assert await relay.account() == (10_000_000, 0)
    body = assert_is_klings(response, 503, 5001)
    assert "reseller-7" not in str(body)
    assert "main" not in str(body)
    # 1003 and 1004 are signed again, once.
    assert len(kling.asked) == (2 if code in (1003, 1004) else 1)


async def test_the_accounts_trouble_counts_in_200_too(database_url: str) -> None:
    """Decided by `code`, whatever the status."""
    kling = ScriptedKling(always(refusal(200, 1102)))
    async with running_relay(database_url, transport=kling) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()

        assert_is_klings(await relay.submit(token), 503, 5001)


async def test_the_next_channel_takes_what_an_account_refuses(database_url: str) -> None:
    """The row names the second channel and remembers the first; the tenant sees a success."""

    async def answer(asked: Asked) -> Reply:
        if asked.url.startswith("http://first"):
            return refusal(429, 1102)
        return envelope(
            b'{"task_id":"1","task_status":"submitted","task_info":{"external_task_id":"%b"}}'
            % asked.injected_id.encode()
        )

    async with running_relay(database_url, transport=ScriptedKling(answer)) as relay:
        token = await relay.add_tenant()
        first = await relay.add_channel("first", base_url="http://first", priority=1)
        second = await relay.add_channel("second", base_url="http://second")

        response = await relay.submit(token)

        row = await relay.task("1")
    assert response.status_code == 200
    assert (row["channels_tried"], row["channel_id"]) == ([first], second)


@pytest.mark.parametrize(
    ("answer", "status", "code", "held"),
    [
        (NotSent("refused"), 503, 5001, 0),
        (MaybeSent("reset"), 504, 5002, 420_000),
        (reply(502, b"<html>bad gateway</html>"), 504, 5002, 420_000),
        (reply(200, b'{"code":0,"message":"SUCCEED","data":{}}'), 504, 5002, 420_000),
        (reply(200, b'{"code":0,"data":{"task_id":"1'), 504, 5002, 420_000),
        (refusal(400, 1201, "duplicate external_task_id"), 504, 5002, 420_000),
        (refusal(408, 1200), 504, 5002, 420_000),
    ],
)
async def test_no_verdict_is_a_timeout_and_keeps_the_hold(
    database_url: str,
    answer: Reply | Exception,
    status: int,
    code: int,
    held: int,
) -> None:
    """Not sent releases; whatever may have been sent without an answer is 504/5002, hold kept."""

    async def give(_: Asked) -> Reply:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with running_relay(database_url, transport=ScriptedKling(give)) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()

        response = await relay.submit(token)

        assert await relay.account() == (10_000_000, held)
    assert_is_klings(response, status, code)


async def test_a_message_of_ours_survives_any_path(shared: Relay, tenant: str) -> None:
    """The path stands in the message of 1202: quotes, bytes and length must not break the JSON."""
    token = await shared.add_tenant(tenant)

    for path in ('/v1/"%22\\', "/v1/%ff%00", "/" + "x" * 5000):
        response = await shared.client.get(path, headers=bearer(token))

        body = assert_is_klings(response, 404, 1202)
        assert len(json.dumps(body)) < 1000
