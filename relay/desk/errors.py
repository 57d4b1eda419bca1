"""Why an act could not be done.

    DeskError
    ├── NoSuch             there is no such tenant, channel, token, task, delivery or price
    ├── NameTaken          another one has the name
    ├── SameAccount        another channel has this Kling account
    ├── InUse              what is to be removed still has something live
    ├── ReferenceUsed      the reference stands for another amount or kind
    ├── NotPossible        the thing is not in a state for it
    ├── NotTheirs          things that another tenant has
    ├── WebhookSecretKept  the tenant has one, which was shown when it was made
    ├── WebhookSecretSigns another one is in force, or a former one would end by it
    ├── Unusable           what was given cannot be taken
    ├── NotAllowed         the operator's role may not do it
    ├── OverCeiling        it would come to more than the operator may in 24 hours
    ├── DoneBefore         the same form was sent before, and done
    ├── Stale              it was changed since whoever acts has read it
    └── Busy               somebody else is writing the same just now
        └── Occupied       something else that takes as long is under way here

The caller rolls back, and then nothing was written. The attributes are for the faces, each of which
words them for its reader.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from relay.money import decimal_of


class DeskError(Exception):
    """An act was not done; what it wrote before it found out is to be rolled back."""


class NoSuch(DeskError):
    def __init__(self, kind: str, name: str | int, known: Sequence[str] = ()) -> None:
        """`name`: as it was given, our id as a number; `known`: the names that there are."""
        super().__init__(f"there is no {kind} {_spelt(name)}")
        self.kind = kind
        self.name = name
        self.known = tuple(known)


class NameTaken(DeskError):
    def __init__(self, kind: str, name: str, *, renamed: str | None = None) -> None:
        """`renamed`: what was to get the name; None is a new thing."""
        super().__init__(f"there is a {kind} '{name}' already")
        self.kind = kind
        self.name = name
        self.renamed = renamed


class ReferenceUsed(DeskError):
    """Under this reference something else was added; only the operator knows which is meant."""

    def __init__(
        self,
        reference: str,
        *,
        tenant: str,
        before_micros: int,
        before_kind: str,
        amount_micros: int,
    ) -> None:
        super().__init__(f"'{reference}' was already used to add {before_micros} micros")
        self.reference = reference
        self.tenant = tenant
        self.before_micros = before_micros
        self.before_kind = before_kind
        self.amount_micros = amount_micros


class SameAccount(DeskError):
    """Two channels of one account share its limits, and what one refused the other does too."""

    def __init__(self, channel: str) -> None:
        super().__init__(f"'{channel}' is this Kling account already")
        self.channel = channel


class InUse(DeskError):
    def __init__(
        self, kind: str, name: str, *, tasks: int, deliveries: int = 0, quota_micros: int = 0
    ) -> None:
        """`tasks`: live, or still to be looked at; `deliveries`: still to be made."""
        left = (
            f"{tasks} live tasks" if tasks else "",
            f"{deliveries} callbacks to be made" if deliveries else "",
            f"{decimal_of(quota_micros)} of quota left" if quota_micros > 0 else "",
            f"{decimal_of(-quota_micros)} to pay" if quota_micros < 0 else "",
        )
        super().__init__(f"{kind} '{name}' is in use: it has {', '.join(filter(None, left))}")
        self.kind = kind
        self.name = name
        self.tasks = tasks
        self.deliveries = deliveries
        self.quota_micros = quota_micros


class NotPossible(DeskError):
    def __init__(self, kind: str, name: str | int, why: str, *, field: str = "") -> None:
        """`name`: ours, or our id as a number; `why`: a sentence about "it".

        `field`: as the office's documents name it, where another one could have been done.
        """
        super().__init__(f"{kind} {_spelt(name)}: {why}")
        self.kind = kind
        self.name = name
        self.why = why
        self.field = field


class NotTheirs(DeskError):
    """Some ids are another tenant's on that channel, also if expired or deleted."""

    def __init__(self, ids: Sequence[str], *, channel: str, asked: int) -> None:
        """`asked`: of how many."""
        super().__init__(f"{len(ids)} of {asked} are another tenant's on '{channel}'")
        self.ids = tuple(ids)
        self.channel = channel
        self.asked = asked


class WebhookSecretKept(DeskError):
    def __init__(self, tenant: str) -> None:
        super().__init__(f"'{tenant}' has a webhook secret")
        self.tenant = tenant


class WebhookSecretSigns(DeskError):
    """Another secret is in force than was to be replaced, or a former one would end unsaid."""

    def __init__(self, tenant: str, until: datetime | None) -> None:
        """`until`: of the former one; None: the one in force is another."""
        why = "was given another webhook secret meanwhile"
        if until is not None:
            at = f"{until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            why = f"has a former webhook secret that signs until {at}"
        super().__init__(f"'{tenant}' {why}")
        self.tenant = tenant
        self.until = until


class Unusable(DeskError):
    """The message says what is wrong with what was given, and does not repeat a secret."""

    def __init__(self, why: str, *, field: str = "") -> None:
        """`field`: as the office's documents name it, where it is about one."""
        super().__init__(why)
        self.field = field


class NotAllowed(DeskError):
    def __init__(self, act: str, role: str | None) -> None:
        """`act`: as changes name it; `role`: None of an operator that was removed."""
        whose = "who was removed" if role is None else f"with the role {role}"
        super().__init__(f"an operator {whose} may not do {act}")
        self.act = act
        self.role = role


class OverCeiling(DeskError):
    def __init__(self, act: str, *, ceiling_micros: int, spent_micros: int) -> None:
        """`spent_micros`: in the last 24 hours, with the act that was refused."""
        super().__init__(
            f"{act} would come to {decimal_of(spent_micros)} in 24 hours, and its ceiling is"
            f" {decimal_of(ceiling_micros)}"
        )
        self.act = act
        self.ceiling_micros = ceiling_micros
        self.spent_micros = spent_micros


class Stale(DeskError):
    """What is to be changed is not what whoever acts has read."""

    def __init__(self) -> None:
        super().__init__("it was changed since it was read")


class DoneBefore(DeskError):
    """The same form was sent before, and done."""

    def __init__(self, act: str, kind: str, name: str, at: datetime) -> None:
        super().__init__("it was done before, by the same form")
        self.act = act
        self.kind = kind
        self.name = name
        self.at = at


class Busy(DeskError):
    def __init__(self) -> None:
        super().__init__("somebody else is writing the same just now")


class Occupied(Busy):
    def __init__(self) -> None:
        DeskError.__init__(self, "something else that takes as long is under way here")


def _spelt(name: str | int) -> str:
    return str(name) if isinstance(name, int) else f"'{name}'"
