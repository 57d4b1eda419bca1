"""One task of a tenant's, by an id that it knows, for what is asked seldom (`statements.READ`)."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.ids import TaskId, TenantId

FIND_OWN = """
SELECT id FROM tasks WHERE tenant_id = :tenant_id AND public_id = :key
UNION ALL
SELECT id FROM tasks
WHERE tenant_id = :tenant_id AND state <> 'refused' AND kling_id = :key AND public_id IS NULL
UNION ALL
SELECT id FROM tasks
WHERE tenant_id = :tenant_id AND state <> 'refused' AND tenant_external_id = :key
LIMIT 1
"""

FIND_BELOW = """
SELECT t.id FROM tasks t JOIN tenants n ON n.id = t.tenant_id
WHERE n.parent_id = :tenant_id AND t.public_id = :key
UNION ALL
SELECT t.id FROM tasks t JOIN tenants n ON n.id = t.tenant_id
WHERE n.parent_id = :tenant_id AND t.state <> 'refused' AND t.kling_id = :key
    AND t.public_id IS NULL
LIMIT 1
"""


async def find_own(session: AsyncSession, tenant_id: TenantId, key: str) -> TaskId | None:
    """Find a task by the id that its tenant was given, or else by the tenant's external id."""
    found = await session.scalar(text(FIND_OWN), {"tenant_id": tenant_id, "key": key})
    return None if found is None else TaskId(found)


async def find_below(session: AsyncSession, tenant_id: TenantId, key: str) -> TaskId | None:
    """Find a task of a tenant's sub-tenants by the id that these were given.

    Of external ids one may be several's.
    """
    found = await session.scalar(text(FIND_BELOW), {"tenant_id": tenant_id, "key": key})
    return None if found is None else TaskId(found)
