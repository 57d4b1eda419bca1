"""What a visitor is told where something was not done: one sentence, in their language."""

from typing import Any

import structlog
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.status_codes import (
    HTTP_400_BAD_REQUEST,
    HTTP_403_FORBIDDEN,
    HTTP_404_NOT_FOUND,
    HTTP_409_CONFLICT,
    HTTP_500_INTERNAL_SERVER_ERROR,
    HTTP_503_SERVICE_UNAVAILABLE,
)
from sqlalchemy.exc import DBAPIError

from relay.console.page import Asked, Page, page_of
from relay.database.faults import is_fault, is_of_a_text, log_failure
from relay.desk.errors import (
    Busy,
    DeskError,
    NameTaken,
    NoSuch,
    NotAllowed,
    OverCeiling,
    ReferenceUsed,
)
from relay.money import decimal_of

log = structlog.get_logger()

TOO_LONG = "57014"
"""SQLSTATE of a statement that was given up."""


class StaleForm(Exception):
    """A form that has not the word of its sender's own session."""


def status_of(error: DeskError) -> int:
    match error:
        case NoSuch():
            return HTTP_404_NOT_FOUND
        case NotAllowed() | OverCeiling():
            return HTTP_403_FORBIDDEN
        case _:
            return HTTP_409_CONFLICT


def sentence_of(error: DeskError, page: Page) -> str:
    """Word why an act was not done; of what is rare, in English."""
    match error:
        case NoSuch():
            said = page.say("There is no %(kind)s %(name)s.", kind=error.kind, name=error.name)
        case Busy():
            said = page.say("Somebody else is changing the same just now. Try again.")
        case NotAllowed():
            said = page.say("Your role may not do this.")
        case OverCeiling():
            said = page.say(
                "That would be more than you may do in 24 hours: %(ceiling)s %(currency)s.",
                ceiling=decimal_of(error.ceiling_micros),
                currency=page.office.settings.currency,
            )
        case ReferenceUsed():
            said = page.say(
                "It stands for %(money)s (%(kind)s) already: this would be something else.",
                money=page.spell.money(error.before_micros),
                kind=error.before_kind,
            )
        case NameTaken():
            said = page.say("Another one is called that.")
        case _:
            told = str(error)
            said = f"{told[:1].upper()}{told[1:]}."
    return said


def show_failure(request: Asked, error: Exception) -> Response[Any]:
    """Answer whatever a handler raised."""
    page = page_of(request)
    match error:
        case DeskError():
            status, why = status_of(error), sentence_of(error, page)
        case HTTPException(status_code=404):
            status, why = HTTP_404_NOT_FOUND, page.say("There is no such page.")
        case StaleForm():
            status = HTTP_403_FORBIDDEN
            why = page.say("This form is of a session that is over. Load the page again.")
        case HTTPException(status_code=403):
            status, why = HTTP_403_FORBIDDEN, page.say("Your role may not do this.")
        case HTTPException():
            status, why = error.status_code, page.say("This address cannot be used like that.")
        case _ if is_of_a_text(error):
            status, why = HTTP_400_BAD_REQUEST, page.say("A text has a character that is none.")
        case _ if took_too_long(error):
            status = HTTP_503_SERVICE_UNAVAILABLE
            why = page.say("This took too long and was given up. Narrow the filter.")
        case _:
            log_failure(log, "console.failed", error, path=request.scope["path"])
            is_databases = is_fault(error)
            status = (
                HTTP_503_SERVICE_UNAVAILABLE if is_databases else HTTP_500_INTERNAL_SERVER_ERROR
            )
            why = (
                page.say("The database cannot be asked now. Try again in a moment.")
                if is_databases
                else page.say("A mistake of the relay's, which its log has.")
            )
    return page.compose("problem.html", status=status, why=why)


def took_too_long(error: Exception) -> bool:
    """Tell whether a statement was given up."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == TOO_LONG
