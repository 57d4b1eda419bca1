"""Judges a create by the rules of its endpoint, before anybody else does."""

from relay.errors import InvalidParameter
from relay.kling.endpoint import Endpoint
from relay.kling.lint.edits import EDITS
from relay.kling.lint.given import Given, Unclear, given_in
from relay.kling.lint.images import IMAGES
from relay.kling.lint.new import NEW
from relay.kling.lint.rules import Broken, Rule, first_broken
from relay.kling.lint.sounds import SOUNDS
from relay.kling.lint.videos import VIDEOS
from relay.kling.models import models_at
from relay.kling.wire import Fields

RULES: dict[str, tuple[Rule, ...]] = VIDEOS | EDITS | IMAGES | SOUNDS | NEW
"""By the endpoint's name. Of one that is not here nothing is known that could be refused."""


def lint(endpoint: Endpoint, fields: Fields, model: str | None = None) -> Broken | None:
    """Find what Kling is documented to refuse in a body; None if there is no such thing.

    `model`: as it stands in the path of a 2.0 create; else it is read from `model_name`. No name of
    a model is refused, and one that is not known, or spelt oddly, has no rules of its own.
    """
    rules = RULES.get(endpoint.name)
    if rules is None:
        return None
    given = given_in(fields)
    broken = None
    for one in _models(endpoint, given) if model is None else (model,):
        broken = first_broken(rules, given, one)
        if broken is None:
            return None
    return broken


def check(endpoint: Endpoint, fields: Fields, model: str | None = None) -> None:
    """Raise InvalidParameter, as Kling's own 400/1201, of what `lint` finds."""
    broken = lint(endpoint, fields, model)
    if broken is not None:
        raise InvalidParameter(broken.field, broken.why)


def _models(endpoint: Endpoint, given: Given) -> tuple[str | None, ...]:
    """List which model it may be. None named may be any: the default is what Kling changes."""
    field = endpoint.pricing.model
    if field is None:
        return (None,)
    try:
        named = given.text(field.name)
    except Unclear:
        return (None,)
    return (named,) if named else (field.default, *models_at(endpoint.name))
