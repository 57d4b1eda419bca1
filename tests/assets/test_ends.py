"""What is killed is done again, and what is over is taken out of the store, no sooner."""

import asyncio
import hashlib
import sys
from pathlib import Path

from relay.assets.remover import Remover
from relay.assets.store import AssetStore, StoreFailed
from tests.assets.killed_copier import STEPS, UPLOAD_STEPS, UPLOADED
from tests.assets.kling_files import PICTURE, VIDEO, Keeper, open_keeper, told
from tests.relay_app import bearer
from tests.waiting import PATIENCE_S


async def test_a_copy_that_is_killed_at_any_step_is_made_again(
    database_url: str, tmp_path: Path
) -> None:
    """Six copiers die of SIGKILL, each after another step: all their files are there in the end.

    So do four uploaders: what is sent again is kept once, and of what is not nothing stays.
    """
    folder = tmp_path / "store"
    async with open_keeper(database_url, folder, with_worker=False) as keeper:
        token = await keeper.add_tenant("acme")
        key = await keeper.make(token)
        contents = [VIDEO + b"\0" * (number + 1) * 40_000 for number in range(len(STEPS))]
        for number, content in enumerate(contents):
            keeper.host.answers[f"/{number}.mp4"] = told(content)
            await keeper.note(key, f"{keeper.host.url}/{number}.mp4")

        hashes_sent: set[str] = set()
        children = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.assets.killed_copier", database_url, str(folder)),
            stdout=asyncio.subprocess.DEVNULL,  # the log
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            _, said = await children.communicate()
        assert said.decode().split("\n")[:-1] == [f"{step} 9" for step in (*STEPS, *UPLOAD_STEPS)]

        [sent] = await keeper.relay.rows("SELECT * FROM assets WHERE source = 'upload'")
        assert sent["sha256"] == hashlib.sha256(UPLOADED + b"kept").hexdigest()
        again = UPLOAD_STEPS[1:]  # whoever was killed at the first one does not come back
        for step in (*again, *again):
            content = UPLOADED + step.encode()
            kept = await keeper.relay.client.post(
                "/api/assets", content=content, headers=bearer(token)
            )
            assert kept.status_code == 200
            hashes_sent.add(kept.json()["data"]["sha256"])
        of_uploads = await keeper.relay.rows("SELECT FROM assets WHERE source = 'upload'")
        assert len(of_uploads) == len(hashes_sent) == len(again)

        copier = keeper.relay.parts.assets.copier
        assert await copier.claim_due(10) == []  # the dead have their leases
        await keeper.relay.rows("UPDATE assets SET next_attempt_at = now()")
        for due in await copier.claim_due(10):
            await copier.copy(due)

        rows = await keeper.assets(key)
        assert {row["state"] for row in rows} == {"stored"}
        hashes = [hashlib.sha256(content).hexdigest() for content in contents]
        assert sorted(row["sha256"] for row in rows) == sorted(hashes)
        stored = {name for name in keeper.objects() if "#" not in name}
        assert stored == {*hashes, *hashes_sent}
        for row in rows:
            path = f"{row['tenant_id']}/{row['sha256'][:2]}/{row['sha256']}.{row['object_id']}"
            content = (folder / path).read_bytes()
            assert hashlib.sha256(content).hexdigest() == row["sha256"]
        [unsent] = await keeper.relay.rows("SELECT * FROM asset_objects WHERE stored_at IS NULL")
        assert unsent["sha256"] == hashlib.sha256(UPLOADED + b"reserved").hexdigest()
        await keeper.relay.rows("UPDATE asset_objects SET unused_after = now() - interval '1 s'")
        await keeper.relay.parts.assets.remover.turn()
        assert await keeper.relay.rows("SELECT FROM asset_objects WHERE stored_at IS NULL") == []
        assert {name for name in keeper.objects() if "#" not in name} == stored
        assert (await keeper.relay.audit()).ok


class Stuck(AssetStore):
    """Takes an object out and dies, or does not, before anybody hears of it."""

    async def delete(self, key: str) -> None:
        await super().delete(key)
        raise StoreFailed("nobody heard")


async def test_what_is_over_leaves_the_store_when_nobody_has_it(keeper: Keeper) -> None:
    """Of two assets with one content the last one's end takes it out, an hour later."""
    one, other = await keeper.add_tenant("ends"), await keeper.add_tenant("stays")
    key, theirs = await keeper.make(one), await keeper.make(other)
    keeper.host.answers["/second.png"] = told(PICTURE)
    await keeper.note(key, f"{keeper.host.url}/again.mp4")
    await keeper.note(key, f"{keeper.host.url}/second.png")
    rows = await keeper.stored(key, 3)
    await keeper.stored(theirs)
    parts = keeper.relay.parts
    remover = Remover(parts.store.pool, parts.assets.store)
    mine = f"{rows[0]['tenant_id']}/"

    async def hour_passes() -> None:
        await keeper.relay.rows("UPDATE asset_objects SET unused_after = now() - interval '1 s'")

    def left() -> list[str]:
        return [one.name[:64] for one in (keeper.folder / mine).rglob("*") if one.is_file()]

    first, second = rows[0], next(row for row in rows[1:] if row["sha256"] == rows[0]["sha256"])
    end = "UPDATE assets SET kept_until = now() WHERE id = $1"
    await keeper.relay.rows(end, first["id"])
    await remover.turn()
    await hour_passes()
    await remover.turn()
    assert len(left()) == 2, "the second one has it"

    await keeper.relay.rows(end, second["id"])
    await remover.turn()
    assert len(left()) == 2, "somebody may just be about to put it"
    await hour_passes()
    await Remover(parts.store.pool, Stuck(str(keeper.folder), dict)).turn()
    assert len(left()) == 1

    anew = await keeper.note(key, f"{keeper.host.url}/once-more.mp4")
    assert (await keeper.settled(anew))["state"] == "stored"
    await hour_passes()
    await remover.turn()  # takes out what was taken out before, and not what was put since
    assert len(left()) == 2
    assert await keeper.relay.rows("SELECT FROM asset_objects WHERE doomed_at IS NOT NULL") == []

    [gone] = await keeper.relay.rows("SELECT * FROM assets WHERE id = $1", second["id"])
    assert (gone["state"], gone["object_id"], gone["bytes"]) == ("deleted", None, len(VIDEO))
    await keeper.stored(theirs)
