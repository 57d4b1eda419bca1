"""What became of a request at Kling is told as T2 and T3 say, and stands in its line."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

from relay.kling.transport import MaybeSent, NotSent, Reply
from relay.tenants.tokens import IssuedToken
from tests.proxy.scripted_kling import Asked, ScriptedKling, created, envelope, refusal, reply
from tests.relay_app import Relay, bearer, running_relay

Says = Reply | NotSent | MaybeSent | None
"""None accepts it."""


class Told(NamedTuple):
    """What the tenant gets, and what the line says of it."""

    status: int
    code: int
    """In the body."""
    line_code: int
    channel: str
    retry_after: str | None = None
    has_quote: bool = True
    state: str = "refused"


BUSY = reply(429, {"code": 1303, "message": "busy", "request_id": "k"}, retry_after="7")
BROKEN = reply(500, {"code": 5000, "message": "oh", "request_id": "k"}, retry_after="7")
BAD = reply(400, {"code": 1301, "message": "no", "request_id": "k"}, retry_after="7")
TIMEOUT, UNSENT = MaybeSent("ReadTimeout"), NotSent("ConnectError")

UNPROVEN = Told(400, 1200, 1200, "first", has_quote=False, state="unknown")
IN_DOUBT = Told(504, 5002, 5002, "first", has_quote=False, state="unknown")


def bare(status: int) -> Reply:
    """A gateway's page, which names what is not the tenant's business."""
    return reply(status, b'{"message": "edge.kling.internal says no"}')


SUBMITS: dict[str, tuple[Says, Says, Told]] = {
    "taken": (None, None, Told(200, 0, 0, "first", state="submitted")),
    "taken by the second": (UNSENT, None, Told(200, 0, 0, "second", state="submitted")),
    "refused": (BAD, None, Told(400, 1301, 1301, "first", "7")),
    "refused by the second": (BUSY, BAD, Told(400, 1301, 1301, "second", "7")),
    "busy, both": (BUSY, BUSY, Told(429, 1303, 1303, "second", "7")),
    "busy, then away": (BUSY, UNSENT, Told(429, 1303, 1303, "first", "7")),
    "in arrears, then busy": (refusal(429, 1101), BUSY, Told(429, 1303, 1303, "second", "7")),
    "in arrears, both": (
        refusal(429, 1101),
        refusal(429, 1101),
        Told(503, 5001, 5001, "", has_quote=False),
    ),
    "away, both": (UNSENT, UNSENT, Told(503, 5001, 5001, "", has_quote=False)),
    "in doubt": (TIMEOUT, None, Told(504, 5002, 5002, "first", has_quote=False, state="unknown")),
    "broken": (BROKEN, None, Told(500, 5000, 5000, "first", state="unknown")),
    "html": (
        reply(502, b"<html>"),
        None,
        Told(504, 5002, 5002, "first", has_quote=False, state="unknown"),
    ),
    # Without Kling's envelope some statuses are definite all the same.
    "too large": (bare(413), None, Told(413, 1200, 1200, "first")),
    "a path too long": (bare(414), None, Told(414, 1200, 1200, "first")),
    "headers too large": (bare(431), None, Told(431, 1200, 1200, "first")),
    "too large for the second": (BUSY, bare(413), Told(413, 1200, 1200, "second")),
    "turned away": (bare(401), None, Told(200, 0, 0, "second", state="submitted")),
    "forbidden": (bare(403), None, Told(200, 0, 0, "second", state="submitted")),
    "a proxy's": (bare(407), None, Told(200, 0, 0, "second", state="submitted")),
    "too fast": (bare(429), None, Told(200, 0, 0, "second", state="submitted")),
    "forbidden, both": (bare(403), bare(429), Told(503, 5001, 5001, "", has_quote=False)),
    # All others are of the class that came.
    "not there": (bare(404), None, UNPROVEN),
    "not so": (bare(405), None, UNPROVEN),
    "slow": (bare(408), None, UNPROVEN),
    "in conflict": (bare(409), None, UNPROVEN),
    "moved": (bare(302), None, IN_DOUBT),
    "html in 200": (bare(200), None, IN_DOUBT),
    "unavailable": (bare(503), None, IN_DOUBT),
    "no status of http": (reply(600, BAD.body), None, IN_DOUBT),
}


CALLS: dict[str, tuple[Says, Says, Told]] = {
    "taken": (None, None, Told(200, 0, 0, "first")),
    "taken by the second": (UNSENT, None, Told(200, 0, 0, "second")),
    "refused": (BAD, None, Told(400, 1301, 1301, "first", "7")),
    "busy, then away": (BUSY, UNSENT, Told(429, 1303, 1303, "first", "7")),
    "busy, both": (BUSY, BUSY, Told(429, 1303, 1303, "second", "7")),
    "in arrears, both": (refusal(429, 1101), refusal(429, 1101), Told(503, 5001, 5001, "")),
    "in doubt": (TIMEOUT, None, Told(504, 5002, 5002, "")),
    "broken": (BROKEN, None, Told(500, 5000, 5000, "first", "7")),
    "html": (reply(502, b"<html>"), None, Told(504, 5002, 5002, "")),
    "too large": (bare(413), None, Told(413, 1200, 1200, "first")),
    "turned away": (bare(401), None, Told(200, 0, 0, "second")),
    "forbidden, both": (bare(403), bare(429), Told(503, 5001, 5001, "")),
    "not there": (bare(404), None, Told(400, 1200, 1200, "")),
    "no status of http": (reply(600, BAD.body), None, Told(504, 5002, 5002, "")),
}
"""Free ones: nothing is held, and there is no row."""
READS: dict[str, tuple[Says, Says, Told]] = {
    "answered": (None, None, Told(200, 0, 0, "first")),
    "answered by the second": (TIMEOUT, None, Told(200, 0, 0, "second")),
    "not in an envelope": (reply(502, b"<html>"), None, Told(200, 0, 0, "second")),
    "refused": (BAD, None, Told(400, 1301, 1301, "first", "7")),
    "busy, both": (BUSY, BUSY, Told(503, 5001, 5001, "")),
    "turned away": (bare(401), None, Told(200, 0, 0, "second")),
    "no status of http, then forbidden": (reply(600, b"{}"), bare(403), Told(503, 5001, 5001, "")),
}


class TwoChannels:
    """A Kling behind two channels, each of which says what the test has it say."""

    def __init__(self) -> None:
        self.first: Says = None
        self.second: Says = None
        self.kling = ScriptedKling(self._answer)

    async def _answer(self, asked: Asked) -> Reply:
        said = self.first if "//first.test/" in asked.url else self.second
        if isinstance(said, NotSent | MaybeSent):
            raise said
        if said is not None:
            return said
        if "text2video" in asked.url:
            # Of its own each time, since no two tasks of a channel have one id.
            return envelope(created(asked.injected_id, task_id=asked.injected_id[-16:]))
        return envelope(b"[]")


@asynccontextmanager
async def open_both(database_url: str) -> AsyncIterator[tuple[Relay, TwoChannels, IssuedToken]]:
    """A relay whose tenant asked to see quotes, and has a voice on both channels."""
    channels = TwoChannels()
    async with running_relay(database_url, transport=channels.kling) as relay:
        await relay.add_channel("first", base_url="http://first.test", priority=2)
        await relay.add_channel("second", base_url="http://second.test", priority=1)
        token = await relay.add_tenant()
        await relay.rows("UPDATE tenants SET shows_quote = true")
        await relay.rows(
            "INSERT INTO owners (kind, resource_id, channel_id, tenant_id)"
            " SELECT 'voice', 'mine', c.id, t.id FROM channels c, tenants t"
        )
        yield relay, channels, token


def last_line(logged: io.StringIO) -> dict[str, Any]:
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    found: dict[str, Any] = [line for line in lines if line["event"] == "request.answered"][-1]
    return found


def told_by(answer: httpx.Response, line: dict[str, Any], state: str) -> Told:
    assert line["status"] == answer.status_code
    return Told(
        answer.status_code,
        answer.json()["code"],
        line["code"],
        line["channel"],
        answer.headers.get("retry-after"),
        answer.headers.get("x-relay-quote") == "0.42",
        state,
    )


async def test_what_became_of_a_submit_is_told(database_url: str, logged: io.StringIO) -> None:
    """Status, code, headers, the fields of the line, and what the row says then."""
    async with open_both(database_url) as (relay, channels, token):
        found = {}
        for name, (channels.first, channels.second, _) in SUBMITS.items():
            await relay.heal()
            answer = await relay.submit(token)
            await asyncio.sleep(0)  # lines of one turn are written at its end
            line = last_line(logged)
            row = await relay.row("SELECT id, state FROM tasks ORDER BY id DESC LIMIT 1")
            found[name] = told_by(answer, line, row["state"])
            assert line["id"] == row["id"], name
            assert "edge.kling" not in answer.text, name

        assert found == {name: told for name, (_, _, told) in SUBMITS.items()}


async def test_what_became_of_a_free_call_is_told(database_url: str, logged: io.StringIO) -> None:
    """As of a submit, but that there is no quote, and no id in the line."""
    async with open_both(database_url) as (relay, channels, token):
        found = {}
        for name, (channels.first, channels.second, _) in CALLS.items():
            await relay.heal()
            await relay.rows("UPDATE owners SET deleted_at = NULL")
            answer = await relay.submit(
                token, {"voice_id": "mine"}, path="/v1/general/delete-voices"
            )
            await asyncio.sleep(0)
            line = last_line(logged)
            found[name] = told_by(answer, line, "refused")
            assert (line["id"], "x-relay-quote" in answer.headers) == (None, False), name

        expected = {name: told._replace(has_quote=False) for name, (_, _, told) in CALLS.items()}
        assert found == expected
        assert await relay.rows("SELECT 1 FROM tasks") == []


async def test_what_all_share_is_told(database_url: str, logged: io.StringIO) -> None:
    """By the first channel that says anything of it."""
    async with open_both(database_url) as (relay, channels, token):
        found: dict[str, object] = {}
        for name, (channels.first, channels.second, _) in READS.items():
            await relay.heal()
            # What was read a moment ago is remembered, by its query.
            path = f"/v1/general/presets-voices?pageNum={len(found) + 1}"
            answer = await relay.client.get(path, headers=bearer(token))
            await asyncio.sleep(0)
            found[name] = told_by(answer, last_line(logged), "refused")

        assert found == {
            name: told._replace(has_quote=False) for name, (_, _, told) in READS.items()
        }
