"""The journal: one change for each act, last, with it or not at all; never altered."""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

import relay.desk
from relay.database.engine import dsn
from relay.desk.act import NAMES, act
from relay.desk.actor import Actor
from relay.desk.changes import note_change
from relay.desk.fields import FIELDS
from relay.desk.once import refuse_again
from relay.desk.permit import admit, check_ceiling
from relay.desk.roles import ACTS, BOUNDED, READS
from relay.desk.versions import look_before, refuse_stale
from tests.desk.acts import CANNOT_REFUSE, DONE, IDLE, REFUSED, Case
from tests.desk.world import ANN, Desk

COUNT_WRITTEN = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::text FROM pg_stat_xact_user_tables"
MARK = f"""
CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('desk.written', ({COUNT_WRITTEN}), true);
    RETURN NULL;
END $$;
CREATE TRIGGER marked AFTER INSERT ON changes FOR EACH ROW EXECUTE FUNCTION mark()
"""
"""Notes how much a transaction had written when it wrote its change."""
OF_EVERY_ACT = (note_change, admit, check_ceiling, refuse_stale, look_before, refuse_again)
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'no room for changes';
END $$;
CREATE TRIGGER refused BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION refuse()
"""


def acts() -> Iterator[Callable[..., Awaitable[object]]]:
    """Every coroutine of the desk that takes a session and an actor, but for what all call."""
    for found in pkgutil.iter_modules(relay.desk.__path__, "relay.desk."):
        module = importlib.import_module(found.name)
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction):
            is_own = function.__module__ == module.__name__ and not name.startswith("_")
            taken = [each.annotation for each in inspect.signature(function).parameters.values()]
            if is_own and taken[:2] == [AsyncSession, Actor] and function not in OF_EVERY_ACT:
                yield function


def matches(expected: Any, found: Any) -> bool:
    """Whether they are equal; a type stands for any value of it."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(
            matches(value, found[name]) for name, value in expected.items()
        )
    return isinstance(found, expected) if isinstance(expected, type) else expected == found


def test_every_act_is_tested() -> None:
    """Each is done, refused, or known to refuse nothing: a new one without a test fails here."""
    found = set(acts())

    assert len(found) >= 16
    assert found == {case.act for case in DONE}
    assert found == {case.act for case in REFUSED} | CANNOT_REFUSE


def test_every_act_waits_as_all_do() -> None:
    """None is without `@act`, which bounds its waiting."""
    code = act("any")(note_change).__code__

    assert [one.__name__ for one in acts() if one.__code__ is not code] == []


def test_every_act_stands_in_the_table_of_roles() -> None:
    """And nothing else does."""
    assert {NAMES[one] for one in acts()} == ACTS.keys() - READS
    assert ACTS.keys() > BOUNDED


@pytest.mark.parametrize("case", DONE, ids=str)
async def test_an_act_writes_one_change_and_writes_it_last(desk: Desk, case: Case) -> None:
    """Who, from where, under which request, what, on what, before, after and why."""
    await desk.run(MARK)
    before = await desk.changes()
    expected = case.told(desk)

    async with desk.sessions.begin() as session:
        await case.do(desk, session, ANN)
        written = await session.scalar(text(COUNT_WRITTEN))
        marked = await session.scalar(text("SELECT current_setting('desk.written')"))

    (change,) = (await desk.changes())[len(before) :]
    assert (change["actor"], change["origin"]) == ("system:ann", "terminal of here")
    assert change["request_id"] == "request-7"
    assert change["act"] == expected.act == NAMES[case.act]
    assert (change["amount_micros"] is not None) == (change["act"] in BOUNDED)
    assert (change["subject_kind"], change["subject"]) == (expected.kind, expected.subject)
    assert matches(expected.before, decoded(change["before"])), change["before"]
    assert matches(expected.after, decoded(change["after"])), change["after"]
    assert change["reason"] == expected.reason
    fields = {*(decoded(change["before"]) or {}), *(decoded(change["after"]) or {})}
    assert fields <= FIELDS.keys(), "each is called something"
    assert written == marked
    assert (change["subject_id"] is None) == (
        expected.kind
        in (
            "price",
            "multiplier",
            "secret_key",
            "alert_rule",
            "address",
            "source",
            "system_user",
            "asset_store",
        )
    )


def decoded(value: str | None) -> Any:
    return None if value is None else json.loads(value)


async def test_an_act_whose_change_cannot_be_written_is_not_done(
    desk: Desk, subtests: pytest.Subtests
) -> None:
    """A trigger refuses the change: no table differs afterwards."""
    await desk.run(REFUSE)
    before = await desk.dump()

    for case in DONE:
        with subtests.test(str(case)):
            with pytest.raises(DBAPIError, match="no room for changes"):
                await desk.act(partial(case.do, desk))
            assert await desk.dump() == before


async def test_a_refusal_writes_nothing(desk: Desk, subtests: pytest.Subtests) -> None:
    """Neither the act nor a change: no table differs afterwards."""
    before = await desk.dump()

    for case in REFUSED:
        with subtests.test(str(case)):
            with pytest.raises(case.error) as raised:
                await desk.act(partial(case.do, desk))
            assert raised.type is case.error
            assert await desk.dump() == before


async def test_what_is_so_already_is_not_noted(desk: Desk, subtests: pytest.Subtests) -> None:
    """It is no error, and no table differs afterwards."""
    before = await desk.dump()

    for label, do in IDLE:
        with subtests.test(label):
            await desk.act(partial(do, desk))
            assert await desk.dump() == before


@pytest.mark.parametrize(
    "statement",
    ["UPDATE changes SET reason = 'another'", "DELETE FROM changes", "TRUNCATE changes"],
)
async def test_changes_are_never_altered(desk: Desk, statement: str) -> None:
    """The trigger refuses whoever tries, also where no row would be touched."""
    before = await desk.changes()

    for condition in ("", " WHERE id < 0"):
        connection = await asyncpg.connect(dsn(desk.database_url))
        try:
            with pytest.raises(asyncpg.RaiseError, match="changes are never changed"):
                await connection.execute(
                    statement if "TRUNCATE" in statement else statement + condition
                )
        finally:
            await connection.close()

    assert await desk.changes() == before
