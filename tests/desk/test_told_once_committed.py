"""That a task moved stands in the log when it has: after the commit, and not without one."""

import io

import pytest
from sqlalchemy.exc import DBAPIError

from relay.desk.tasks import release, settle
from tests.desk.test_changes import REFUSE
from tests.desk.world import ANN, Desk


def moves(logged: io.StringIO) -> int:
    return logged.getvalue().count("task.moved")


async def test_a_move_is_told_once_it_is_committed(desk: Desk, logged: io.StringIO) -> None:
    """Two in one transaction are told together at its end, each once."""
    before = moves(logged)

    async with desk.sessions.begin() as session:
        await settle(session, ANN, desk.tasks.live, reason="seen")
        await release(session, ANN, desk.tasks.unsent, reason="gone")
        assert moves(logged) == before
    assert moves(logged) == before + 2

    async with desk.sessions.begin() as session:
        await release(session, ANN, desk.tasks.followed, reason="gone")
    assert moves(logged) == before + 3


async def test_a_move_that_is_rolled_back_is_never_told(desk: Desk, logged: io.StringIO) -> None:
    """Whether the caller thinks better of it, or the change cannot be written; nor later."""
    before = moves(logged)

    async with desk.sessions() as session:
        await settle(session, ANN, desk.tasks.live, reason="seen")
        await session.rollback()
        await release(session, ANN, desk.tasks.unsent, reason="gone")
        await session.commit()
    assert moves(logged) == before + 1

    await desk.run(REFUSE)
    with pytest.raises(DBAPIError):
        await desk.act(lambda s, actor: settle(s, actor, desk.tasks.live, reason="seen"))
    assert moves(logged) == before + 1
