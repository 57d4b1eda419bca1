"""What is kept, as it is read by whoever has a link."""

from uuid import UUID

import msgspec

from relay.assets.store import key_of
from relay.database.driver import Pool

FIND = """
SELECT a.tenant_id, a.object_id, a.sha256, a.bytes, a.content_type
FROM assets a JOIN tenants n ON n.id = a.tenant_id
WHERE a.public_id = $1 AND a.state = 'stored' AND n.enabled
"""


class Kept(msgspec.Struct, frozen=True):
    """A file in the store."""

    tenant_id: int
    object_id: int
    sha256: str
    bytes: int
    content_type: str

    @property
    def key(self) -> str:
        return key_of(self.tenant_id, self.sha256, self.object_id)


async def find_kept(pool: Pool, public_id: UUID) -> Kept | None:
    """Find a file by what it is called outside; None if it is not kept, or its tenant shut out."""
    record = await pool.fetchrow(FIND, public_id)
    return None if record is None else Kept(*record[:])
