"""Trials by HTTP: begun once for each key, one at a time on a channel, and ended with their row."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx

from relay.desk.operators import remove_operator
from relay.months import month_of
from relay.operators.tables import Role
from relay.sandbox.settings import SandboxSettings
from relay.trial.plan import PROMPT
from tests.admin.office import Asking, act, asking, office
from tests.relay_app import SANDBOX_URL, Relay, fixture_relay
from tests.waiting import wait_until

PATH = "channels/main/try"
IMAGE = {"max_cost_micros": 14_000}
"""Enough for one image by Kling's list, and not for the same one twice."""
SLOW = SandboxSettings(task_seconds=60, public_url=SANDBOX_URL)


def accepted(relay: Relay) -> int:
    assert relay.sandbox is not None
    return sum(one["event"] == "accepted" for one in relay.sandbox.ledger.entries)


async def over(ann: Asking, key: str) -> httpx.Response:
    """Ask again by the same key until it is over."""

    async def asked() -> httpx.Response | None:
        answer = await ann("POST", PATH, IMAGE, key=key)
        return None if answer.status_code == 202 else answer

    return await wait_until(asked)


async def made(relay: Relay) -> None:
    await wait_until(lambda: accepted(relay))


async def rows(relay: Relay) -> list[Any]:
    return await relay.rows("SELECT * FROM trials ORDER BY id")


async def test_a_trial_is_begun_once_by_its_key_and_tells_how_it_went(database_url: str) -> None:
    """Six at once make one task; the same request has its report then, and so has the channel."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_channel(is_sandbox=False)
        ann = await asking(relay, client, "ann", Role.OPERATOR)

        at_once = await asyncio.gather(*(ann("POST", PATH, IMAGE, key="k1") for _ in range(6)))
        ended = await over(ann, "k1")
        told = ended.json()
        channel = (await ann("GET", "channels/main")).json()
        again = await ann("POST", PATH, IMAGE, key="k1")
        other = await ann("POST", PATH, IMAGE | {"wait_s": 5}, key="k1")

        assert {(one.status_code, one.json()["id"]) for one in at_once} == {(202, told["id"])}
        assert {one.json()["state"] for one in at_once} == {"running"}
        assert (ended.status_code, told["state"], told["failure"]) == (200, "ended", None)
        assert (told["cost_micros"], told["most_micros"]) == (14_000, 14_000)
        assert told["report"]["is_lookup_confirmed"] is True
        assert channel["last_trial"] == told == again.json()
        assert channel["trial"] == told["report"]
        (row,) = await rows(relay)
        assert relay.sandbox is not None
        assert row["kling_ids"] == [
            one["task_id"] for one in relay.sandbox.ledger.entries if one["event"] == "accepted"
        ]
        month = month_of(datetime.now(UTC), UTC)
        shown = (await ann("GET", "channels/main/bill", month=str(month))).json()
        assert (shown["has_trial"], shown["bill"]["differences"]) == (False, [])
        assert (shown["bill"]["trials"]["tasks"], shown["bill"]["theirs"]["tasks"]) == (1, 0)
        assert channel["channel"]["confirmed_lookups"] == ["query", "list"]
        assert (other.status_code, other.json()["field"]) == (409, "Idempotency-Key")
        assert (accepted(relay), len(await rows(relay))) == (1, 1)
        assert PROMPT not in ended.text
        changes = await relay.rows(
            "SELECT actor, after FROM changes WHERE act = 'channel.try' ORDER BY id"
        )
        assert [row["actor"] for row in changes] == ["operator:ann"] * 2


async def test_what_may_not_be_tried_is_refused_and_sent_to_nobody(database_url: str) -> None:
    """Without a key, too dear, no such thing, too small a role: the key stays free."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_channel()
        ann = await asking(relay, client, "ann", Role.OPERATOR)
        sue = await asking(relay, client, "sue", Role.SUPPORT)

        answers = [
            await ann("POST", PATH, IMAGE),
            await ann("POST", PATH, {"max_cost_micros": 13_999}, key="k1"),
            await ann("POST", PATH, {}, key="k1"),
            await ann("POST", PATH, IMAGE | {"endpoint": "tts"}, key="k1"),
            await ann("POST", PATH, IMAGE | {"wait_s": 0}, key="k1"),
            await ann("POST", "channels/other/try", IMAGE, key="k1"),
            await sue("POST", PATH, IMAGE, key="k1"),
        ]

        assert [(one.status_code, one.json().get("field", "")) for one in answers] == [
            *((400, "Idempotency-Key"), (400, "max_cost_micros"), (400, "max_cost_micros")),
            *((400, "endpoint"), (400, "wait_s"), (404, "channel"), (403, "")),
        ]
        assert "costs 0.014 USD (4 image units)" in answers[1].json()["detail"]
        assert (accepted(relay), await rows(relay)) == (0, [])
        assert (await ann("POST", PATH, IMAGE, key="k1")).status_code == 202


async def test_of_one_channel_one_trial_runs_and_a_relay_that_stops_ends_it(
    database_url: str,
) -> None:
    """Another key is told since when; the stop says what it was at, and that it is paid."""
    async with fixture_relay(database_url, sandbox=SLOW) as relay, office(relay) as client:
        await relay.add_channel()
        ann = await asking(relay, client, "ann", Role.OPERATOR)
        first, second = await asyncio.gather(
            *(ann("POST", PATH, IMAGE, key=key) for key in ("k1", "k2"))
        )
        await made(relay)
        refused = await ann("POST", PATH, IMAGE, key="k3")
        await wait_until(lambda: is_at(relay, "waiting for its end"))
        keys = relay.keys
    async with fixture_relay(database_url, keys=keys) as relay, office(relay) as client:
        begun = "k1" if first.status_code == 202 else "k2"
        told = (await Asking(client, ann.headers)("POST", PATH, IMAGE, key=begun)).json()
        anew = await Asking(client, ann.headers)("POST", PATH, IMAGE, key="k3")

    assert sorted([first.status_code, second.status_code]) == [202, 409]
    assert refused.status_code == 409
    assert "it is being tried since" in refused.json()["detail"]
    assert (told["state"], told["report"]) == ("failed", None)
    assert "broken off while waiting for its end (it was stopped)" in told["failure"]
    assert told["external_id"] in told["failure"]
    assert anew.status_code == 202


async def is_at(relay: Relay, step: str) -> bool:
    return [row["step"] for row in await rows(relay)] == [step]


async def test_what_was_paid_for_is_kept_whoever_began_it(database_url: str) -> None:
    """An operator who is removed meanwhile: the relay itself notes the end."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_channel()
        ann = await asking(relay, client, "ann", Role.OPERATOR)
        ben = await asking(relay, client, "ben", Role.OPERATOR)
        begun = (await ann("POST", PATH, IMAGE, key="k1")).json()
        await act(relay, remove_operator, "ann")

        async def ended() -> Any:
            last = (await ben("GET", "channels/main")).json()["last_trial"]
            return last if last["state"] != "running" else None

        told = await wait_until(ended)

        assert (begun["actor"], told["state"]) == ("operator:ann", "ended")
        changes = await relay.rows(
            "SELECT actor FROM changes WHERE act = 'channel.try' ORDER BY id"
        )
        assert [row["actor"] for row in changes] == ["operator:ann", "relay"]
