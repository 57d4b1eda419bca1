"""The code of the last release on the schema of today: a rollout under way, and one taken back."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from relay.database.migrate import current_revision, migrate, newest_revision
from relay.database.pending import pending_migrations
from tests.e2e.processes import REPOSITORY, free_port
from tests.e2e.world import World
from tests.relay_app import CLIP_MICROS

BASELINE = (REPOSITORY / "migrations" / "BASELINE").read_text().strip()


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """The last release's `relay` and `migrations`."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("there is no git, so the last release's code cannot be had")
    command = [git, "-C", str(REPOSITORY), "archive", BASELINE, "relay", "migrations"]
    archived = subprocess.run(command, capture_output=True, check=False)
    if archived.returncode:
        pytest.skip(f"this clone does not have the last release, {BASELINE}")
    directory = tmp_path / "released"
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(directory, filter="data")
    return directory


def newest_of(code: Path) -> str:
    return max(path.name[:4] for path in code.glob("migrations/versions/[0-9]*.py"))


async def test_the_last_release_serves_on_the_schema_of_today(released: Path, world: World) -> None:
    """It goes on while its database is migrated, and starts again on what the new version has
    migrated and written; each task is polled and charged once, and both versions' audits agree."""
    token = await world.add_tenant()
    await world.add_channel(base_url=world.kling_url)
    await migrate(world.database_url, revision=newest_of(released))

    world.code = released
    async with world.started_relay() as old:
        answers = [await world.send(token, {"prompt": "before"})]
        await migrate(world.database_url)
        answers.append(await world.send(token, {"prompt": "meanwhile"}))
        old.terminate()
        assert await old.ended() == 0
    world.code, port = REPOSITORY, free_port()
    async with world.started_relay(port=port):
        answers.append(await world.send(token, {"prompt": "new"}, url=f"http://127.0.0.1:{port}"))
    world.code = released
    with world.command("migrate") as migrating:
        assert await migrating.ended() == 0, migrating.tail()
    async with world.started_relay(audit_every_s=1) as back:
        answers.append(await world.send(token, {"prompt": "taken back"}))
        await world.settle()
        polls = [await world.ask(token, one.json()["data"]["task_id"]) for one in answers]
        await back.logged("audit.done")
        assert back.events("audit.differs") == []

    assert [answer.status_code for answer in answers] == [200] * 4
    assert {poll.json()["data"]["task_status"] for poll in polls} == {"succeed"}
    assert [task["charged_micros"] for task in await world.tasks()] == [CLIP_MICROS] * 4
    assert await current_revision(world.database_url) == newest_revision()
    await world.check_books()


def test_no_migration_asks_for_newer_code_than_the_last_release(released: Path) -> None:
    """What needs newer code is left to the next release (migrations/README.md)."""
    last = newest_of(released)

    asked = {
        one.revision: one.oldest_code
        for one in pending_migrations(last)
        if one.oldest_code is not None and one.oldest_code > last
    }

    assert asked == {}
