"""What all acts have in common: who may do them, and that none waits long for other writers."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.actor import Actor
from relay.desk.errors import Busy
from relay.desk.permit import admit, check_ceiling

LOCK_TIMEOUT_MS = 250
"""For each lock; an act takes two or three. Who holds one for longer is a person at a prompt."""
AT_ONCE = frozenset({"55P03", "40P01", "40001", "23505"})
"""SQLSTATEs of a lock that was not had in time, of a deadlock, of a row that somebody changed under
a stricter isolation, and of a unique key that somebody took after the act had looked for it."""

Given = ParamSpec("Given")
Result = TypeVar("Result")
Act = Callable[Concatenate[AsyncSession, Actor, Given], Coroutine[Any, Any, Result]]

NAMES: dict[Callable[..., Any], str] = {}
"""Of each act, by its function: as its changes and the table of roles name it."""


def act(name: str) -> Callable[[Act[Given, Result]], Act[Given, Result]]:
    """Mark a function as an act, of which every change has this name.

    An operator's act raises NotAllowed if its role may not do it, and OverCeiling if it would come
    to more than it may in 24 hours; both are judged in the act's own transaction. Any act raises
    Busy where it would wait for another writer: `lock_timeout` is set for the rest of the
    transaction, and for no other one.
    """

    def marked(function: Act[Given, Result]) -> Act[Given, Result]:
        @wraps(function)
        async def acting(
            session: AsyncSession, actor: Actor, /, *args: Given.args, **values: Given.kwargs
        ) -> Result:
            await session.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
            try:
                ceiling_micros = await admit(session, actor, name)
                result = await function(session, actor, *args, **values)
                if ceiling_micros is not None:
                    await check_ceiling(session, actor, name, ceiling_micros)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) in AT_ONCE and not _is_a_second_charge(
                    error
                ):
                    raise Busy from error
                raise
            return result

        NAMES[acting] = name
        return acting

    return marked


def _is_a_second_charge(error: DBAPIError) -> bool:
    """Tell what no repetition heals: it would be a mistake of ours, which a key kept from us."""
    return "entries_one_charge" in str(error.orig)
