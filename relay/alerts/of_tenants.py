"""Questions about single tenants."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.rule import Around, Found, ago
from relay.kling.codes import Code
from relay.money import money

POLICIES = "|".join(str(code.value) for code in (Code.PLATFORM_POLICY, Code.CONTENT_POLICY))
DAY_S = 86400.0

# The newest rows of all, by their key: an index of its own would cost each submit.
BANNED = f"""
SELECT t.name, count(*) AS refused
FROM (SELECT * FROM tasks ORDER BY id DESC LIMIT 20000) lately JOIN tenants t ON t.id = tenant_id
WHERE lately.created_at > now() - interval '1 hour' AND (
    state = 'refused' AND fail_message ~ '^code ({POLICIES}):'
    -- What had waited was refused later, and its message is for its tenant.
    OR state = 'failed' AND ended_via = 'queue' AND EXISTS (
        SELECT FROM task_events e
        WHERE e.task_id = lately.id AND e.kind = 'queue.failed'
            AND encode(e.body, 'escape') ~ '"code": *({POLICIES})[,}}]'
    )
)
GROUP BY t.name
"""  # noqa: S608 (composed of constants)
"""What `tasks/dispatch.py` writes of a refusal."""
SPENDING = """
SELECT t.name, a.quota_micros + a.credit_micros - a.held_micros AS left_micros,
       spent.a_day_micros
FROM (
    SELECT account_id,
           sum(charged_micros) / (
               greatest(extract(epoch FROM now() - min(created_at)), 3600) / 86400
           ) AS a_day_micros
    FROM (SELECT * FROM tasks ORDER BY id DESC LIMIT 20000) lately
    WHERE charged_micros > 0 AND created_at > now() - interval '1 day'
    GROUP BY account_id
) spent
JOIN accounts a ON a.id = spent.account_id
JOIN tenants t ON t.account_id = a.id AND t.parent_id IS NULL AND t.enabled
"""


async def content_refused(session: AsyncSession, bound: float, _: Around) -> Found:
    """Ask of whom Kling refused so many prompts within the hour: it bans accounts for that."""
    return {
        row["name"]: f"{row['refused']} refused in the last hour"
        for row in (await session.execute(text(BANNED))).mappings()
        if row["refused"] > bound
    }


async def tenant_empty(session: AsyncSession, bound: float, around: Around) -> Found:
    """Ask whose quota and credit last for fewer days, at the rate of the last one."""
    found: Found = {}
    for row in (await session.execute(text(SPENDING))).mappings():
        left, a_day = int(row["left_micros"]), float(row["a_day_micros"])
        if left < a_day * bound:
            lasts = ago(left / a_day * DAY_S) if left > 0 else "nothing"
            found[row["name"]] = f"{money(left, around.currency)} left, for {lasts}"
    return found
