"""What is logged, and above all what is not."""

import errno
import io
import json
import logging
from typing import Any

import pytest
import structlog

from relay.kling.transport import MaybeSent, Reply
from relay.logs import configure_logs
from relay.tenants.tokens import revoke_token
from tests.callbacks.news import queried, told
from tests.proxy.scripted_kling import (
    TASK_ID,
    Asked,
    ScriptedKling,
    accepts_then,
    refusal,
)
from tests.relay_app import CLIP, PUBLIC_URL, Relay, bearer, running_relay, signed

SECRET_WORDS = ("prompt-marker", "image-marker", "external-marker", "hook-marker", "message-marker")
BODY = CLIP | {
    "prompt": "prompt-marker",
    "image": "image-marker" * 10,
    "external_task_id": "external-marker",
    "callback_url": "https://t.example/hook-marker",
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def tell_a_whole_story(relay: Relay, kling: ScriptedKling) -> list[str]:
    """Good and bad submits, queries, callbacks and credentials; returns what must not be logged."""
    token, other = await relay.add_tenant(), await relay.add_tenant("other")
    await relay.add_channel()
    good = kling.answer
    jwt = signed(token)
    await relay.submit(token, BODY)
    task = await relay.task(TASK_ID)
    path = relay.faces.receiver.paths.url(task["injected_id"], task["channel_id"]) or ""
    await relay.get(token, "external-marker")
    await relay.client.get("/v1/videos/external-marker", headers={"Authorization": f"Bearer {jwt}"})
    await relay.client.get("/v1/external-marker?x=prompt-marker", headers=bearer(token))
    for body in (b"prompt-marker", b'{"prompt":"prompt-marker', b"\xffprompt-marker"):
        await relay.submit(token, body)
        await relay.call_back(TASK_ID, body)
    await relay.submit(token, BODY | {"duration": "prompt-marker"})
    await relay.submit(token, BODY | {"model_name": "kling-v9"})
    await relay.submit(token, BODY)
    for answer in (
        refusal(400, 1301, "message-marker"),
        refusal(500, 5000, "message-marker"),
        Reply(502, "text/html", b"message-marker"),
        MaybeSent("reset"),
        ValueError("a bug of ours"),
        refusal(401, 1002, "not a word of the prompt"),
    ):
        kling.answer = answering(answer)
        await relay.submit(other, {"external_task_id": ""} | {"prompt": "prompt-marker"} | BODY_OF)
        await relay.get(token, TASK_ID)
    kling.answer = good
    await relay.client.post(f"{path}x".removeprefix(PUBLIC_URL), content=b"prompt-marker")
    await relay.call_back(TASK_ID, told("external-marker", "succeed"))
    await relay.call_back(TASK_ID, told(task["injected_id"], "succeed", note="message-marker"))
    await relay.get(token, TASK_ID)
    async with relay.sessions.begin() as session:
        await revoke_token(session, other.id)
    for wrong in ("sk-wrong-" + "x" * 40, jwt[:-3] + "abc", "Basic dXNlcjp4"):
        await relay.client.get("/v1/videos/1", headers={"Authorization": f"Bearer {wrong}"})
    channel_bearer = kling.asked[0].bearer
    return [
        *SECRET_WORDS,
        *(token.api_key, token.secret_key, other.api_key, other.secret_key, jwt, jwt[-20:]),
        *(channel_bearer, channel_bearer[-20:], "sandbox-secret-key", "api-key-kling-sandbox"),
        *(path.rpartition(".")[2], "internal/callback", "sk-wrong", "dXNlcjp4", "Bearer"),
    ]


BODY_OF = {"model_name": "kling-v3", "duration": "5"}


def answering(answer: Reply | Exception) -> Any:
    async def give(_: Asked) -> Reply:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return give


async def test_a_whole_story_logs_no_secret_and_no_content(
    database_url: str, logged: io.StringIO
) -> None:
    """No prompt, image, external id, hook, message, key, JWT or callback path, at level debug."""
    kling = ScriptedKling(accepts_then(queried("processing")))
    async with running_relay(
        database_url, transport=kling, with_callbacks=True, refresh_s=0.0
    ) as relay:
        markers = await tell_a_whole_story(relay, kling)

    text = logged.getvalue()
    assert [marker for marker in markers if marker in text] == []
    events = {line["event"] for line in lines_of(logged)}
    assert {"request.answered", "task.moved", "callback.received", "submit.unknown"} <= events


async def test_every_line_is_json_with_its_time_and_level(
    database_url: str, logged: io.StringIO
) -> None:
    """When the stream is no terminal; a traceback is one field of one line."""
    kling = ScriptedKling(accepts_then(queried("processing")))
    async with running_relay(
        database_url, transport=kling, with_callbacks=True, refresh_s=0.0
    ) as relay:
        await tell_a_whole_story(relay, kling)

    lines = lines_of(logged)
    assert lines
    for line in lines:
        assert {"event", "level", "timestamp"} <= set(line)
    assert any("Traceback" in line.get("exception", "") for line in lines)


async def test_one_line_per_request_tells_the_whole_story(
    database_url: str, logged: io.StringIO
) -> None:
    """Method, route without ids, status, code, tenant, token, our id, channel and milliseconds."""
    kling = ScriptedKling(accepts_then(queried("processing")))
    async with running_relay(database_url, transport=kling) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        created = await relay.submit(token, BODY)
        await relay.get(token, TASK_ID)
        await relay.submit(token, BODY)
        await relay.client.get("/v1/videos/1")

    requests = [line for line in lines_of(logged) if line["event"] == "request.answered"]
    assert [(line["method"], line["route"], line["status"], line["code"]) for line in requests] == [
        ("POST", "text2video.create", 200, 0),
        ("GET", "text2video.query", 200, 0),
        ("POST", "text2video.create", 400, 1201),
        ("GET", "unknown", 401, 1001),
    ]
    first = requests[0]
    assert (first["tenant"], first["token_id"], first["channel"]) == ("acme", token.id, "main")
    assert first["request_id"] == created.headers["x-request-id"]
    assert 0 < first["ms"] < 60_000
    assert requests[3]["tenant"] == ""


async def test_one_id_follows_a_task_from_submit_to_charge(
    database_url: str, logged: io.StringIO
) -> None:
    """Our number: in the submit's request line, in each move, and in the callback's line."""
    kling = ScriptedKling(accepts_then(queried("processing")))
    async with running_relay(database_url, transport=kling, with_callbacks=True) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        await relay.submit(token)
        task = await relay.task(TASK_ID)
        for status in ("processing", "succeed"):
            await relay.call_back(TASK_ID, told(task["injected_id"], status))

    lines = [line for line in lines_of(logged) if line.get("id") == task["id"]]
    moved = [line["state"] for line in lines if line["event"] == "task.moved"]
    assert moved == ["submitted", "processing", "succeed"]
    assert [line["charged_micros"] for line in lines if line.get("state") == "succeed"] == [420_000]
    assert {line["event"] for line in lines} >= {"request.answered", "callback.received"}


def test_a_traceback_on_a_terminal_shows_no_variables() -> None:
    """Rich, which the command line brings, would print each frame's locals: keys and bodies."""
    stream = Terminal()
    before, handlers = structlog.get_config(), logging.getLogger().handlers[:]
    configure_logs(stream=stream, is_final=False)

    def fail(bearer: str) -> None:
        raise RuntimeError(f"{len(bearer)} characters")

    try:
        fail("the-secret-bearer")
    except RuntimeError:
        structlog.get_logger().exception("request.failed")
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers[:] = handlers

    assert "17 characters" in stream.getvalue()
    assert "fail(" in stream.getvalue()
    assert "bearer = " not in stream.getvalue()
    assert "bearer: " not in stream.getvalue()


def test_libraries_are_heard_from_warning_on_in_the_same_shape(stream: io.StringIO) -> None:
    """One JSON line; info of theirs is left out."""
    configure_logs(stream=stream, is_final=False)

    logging.getLogger("asyncio").warning("slow %s", "callback")
    logging.getLogger("httpx").info("GET https://with-a-secret")

    (line,) = lines_of(stream)
    assert (line["event"], line["level"]) == ("slow callback", "warning")


def test_the_level_is_the_operators(stream: io.StringIO) -> None:
    """At `warning` info is silent."""
    configure_logs(level="warning", stream=stream, is_final=False)

    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")

    assert [line["event"] for line in lines_of(stream)] == ["loud"]


def test_what_json_does_not_know_is_spelt() -> None:
    """Decimals, exceptions and dates must not end a request in the logger."""
    stream = io.StringIO()
    before, handlers = structlog.get_config(), logging.getLogger().handlers[:]
    configure_logs(stream=stream, is_final=False)
    try:
        structlog.get_logger().info("odd", value=ValueError("x"), kind=int)
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers[:] = handlers

    assert json.loads(stream.getvalue())["value"] == "x"


class Full(io.StringIO):
    """A disk without room, or a pipe that nobody reads any more."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.usefixtures("stream")
async def test_a_log_that_cannot_be_written_stops_no_submit(
    database_url: str, *, is_closed: bool
) -> None:
    """Kling's task id comes back; a 500 in its place would be a charge for an unknown video."""
    full = Full()
    configure_logs(stream=full, is_final=False)
    async with running_relay(
        database_url, transport=ScriptedKling(accepts_then(queried("processing")))
    ) as relay:
        await relay.add_channel()
        token = await relay.add_tenant()
        if is_closed:
            full.close()

        answer = await relay.submit(token, CLIP)

    assert answer.status_code == 200
    assert answer.json()["data"]["task_id"] == TASK_ID
