import asyncio
import json
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from relay.cli.database import own_secret_key
from relay.database.embedded import EmbeddedPostgres
from relay.database.migrate import migrate, newest_revision
from relay.machine import Machine
from relay.secrets import KeyRing
from tests.cli.command import Command
from tests.waiting import PATIENCE_S


async def test_a_database_without_tables_is_not_migrated_by_itself(
    relay: Command, postgres_server: EmbeddedPostgres
) -> None:
    """Exit code 3 and what to run; the database stays empty."""
    url = postgres_server.url("template1")

    message = relay_in_thread(relay, "tenant", "list", code=3, RELAY_DATABASE_URL=url)

    assert "the database has no tables yet" in message
    assert "run `relay migrate`" in message
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SELECT to_regclass('alembic_version')") is None
    finally:
        await connection.close()


async def test_a_database_of_a_newer_relay_is_refused(relay: Command, database_url: str) -> None:
    """Exit code 3, both revisions named; `migrate` refuses it too, and changes nothing."""
    await _execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    await _execute(database_url, "UPDATE schema_floor SET oldest_code = '9998'")

    for command in (("tenant", "list"), ("migrate",)):
        message = relay_in_thread(relay, *command, code=3)
        assert "at revision 9999, newer than" in message
        assert "runs code of 9998 on: update the relay" in message


async def test_a_newer_database_that_lets_this_version_run_is_used(
    relay: Command, database_url: str
) -> None:
    """An old process starts again on what the new one has migrated; `migrate`, which runs before
    each start, leaves it, and only goes back with the version that knows how."""
    newest = newest_revision()
    await _execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    await _execute(database_url, f"UPDATE schema_floor SET oldest_code = '{newest}'")

    listed = relay_in_thread_json(relay, "tenant", "list")
    left = relay_in_thread_json(relay, "migrate")
    planned = relay_in_thread_json(relay, "migrate", "--plan")
    back = relay_in_thread(relay, "migrate", "--revision", newest, code=3)
    checked = relay_in_thread_json(relay, "check", code=1)

    assert listed == []
    assert left == {"from": "9999", "to": "9999"}
    assert planned["migrations"] == []
    assert "only a version that knows it can go back" in back
    schema = next(one for one in checked["findings"] if one["subject"] == "schema")
    assert schema["level"] == "warning"
    assert f"newer than this version's {newest}, which runs on it" in schema["said"]


@pytest.mark.parametrize("revision", ["0001", "0006"])
async def test_a_database_of_before_the_first_release_is_refused(
    relay: Command, database_url: str, revision: str
) -> None:
    """Exit code 3, and never migrated: its tables are others, whatever their number."""
    await _execute(database_url, f"UPDATE alembic_version SET version_num = '{revision}'")

    for command in (("tenant", "list"), ("migrate",)):
        message = relay_in_thread(relay, *command, code=3)
        assert f"at revision {revision}, made before the first release" in message
        assert "make a new one" in message


async def test_migrate_goes_back_and_forth_and_says_so(relay: Command) -> None:
    """`--revision base` removes the tables, `migrate` makes them; each prints from and to."""
    newest = newest_revision()

    down = relay_in_thread_json(relay, "migrate", "--revision", "base")
    up = relay_in_thread_json(relay, "migrate")
    again = relay_in_thread_json(relay, "migrate")

    assert down == {"from": newest, "to": None}
    assert up == {"from": None, "to": newest}
    assert again == {"from": newest, "to": newest}


async def test_migrate_waits_for_another_one(relay: Command, database_url: str) -> None:
    """`--wait` changes nothing, ends once a process could start, and else as that would."""
    relay_in_thread_json(relay, "migrate", "--revision", "base")
    impatient = relay_in_thread(relay, "migrate", "--wait", "0", code=3)
    with ThreadPoolExecutor(max_workers=1) as executor:
        waiting = executor.submit(relay.json, "migrate", "--wait", str(PATIENCE_S))
        await migrate(database_url)
        waited = await asyncio.wrap_future(waiting)

    assert "has no tables yet" in impatient
    assert waited == {"from": newest_revision(), "to": newest_revision()}


def test_a_revision_that_does_not_exist_is_a_sentence(relay: Command) -> None:
    """Exit code 1, no traceback."""
    assert "revision 'nonsense'" in relay.refused("migrate", "--revision", "nonsense")


def test_migrate_needs_no_secret_key(relay: Command) -> None:
    """It touches nothing that is sealed."""
    relay("migrate", RELAY_SECRET_KEY=None)


