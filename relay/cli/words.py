"""The desk's refusals, worded for a terminal: what is wrong, and which command mends it."""

from relay.cli.failure import no_such
from relay.desk.errors import (
    Busy,
    DeskError,
    InUse,
    NameTaken,
    NoSuch,
    NotPossible,
    NotTheirs,
    ReferenceUsed,
    SameAccount,
    WebhookSecretKept,
    WebhookSecretSigns,
)
from relay.money import decimal_of, money

SHOWN_MAX = 5
"""Ids that a refusal names."""
NAMED = frozenset({"tenant", "channel", "operator"})
"""Kinds that have names, which an `add` gives."""
HOW_TO_FIND = {
    "token": "; `relay token list` shows them",
    "operator token": "; `relay operator token list` shows them",
    "session": "; `relay operator sessions` shows them",
    "delivery": "; `relay delivery list` names them",
    "invoice": "; `relay invoice list` shows them",
    "batch of codes": "; `relay code list` shows them",
    "code": "; `relay code list` shows of which batches there are some",
    "asset": "; `relay asset list` shows them",
    "change": "; `relay changes list` shows them",
    "pause": "; `relay pause list` shows them",
    "price": "; `relay price list` shows them",
    "multiplier": "; `relay price multipliers` shows them",
    "alert place": "; `relay alert list` shows them",
    "notice place": "; `relay notify list` shows them",
    "task": " (by our id; `relay task show` takes any id)",
}
"""Of the others, what follows "there is none"."""


def worded(error: DeskError, currency: str) -> str:
    """Say in a sentence why an act was not done."""
    match error:
        case NoSuch():
            said = _no_such(error)
        case NameTaken(renamed=None) if error.kind in NAMED:
            said = f"{error}; `relay {error.kind} set` changes it"
        case ReferenceUsed():
            said = (
                f"'{error.reference}' was already used to add"
                f" {money(error.before_micros, currency)} ({error.before_kind}) to"
                f" '{error.tenant}'; nothing was added:"
                f" give {money(error.amount_micros, currency)} a reference of its own"
            )
        case NotTheirs():
            named = ", ".join(error.ids[:SHOWN_MAX]) + (", …" if len(error.ids) > SHOWN_MAX else "")
            said = f"{error} ({named}); nothing was written"
        case WebhookSecretKept() | WebhookSecretSigns():
            said = f"{error}{_what_takes_its_place(error)}"
        case SameAccount():
            said = (
                f"{error}, and two channels of one account share its limits; nothing was written:"
                " --same-account takes it all the same"
            )
        case InUse():
            is_live = _what_is_live(error, currency)
            said = f"{error.kind} '{error.name}' is in use: {is_live}; nothing was changed"
        case NotPossible():
            said = f"{error}; nothing was changed"
        case Busy():
            said = f"{error}; nothing was changed: try again"
        case _:
            said = f"{error}; nothing was written"
    return said


def _what_takes_its_place(error: WebhookSecretKept | WebhookSecretSigns) -> str:
    if isinstance(error, WebhookSecretKept):
        return ", which was shown when it was made; --rotate makes a new one"
    return "; nothing was changed: --end-former ends that one now"


def _what_is_live(error: InUse, currency: str) -> str:
    live = []
    if error.tasks:
        live.append(f"{_counted(error.tasks, 'task')} not over (`relay task list` has them)")
    if error.deliveries:
        live.append(
            f"{_counted(error.deliveries, 'callback')} still to be made"
            f" (`relay delivery list --tenant {error.name} --state due`)"
        )
    if error.quota_micros:
        owed = ", which it owes" if error.quota_micros < 0 else ""
        live.append(
            f"its quota is {money(error.quota_micros, currency)}{owed} (`relay tenant adjust"
            f" {error.name} {decimal_of(-error.quota_micros)} --reason …` makes it 0)"
        )
    return ", ".join(live)


def _counted(number: int, what: str) -> str:
    return f"1 {what} is" if number == 1 else f"{number} {what}s are"


def _no_such(error: NoSuch) -> str:
    if error.kind == "alert rule":
        otherwise = "`relay alert list` names them all"
        return no_such(error.kind, str(error.name), error.known, otherwise=otherwise)
    if error.kind not in NAMED:
        return f"{error}{HOW_TO_FIND.get(error.kind, '')}"
    otherwise = f"`relay {error.kind} list` names them all"
    if not error.known:
        otherwise = f"there are none yet, `relay {error.kind} add` makes one"
    return no_such(error.kind, str(error.name), error.known, otherwise=otherwise)
