"""Sessions and links: found by their secrets alone, over in time, used by one."""

import asyncio
import re
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from relay.database.engine import Sessions, open_engine, open_sessions
from relay.logins.links import make_link, take_link
from relay.logins.second_factor import use_step
from relay.logins.sessions import (
    Visitor,
    end_session,
    end_sessions,
    find_visitor,
    open_session,
    read_sessions,
)
from relay.logins.tables import WebSession
from relay.operators.tables import Operator, Role
from relay.worker.forget_old import forget_old
from tests.deliveries.bench import AGES

COUNT_TOUCHES = (
    "CREATE TABLE touches (at timestamptz)",
    (
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO touches VALUES (now()); RETURN NULL; END'"
    ),
    "CREATE TRIGGER touched AFTER UPDATE ON web_sessions FOR EACH ROW EXECUTE FUNCTION touch()",
)


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    engine = open_engine(database_url)
    yield open_sessions(engine)
    await engine.dispose()


async def added(sessions: Sessions, name: str, role: Role = Role.SUPPORT) -> int:
    async with sessions.begin() as session:
        row = Operator(name=name, role=role.value, ceilings={})
        session.add(row)
        await session.flush()
        return row.id


async def opened(sessions: Sessions, **whose: Any) -> str:
    given = {"address": "10.1.2.3", "agent": "a browser"} | whose
    async with sessions.begin() as session:
        return await open_session(session, **given)


async def found(sessions: Sessions, secret: str) -> Visitor | None:
    async with sessions.begin() as session:
        return await find_visitor(session, secret)


async def run(sessions: Sessions, statement: str) -> Any:
    async with sessions.begin() as session:
        return await session.execute(text(statement))


async def test_a_session_is_found_by_its_secret_and_tells_whose_it_is(sessions: Sessions) -> None:
    """An operator's with its role of now, a machine user's as an owner's; any other secret is
    nobody's, the hash that is stored too."""
    ann_id = await added(sessions, "ann")
    of_ann = await opened(sessions, operator_id=ann_id)
    of_root = await opened(sessions, system_user="root", agent="x" * 300, address="10.\x00\n1")
    await run(sessions, "UPDATE operators SET role = 'finance'")

    ann, root = await found(sessions, of_ann), await found(sessions, of_root)

    assert ann == Visitor(
        1, ann_id, "ann", Role.FINANCE, is_system=False, csrf=ann.csrf if ann else ""
    )
    assert root == Visitor(
        2, None, "root", Role.OWNER, is_system=True, csrf=root.csrf if root else ""
    )
    assert ann is not None
    assert root is not None
    assert ann.csrf == sha256(f"csrf:{of_ann}".encode()).hexdigest() != root.csrf
    async with sessions.begin() as session:
        row = await session.get_one(WebSession, 2)
        assert (row.address, len(row.agent)) == ("10.??1", 200)
        assert of_root.encode() not in row.session_hash
        stored = row.session_hash.hex()
    for wrong in (stored, of_ann[:-1], of_ann + "x", "", "\ud800", "a-session-of-my-own"):
        assert await found(sessions, wrong) is None
    for both in ({"operator_id": ann_id, "system_user": "root"}, {}):
        with pytest.raises(IntegrityError, match="web_sessions_is_somebodys"):
            await opened(sessions, **both)


async def test_a_session_is_over_in_time(sessions: Sessions) -> None:
    """After 12 hours that nobody used it, after 7 days of any use, and once it was ended or its
    operator removed; lists tell of none that is over."""
    ann_id = await added(sessions, "ann")
    secret = await opened(sessions, operator_id=ann_id)
    other = await opened(sessions, system_user="root")

    async def is_over(**moved: str) -> bool:
        columns = ", ".join(f"{name} = {value}" for name, value in moved.items())
        await run(sessions, f"UPDATE web_sessions SET {columns} WHERE id = 1")
        async with sessions.begin() as session:
            listed = [row.id for row in await read_sessions(session, ann_id)]
        over = await found(sessions, secret) is None
        assert listed == ([] if over else [1])
        return over

    new = {"seen_at": "now()", "created_at": "now()", "ended_at": "NULL"}
    assert not await is_over(**new)
    assert not await is_over(**new | {"seen_at": "now() - interval '11 hours 59 minutes'"})
    assert await is_over(**new | {"seen_at": "now() - interval '12 hours'"})
    assert not await is_over(**new | {"created_at": "now() - interval '167 hours 59 minutes'"})
    assert await is_over(**new | {"created_at": "now() - interval '7 days'"})
    assert await is_over(**new | {"ended_at": "now()"})
    assert not await is_over(**new)
    await run(sessions, "UPDATE operators SET removed_at = now()")
    assert await is_over(**new)
    assert await found(sessions, other) is not None


