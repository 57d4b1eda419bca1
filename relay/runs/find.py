"""One run of a tenant's, by the id that it knows."""

import uuid

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.runs.tables import Run


async def find_run(session: AsyncSession, public_id: str, *, tenant_id: int) -> int | None:
    """Find a run by the id that its tenant knows; None of one that is another's, or is none."""
    try:
        key = uuid.UUID(public_id)
    except ValueError:
        return None
    query = select(Run.id).where(Run.public_id == key, Run.tenant_id == tenant_id)
    return await session.scalar(query)
