"""`relay migrate --plan`: what is said of the migrations that are due, and nothing changed."""

import pytest

from relay.database.pending import Pending, pending_migrations
from relay.database.plan import Known, Size, plan_migrations
from relay.database.url import read_url
from tests.cli.command import Command, execute

GIGABYTE = 10**9
KNOWN = Known(
    sizes={"tasks": Size(rows=10**8, bytes=100 * GIGABYTE, index_bytes=20 * GIGABYTE)},
    indexes={"tasks_size": "tasks"},
    references={},
    oldest_s=0,
)


def test_what_is_due_is_told_of_a_database_that_takes_no_writes(relay: Command) -> None:
    """Each change with its table and lock, who waits; the statements on demand; then nothing is
    due, and there is no plan of the way back."""
    relay("migrate", "--revision", "0111")
    name = read_url(relay.environ["RELAY_DATABASE_URL"]).database
    execute(relay, f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    plan = relay("migrate", "--plan").stdout
    as_json = relay.json("migrate", "--plan")
    sql = relay("migrate", "--plan", "--sql").stdout
    back = relay.refused("migrate", "--plan", "--revision", "0101")
    relay.refused("migrate", "--sql", code=2)
    execute(relay, f"SET TRANSACTION READ WRITE; ALTER DATABASE {name} RESET ALL")
    relay("migrate")
    nothing = relay("migrate", "--plan").stdout

    assert "0113  The row of a create that was joined names who did" in plan
    rows = [line.split() for line in plan.splitlines() if line.startswith("0113 ")]
    assert rows[1][-7:] == ["+joined_by", "at", "once", "ACCESS", "EXCLUSIVE", "at", "once"]
    assert "0113: reads and writes of tasks wait for an instant" in plan
    assert [one["revision"] for one in as_json["migrations"]][:2] == ["0112", "0113"]
    assert sql.count("BEGIN;") == sql.count("COMMIT;") == len(as_json["migrations"])
    assert "\nALTER TABLE tasks ADD COLUMN joined_by TEXT;\n" in sql
    assert "--plan is for the way forward" in back
    assert nothing == "nothing is due\n"


def test_a_database_without_tables_has_nobody_who_waits(relay: Command) -> None:
    relay("migrate", "--revision", "base")

    assert relay("migrate", "--plan").stdout == (
        f"no tables yet: {len(pending_migrations(None))} migrations make them, and nobody waits\n"
    )


@pytest.mark.parametrize(
    ("statements", "waits"),
    [
        (["CREATE INDEX i ON tasks (size)"], ["writes 250 2500"]),
        (["ALTER TABLE tasks ADD COLUMN a TEXT"], ["reads and writes 0 0"]),
        # What is locked stays locked to the end.
        (
            ["DROP INDEX tasks_size", "CREATE INDEX i ON tasks (size)"],
            ["reads and writes 250 2500"],
        ),
        (
            ["UPDATE tasks SET a = 1", "ALTER TABLE tasks ADD COLUMN b TEXT"],
            ["reads and writes 0 0"],
        ),
        (["ALTER TABLE tasks ADD CONSTRAINT c CHECK (a > 0)"], ["reads and writes 100 1000"]),
        (["ALTER TABLE tasks ALTER COLUMN a TYPE BIGINT"], ["reads and writes 1200 12000"]),
        (["UPDATE tasks SET a = 1"], []),
        (["ALTER TABLE tasks VALIDATE CONSTRAINT c"], []),
        (["CREATE TABLE new (id BIGINT)", "CREATE INDEX j ON new (id)"], []),
    ],
)
def test_how_long_a_table_is_held_up_follows_from_its_size(
    statements: list[str], waits: list[str]
) -> None:
    """Of 100 GB and 20 GB of indexes; seconds from memory, and from a slow disk."""
    (planned,) = plan_migrations([Pending("0999", "", None, statements)], KNOWN)

    found = [
        f"{wait.blocks} {wait.takes.least_s:.0f} {wait.takes.most_s:.0f}" for wait in planned.waits
    ]
    assert found == waits
