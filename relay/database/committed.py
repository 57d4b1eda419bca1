"""What is to be done once a session's transaction stands: said before, it might not come true."""

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session


def once_committed(session: AsyncSession, tell: Callable[[], None]) -> None:
    """Call `tell` when the transaction that is open now is committed; never if it is rolled back.

    For one without savepoints: the end of one would count as a commit.
    """
    waiting = [tell]

    def committed(_: Session) -> None:
        while waiting:
            waiting.pop()()

    def rolled_back(_: Session) -> None:
        waiting.clear()

    event.listen(session.sync_session, "after_commit", committed)
    event.listen(session.sync_session, "after_rollback", rolled_back)
