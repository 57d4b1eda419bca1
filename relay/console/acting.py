"""An act of a form: done at the desk, or refused beside the field that it is about."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.page import Page
from relay.console.problems import sentence_of, status_of
from relay.desk.errors import (
    DeskError,
    DoneBefore,
    NameTaken,
    NoSuch,
    NotPossible,
    ReferenceUsed,
    Stale,
    Unusable,
)
from relay.html.form import Form

Done = TypeVar("Done")

OK, WRONG = 200, 422


async def attempt(
    page: Page, form: Form, work: Callable[[AsyncSession], Awaitable[Done]]
) -> tuple[Done | None, int]:
    """Do it, and say what came of it, and the status to answer with.

    Where the form is not right, or the desk refuses, nothing was done, and `form.errors` says why.

    Raises:
        NoSuch: what it is about is not there any more.
        Stale: it is not as the form showed it.
        DoneBefore: by the same form.
    """
    if not form.is_right:
        return None, WRONG
    try:
        async with page.acting(form) as session:
            return await work(session), OK
    except (NoSuch, Stale, DoneBefore):
        raise
    except DeskError as error:
        field = _field_of(error)
        form.errors[field if field in form.values else ""] = sentence_of(error, page)
        return None, status_of(error)


async def rehearse(
    page: Page, form: Form, work: Callable[[AsyncSession], Awaitable[Done]]
) -> tuple[Done | None, int]:
    """Do it and take it back, before somebody is asked to be sure of it.

    So a form is refused at its first sending by all that the desk would refuse later, as after
    `attempt`; nothing stays of it, and nobody is told.
    """

    async def work_and_undo(session: AsyncSession) -> Done:
        undone = await session.begin_nested()
        try:
            return await work(session)
        finally:
            await undone.rollback()

    return await attempt(page, form, work_and_undo)


def is_sure(form: Form, of: object) -> bool:
    """Tell whether a visitor has seen what this comes to: the page then says it on its button.

    `of`: what it comes to; another one is asked for anew.
    """
    return form.values.get("sure") == str(of)


def _field_of(error: DeskError) -> str:
    match error:
        case Unusable() | NotPossible():
            return error.field.removesuffix("_micros")
        case ReferenceUsed():
            return "reference"
        case NameTaken():
            return "name"
        case _:
            return ""
