"""Lists by HTTP: pages that join, filters that walk for a while, and all of it as a stream."""

import json

from relay.admin.lists import AT_ONCE
from relay.database.ids import TaskId
from relay.operators.tables import Role
from relay.tasks.inspect import ListedTask, TaskFilter
from relay.tasks.walk import walk_tasks
from tests.admin.office import asking, every_page, office, read_csv
from tests.relay_app import CLIP_MICROS, Relay, fixture_relay

MANY_CHANGES = f"""
INSERT INTO changes (actor, origin, act, subject_kind, subject)
SELECT 'system:ann', '', 'tenant.open', 'tenant', 'x' FROM generate_series(1, {2 * AT_ONCE})
RETURNING id
"""


async def busy(relay: Relay) -> None:
    await relay.add_channel()
    for name in ("acme", "=beta"):
        token = await relay.add_tenant(name, quota_micros=10 * CLIP_MICROS)
        for _ in range(3):
            assert (await relay.submit(token)).status_code == 200


async def test_pages_join_and_streams_have_all_of_it(database_url: str) -> None:
    """Newest first, each row once, by page, as JSON lines and as CSV, over many pages of either."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await busy(relay)
        ann = await asking(relay, client, "ann", Role.OWNER)
        await relay.rows(MANY_CHANGES)
        nouns = {"tasks": 2, "entries": 2, "changes": AT_ONCE - 1, "deliveries": 2}
        for noun, limit in nouns.items():
            rows = await every_page(ann, noun, limit)
            ids = [row["id"] for row in rows]
            assert ids == sorted(set(ids), reverse=True)
            lined = await ann("GET", noun, accept="application/jsonl")
            assert lined.headers["content-type"].startswith("application/jsonl")
            assert [json.loads(line) for line in lined.text.splitlines()] == rows
            spelt = await ann("GET", noun, accept="text/csv")
            assert spelt.content.startswith(b"\xef\xbb\xbf")
            read = await read_csv(ann, noun)
            assert [row["id"] for row in read] == [str(one) for one in ids], noun
        tasks = (await ann("GET", "tasks", accept="text/csv", tenant="=beta")).text
        assert tasks.count('"\'=beta"') == 3
        assert (await ann("GET", "tasks", tenant="=beta", state="failed")).json()["tasks"] == []
        mine = await every_page(ann, "tasks", 2, tenant="acme", model="kling-v3", channel="main")
        assert len(mine) == 3
        nobody = await ann("GET", "tasks", tenant="nobody", accept="text/csv")
        assert (nobody.status_code, nobody.json()["field"]) == (404, "tenant")
        later = await ann("GET", "tasks", since="2100-01-01T00:00:00Z")
        assert later.json() == {"tasks": [], "next_cursor": None}


async def test_a_walk_ends_when_its_time_is_up_and_goes_on_from_there(database_url: str) -> None:
    """With no time at all each page looks at a few ids, finds none or some, and has a cursor.

    What is stuck is listed from the oldest on.
    """
    async with fixture_relay(database_url) as relay:
        await busy(relay)
        async with relay.sessions.begin() as session:
            wanted = TaskFilter(tenant_id=1)
            found: list[ListedTask] = []
            pages, before_id = 0, None
            while pages == 0 or before_id is not None:
                before = None if before_id is None else TaskId(before_id)
                asked = TaskFilter(tenant_id=wanted.tenant_id, before_id=before)
                rows, before_id = await walk_tasks(session, asked, limit=50, budget_s=0.0, span=2)
                found += rows
                pages += 1
            in_one, end = await walk_tasks(session, wanted, limit=50, budget_s=60.0, span=2)
        await relay.rows("UPDATE tasks SET is_flagged = true")
        async with relay.sessions() as session:
            stuck: list[list[int]] = []
            at = None
            while not stuck or at is not None:
                asked = TaskFilter(tenant_id=1, is_stuck=True).behind(at)
                rows, at = await walk_tasks(session, asked, limit=2)
                stuck.append([row.id for row in rows])

    assert [row.id for row in found] == [row.id for row in in_one] == [3, 2, 1]
    assert (pages, end) == (3, None)
    assert stuck == [[1, 2], [3]], "what has waited for longest is first"
