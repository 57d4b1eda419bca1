"""The migrations that a database still needs, as SQL: rendered, and none is run."""

import re
from io import StringIO
from typing import NamedTuple

from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from relay.database.floor import MARK, floor_keeper
from relay.database.migrate import configured


class Pending(NamedTuple):
    """One migration, in one transaction."""

    revision: str
    title: str
    oldest_code: str | None
    """Code from this migration on runs on what it leaves; None if it says nothing, for all do."""
    statements: list[str]
    """All of the transaction, with BEGIN and COMMIT, and the note that it was made."""


class _Written(StringIO):
    """A file that keeps apart what is written at once: of Alembic's, one statement."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        if text.strip():
            self.pieces.append(text.strip())
        return len(text)


def pending_migrations(current: str | None, *, target: str = "head") -> list[Pending]:
    """Render what leads from a revision (None: no tables) to a later one, the first one first.

    Raises:
        alembic.util.CommandError: there is no such revision.
    """
    config = configured()
    script = ScriptDirectory.from_config(config)
    written = _Written()
    environment = EnvironmentContext(
        config,
        script,
        fn=lambda revision, _: script._upgrade_revs(target, revision),  # noqa: SLF001 (as Alembic's own commands do)
        as_sql=True,
        starting_rev=current,
        destination_rev=target,
    )
    with environment:
        environment.configure(
            dialect_name="postgresql",
            dialect_opts={"paramstyle": "named"},  # any other would double each %
            output_buffer=written,
            transaction_per_migration=True,
            literal_binds=True,
            on_version_apply=floor_keeper(script),
        )
        with environment.begin_transaction():
            environment.run_migrations()
    return [_one(script, statements) for statements in _parted(written.pieces)]


def _parted(pieces: list[str]) -> list[list[str]]:
    parts: list[list[str]] = []
    for text in pieces:
        if text == "BEGIN;":
            parts.append([])
        parts[-1].append(text)
    return parts


def _one(script: ScriptDirectory, statements: list[str]) -> Pending:
    found = re.search(r"^-- Running upgrade .*-> (\w+)", "\n".join(statements), re.MULTILINE)
    assert found is not None, "Alembic says first which migration it runs"
    step = script.get_revision(found[1])
    assert step is not None, "Alembic has just run it"
    title = " ".join((step.module.__doc__ or "").strip().partition("\n\n")[0].split())
    return Pending(found[1], title, getattr(step.module, MARK, None), statements)
