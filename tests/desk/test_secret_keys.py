"""The secret keys are held to the database before anything is sealed, and rotated online."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.directory import read_channels
from relay.database.sealed import SealedColumn, count_sealed
from relay.deliveries.kept_url import open_url
from relay.desk.actor import Actor
from relay.desk.sealed import open_what_is_used
from relay.desk.secret_keys import (
    SEALED,
    KnownKey,
    check_secret_keys,
    lose_key,
    reseal_values,
    retire_keys,
)
from relay.desk.tasks import release
from relay.secrets import KeyRing, SecretKeyError, new_secret_key
from tests.desk.acts import DONE, Case
from tests.desk.world import CHANNEL_KEYS, Desk
from tests.waiting import wait_until

SEALING = [case for case in DONE if case.act.__name__ in {"add_channel", "issue_webhook_secret"}]
SEALING += [case for case in DONE if str(case) in {"issue_token", "change_channel keys"}]
SEALING += [case for case in DONE if str(case) == "add_notice_place"]
"""Acts that seal something."""


async def checked(desk: Desk, keys: KeyRing) -> None:
    await desk.act(lambda session, _: check_secret_keys(session, keys))


async def rotated(desk: Desk, keys: KeyRing) -> list[KnownKey]:
    """As `relay secret-key rotate` does, two rows in a transaction at most being all there are."""

    async def work(session: AsyncSession, actor: Actor) -> list[KnownKey]:
        for column in SEALED:
            await reseal_values(session, actor, keys, column, after_id=0)
        return await retire_keys(session, actor, keys)

    return await desk.act(work)


@pytest.mark.parametrize("case", SEALING, ids=str)
async def test_nothing_is_sealed_with_another_key_of_the_same_id(desk: Desk, case: Case) -> None:
    """As after a restore beside which somebody made a fresh k1; nothing is written."""
    before = await desk.dump()
    desk.keys = KeyRing.parse(new_secret_key("k1"))

    with pytest.raises(SecretKeyError, match="key 'k1' is not the one"):
        await desk.act(lambda session, actor: case.do(desk, session, actor))

    assert await desk.dump() == before


@pytest.mark.parametrize("column", SEALED, ids=lambda column: column.title)
async def test_a_wrong_key_is_found_out_by_what_is_sealed(desk: Desk, column: SealedColumn) -> None:
    """In a database of before there were proofs, whatever is left in it."""
    await desk.run("DELETE FROM secret_keys")
    for other in SEALED:
        if other is not column:  # as if another key had sealed it
            renamed = f"replace({other.name}, 'k1:', 'k0:')"
            await desk.run(f"UPDATE {other.model.__tablename__} SET {other.name} = {renamed}")

    with pytest.raises(SecretKeyError, match="key 'k1' is not the one"):
        await checked(desk, KeyRing.parse(new_secret_key("k1")))
    await checked(desk, desk.keys)
    proofs = await desk.rows("SELECT id FROM secret_keys")

    assert [row["id"] for row in proofs] == ["k1"]


async def test_a_check_opens_whatever_is_in_use(desk: Desk) -> None:
    """Of each column; of tenants' URLs what is still to be called."""

    async def is_missed() -> bool:
        async with desk.sessions() as session:
            try:
                await open_what_is_used(session, desk.keys)
            except SecretKeyError as error:
                return "key 'k9' is needed" in str(error)
        return False

    async def rename(column: SealedColumn, old: str, new: str) -> None:
        table, name = column.model.__tablename__, column.name
        await desk.run(f"UPDATE {table} SET {name} = replace({name}, '{old}:', '{new}:')")

    missed = [await is_missed()]
    for column in SEALED:
        await rename(column, "k1", "k9")
        missed.append(await is_missed())
        await rename(column, "k9", "k1")
    await desk.act(lambda session, actor: release(session, actor, desk.tasks.live, reason="no"))
    await desk.run("UPDATE deliveries SET state = 'dead', ended_at = now()")
    for column in SEALED:
        if column.is_behind:
            await rename(column, "k1", "k9")
    missed.append(await is_missed())

    assert missed == [False, *[True] * len(SEALED), False]


async def test_a_check_judges_keys_as_a_start_does(desk: Desk) -> None:
    """By their proofs too: one of the same id, and one that stands alone; nothing is noted."""
    before = await desk.rows("SELECT * FROM secret_keys ORDER BY id")

    for name, words in (("k1", "key 'k1' is not the one"), ("k2", "sealed by .*'k1'")):
        async with desk.sessions.begin() as session:
            with pytest.raises(SecretKeyError, match=words):
                await open_what_is_used(session, KeyRing.parse(new_secret_key(name)))

    assert await desk.rows("SELECT * FROM secret_keys ORDER BY id") == before


