"""Home of the portal: what is at work, and when it is expected to be done."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.moments import ms_of
from relay.portal.expected import Expected, expected
from relay.tenants.scope import Scope
from tests.health.test_room import set_room
from tests.portal.visiting import visiting
from tests.portal.work import settled
from tests.proxy.keys import data
from tests.queue.waiting_line import create
from tests.relay_app import CLIP, TEXT2VIDEO, fixture_relay
from tests.waiting import wait_until

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
USUAL = {"tasks": 7, "p50_s": 60, "p95_s": 120}


def task(**fields: Any) -> dict[str, Any]:
    """One that Kling has had for half a minute."""
    began = ms_of(NOW - timedelta(seconds=30))
    given = {"created_at": began, "submitted_at": began, "ended_at": None, "usual": USUAL}
    return given | fields


def long_ago(seconds: float) -> dict[str, Any]:
    return task(submitted_at=ms_of(NOW - timedelta(seconds=seconds)))


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("one", "place", "told"),
    [
        (task(), None, Expected(done_at=at(30))),
        (task(submitted_at=None), None, Expected(done_at=at(30))),
        (long_ago(90), None, Expected(done_at=at(-30))),
        (long_ago(121), None, Expected(done_at=at(-61), is_late=True)),
        (task(usual=None), None, Expected()),
        (task(), {"place": 2, "expected_wait_s": 20}, Expected(2, at(20), at(80))),
        (task(), {"place": 2, "expected_wait_s": None}, Expected(2)),
        (task(is_queued=True), None, None),
        (task(ended_at=ms_of(NOW)), None, None),
    ],
)
def test_what_is_expected_of_a_task(
    one: dict[str, Any], place: dict[str, Any] | None, told: Expected | None
) -> None:
    """Half of those like it took a minute, 19 of 20 two; a place in the queue comes before that."""
    assert expected(one, place, now=NOW) == told


async def test_home_tells_what_is_at_work_and_what_to_do_first(database_url: str) -> None:
    """Who has made nothing is shown the way; then a running one, and one that waits for room."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        await relay.add_tenant("other")
        token = await relay.add_tenant()
        async with visiting(relay) as ann:
            first = await ann.read("")
        done = await settled(relay, token)
        await relay.rows(
            "UPDATE tasks SET ended_via = 'look', submitted_at = ended_at - interval '1 h'"
        )
        running = (await data(relay, token, "POST", TEXT2VIDEO, CLIP))["task_id"]
        await set_room(relay, "main", {"video": 0})
        waiting = (await create(relay, token)).json()["data"]["task_id"]
        await relay.rows("UPDATE tokens SET name = 'night shift' WHERE id = $1", token.id)
        async with (
            visiting(relay) as ann,
            visiting(relay, "other") as other,
            visiting(relay, scope=Scope.READ) as reader,
        ):
            read = await reader.read("/tasks")

            async def placed() -> str | None:
                page = await ann.read("")
                return page if "Place 1" in page else None

            home = await wait_until(placed)  # the order of a moment ago is remembered
            pages = [await ann.read("/tasks"), await ann.read(f"/tasks/{running}")]
            others = await other.read("")

    assert "Your first task" in first
    assert "http://localhost/kling" in first
    assert "Your first task" in others
    assert "Your first task" not in home
    at_work, _, lately = home.partition("The last tasks")
    assert all(one in at_work and one not in lately for one in (running, waiting))
    assert done in lately
    assert "Place 1" in at_work
    assert at_work.count("usually done") == 2
    assert "in 1 hour" in at_work
    assert all("usually done" in page and "night shift" in page for page in pages)
    assert "night shift" not in read, "which keys there are is told to who may manage them"
