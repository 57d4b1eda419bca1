"""What units an account has left: asked for free, shown, and what expires first is used first."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from relay.channels.read import read_rows
from relay.health.read import Units, read_standings
from relay.kling.packs import read_packs
from relay.kling.transport import Reply
from tests.health.hosts import NO_UNITS, Hosts, states
from tests.relay_app import CLIP_MICROS, running_relay
from tests.tasks.scripted_kling import refusal, success

DAY_MS = 86_400_000
PACK = {
    "resource_pack_name": "Video generation 10000",
    "resource_pack_id": "501",
    "resource_pack_type": "decreasing_total",
    "total_quantity": 10000.0,
    "remaining_quantity": 40.5,
    "purchase_time": 1,
    "effective_time": 1,
    "invalid_time": 4_000_000_000_000,
    "status": "online",
}


def costs(*packs: dict[str, Any]) -> Reply:
    data: dict[str, Any] = {"code": 0, "msg": "success"}
    if packs:
        data["resource_pack_subscribe_infos"] = list(packs)
    return success(data)


def test_packs_are_read_and_what_is_none_is_left_out() -> None:
    image = PACK | {"resource_pack_name": "图片资源包", "resource_pack_id": "502"}
    broken = [PACK | {"remaining_quantity": "many"}, PACK | {"resource_pack_id": None}, "x"]
    packs = read_packs(costs(PACK, image, *broken))  # type: ignore[arg-type]
    assert packs is not None
    assert [(pack.id, pack.kind, pack.remaining) for pack in packs] == [
        ("501", "video", Decimal("40.5")),
        ("502", "image", Decimal("40.5")),
    ]
    assert packs[0].expires_at == datetime(2096, 10, 2, 7, 6, 40, tzinfo=UTC)
    assert read_packs(costs()) == []


@pytest.mark.parametrize(
    "reply",
    [
        refusal(401, 1002),
        refusal(429, 1302),
        Reply(502, "text/html", b"<html>"),
        success({"code": 5000, "msg": "later"}),
        success([]),
    ],
)
def test_what_says_nothing_of_packs_is_not_taken_for_none(reply: Reply) -> None:
    assert read_packs(reply) is None


async def test_a_parked_channel_goes_on_once_there_are_more_units(database_url: str) -> None:
    """Some units are no sign, as what is used up is told of for hours; more than before are."""
    hosts = Hosts("only")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=100 * CLIP_MICROS)
        reader = relay.parts.loops.units
        asked_again = "UPDATE channels SET units_asked_at = NULL"
        hosts.queries["only"] = costs(PACK)
        await reader.read_next()
        await reader.read_next()  # not due again
        assert len(hosts.kling.calls) == 1
        hosts.creates["only"] = NO_UNITS
        await relay.submit(token)
        assert await states(relay) == {"only/video": "parked"}

        await relay.rows(asked_again)
        await reader.read_next()
        assert await states(relay) == {"only/video": "parked"}
        hosts.queries["only"] = costs(PACK, PACK | {"resource_pack_id": "7"})
        await relay.rows(asked_again)
        await reader.read_next()
        assert await states(relay) == {"only/video": "ok"}

        # What is gone is forgotten, and no answer changes nothing.
        hosts.queries["only"] = costs(PACK)
        for answer in (costs(PACK), refusal(429, 1302)):
            hosts.queries["only"] = answer
            await relay.rows(asked_again)
            await reader.read_next()
        hosts.creates["only"] = None
        await relay.submit(token)
        await relay.rows("UPDATE tasks SET cost_units = 27, ended_at = now()")
        await relay.rows("UPDATE tasks SET created_at = now() - interval '2 days'")
        async with relay.sessions() as session:
            channels = await read_rows(session)
            standing = (await read_standings(session, channels))[channels[0].id]
        (units,) = standing.units
        assert isinstance(units, Units)
        left = (units.kind, units.remaining, units.days_left)
        assert left == ("video", Decimal("40.5"), Decimal("1.5"))


async def test_what_expires_first_is_used_first(database_url: str) -> None:
    """Among channels of one priority; where nothing expires within a month weights decide."""
    hosts = Hosts("first", "second", "third")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=100 * CLIP_MICROS)
        await relay.rows("UPDATE channels SET priority = CASE name WHEN 'third' THEN 0 ELSE 1 END")
        for name, days in (("first", 20), ("second", 3), ("third", 1)):
            await relay.rows(
                "INSERT INTO channel_packs (channel_id, pack_id, name, kind, total, remaining,"
                " expires_at, status) SELECT id, '1', '', 'video', 9, 9,"
                " now() + $2::float8 * interval '1 day', 'online' FROM channels WHERE name = $1",
                *(name, days),
            )
        for _ in range(8):
            assert (await relay.submit(token)).json()["code"] == 0

        assert (hosts.posts("first"), hosts.posts("second"), hosts.posts("third")) == (0, 8, 0)
