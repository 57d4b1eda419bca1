"""What a visitor of the portal is told where something was not done."""

from typing import Any

from litestar import Response
from litestar.status_codes import HTTP_404_NOT_FOUND

from relay.errors import (
    DeliveryNotFound,
    NoticePlaceNotFound,
    PortalSessionNotFound,
    RelayError,
    TaskNotFound,
    TokenNotFound,
)
from relay.html.gate import StaleForm
from relay.html.problems import failure_of, show_stale
from relay.portal.asking import KlingSaid
from relay.portal.page import Asked, Page, page_of
from relay.proxy.asked import SentBefore


def sentence_of(error: RelayError | KlingSaid, page: Page) -> str:
    """Word a refusal as the tenant's programs are told it, in the visitor's language.

    What Kling itself says stays in Kling's words.
    """
    return page.sentence(error.message if isinstance(error, KlingSaid) else str(error))


def show_failure(request: Asked, error: Exception) -> Response[Any]:
    """Answer whatever a handler raised."""
    page = page_of(request)
    if isinstance(error, StaleForm) and (kept := show_stale(error, page)):
        return kept
    match error:
        case SentBefore():
            return page.compose("sent_before.html", before=error)
        case TaskNotFound():
            status, why = HTTP_404_NOT_FOUND, page.say("You have no such task.")
        case TokenNotFound() | DeliveryNotFound() | NoticePlaceNotFound() | PortalSessionNotFound():
            status, why = HTTP_404_NOT_FOUND, page.say("You have none under this number.")
        case RelayError():
            status, why = error.http_status, sentence_of(error, page)
        case KlingSaid():
            status, why = error.status, sentence_of(error, page)
        case _:
            status, why = failure_of(error, page)
    return page.compose("problem.html", status=status, why=why)
