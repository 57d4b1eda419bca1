"""What tenants are told, once each, and what they are not."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from relay.desk.gates import GateChanges, set_gates
from relay.desk.money import add_quota, adjust_quota
from relay.desk.months import close_month
from relay.desk.pauses import end_pause, pause_creates
from relay.desk.prices import set_price
from relay.desk.tasks import refund
from relay.limits.tables import LimitKind
from relay.months import month_of
from relay.notices.events import Event
from relay.notices.news import find_news
from relay.notices.tables import PlaceKind
from relay.notices.tell import write_news
from relay.pricing.book import Per, PriceKind, PriceRow
from relay.worker.notices import TAKE_TURN
from tests.limits.limiting import lift, limit, pass_window, read_tokens_anew
from tests.notices.conftest import Told
from tests.notices.mail_server import text_of
from tests.relay_app import ACTOR, CLIP_MICROS, Relay, running_relay
from tests.waiting import wait_until


def kinds(news: list[dict[str, Any]]) -> list[str]:
    return [one["type"] for one in news]


async def spend(relay: Relay, token: Any) -> str:
    """Have a clip made, and charged."""
    kling_id = (await relay.submit(token)).json()["data"]["task_id"]

    async def is_charged() -> bool:
        await relay.get(token, kling_id)
        return (await relay.task(kling_id))["charged_micros"] is not None

    await wait_until(is_charged)
    return str(kling_id)


async def test_each_step_of_a_limit_is_told_once_in_its_window(told: Told) -> None:
    """50 was passed before the place was there; 80 and 100 come alone, also if 80 is jumped over.

    A raise tells none of them again. A token's limit, and what runs at a time, are told too.
    """
    relay = told.relay
    token = await relay.add_tenant(quota_micros=100 * CLIP_MICROS)
    await told.give_secret()
    await limit(relay, tenant="acme", month=4 * CLIP_MICROS)
    read_tokens_anew(relay)
    for _ in range(2):
        await relay.submit(token)
    await told.add()
    assert await told.news() == []

    await relay.submit(token)
    await relay.submit(token)
    assert (await relay.submit(token)).status_code == 429
    (news,) = await told.news()
    assert await told.news() == []
    data = news["data"]
    assert (news["type"], data["limit"], data["percent"]) == ("limit.near", "month", 100)
    assert (data["allowed"], data["taken"], data["token_id"]) == ("1.68", "1.68", None)
    assert news["title"] == "The spending limit of the month is reached"
    lines = news["text"].splitlines()
    assert lines[0] == (
        "The spending limit of the month of your account: 1.68 USD of 1.68 USD is taken."
    )
    assert lines[2].endswith(":00 (UTC).")
    assert [state for _, key, state in await told.states() if "/80" in key] == ["known"]

    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await lift(relay, LimitKind.MONTH, 5 * CLIP_MICROS, tomorrow, tenant="acme")
    assert (await relay.submit(token)).status_code == 200
    assert await told.news() == []

    await pass_window(relay, LimitKind.MONTH)
    assert await told.news() == []
    await limit(relay, tenant="acme", month=None)
    await limit(relay, token_id=token.id, day=10 * CLIP_MICROS, in_flight=10)
    news_of = {one["data"]["limit"]: one for one in await told.news()}
    assert {name: one["data"]["percent"] for name, one in news_of.items()} == {
        "day": 50,
        "in_flight": 50,
    }
    assert news_of["in_flight"]["data"]["taken"] == 5
    assert f"of key {token.id}: 2.1 USD of 4.2 USD" in news_of["day"]["text"]
    assert await told.news() == []


async def test_quota_that_runs_out_is_told_again_only_after_a_top_up(told: Told) -> None:
    """Below what the place asks for, then nothing left; a top-up that is not enough tells none."""
    relay = told.relay
    await relay.add_tenant(quota_micros=10_000_000)
    await told.give_secret()
    await told.add(low_micros=4_000_000, events=[Event.QUOTA_LOW, Event.QUOTA_EMPTY])
    assert await told.news() == []

    async def adjust(micros: int) -> None:
        async with relay.sessions.begin() as session:
            await adjust_quota(
                session, ACTOR, "acme", amount_micros=micros, reason="x", currency="USD"
            )

    async def top_up(micros: int, reference: str) -> None:
        async with relay.sessions.begin() as session:
            await add_quota(
                *(session, ACTOR, "acme"),
                amount_micros=micros,
                reference=reference,
                currency="USD",
            )

    await adjust(-7_000_000)
    (news,) = await told.news()
    assert (news["type"], news["data"]) == (
        "quota.low",
        {"left": "3", "bound": "4", "last_day": "0"},
    )
    assert news["text"].startswith("3 USD is left to spend, which is less than 4 USD.\n")
    await adjust(-1_000_000)
    assert await told.news() == []
    await top_up(500_000, "too little")
    await adjust(-2_500_000)
    assert kinds(await told.news()) == ["quota.empty"]

    await top_up(1_000_000, "still low")
    assert await told.news() == []
    await adjust(-1_000_000)
    assert kinds(await told.news()) == ["quota.empty"]
    await top_up(9_000_000, "enough")
    assert await told.news() == []
    await adjust(-6_000_000)
    assert kinds(await told.news()) == ["quota.low"]
    assert await told.news() == []

    # Nothing of it to another tenant on the same account.
    await relay.add_tenant("gamma", quota_micros=0)
    await relay.rows(
        "UPDATE tenants SET account_id = (SELECT account_id FROM tenants WHERE name = 'acme')"
        " WHERE name = 'gamma'"
    )
    await told.add(PlaceKind.MAIL, "ops@gamma.test", tenant="gamma", low_micros=9_000_000)
    await adjust(-6_000_000)
    assert kinds(await told.news()) == ["quota.empty"]
    assert told.mail.messages == []

    # Without a bound of its own, it is what the last 24 hours cost.
    token = await relay.add_tenant("beta", quota_micros=3 * CLIP_MICROS)
    await told.add(PlaceKind.MAIL, "ops@beta.test", tenant="beta")
    for _ in range(2):
        await spend(relay, token)
    assert await told.news() == []
    (mail,) = told.mail.messages
    assert text_of(mail).splitlines()[:2] == [
        "0.42 USD is left to spend, which is less than 0.84 USD.",
        "In the last 24 hours 0.84 USD was spent.",
    ]


async def test_keys_that_end_and_prices_that_change_are_told_ahead(told: Told) -> None:
    """A week and a day before; a price as soon as it is set, and another one for the same date."""
    relay = told.relay
    token = await relay.add_tenant()
    await told.give_secret()
    await relay.rows("UPDATE tokens SET created_at = now() - interval '30 days', name = 'ci'")

    async def ends_in(**time: int) -> None:
        at = GateChanges(expires_at=datetime.now(UTC) + timedelta(**time))
        async with relay.sessions.begin() as session:
            await set_gates(session, ACTOR, at, token_id=token.id)

    await ends_in(days=6)
    await told.add()
    (news,) = await told.news()
    assert (news["type"], news["data"]["days"], news["data"]["token_name"]) == (
        *("token.expiring", 7),
        "ci",
    )
    assert news["title"] == f"Key {token.id} (ci) expires soon"
    await ends_in(hours=20)
    assert [one["data"]["days"] for one in await told.news()] == [1]
    await relay.rows("UPDATE tokens SET created_at = now()")
    await ends_in(hours=21)
    assert await told.news() == []

    at = (datetime.now(UTC) + timedelta(days=9)).replace(microsecond=0)

    async def price(units: str, **of: Any) -> None:
        row = PriceRow(
            "text2video",
            model="kling-v3",
            mode="std",
            sound=False,
            kind=PriceKind.UNITS,
            per=Per.SECOND,
            units=Decimal(units),
            **of,
        )
        async with relay.sessions.begin() as session:
            await set_price(session, ACTOR, row, tenant="acme")
        relay.read_anew()

    await price("0.7", valid_from=at)
    (news,) = await told.news()
    assert await told.news() == []
    assert (news["type"], news["data"]["at"]) == ("price.changing", at.timestamp() * 1000)
    (line,) = [line for line in news["text"].splitlines() if line.startswith("- ")]
    assert line == "- text2video kling-v3 std no sound: 0.084 → 0.098 USD/second"
    await price("0.8", valid_from=at)
    assert [one["data"]["prices"][0]["price"] for one in await told.news()] == ["0.112"]
    await price("0.6", valid_from=at)
    (news,) = await told.news()
    assert (news["data"]["changes"], news["title"][:20]) == (0, "Prices do not change")
    await price("0.8", valid_from=at)
    assert [one["data"]["changes"] for one in await told.news()] == [1]

    # Of some hours of the day, on its first day alone.
    hour = (datetime.now(UTC) + timedelta(hours=3)).hour
    await price("0.3", hours=(hour, (hour + 2) % 24))
    assert len(await told.news()) == 2
    await relay.rows(
        "UPDATE price_rows SET valid_from = now() - interval '25 hours' WHERE hour_from IS NOT NULL"
    )
    await relay.rows("DELETE FROM notices WHERE event = 'price.changing'")
    relay.read_anew()
    assert [one["data"]["at"] for one in await told.news()] == [at.timestamp() * 1000]


async def test_what_is_done_at_the_desk_is_told_with_it(told: Told) -> None:
    """A refund, a closed month, a pause and its end; nothing of an act that was rolled back."""
    relay = told.relay
    token = await relay.add_tenant()
    await told.give_secret()
    await told.add()
    kling_id = await spend(relay, token)
    task_id = (await relay.task(kling_id))["id"]

    async with relay.sessions() as session:
        await refund(session, ACTOR, task_id, reason="black")
        await session.rollback()
    assert await told.states() == []
    async with relay.sessions.begin() as session:
        await refund(session, ACTOR, task_id, reason="black", amount_micros=100_000)
    (news,) = await told.sent()
    assert news["data"] == {
        "task_id": kling_id,
        "external_task_id": None,
        "amount": "0.1",
        "charged": "0.32",
    }
    assert "black" not in news["text"]

    async with relay.sessions.begin() as session:
        of_channel = await pause_creates(session, ACTOR, reason="x", channel="main")
        await end_pause(session, ACTOR, of_channel.id)
        until = datetime(2030, 1, 1, tzinfo=UTC)
        paused = await pause_creates(session, ACTOR, reason="secret", until=until)
    (news,) = await told.sent()
    assert (news["type"], news["data"]["until"]) == ("service.paused", 1893456000000)
    assert "It ends at 2030-01-01 00:00 (UTC)." in news["text"]
    async with relay.sessions.begin() as session:
        await end_pause(session, ACTOR, paused.id)
    assert [one["title"] for one in await told.sent()] == ["New tasks are taken again"]

    await relay.rows("ALTER TABLE entries DISABLE TRIGGER ALL")
    await relay.rows("UPDATE entries SET created_at = created_at - interval '40 days'")
    await relay.rows("UPDATE accounts SET last_entry_at = last_entry_at - interval '40 days'")
    month = month_of(datetime.now(UTC), UTC).previous
    account_id = (await relay.row("SELECT id FROM accounts"))[0]
    for _ in range(2):
        async with relay.sessions.begin() as session:
            await close_month(session, ACTOR, account_id, month, zone=UTC)
    (news,) = await told.sent()
    assert (news["type"], news["data"]["month"]) == ("statement.ready", str(month))


async def test_two_workers_tell_a_thing_once(told: Told, database_url: str) -> None:
    """One looks and has not committed; the other, for which it is so too, leaves it to the first.

    Meanwhile a further entry was made: by what it would find it is another thing.
    """
    relay = told.relay
    await relay.add_tenant(quota_micros=5_000_000)
    await told.give_secret()
    for _ in range(2):
        await told.add(low_micros=5_000_000, to=told.hook.url)
    async with running_relay(database_url, beside=relay, callback_allow="127.0.0.1") as other:

        async def adjust() -> None:
            async with relay.sessions.begin() as session:
                await adjust_quota(
                    session, ACTOR, "acme", amount_micros=-1, reason="x", currency="USD"
                )

        await adjust()
        async with relay.sessions.begin() as session:
            assert await session.scalar(text(TAKE_TURN))
            await write_news(session, await find_news(session, zone=UTC))
            await adjust()
            await told.look(other)
        await asyncio.gather(told.look(), told.look(other), told.look(), told.look(other))
        rows = await relay.rows("SELECT place_id FROM notices WHERE state = 'due' ORDER BY 1")
        assert [row["place_id"] for row in rows] == [1, 2]

        # And what one has claimed, no other sends: one at a time to a place.
        claims = await asyncio.gather(
            *(one.parts.loops.notices.claim_due(16) for one in (relay, other) * 4)
        )
        assert sorted(one.place_id for claimed in claims for one in claimed) == [1, 2]