def test_a_configured_database_needs_a_secret_key(relay: Command) -> None:
    """Exit code 2, and the sentence says how to make one; the key it makes works."""
    message = relay.refused("tenant", "list", code=2, RELAY_SECRET_KEY=None)
    made = relay("secret-key").stdout.strip()

    assert "RELAY_SECRET_KEY is missing" in message
    assert "`relay secret-key`" in message
    relay("tenant", "list", RELAY_SECRET_KEY=made)


def test_a_secret_key_that_cannot_be_used_is_not_repeated(relay: Command) -> None:
    """Exit code 2; the text of the key stays out of the message."""
    message = relay.refused("tenant", "list", code=2, RELAY_SECRET_KEY="k1:c2VjcmV0")

    assert "RELAY_SECRET_KEY: key 'k1' is not 32 bytes" in message
    assert "c2VjcmV0" not in message


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("RELAY_PORT", "many", "RELAY_PORT must be a whole number, not 'many'"),
        ("RELAY_CURRENCY", "points", "RELAY_VIDEO_UNIT_PRICE is missing"),
        ("RELAY_DATABASE_URL", "mysql://x", "RELAY_DATABASE_URL must begin with postgresql://"),
        ("RELAY_CONFIG", "/nowhere/relay.toml", "RELAY_CONFIG names a file that cannot be read"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    relay: Command, variable: str, value: str, said: str
) -> None:
    """Exit code 2, before anything is connected."""
    result = relay("tenant", "list", code=2, **{variable: value})

    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/x", 1, "the database 'x' at 127.0.0.1:1 cannot be"),
        ("postgresql://u:hunter2@nowhere.invalid/x", 1, "at nowhere.invalid cannot be used"),
        ("postgresql://u:pw@127.0.0.1:hunter2/x", 2, "must be percent-encoded"),
        ("postgresql://u:hunter2@127.0.0.1:1/x?sslmode=red", 1, "`sslmode` parameter must be"),
    ],
)
def test_a_database_that_cannot_be_reached_is_one_sentence(
    relay: Command, url: str, code: int, said: str
) -> None:
    """No traceback, and nothing of the password."""
    result = relay("tenant", "list", code=code, RELAY_DATABASE_URL=url)

    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "hunter2" not in result.stderr


def test_a_database_that_does_not_exist_is_one_sentence(
    relay: Command, postgres_server: EmbeddedPostgres
) -> None:
    """The server answers, and has none of that name."""
    url = postgres_server.url("no_such_database")

    message = relay.refused("tenant", "list", RELAY_DATABASE_URL=url)

    assert 'database "no_such_database" does not exist' in message


def test_the_embedded_database_is_migrated_and_gets_a_key_by_itself(tmp_path: Path) -> None:
    """Nothing is configured: `tenant add` works at once, and the key is the owner's alone.

    The first command says what it waits for, on the way of what is no data; no other one does.
    """
    relay = Command({"RELAY_DATA_DIR": str(tmp_path / "data")})

    first = relay("tenant", "add", "acme", "--quota", "1")
    second = relay("token", "add", "acme")
    token = json.loads(second.stdout)

    told = f"First start: preparing the database in {tmp_path / 'data'}."
    assert first.stderr.startswith(told)
    assert not any("First start" in said for said in (first.stdout, second.output))
    assert token["tenant"] == "acme"
    key = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    KeyRing.parse(key.read_text())

    # One that is there is used though a relay was installed here since.
    (tmp_path / "kling-relay.service").touch()
    machine = Machine(
        env_file=tmp_path / "etc" / "relay.env", units=tmp_path, data_dir=tmp_path / "data"
    )
    assert [one["name"] for one in Command({}, machine=machine).json("tenant", "list")] == ["acme"]


def test_two_commands_that_make_the_key_at_once_get_the_same(tmp_path: Path) -> None:
    """Of sixteen, one writes it, and nothing else is left in the directory."""
    keys: list[str] = []
    barrier = threading.Barrier(16)

    def make() -> None:
        barrier.wait()
        keys.append(own_secret_key(tmp_path))

    threads = [threading.Thread(target=make) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 16
    assert len(set(keys)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def relay_in_thread(relay: Command, *args: str, code: int, **changed: str) -> str:
    """A command runs an event loop of its own, which an async test's thread has already."""
    return str(_in_thread(lambda: relay.refused(*args, code=code, **changed)))


def relay_in_thread_json(relay: Command, *args: str, code: int = 0) -> Any:
    return _in_thread(lambda: relay.json(*args, code=code))


def _in_thread(run: Callable[[], object]) -> Any:
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(run).result(timeout=PATIENCE_S)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
