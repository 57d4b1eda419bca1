"""The desk's refusals, worded for a terminal: what is wrong, and which command mends it."""

from relay.cli.failure import no_such
from relay.desk.errors import (
    DeskError,
    NameTaken,
    NoSuch,
    NotPossible,
    NotTheirs,
    ReferenceUsed,
    WebhookSecretKept,
)
from relay.money import money

SHOWN_MAX = 5
"""Ids that a refusal names."""
LISTED = frozenset({"tenant", "channel", "token"})
"""Kinds that have a `list` and an `add`."""


def worded(error: DeskError, currency: str) -> str:
    """Say in a sentence why an act was not done."""
    match error:
        case NoSuch():
            said = _no_such(error)
        case NameTaken():
            said = f"{error}; `relay {error.kind} set` changes it"
        case ReferenceUsed():
            said = (
                f"'{error.reference}' was already used to add"
                f" {money(error.before_micros, currency)}; nothing was added: give this amount a"
                " reference of its own"
            )
        case NotTheirs():
            named = ", ".join(error.ids[:SHOWN_MAX]) + (", …" if len(error.ids) > SHOWN_MAX else "")
            said = f"{len(error.ids)} are another tenant's there ({named}); nothing was written"
        case WebhookSecretKept():
            said = (
                f"'{error.tenant}' has a webhook secret, which was shown when it was made;"
                " --rotate makes a new one"
            )
        case NotPossible():
            said = f"{error}; nothing was changed"
        case _:
            said = f"{error}; nothing was written"
    return said


def _no_such(error: NoSuch) -> str:
    if error.kind not in LISTED:
        return f"{error}; nothing was changed"
    otherwise = f"`relay {error.kind} list` names them all"
    if not error.known and error.kind != "token":
        otherwise = f"there are none yet, `relay {error.kind} add` makes one"
    return no_such(error.kind, error.name, error.known, otherwise=otherwise)
