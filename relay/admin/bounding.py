"""Limits and gates as bodies name them, and as the desk takes them."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from relay.admin.bodies import Micros, Moment, Name
from relay.desk.gates import GateChanges
from relay.desk.limits import COUNT_MAX
from relay.desk.office import Office
from relay.limits.tables import LimitKind

Few = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class LimitsPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not named stays as it is; null is no limit."""

    day_micros: Micros | UnsetType | None = UNSET
    """Spent in a day of the relay's time zone: what ended tasks cost, and what live ones hold."""
    week_micros: Micros | UnsetType | None = UNSET
    month_micros: Micros | UnsetType | None = UNSET
    total_micros: Micros | UnsetType | None = UNSET
    task_micros: Micros | UnsetType | None = UNSET
    """What one task may cost."""
    in_flight: Few | UnsetType | None = UNSET
    """Tasks that run or wait for room at a time."""
    rate: Few | UnsetType | None = UNSET
    """Creates a second."""


class GatePatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not named stays as it is; null is no bound."""

    expires_at: Moment | UnsetType | None = UNSET
    addresses: list[Name] | UnsetType | None = UNSET
    """Addresses or networks that it is taken from."""
    endpoints: list[Name] | UnsetType | None = UNSET
    models: list[Name] | UnsetType | None = UNSET


def allowed_of(data: LimitsPatch) -> Mapping[LimitKind, int | None]:
    """Spell the limits that are named as the desk takes them."""
    given = {kind: getattr(data, kind.named()) for kind in LimitKind}
    return {kind: value for kind, value in given.items() if value is not UNSET}


def gates_of(data: GatePatch, office: Office) -> GateChanges:
    """Spell bounds as the desk takes them; endpoints are known here."""
    for name in data.endpoints or ():
        office.check_endpoint(name)
    return GateChanges(**msgspec.structs.asdict(data))