async def test_keys_that_are_strangers_here_are_refused_until_the_old_one_is_lost(
    desk: Desk,
) -> None:
    """Put in front of the old one, the new one is taken; it is in use, though it sealed nothing."""
    fresh = new_secret_key("k2")
    alone, both = KeyRing.parse(fresh), KeyRing.parse(f"{fresh},{desk.secret_key}")
    await desk.run("DELETE FROM secret_keys WHERE id = 'k0'")

    with pytest.raises(SecretKeyError, match="sealed by 'k1'"):
        await checked(desk, alone)
    await desk.act(lambda session, actor: lose_key(session, actor, alone, "k1"))
    await checked(desk, alone)
    await checked(desk, both)
    known = await desk.act(lambda session, actor: retire_keys(session, actor, alone))

    assert {key.id: key.retired_at is None for key in known} == {"k1": False, "k2": True}


async def test_of_two_keys_of_one_id_that_come_at_once_one_is_refused(desk: Desk) -> None:
    """Neither was there when the other one looked."""
    first, second = (KeyRing.parse(f"{new_secret_key('k2')},{desk.secret_key}") for _ in range(2))

    async with desk.sessions.begin() as session:
        await check_secret_keys(session, first)
        other = asyncio.create_task(checked(desk, second))
        await wait_until(lambda: is_waiting(desk))

    with pytest.raises(SecretKeyError, match="key 'k2' is not the one"):
        await other
    await checked(desk, first)


async def is_waiting(desk: Desk) -> bool:
    return bool(await desk.rows("SELECT FROM pg_locks WHERE NOT granted"))


async def test_a_key_that_is_in_front_again_is_in_use(desk: Desk) -> None:
    """After a rotation that was taken back: it alone is no stranger."""
    both = f"{new_secret_key('k2')},{desk.secret_key}"
    await desk.run("DELETE FROM secret_keys WHERE id = 'k0'")
    await rotated(desk, KeyRing.parse(both))
    retired = await desk.rows("SELECT id FROM secret_keys WHERE retired_at IS NOT NULL")

    await checked(desk, KeyRing.parse(",".join(reversed(both.split(",")))))
    await checked(desk, desk.keys)

    assert [row["id"] for row in retired] == ["k1"]


async def test_a_rotation_leaves_nothing_that_the_old_key_is_needed_for(desk: Desk) -> None:
    """Channels, tokens, webhook secrets and callback URLs open with the new one alone; the old one
    may be dropped once the tasks that began before have ended."""
    fresh = new_secret_key("k2")
    keys = KeyRing.parse(f"{fresh},{desk.secret_key}")

    known = {key.id: key for key in await rotated(desk, keys)}
    again = {key.id: key for key in await rotated(desk, keys)}
    async with desk.sessions() as session:
        channels = await read_channels(session, KeyRing.parse(fresh))
        counts = [await count_sealed(session, column) for column in SEALED]
    urls = await desk.rows(
        "SELECT callback_url FROM tasks WHERE callback_url IS NOT NULL"
        " UNION ALL SELECT url FROM deliveries"
    )
    await desk.run("UPDATE tasks SET created_at = now() + interval '1 second'")
    later = {key.id: key for key in await rotated(desk, keys)}

    assert {channel.secret_key for channel in channels} == {CHANNEL_KEYS.secret_key}
    assert {channel.api_key for channel in channels} == {CHANNEL_KEYS.api_key}
    assert all(set(count) == {"k2"} for count in counts)
    opened = [open_url(row[0], KeyRing.parse(fresh), tenant_id=1) for row in urls]
    assert set(opened) == {"https://acme.test/hook?key=x"}
    assert (known["k1"].values, known["k1"].live_tasks) == (0, 4)
    assert again["k1"] == known["k1"]
    assert (later["k1"].live_tasks, later["k2"].is_current) == (0, True)


async def test_what_no_key_opens_is_named_and_left(desk: Desk) -> None:
    """It was sealed with a key that is gone; all others are sealed anew."""
    lost = KeyRing.parse(new_secret_key("k0"))
    sealed = lost.seal("x", context="channels/1/api_key")
    await desk.rows("UPDATE channels SET api_key_sealed = $1 WHERE id = 1", sealed)
    keys = KeyRing.parse(f"{new_secret_key('k2')},{desk.secret_key}")

    async def work(session: AsyncSession, actor: Actor) -> tuple[int, list[int], list[KnownKey]]:
        column = next(one for one in SEALED if one.name == "api_key_sealed")
        resealed = await reseal_values(session, actor, keys, column, after_id=0)
        return resealed.number, resealed.unreadable, await retire_keys(session, actor, keys)

    number, unreadable, known = await desk.act(work)
    left = await desk.row("SELECT api_key_sealed FROM channels WHERE id = 1")

    assert (number > 0, unreadable, left["api_key_sealed"]) == (True, [1], sealed)
    assert {key.id: key.values for key in known}["k0"] == 1
    assert {key.retired_at for key in known} == {None}, "all of them seal something"
