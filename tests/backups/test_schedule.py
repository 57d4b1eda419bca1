"""Backups by themselves: one when it is due, whoever looks, and older ones of ours are deleted."""

import asyncio
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from relay.backups.keep import delete_older
from relay.backups.places import FileFolder, Place, PlaceFailed
from relay.backups.read import LastBackups, read_last_backups
from relay.backups.schedule import LOCK, Schedule, back_up_if_due
from relay.backups.sealed_file import Header
from relay.backups.take import name_of
from relay.database.engine import dsn, open_engine, open_sessions
from relay.desk.check.backups import check_backups
from relay.desk.check.finding import Level
from relay.secrets import KeyRing, new_secret_key
from relay.settings import Settings
from tests.backups.test_places import names_in
from tests.backups.test_sealed_file import header, sealed
from tests.relay_app import running_relay
from tests.waiting import wait_until

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def made(days_ago: float, deployment: str = "r0123456789") -> Header:

    at = NOW - timedelta(days=days_ago)
    return msgspec.structs.replace(header(), made_at=at, deployment=deployment)


async def test_only_what_is_ours_is_deleted(tmp_path: Path) -> None:
    """All but the newest two of one database. Not what another made, what only has our name, what
    was renamed, and what no relay wrote."""
    folder = FileFolder(tmp_path)
    ours = [made(days) for days in range(5)]
    others = [made(9, "rabcdefabcd")]
    for one in (*ours, *others):
        (tmp_path / name_of(one)).write_bytes(await sealed(b"", one))
    kept_as = "before-the-move.backup"
    (tmp_path / kept_as).write_bytes(await sealed(b"", made(30)))
    (tmp_path / name_of(made(31))).write_bytes(await sealed(b"", made(31, "rabcdefabcd")))
    (tmp_path / name_of(made(32))).write_bytes(b"no backup")
    (tmp_path / name_of(made(33))).write_bytes(await sealed(b"", made(34)))
    (tmp_path / "notes.txt").write_text("mine")
    before = set(names_in(tmp_path))

    deleted = await delete_older(folder, deployment="r0123456789", keep=2)
    again = await delete_older(folder, deployment="r0123456789", keep=2)

    gone = {name_of(one) for one in ours[2:]}
    assert before - set(names_in(tmp_path)) == gone
    assert {Path(one).name for one in deleted} == gone
    assert again == []


async def test_workers_make_one_when_it_is_due_and_one_alone(
    database_url: str, tmp_path: Path, logged: io.StringIO
) -> None:
    """Of four that look at once one makes it; the next look finds none due. One that fails is
    written down and not tried again at once; `relay check` says so."""
    engine = open_engine(database_url, connections=4)
    sessions = open_sessions(engine)
    where: list[Place] = []

    def open_place() -> Place:
        if not where:
            raise PlaceFailed("the bucket is gone")
        return where[0]

    schedule = Schedule(
        url=database_url,
        sessions=sessions,
        keys=KeyRing.parse(new_secret_key()),
        open_place=open_place,
        spelled=f"{tmp_path}/",
        every_s=3600,
        keep=1,
    )
    settings = Settings(backup_to=str(tmp_path), backup_every_s=3600)

    async def judged() -> Any:
        async with sessions() as session:
            return check_backups(await read_last_backups(session), settings, None)

    async def look() -> None:
        await back_up_if_due(schedule)

    first = await judged()
    await look()
    failed = await judged()
    where.append(Place(FileFolder(tmp_path), None))
    await look()
    assert names_in(tmp_path) == [], "it failed a moment ago"
    connection = await asyncpg.connect(dsn(database_url))
    await connection.execute("UPDATE backups SET ended_at = now() - interval '20 minutes'")
    await asyncio.gather(*(look() for _ in range(4)))
    good = await judged()
    await connection.execute(
        "UPDATE backups SET made_at = made_at - interval '61 minutes',"
        " ended_at = ended_at - interval '61 minutes'"
    )
    await connection.execute(f"SELECT pg_advisory_lock({LOCK})")
    await look()
    assert len(names_in(tmp_path)) == 1, "another worker is at it"
    await connection.close()
    await engine.dispose()

    told = [json.loads(line)["event"] for line in logged.getvalue().splitlines()]
    assert told == ["backup.failed", "backup.made"]
    assert (first.level, failed.level, good.level) == (Level.WARNING, Level.BAD, Level.GOOD)
    assert "one failed: the bucket is gone" in failed.said
    assert f"in {tmp_path}/kling-relay-r" in good.said


async def test_a_process_with_a_worker_makes_them(database_url: str, tmp_path: Path) -> None:
    """Where the settings name a place; and it ends while one is being made, leaving no half."""
    settings: dict[str, Any] = {"backup_to": str(tmp_path), "backup_every_s": 0.01}
    async with running_relay(database_url, with_worker=True, **settings) as relay:
        made = "SELECT place, actor FROM backups WHERE error IS NULL"
        rows = await wait_until(lambda: relay.rows(made))

    assert {row["actor"] for row in rows} == {"relay"}
    assert {row["place"].rpartition("/")[0] for row in rows} == {str(tmp_path)}
    assert all(name.startswith("kling-relay-r") for name in names_in(tmp_path))


@pytest.mark.parametrize(
    ("age", "error", "to", "level"),
    [
        (None, None, None, Level.WARNING),
        (timedelta(days=1), None, None, Level.GOOD),
        (timedelta(days=3), None, None, Level.WARNING),
        (timedelta(days=1), None, "/backups", Level.GOOD),
        (timedelta(days=1), "no room", "/backups", Level.WARNING),
        (timedelta(days=3), None, "/backups", Level.BAD),
        (timedelta(days=3), "no room", "s3://bucket/relay", Level.BAD),
    ],
)
def test_an_old_backup_is_bad_where_there_is_a_schedule(
    age: timedelta | None, error: str | None, to: str | None, level: Level
) -> None:
    """Without one, a warning: somebody may copy the database by other means."""
    at = None if age is None else NOW - age
    last = LastBackups(NOW, at, "/x" if at else None, NOW if error else None, error)

    finding = check_backups(last, Settings(backup_to=to), None)

    assert finding.level is level
    assert (finding.to_do == "") is (level is Level.GOOD)


def test_on_the_databases_own_disk_they_are_a_warning(tmp_path: Path) -> None:
    """It dies with it."""
    last = LastBackups(NOW, NOW, "/x", None, None)

    finding = check_backups(last, Settings(backup_to=str(tmp_path)), tmp_path)

    assert finding.level is Level.WARNING
    assert "on the disk of the database" in finding.said
