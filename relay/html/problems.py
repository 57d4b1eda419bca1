"""What a visitor is told where something was not done: one sentence, in their language."""

import structlog
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.status_codes import (
    HTTP_400_BAD_REQUEST,
    HTTP_403_FORBIDDEN,
    HTTP_404_NOT_FOUND,
    HTTP_409_CONFLICT,
    HTTP_410_GONE,
    HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    HTTP_429_TOO_MANY_REQUESTS,
    HTTP_500_INTERNAL_SERVER_ERROR,
    HTTP_502_BAD_GATEWAY,
    HTTP_503_SERVICE_UNAVAILABLE,
)
from sqlalchemy.exc import DBAPIError

from relay.database.faults import is_fault, is_of_a_text, log_failure
from relay.html.gate import NotSentYet, StaleForm
from relay.html.kept import keep
from relay.html.page import SitePage
from relay.results.files import FileGone, FileUnreachable
from relay.results.passing import TooManyFiles

log = structlog.get_logger()

TOO_LONG = "57014"
"""SQLSTATE of a statement that was given up."""


def show_stale(error: StaleForm, page: SitePage) -> Response[str] | None:
    """Give a form of another session back to its sender, to look through and send again."""
    kept = keep(page.site, page.request.scope["path"], error.sent)
    return None if kept is None else page.compose("kept.html", status=403, kept=kept)


def failure_of(error: Exception, page: SitePage) -> tuple[int, str]:
    """Give the status and the sentence of whatever a handler raised that is no rule of a site's."""
    match error:
        case HTTPException(status_code=404):
            told = HTTP_404_NOT_FOUND, page.say("There is no such page.")
        case StaleForm():
            why = page.say("This form is of a session that is over. Load the page again.")
            told = HTTP_403_FORBIDDEN, why
        case NotSentYet():
            why = page.say("You were logged out when you sent this. Do it again from its page.")
            told = HTTP_409_CONFLICT, why
        case HTTPException(status_code=403):
            told = HTTP_403_FORBIDDEN, page.say("Your role may not do this.")
        case FileGone() | TooManyFiles() | FileUnreachable():
            told = _of_a_file(error, page)
        case HTTPException(status_code=413):
            told = HTTP_413_REQUEST_ENTITY_TOO_LARGE, page.say("That is too large to be sent here.")
        case HTTPException():
            told = error.status_code, page.say("This address cannot be used like that.")
        case _ if isinstance(error, UnicodeError) or is_of_a_text(error):
            told = HTTP_400_BAD_REQUEST, page.say("A text has a character that is none.")
        case _ if took_too_long(error):
            why = page.say("This took too long and was given up. Narrow the filter.")
            told = HTTP_503_SERVICE_UNAVAILABLE, why
        case _:
            log_failure(log, "html.failed", error, path=page.request.scope["path"])
            told = (
                (
                    HTTP_503_SERVICE_UNAVAILABLE,
                    page.say("The database cannot be asked now. Try again in a moment."),
                )
                if is_fault(error)
                else (
                    HTTP_500_INTERNAL_SERVER_ERROR,
                    page.say("A mistake of the relay's, which its log has."),
                )
            )
    return told


def _of_a_file(error: FileGone | TooManyFiles | FileUnreachable, page: SitePage) -> tuple[int, str]:
    match error:
        case FileGone():
            why = page.say("This file is gone: Kling keeps what it made for 30 days.")
            return HTTP_410_GONE, why
        case TooManyFiles():
            why = page.say(
                "As many files as may be at once are being read. Try again when one is done."
            )
            return HTTP_429_TOO_MANY_REQUESTS, why
        case _:
            log.warning("html.file_unreachable", path=page.request.scope["path"], reason=str(error))
            why = page.say("The host of this file does not give it now. Try again in a moment.")
            return HTTP_502_BAD_GATEWAY, why


def took_too_long(error: Exception) -> bool:
    """Tell whether a statement was given up, by the database or by whoever waited for it."""
    if isinstance(error, TimeoutError):
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == TOO_LONG
