"""Which code may run on a schema: the database says it, since older code has no newer migration.

A relay whose newest migration is N runs on a database at a later revision if the database's
`oldest_code` is at most N. So an old process restarts while a new version is rolled out, and the
old version starts again on what the new one has migrated.

A migration that only adds leaves `oldest_code` as it is. One that could disturb code which does not
know it says, as a constant in its file, which code was looked at and found to run:

    oldest_code = "0121"  # since then nothing reads the column that goes

What goes therefore takes two releases: in the first the code stops using it, in the second a
migration takes it out and names the newest migration of the first (migrations/README.md).
"""

from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import ScriptDirectory
from sqlalchemy import text

SINCE = "0116"
"""The revision that made the row; older code asks for nothing, and runs on no newer schema."""
MARK = "oldest_code"
SET = "UPDATE schema_floor SET oldest_code = :revision"


def oldest_code(script: ScriptDirectory, revision: str | None) -> str:
    """Say which migration code must know to run on the schema of `revision`."""
    if revision is None:
        return SINCE
    marks = (
        getattr(step.module, MARK, SINCE) for step in script.iterate_revisions(revision, "base")
    )
    return max(marks)  # numbers of one width


def floor_keeper(script: ScriptDirectory) -> Any:
    """Make what Alembic calls after each step, in its transaction: it keeps the row true."""

    def keep(ctx: MigrationContext, step: MigrationInfo, **_: Any) -> None:
        before, after = step.source_revision_ids, step.destination_revision_ids
        at = after[0] if after else None
        if at is None or at < SINCE:
            return  # the row is not there
        known = oldest_code(script, at)
        if known != oldest_code(script, before[0] if before else None):
            ctx.impl.execute(text(SET).bindparams(revision=known))

    return keep
