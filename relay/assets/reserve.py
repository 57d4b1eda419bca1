"""A place for content among what a tenant has, within what it may have."""

from relay.assets.statements import BYTES_OF, LOCK_TENANT, RESERVE, UPLOADED_BYTES_OF
from relay.database.driver import Pool


class OverLimit(Exception):
    """The tenant has as many bytes as it may; the message says so."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"its tenant may keep {bytes_max:,} bytes, and has them")
        self.bytes_max = bytes_max


async def reserve(
    pool: Pool, tenant_id: int, sha256: str, size: int, *, uploads_max: int | None = None
) -> tuple[int, bool]:
    """Find the content among what its tenant has, or a place for it; tell whether it is there.

    `uploads_max`: how many bytes it may have of what it sent, if it may have any of results.

    Raises:
        OverLimit: nothing was written.
    """
    async with pool.begin() as connection:
        most = await connection.fetchval(LOCK_TENANT, tenant_id)
        found = await connection.fetchrow(RESERVE, tenant_id, sha256, size)
        assert found is not None, "it is found or made"
        counted = BYTES_OF
        if most is None:
            counted, most = UPLOADED_BYTES_OF, uploads_max
        is_new = most is not None and not found["is_stored"]
        if is_new and await connection.fetchval(counted, tenant_id) > most:
            raise OverLimit(most)
    return found["id"], found["is_stored"]
