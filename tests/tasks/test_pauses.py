"""Pauses: creates are answered as by a Kling that is away, and all else goes on."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.desk.pauses import end_pause, pause_creates
from relay.sandbox.settings import DEFAULT_ACCOUNT, Account, SandboxSettings
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, SANDBOX_URL, TEXT2VIDEO, Relay, fixture_relay
from tests.waiting import wait_until

OTHER = Account("AK-other", "SK-other-account", "api-key-of-the-other")
IMAGE = "/kling/v1/images/generations"
PICTURE = {"model_name": "kling-v2", "prompt": "a red fox"}


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    """Two channels; `first` is tried first."""
    kling = SandboxSettings(
        task_seconds=60, public_url=SANDBOX_URL, accounts=(DEFAULT_ACCOUNT, OTHER)
    )
    async with fixture_relay(database_url, sandbox=kling, with_callbacks=True) as running:
        await running.add_channel("first", priority=1)
        await running.add_channel("second", account=OTHER)
        yield running


async def pause(relay: Relay, **named: Any) -> int:
    async with relay.sessions.begin() as session:
        made = await pause_creates(session, ACTOR, reason="a private reason", **named)
    read_anew(relay)
    return made.id


async def end(relay: Relay, pause_id: int) -> None:
    async with relay.sessions.begin() as session:
        await end_pause(session, ACTOR, pause_id)
    read_anew(relay)


def read_anew(relay: Relay) -> None:
    relay.parts.kling.chooser._pauses.forget()  # noqa: SLF001 (instead of the two seconds)


async def test_a_pause_stops_what_it_names_and_nothing_else(relay: Relay) -> None:
    """Refused as by a Kling that is away, without a row, a hold or a word of why."""
    acme, beta = await relay.add_tenant("acme"), await relay.add_tenant("beta")

    async def find_stopped() -> set[str]:
        """Send one create each."""
        replies = {
            "acme": await relay.submit(acme),
            "beta": await relay.submit(beta),
            "another model": await relay.submit(acme, {**CLIP, "model_name": "kling-v2-6"}),
            "another spelling": await relay.submit(acme, {**CLIP, "model_name": "Kling-V3"}),
            "an image": await relay.submit(acme, PICTURE, path=IMAGE),
        }
        for reply in replies.values():
            if reply.status_code == 503:
                assert reply.json()["code"] == 5001
                assert reply.json()["message"] == "Service temporarily unavailable, retry later"
                assert "private" not in reply.text
        return {name for name, reply in replies.items() if reply.status_code == 503}

    everything = {"acme", "beta", "another model", "another spelling", "an image"}
    stopped: list[set[str]] = []
    for named in (
        {"tenant": "beta"},
        {"endpoint": "text2video"},
        {"model": "Kling-v3"},
        {"tenant": "acme", "endpoint": "generations"},
        {"channel": "first"},
        {},
    ):
        before = await relay.row("SELECT count(*) AS tasks FROM tasks")
        pause_id = await pause(relay, **named)
        stopped.append(await find_stopped())
        after = await relay.row("SELECT count(*) AS tasks FROM tasks")
        assert after["tasks"] - before["tasks"] == 5 - len(stopped[-1])
        await end(relay, pause_id)
    free = await find_stopped()

    assert stopped[0] == {"beta"}
    assert stopped[1] == everything - {"an image"}
    assert stopped[2] == {"acme", "beta", "another spelling"}
    assert stopped[3] == {"an image"}
    assert stopped[4] == set()
    assert stopped[5] == everything
    assert free == set()
    assert (await relay.audit()).ok


async def test_a_paused_channel_is_passed_by_and_all_of_them_are_a_stop(relay: Relay) -> None:
    """Others take it; where none is left it is refused, and a channel's pause is not another's."""
    token = await relay.add_tenant()
    first = await pause(relay, channel="first", model="kling-v3")
    await relay.submit(token)
    await relay.submit(token, {**CLIP, "model_name": "kling-v2-6"})
    second = await pause(relay, channel="second")
    refused = await relay.submit(token)
    await end(relay, first)
    taken = await relay.submit(token)

    rows = await relay.rows(
        "SELECT c.name FROM tasks t JOIN channels c ON c.id = t.channel_id ORDER BY t.id"
    )
    assert [row["name"] for row in rows] == ["second", "first", "first"]
    assert (refused.status_code, taken.status_code) == (503, 200)
    assert second > first


async def test_what_was_made_before_goes_on_and_is_charged(relay: Relay) -> None:
    """Queries, lists, callbacks and charges; and the pause ends by itself."""
    token = await relay.add_tenant()
    key = (await relay.submit(token)).json()["data"]["task_id"]
    await pause(relay, until=datetime.now(UTC) + timedelta(seconds=1.5))
    paused = await relay.submit(token)

    seen = await relay.get(token, key)
    listed = await relay.client.get(
        f"{TEXT2VIDEO}?pageNum=1&pageSize=5",
        headers={"Authorization": f"Bearer {token.api_key}"},
    )
    body = {"task_id": key, "task_status": "succeed", "final_unit_deduction": "3"}
    told = await relay.call_back(key, body)
    quota, held = await relay.account()

    async def is_over() -> bool:
        return (await relay.submit(token)).status_code == 200

    await wait_until(is_over)
    assert paused.status_code == 503
    assert {seen.status_code, listed.status_code, told.status_code} == {200}
    assert (quota, held) == (10_000_000 - CLIP_MICROS, 0)
