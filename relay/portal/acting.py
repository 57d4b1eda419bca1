"""What a form has done by `/relay/…`, or is refused beside the field that it is about."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from relay.errors import (
    DeliveryNotFound,
    InvalidParameter,
    NoticePlaceNotFound,
    PortalSessionNotFound,
    RelayError,
    ScopeTooSmall,
    TokenNotFound,
)
from relay.html.form import Form
from relay.portal.asking import KlingSaid
from relay.portal.page import Page
from relay.portal.problems import sentence_of

OK, WRONG = 200, 422
COMMAS = re.compile("[,\n\uff0c\u3001]")
GONE = (TokenNotFound, DeliveryNotFound, NoticePlaceNotFound, PortalSessionNotFound, ScopeTooSmall)


async def attempt(
    page: Page, form: Form, asked: Callable[[], Awaitable[Any]], **fields: str
) -> tuple[Any, int]:
    """Ask for it, and give what was answered, and the status to answer with.

    Where the form is not right, or it is refused, nothing was done, and `form.errors` says why.
    `fields`: of the form, by what the answer calls them.

    Raises:
        RelayError: what it is about is not the tenant's, or its key may not do it.
        SentBefore: the same form did it before.
    """
    if not form.is_right:
        return None, WRONG
    try:
        return await asked(), OK
    except GONE:
        raise
    except InvalidParameter as error:
        name = fields.get(error.field, error.field)
        beside = name if name in form.values else ""
        told = str(error).removeprefix(f"{error.field}: ") if beside else str(error)
        form.errors[beside] = page.sentence(told)
        return None, WRONG
    except (RelayError, KlingSaid) as error:
        form.errors[""] = sentence_of(error, page)
        return None, error.status if isinstance(error, KlingSaid) else error.http_status


def read_names(form: Form, name: str) -> list[str] | None:
    """Read names with commas between them, Chinese ones too; None where nothing was typed."""
    given = form.text(name, most=2000)
    if given is None:
        return None
    parts = map(str.strip, COMMAS.split(given))
    return [part for part in parts if part] or None
