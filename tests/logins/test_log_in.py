"""Logging in: by name, password and code, or by a link; whatever is wrong looks the same."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pyotp
import pytest
from sqlalchemy import text

from relay.database.engine import Sessions, open_engine, open_sessions
from relay.desk.actor import Actor, ActorKind
from relay.desk.errors import NoSuch, NotAllowed
from relay.desk.logins import (
    WrongLogin,
    actor_of,
    end_web_session,
    log_in,
    log_in_by_link,
    log_out,
    open_console,
    set_password,
    set_second_factor,
)
from relay.desk.operators import add_operator, remove_operator
from relay.logins.passwords import hash_password
from relay.logins.second_factor import new_second_factor
from relay.logins.sessions import Visitor, find_visitor
from relay.operators.tables import Role
from relay.secrets import KeyRing, new_secret_key
from tests.waiting import wait_until

ROOT = Actor(ActorKind.SYSTEM, "root", origin="terminal of here")
PASSWORD = "correct horse battery"


class Door(NamedTuple):
    """A relay's database with ann in it, an owner with a password."""

    sessions: Sessions
    keys: KeyRing

    async def act(self, act: Any, *args: Any, actor: Actor = ROOT, **values: Any) -> Any:
        async with self.sessions.begin() as session:
            return await act(session, actor, *args, **values)

    async def log_in(self, **given: Any) -> tuple[str, Visitor]:
        whole: dict[str, Any] = {
            "name": "ann",
            "password": PASSWORD,
            "code": None,
            "address": "10.1.2.3",
        }
        whole |= {"agent": "a browser", "owners_need_code": False}
        return await log_in(self.sessions, self.keys, **whole | given)

    async def visitor(self, secret: str) -> Visitor | None:
        async with self.sessions.begin() as session:
            return await find_visitor(session, secret)

    async def rows(self, query: str) -> list[Any]:
        async with self.sessions.begin() as session:
            return [tuple(row) for row in await session.execute(text(query))]

    async def codes(self, secret: str) -> list[str]:
        """Codes of the step before now, of now and of the next one, by the database's clock."""
        ((now,),) = await self.rows("SELECT now()")
        app = pyotp.TOTP(secret)
        return [app.generate_otp(app.timecode(now) + beside) for beside in (-1, 0, 1)]


@pytest.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    engine = open_engine(database_url)
    door = Door(open_sessions(engine), KeyRing.parse(new_secret_key()))
    await door.act(add_operator, "ann", role=Role.OWNER)
    await door.act(set_password, "ann", hash_password(PASSWORD))
    yield door
    await engine.dispose()


async def test_who_logs_in_gets_a_session_and_all_else_looks_alike(
    door: Door, logged: io.StringIO
) -> None:
    """It is noted with its address; no password, and no name that is nobody's, is told anywhere."""
    await door.act(add_operator, "ben", role=Role.VIEWER)

    secret, visitor = await door.log_in()
    for wrong in (
        {"password": PASSWORD + "!"},
        {"name": "ben"},
        {"name": "hunter2-typed-as-a-name"},
        {"name": "ann\x00"},
        {"owners_need_code": True},
    ):
        with pytest.raises(WrongLogin) as raised:
            await door.log_in(**wrong)
        assert str(raised.value) == ""

    assert (visitor.name, visitor.role, visitor.is_system) == ("ann", Role.OWNER, False)
    assert await door.visitor(secret) == visitor
    (change,) = await door.rows(
        "SELECT actor, origin, subject, after FROM changes WHERE act = 'console.log_in'"
    )
    assert change == ("operator:ann", "10.1.2.3", "ann", {"session": visitor.session_id})
    assert await door.rows("SELECT count(*) FROM web_sessions") == [(1,)]
    noted = json.dumps(await door.rows("SELECT to_json(c)::text FROM changes c"))
    for word in (PASSWORD, secret, "hunter2", "argon2"):
        assert word not in noted + logged.getvalue()
    assert logged.getvalue().count("console.log_in_refused") == 5


async def test_a_code_is_asked_for_and_good_once(door: Door) -> None:
    """Of four who show one at a moment one is let in; the code before it is used up by it."""
    secret = new_second_factor()
    await door.act(set_second_factor, "ann", secret, door.keys)
    ((sealed,),) = await door.rows("SELECT totp_sealed FROM operators")
    assert secret not in sealed
    before, now, after = await door.codes(secret)

    outcomes = await asyncio.gather(
        *(door.log_in(code=now, owners_need_code=True) for _ in range(4)), return_exceptions=True
    )

    assert sum(isinstance(outcome, WrongLogin) for outcome in outcomes) == 3
    for wrong in (None, before):
        with pytest.raises(WrongLogin):
            await door.log_in(code=wrong)
    await door.log_in(code=after)
    with pytest.raises(WrongLogin):  # of a key that is lost
        await door._replace(keys=KeyRing.parse(new_secret_key("k2"))).log_in(code=after)