async def test_a_page_writes_once_a_minute_that_it_was_seen(sessions: Sessions) -> None:
    """Of twenty requests at once one does; within the next minute none."""
    secret = await opened(sessions, system_user="root")
    seen = "SELECT xmin::text, seen_at > now() - interval '1 second' FROM web_sessions"

    async def row() -> tuple[Any, ...]:
        return tuple((await run(sessions, seen)).one())

    before = await row()
    assert await found(sessions, secret)
    assert await row() == before
    await run(sessions, "UPDATE web_sessions SET seen_at = now() - interval '61 seconds'")
    aged = await row()
    for statement in COUNT_TOUCHES:
        await run(sessions, statement)
    await asyncio.gather(*(found(sessions, secret) for _ in range(20)))

    assert (await run(sessions, "SELECT count(*) FROM touches")).scalar() == 1
    touched = await row()
    assert touched[0] != aged[0]
    assert touched[1]
    await found(sessions, secret)
    assert await row() == touched


async def test_sessions_are_ended_one_by_one_and_all_but_one(sessions: Sessions) -> None:
    """Each once; another operator's stay."""
    ann_id, ben_id = await added(sessions, "ann"), await added(sessions, "ben")
    of_ann = [await opened(sessions, operator_id=ann_id) for _ in range(4)]
    of_ben = await opened(sessions, operator_id=ben_id)

    async with sessions.begin() as session:
        assert await end_session(session, 1)
        assert not await end_session(session, 1)
        assert not await end_session(session, 4711)
        assert await end_sessions(session, ann_id, but=2) == 2
        shown = await read_sessions(session)
    assert [await found(sessions, secret) is not None for secret in of_ann] == [
        *(False, True, False, False)
    ]
    assert [(row.id, row.name, row.is_system, row.agent) for row in shown] == [
        (5, "ben", False, "a browser"),
        (2, "ann", False, "a browser"),
    ]
    async with sessions.begin() as session:
        assert await end_sessions(session, ann_id) == 1
    assert await found(sessions, of_ben) is not None


async def test_of_twenty_one_takes_a_link_and_one_uses_a_code(sessions: Sessions) -> None:
    """A link is whose it was made for, once and for ten minutes; a code's step only goes up."""
    ann_id = await added(sessions, "ann")
    async with sessions.begin() as session:
        secret = await make_link(session, system_user="root")
        late = await make_link(session, system_user="root")
    expires = "SELECT expires_at = created_at + interval '10 minutes' FROM login_links"
    assert set((await run(sessions, expires)).scalars()) == {True}
    await run(sessions, "UPDATE login_links SET expires_at = now() WHERE id = 2")

    async def take(secret: str) -> str | None:
        async with sessions.begin() as session:
            return await take_link(session, secret)

    async def use(step: int) -> bool:
        async with sessions.begin() as session:
            return await use_step(session, ann_id, step)

    took = await asyncio.gather(*(take(secret) for _ in range(20)))
    used = await asyncio.gather(*(use(59_000_000) for _ in range(20)))

    assert sorted(took, key=str) == [*[None] * 19, "root"]
    assert sorted(used) == [*[False] * 19, True]
    assert [await take(one) for one in (secret, late, "none", "\ud800")] == [None] * 4
    assert [await use(step) for step in (58_999_999, 59_000_001)] == [False, True]
    assert re.fullmatch(r"[\w-]{43}", secret)


async def test_what_is_over_for_a_week_is_forgotten(sessions: Sessions) -> None:
    """Ended or last used then; links after a day. What is younger stays."""
    for _ in range(4):
        await opened(sessions, system_user="root")
    aged = "now() - interval '7 days 1 minute'"
    await run(sessions, f"UPDATE web_sessions SET created_at = {aged}")
    await run(sessions, f"UPDATE web_sessions SET seen_at = {aged} WHERE id <= 2")
    await run(sessions, f"UPDATE web_sessions SET ended_at = {aged} WHERE id = 1")
    await run(sessions, "UPDATE web_sessions SET ended_at = now() WHERE id = 3")
    async with sessions.begin() as session:
        for _ in range(2):
            await make_link(session, system_user="root")
    await run(
        sessions, "UPDATE login_links SET created_at = now() - interval '25 hours' WHERE id = 1"
    )

    await forget_old(sessions, AGES)

    assert (await run(sessions, "SELECT id FROM web_sessions ORDER BY id")).scalars().all() == [
        3,
        4,
    ]
    assert (await run(sessions, "SELECT id FROM login_links")).scalars().all() == [2]
