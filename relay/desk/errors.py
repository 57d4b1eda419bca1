"""Why an act could not be done. Nothing was written.

    DeskError
    ├── NoSuch            there is no such tenant, channel, token, task, delivery or price
    ├── NameTaken         another one has the name
    ├── ReferenceUsed     the reference stands for another amount
    ├── NotPossible       the thing is not in a state for it
    ├── NotTheirs         things that another tenant has
    ├── WebhookSecretKept the tenant has one, which was shown when it was made
    └── Unusable          what was given cannot be taken

The attributes are for the faces, each of which words them for its reader.
"""

from collections.abc import Sequence


class DeskError(Exception):
    """An act was not done, and nothing was written."""


class NoSuch(DeskError):
    def __init__(self, kind: str, name: str | int, known: Sequence[str] = ()) -> None:
        """`known`: the names there are, where they may help."""
        super().__init__(f"there is no {kind} '{name}'")
        self.kind = kind
        self.name = str(name)
        self.known = tuple(known)


class NameTaken(DeskError):
    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"there is a {kind} '{name}' already")
        self.kind = kind
        self.name = name


class ReferenceUsed(DeskError):
    """Under this reference another amount was added; only the operator knows which is meant."""

    def __init__(self, reference: str, *, before_micros: int) -> None:
        super().__init__(f"'{reference}' was already used to add {before_micros} micros")
        self.reference = reference
        self.before_micros = before_micros


class NotPossible(DeskError):
    """The message says what it is instead."""


class NotTheirs(DeskError):
    """These ids are another tenant's on that channel, also if expired or deleted."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"{len(ids)} are another tenant's")
        self.ids = tuple(ids)


class WebhookSecretKept(DeskError):
    def __init__(self, tenant: str) -> None:
        super().__init__(f"'{tenant}' has a webhook secret")
        self.tenant = tenant


class Unusable(DeskError):
    """The message says what is wrong with what was given."""
