"""A trial that is begun in the console: once, within what it may cost, and told of."""

from relay.operators.tables import Role
from tests.console.test_twice import key_of
from tests.console.visiting import visiting
from tests.relay_app import fixture_relay
from tests.waiting import wait_until


async def test_a_trial_is_begun_once_within_its_bound(database_url: str) -> None:
    """A second click begins none; what would cost more, or a role that may not, sends nothing."""
    async with fixture_relay(database_url) as relay:
        channel_id = await relay.add_channel()
        there = f"/channels/{channel_id}/try"
        async with visiting(relay, "vic", Role.VIEWER) as vic:
            assert "Try…" not in await vic.read(f"/channels/{channel_id}")
            assert (await vic.post(there, max_cost="5")).status_code == 403
        async with visiting(relay) as ann:
            assert "Try…" in await ann.read(f"/channels/{channel_id}")
            for wrong in ({}, {"max_cost": "x"}, {"max_cost": "0.000001"}, {"endpoint": "x"}):
                assert (await ann.post(there, **wrong)).status_code in (409, 422), wrong
            assert await relay.rows("SELECT 1 FROM trials") == []
            once = key_of((await ann.get(there)).text)
            first = await ann.post(there, max_cost="5", once=once)
            second = await ann.post(there, max_cost="5")
            assert first.headers["location"] == f"/console/channels/{channel_id}?said=trial-begun"
            assert second.status_code == 409
            assert len(await relay.rows("SELECT 1 FROM trials")) == 1

            async def ended() -> object:
                return await relay.rows("SELECT 1 FROM trials WHERE ended_at IS NOT NULL")

            await wait_until(ended)
            again = await ann.post(there, max_cost="5", once=once)
            assert "sent before, and done once" in again.text, "by then none is under way"
            assert len(await relay.rows("SELECT 1 FROM trials")) == 1
            assert "Last trial" in await ann.read(f"/channels/{channel_id}")
