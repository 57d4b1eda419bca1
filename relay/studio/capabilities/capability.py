"""What a capability is: a body with typed fields, and the steps that it becomes."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from relay.errors import InvalidParameter
from relay.kling.models import models_at
from relay.runs.plan import PlannedStep
from relay.studio.models import check_model, default_at

Text = str | UnsetType | None
"""A field that may be left out."""


class Body(msgspec.Struct, kw_only=True):
    """What every create of the studio may say. Fields that nobody knows are passed over."""

    reuse_days: int | UnsetType | None = UNSET
    """How old a result of the very same request may be that is given again, at no charge; without
    it, or with 0, it is made anew."""


class Modelled(Body, kw_only=True):
    """What is made by one of several models."""

    model: Text = UNSET
    model_name: Text = UNSET
    """The same under Kling's name for it."""

    def model_at(self, endpoint: str, default: str | None = None) -> str | None:
        """Say which model is asked for; without a `default`, Kling's own is in a name's place.

        Raises:
            InvalidParameter: the two names name two, or one that Kling does not have there.
        """
        named = {
            field: name
            for field, name in (("model", self.model), ("model_name", self.model_name))
            if isinstance(name, str) and name
        }
        if len(set(named.values())) > 1:
            raise InvalidParameter("model", "and model_name name two models")
        for field, name in named.items():
            check_model(endpoint, name, field=field)
            return name
        return default or default_at(endpoint)


class Rules(msgspec.Struct, frozen=True):
    """What an operator may have set: the words around a tenant's, by capability."""

    prompts: dict[str, dict[str, str]]
    """`prompt` with `{prompt}` in it, and what else a capability has a text for."""

    def prompt(self, capability: str, given: str, *, of: str = "prompt") -> str:
        """Put a tenant's words into those of a capability; without any, its own words alone."""
        template = self.prompts.get(capability, {}).get(of, "{prompt}")
        return " ".join(template.split()).replace("{prompt}", given).strip()


class Media(msgspec.Struct, frozen=True):
    """One field of a body that takes a file: a URL, base64, or the id of an asset."""

    name: str
    is_list: bool = False
    is_video: bool = False
    """Then it takes no base64: Kling takes no video so."""


class Capability(msgspec.Struct, frozen=True):
    """One thing that can be asked for."""

    name: str
    """As runs and prices have it."""
    path: str
    """Below `/api/kling/`."""
    summary: str
    body: type[Body]
    steps: Callable[[Any, Rules], list[PlannedStep]]
    """Of a body that was read: what it becomes.

    Raises InvalidParameter where fields stand against each other."""
    media: tuple[Media, ...]
    endpoint: str
    """Whose models and prices are told of it: that of its result."""
    usual_model: str | None = None
    """Where it is another one than Kling's own for the endpoint."""
    without_effect: tuple[str, ...] = ()
    """Fields that are taken and do nothing, since Kling has nothing of the kind."""

    @property
    def default_model(self) -> str | None:
        """Say which model it is if none is named."""
        return self.usual_model or default_at(self.endpoint)

    @property
    def models(self) -> tuple[str, ...]:
        """List the models that can be named, the default first."""
        models = models_at(self.endpoint)
        first = self.usual_model
        return models if first is None else (first, *(one for one in models if one != first))


def given(**fields: Any) -> dict[str, Any]:
    """Leave out what was left out, and what is null or empty: to Kling that is the same."""
    return {
        name: value
        for name, value in fields.items()
        if value is not UNSET and value is not None and value not in ("", [])
    }


def either(**fields: Any) -> dict[str, Any]:
    """Take the one of several fields that is given.

    Raises:
        InvalidParameter: none of them is, or several are.
    """
    found = given(**fields)
    if len(found) != 1:
        names = " or ".join(fields)
        said = "one of them has to be given" if not found else "only one of them can be given"
        raise InvalidParameter(next(iter(fields)), f"is one of {names}: {said}")
    return found


def needed(name: str, value: Any) -> Any:
    """Refuse an empty text or list where something is needed.

    Raises:
        InvalidParameter
    """
    if not value or value is UNSET:
        raise InvalidParameter(name, "must be given")
    return value
