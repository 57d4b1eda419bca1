"""What all routes have in common: whose role may take them, and the errors that each can have."""

from typing import Any

from relay.admin.acting import may
from relay.admin.problems import declared

ACT = "act"
"""Under which name a route says what it does, as the table of roles names it."""


STREAMS = "streams"
"""What says of a route that `Accept` has it answer as CSV and as JSON lines, too."""


def reads(act: str, *errors: int, streams: bool = False) -> dict[str, Any]:
    """Declare a route that changes nothing; `errors`: besides those that any has."""
    found = _of(act, 400, 403, *errors)
    found["opt"][STREAMS] = streams
    return found


def acts(act: str, *errors: int) -> dict[str, Any]:
    """Declare a route that does an act of the desk: it may be refused, or in somebody's way."""
    return _of(act, 400, 403, 409, 413, *errors)


def _of(act: str, *errors: int) -> dict[str, Any]:
    return {"guards": [may(act)], "responses": declared(*errors), "opt": {ACT: act}}
