"""Whether a backup can be restored, and its books are right: by doing it, where nobody is."""

import msgspec

from relay.backups.places import Place
from relay.backups.restore import restore
from relay.backups.sealed_file import Header
from relay.database.engine import open_engine, open_sessions
from relay.ledger.invariants import AuditReport
from relay.secrets import KeyRing
from relay.usage.audit import audit_all


class Verified(msgspec.Struct, frozen=True):
    """What a backup holds."""

    header: Header
    books: AuditReport


async def verify(scratch_url: str, place: Place, header: Header, keys: KeyRing) -> Verified:
    """Restore into an empty database, and audit it.

    Raises:
        RestoreRefused, BackupUnusable, PlaceFailed, asyncpg.PostgresError: it cannot be restored.
    """
    await restore(scratch_url, place, header, keys)
    engine = open_engine(scratch_url, connections=1)
    try:
        async with open_sessions(engine)() as session:
            return Verified(header, await audit_all(session))
    finally:
        await engine.dispose()
