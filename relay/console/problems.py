"""What a visitor is told where something was not done: one sentence, in their language."""

from typing import Any

import structlog
from litestar import Response
from litestar.status_codes import (
    HTTP_403_FORBIDDEN,
    HTTP_404_NOT_FOUND,
    HTTP_409_CONFLICT,
)

from relay.console.page import Asked, Page, page_of
from relay.desk.errors import (
    Busy,
    DeskError,
    DoneBefore,
    NameTaken,
    NoSuch,
    NotAllowed,
    NotPossible,
    Occupied,
    OverCeiling,
    ReferenceUsed,
)
from relay.html.gate import StaleForm
from relay.html.problems import failure_of, show_stale
from relay.money import decimal_of

log = structlog.get_logger()


def status_of(error: DeskError) -> int:
    match error:
        case NoSuch():
            return HTTP_404_NOT_FOUND
        case NotAllowed() | OverCeiling():
            return HTTP_403_FORBIDDEN
        case _:
            return HTTP_409_CONFLICT


def sentence_of(error: DeskError, page: Page) -> str:
    """Word why an act was not done."""
    match error:
        case NoSuch():
            said = page.say(
                "There is no %(kind)s %(name)s.", kind=page.hear(error.kind), name=error.name
            )
        case Occupied():
            said = page.say(
                "Something else that takes as long is under way here. Try again in a minute."
            )
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
                kind=page.hear(error.before_kind),
            )
        case NameTaken():
            said = page.say("Another one is called that.")
        case NotPossible():
            said = _of_thing(error, page)
        case _:
            said = page.sentence(str(error))
    return said


def _of_thing(error: NotPossible, page: Page) -> str:
    if error.name == "":
        return page.sentence(error.why)
    kind, name, why = page.hear(error.kind), repr(error.name), page.hear(error.why)
    kind = kind[:1].upper() + kind[1:]
    return page.say("%(kind)s %(name)s: %(why)s.", kind=kind, name=name, why=why)


def show_failure(request: Asked, error: Exception) -> Response[Any]:
    """Answer whatever a handler raised."""
    page = page_of(request)
    if isinstance(error, StaleForm) and (kept := show_stale(error, page)):
        return kept
    match error:
        case DoneBefore():
            return page.compose("done_before.html", before=error)
        case DeskError():
            status, why = status_of(error), sentence_of(error, page)
        case _:
            status, why = failure_of(error, page)
    return page.compose("problem.html", status=status, why=why)