async def test_a_password_that_is_changed_meanwhile_lets_nobody_in(door: Door) -> None:
    """Not by the old one, though it was compared before; the owner's other sessions end."""
    kept, visitor = await door.log_in()
    other, _ = await door.log_in()
    new_hash = hash_password("another horse battery")

    async with door.sessions.begin() as session:
        await set_password(session, ROOT, "ann", new_hash, but=visitor.session_id)
        entering = asyncio.create_task(door.log_in())
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        await wait_until(lambda: _has_rows(door, waits))
    with pytest.raises(WrongLogin):
        await entering

    assert await door.visitor(kept) == visitor
    assert await door.visitor(other) is None
    await door.log_in(password="another horse battery")
    await door.act(remove_operator, "ann")
    assert await door.visitor(kept) is None
    with pytest.raises(WrongLogin):
        await door.log_in(password="another horse battery")


async def _has_rows(door: Door, query: str) -> bool:
    return bool(await door.rows(query))


async def test_a_link_lets_the_machines_user_in_once(door: Door) -> None:
    """As an owner who is bound by nothing, noted under the user's name."""
    link = await door.act(open_console)
    where = {"address": "127.0.0.1", "agent": "a browser"}

    secret, visitor = await log_in_by_link(door.sessions, link, **where)
    for wrong in (link, secret, ""):
        with pytest.raises(WrongLogin):
            await log_in_by_link(door.sessions, wrong, **where)

    assert await door.visitor(secret) == visitor
    assert (visitor.name, visitor.role, visitor.is_system) == ("root", Role.OWNER, True)
    actor = actor_of(visitor, origin="127.0.0.1", request_id="request-8")
    assert actor == Actor(ActorKind.SYSTEM, "root", origin="127.0.0.1", request_id="request-8")
    await door.act(add_operator, "eve", actor=actor, role=Role.VIEWER)
    noted = await door.rows("SELECT actor, act, origin FROM changes ORDER BY id DESC LIMIT 3")
    assert noted == [
        ("system:root", "operator.add", "127.0.0.1"),
        ("system:root", "console.log_in", "127.0.0.1"),
        ("system:root", "console.open", "terminal of here"),
    ]
    told = await door.rows("SELECT to_json(c)::text FROM changes c")
    assert not [one for (one,) in told if link in one or secret in one]


async def test_what_is_ones_own_to_change_is_another_ones_to_an_owner_alone(door: Door) -> None:
    """A viewer its own password, second factor and sessions; nobody else's, nor a machine's."""
    await door.act(add_operator, "ben", role=Role.VIEWER)
    await door.act(set_password, "ben", hash_password(PASSWORD))
    _, of_ann = await door.log_in()
    _, first = await door.log_in(name="ben")
    second, here = await door.log_in(name="ben")
    link = await door.act(open_console)
    _, machine = await log_in_by_link(door.sessions, link, address="", agent="")
    ben = actor_of(here, origin="10.1.2.3", request_id=None)

    for refused in (
        door.act(set_password, "ann", None, actor=ben),
        door.act(set_second_factor, "ann", None, door.keys, actor=ben),
        door.act(end_web_session, of_ann.session_id, actor=ben),
        door.act(end_web_session, machine.session_id, actor=ben),
        door.act(log_out, "ann", actor=ben),
        door.act(open_console, actor=actor_of(of_ann, origin="", request_id=None)),
    ):
        with pytest.raises(NotAllowed):
            await refused

    ended = [await door.act(end_web_session, first.session_id, actor=ben) for _ in range(2)]
    assert [(one.name, one.was_open) for one in ended] == [("ben", True), ("ben", False)]
    with pytest.raises(NoSuch):
        await door.act(end_web_session, of_ann.session_id, of="ben")
    await door.act(set_password, "ben", None, actor=ben, but=here.session_id)
    await door.act(set_second_factor, "ben", None, door.keys, actor=ben)
    assert await door.visitor(second) == here
    assert await door.act(log_out, "ben", actor=actor_of(of_ann, origin="", request_id=None)) == 1
    assert await door.act(log_out, "ben") == 0
    assert await door.visitor(second) is None
