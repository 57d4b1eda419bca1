"""Questions about tasks, Kling's callbacks, and what tenants are told."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.rule import Around, Found, ago
from relay.health.statements import COUNT, USUAL
from relay.metrics.snapshot import CHANNELS, OPEN
from relay.tasks.queue.read import read_lineup

MINUTE_S = 60.0
OLD_MIN_S = 300.0
"""A task of seconds that takes a minute wakes nobody."""
OLD_UNKNOWN_S = 7200.0
"""Of a model of which no task has ended lately."""
FAILED_MIN = 10
"""Fewer failures within an hour are chance."""
OPEN_MIN = 5
"""With fewer open tasks, half an hour without a callback is nothing."""

# The newest rows of all, by their key: an index of its own would cost each submit.
SUCCESS = """
SELECT coalesce(model, endpoint) AS model,
    count(*) FILTER (WHERE is_new) AS ended,
    count(*) FILTER (WHERE is_new AND state = 'succeed') AS succeeded,
    count(*) FILTER (WHERE NOT is_new) AS ended_before,
    count(*) FILTER (WHERE NOT is_new AND state = 'succeed') AS succeeded_before
FROM (
    SELECT *, ended_at > now() - interval '1 hour' AS is_new
    FROM (SELECT * FROM tasks ORDER BY id DESC LIMIT 20000) newest
) lately
WHERE ended_at > now() - interval '1 day' AND state IN ('succeed', 'failed')
    AND ended_via NOT IN ('operator', 'queue')
GROUP BY 1
"""
DIED = """
SELECT t.name, count(*) AS died, max(d.reason) AS reason
FROM (
    SELECT tenant_id, reason FROM deliveries
    WHERE state = 'dead' AND ended_at > now() - interval '1 hour'
    UNION ALL
    SELECT p.tenant_id, n.error FROM notices n JOIN notice_places p ON p.id = n.place_id
    WHERE n.state = 'dead' AND n.ended_at > now() - interval '1 hour'
) d JOIN tenants t ON t.id = d.tenant_id
GROUP BY t.name
"""


async def outcome_unknown(session: AsyncSession, bound: float, _: Around) -> Found:
    """Ask for submits without a verdict; `bound` in minutes."""
    names = await _channel_names(session)
    doubts: dict[str, list[tuple[int, float]]] = {}
    for row in (await session.execute(text(OPEN))).mappings():
        if row["in_doubt"]:
            name = names.get(row["channel_id"], "removed")
            doubts.setdefault(name, []).append((row["in_doubt"], row["doubt_s"]))
    found: Found = {}
    for name, its in doubts.items():
        count, oldest_s = sum(number for number, _ in its), max(age_s for _, age_s in its)
        if oldest_s > bound * MINUTE_S:
            of = "1 submit" if count == 1 else f"{count} submits"
            found[name] = f"{of}, the oldest {ago(oldest_s)} old"
    return found


async def task_old(session: AsyncSession, bound: float, _: Around) -> Found:
    """Ask for tasks older than so many times their model's median."""
    usual = {
        (row["pack"], row["model"]): row["median_s"]
        for row in (await session.execute(text(USUAL))).mappings()
    }
    found: Found = {}
    for row in (await session.execute(text(COUNT))).mappings():
        median_s = usual.get((row["pack"], row["model"]))
        limit_s = OLD_UNKNOWN_S if median_s is None else max(bound * median_s, OLD_MIN_S)
        if row["oldest_s"] > limit_s:
            typical = "" if median_s is None else f"; usual are {ago(median_s)}"
            found[row["model"]] = f"the oldest has run for {ago(row['oldest_s'])}{typical}"
    return found


async def queue_long(session: AsyncSession, bound: float, _: Around) -> Found:
    """Ask for creates that have waited for room for so many minutes."""
    queue = await read_lineup(session)
    if queue.wait_s <= bound * MINUTE_S:
        return {}
    waits = "1 create waits" if queue.tasks == 1 else f"{queue.tasks} creates wait"
    return {"": f"{waits} for room, the longest for {ago(queue.wait_s)}"}


async def success_fallen(session: AsyncSession, bound: float, _: Around) -> Found:
    """Ask of which models fewer succeed in the last hour than in the day before it, in percent."""
    found: Found = {}
    for row in (await session.execute(text(SUCCESS))).mappings():
        failed = row["ended"] - row["succeeded"]
        if failed < FAILED_MIN or not row["succeeded_before"]:
            continue
        now = row["succeeded"] / row["ended"]
        before = row["succeeded_before"] / row["ended_before"]
        if 100 * (1 - now / before) >= bound:
            found[row["model"]] = f"{now:.0%} of the last hour's, {before:.0%} of the day before"
    return found


async def callbacks_silent(session: AsyncSession, bound: float, around: Around) -> Found:
    """Ask on which channels callbacks stopped though tasks are open; `bound` in minutes."""
    if around.voice.url is None:
        return {}
    opened: dict[int, int] = {}
    for row in (await session.execute(text(OPEN))).mappings():
        if row["state"] != "queued":  # Kling has not heard of it
            opened[row["channel_id"]] = opened.get(row["channel_id"], 0) + row["tasks"]
    now = await session.scalar(text("SELECT extract(epoch FROM now())::float8")) or 0.0
    found: Found = {}
    for row in (await session.execute(text(CHANNELS))).mappings():
        tasks, last_at = opened.get(row["id"], 0), row["callback_at"]
        if last_at is not None and tasks > OPEN_MIN and now - last_at > bound * MINUTE_S:
            found[row["name"]] = f"none for {ago(now - last_at)}, with {tasks} tasks open"
    return found


async def deliveries_dead(session: AsyncSession, bound: float, _: Around) -> Found:
    """Ask whose callbacks and notices were given up within the hour; `bound`: so many."""
    found = (await session.execute(text(DIED))).mappings()
    return {
        row["name"]: f"{row['died']} in the last hour: {row['reason']}"
        for row in found
        if row["died"] > bound
    }


async def _channel_names(session: AsyncSession) -> dict[int, str]:
    return {row["id"]: row["name"] for row in (await session.execute(text(CHANNELS))).mappings()}
