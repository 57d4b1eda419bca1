"""A trial that is begun in the console: once, within what it may cost, and told of."""

import csv
import io
import re

from relay.operators.tables import Role
from tests.console.test_twice import key_of
from tests.console.visiting import Visit, visiting
from tests.relay_app import Relay, fixture_relay
from tests.waiting import wait_until

MANY = """
INSERT INTO trials (channel_id, actor, endpoint, model, cost_micros, most_micros, injected_id,
    ended_at, failure)
SELECT $1, 'system:ann', 'text2video', 'kling-v3', 420000, 500000, 'r0-try-' || n, now(),
    'Kling said no <b>'
FROM generate_series(1, 54) AS n
"""


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
            await _all_are_listed(relay, ann, channel_id)


async def _all_are_listed(relay: Relay, ann: Visit, channel_id: int) -> None:
    """Page by page, the newest first, with what became of each; what one saw; all as a file."""
    await relay.rows(MANY, channel_id)
    other = await relay.add_channel("other")
    here = f"/channels/{channel_id}/trials"
    assert f'href="/console{here}"' in await ann.read(f"/channels/{channel_id}")

    first = await ann.read(here)
    await relay.rows(MANY, channel_id)
    second = await ann.read(here, cursor="6")

    links = re.compile(rf'href="/console{here}/(\d+)"')
    assert list(map(int, links.findall(first))) == list(range(55, 5, -1))
    assert 'rel="next" href="' + f'/console{here}?cursor=6"' in first
    assert list(map(int, links.findall(second))) == [5, 4, 3, 2, 1]
    assert ("failed" in first, "as relied on" in second) == (True, True)
    seen = await ann.read(f"{here}/1")
    assert ("What was seen" in seen, "Relied on" in seen) == (True, True)
    told = await ann.read(f"{here}/55")
    assert ("Kling said no" in told, "What was seen" in told) == (True, False)
    assert (await ann.get(f"/channels/{other}/trials/1")).status_code == 404
    assert "never tried" in await ann.read(f"/channels/{other}/trials")
    file = await ann.get(f"{here}/list/csv")
    rows = list(csv.DictReader(io.StringIO(file.text.removeprefix("\ufeff"))))
    assert [int(row["id"]) for row in rows] == list(range(109, 0, -1))
    assert (rows[0]["state"], rows[0]["cost"], rows[0]["differing"]) == ("failed", "0.42", "")
    assert (rows[-1]["state"], rows[-1]["actor"]) == ("ended", "operator:ann")
