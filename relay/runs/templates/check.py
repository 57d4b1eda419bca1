"""What a template is held to beyond its shape, before anybody may run it."""

import re
from typing import Any

from relay.errors import InvalidParameter
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import EndpointKind
from relay.runs.plan import FROM, LESS, PATH, STEPS_MAX
from relay.runs.templates.given import check_one
from relay.runs.templates.holes import EACH, has_stray_brace, names_in, steps_in, texts_in
from relay.runs.templates.template import KINDS_OF_LIST, Input, InputType, StepTemplate, Written

NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
RESERVED = frozenset({EACH, "cap", "dry_run", "reuse_days"})
"""Words of the path itself, and the hole of `each`."""


class WrongTemplate(ValueError):
    """A template says what cannot be run; the message says where and why."""


def check_written(written: Written, catalogue: Catalogue) -> None:
    """Hold a template to what can be run.

    Raises:
        WrongTemplate
    """
    inputs = _inputs_of(written)
    for place, group in enumerate(written.either):
        for name in group:
            one = _known(name, inputs, f"either[{place}]")
            if one.is_required or one.default is not None:
                raise WrongTemplate(
                    f"either[{place}]: {name!r} is required or has a default: it is always given"
                )
    steps: dict[str, StepTemplate] = {}
    for place, step in enumerate(written.steps):
        at = f"steps[{place}]"
        _check_name(step.name, steps, f"{at}.name")
        _check_step(step, at, inputs=inputs, before=steps, catalogue=catalogue)
        steps[step.name] = step
    _check_twins(steps)
    if not any(step.is_result for step in written.steps):
        raise WrongTemplate("steps: none of them makes a result")
    most = sum(
        1 if step.each is None else int(inputs[step.each].most or 0) for step in written.steps
    )
    if most > STEPS_MAX:
        raise WrongTemplate(f"steps: they may come to {most}, over {STEPS_MAX}")


def _inputs_of(written: Written) -> dict[str, Input]:
    inputs: dict[str, Input] = {}
    for place, one in enumerate(written.inputs):
        at = f"inputs[{place}]"
        _check_name(one.name, inputs, f"{at}.name")
        if one.name in RESERVED:
            raise WrongTemplate(f"{at}.name: {one.name!r} has a meaning of its own")
        _check_input(one, at)
        inputs[one.name] = one
    for place, one in enumerate(written.inputs):
        if one.needed_with is not None:
            _known(one.needed_with, inputs, f"inputs[{place}].needed_with")
    return inputs


def _check_twins(steps: dict[str, StepTemplate]) -> None:
    """Refuse a name that one of several twins may have, too."""
    for place, name in enumerate(steps):
        before, _, number = name.rpartition("-")
        if before in steps and steps[before].each is not None and number.isdigit():
            raise WrongTemplate(f"steps[{place}].name: {name!r} may be a twin of {before!r}")


def _check_input(one: Input, at: str) -> None:
    if not (one.label.en and one.label.zh):
        raise WrongTemplate(f"{at}.label: must say something in both languages")
    if one.is_required and one.default is not None:
        raise WrongTemplate(f"{at}.default: what is required has none")
    if one.type is InputType.LIST and one.of.value not in KINDS_OF_LIST:
        raise WrongTemplate(f"{at}.of: must be one of {', '.join(KINDS_OF_LIST)}")
    if one.choices and one.type not in (InputType.TEXT, InputType.NUMBER):
        raise WrongTemplate(f"{at}.choices: only a text or a number has some")
    if one.default is not None:
        try:
            check_one(one, one.default)
        except InvalidParameter as error:
            raise WrongTemplate(f"{at}.default: {error.message}") from error


def _check_step(
    step: StepTemplate,
    at: str,
    *,
    inputs: dict[str, Input],
    before: dict[str, StepTemplate],
    catalogue: Catalogue,
) -> None:
    _check_endpoint(step, at, catalogue)
    for name in step.conditions:
        _known(name, inputs, f"{at}.when")
    if step.each is not None:
        _check_each(_known(step.each, inputs, f"{at}.each"), f"{at}.each")
    _check_texts(step, at, inputs)
    for name in step.needs:
        _check_source(name, step, f"{at}.needs", before)
    for where, hole in steps_in(step.body, f"{at}.body"):
        _check_hole(hole, where)
        _check_source(hole[FROM], step, where, before)


def _check_texts(step: StepTemplate, at: str, inputs: dict[str, Input]) -> None:
    texts = [*texts_in(step.body, f"{at}.body")]
    if step.model is not None:
        texts.append((f"{at}.model", step.model))
    for where, text in texts:
        if has_stray_brace(text):
            raise WrongTemplate(f"{where}: a brace stands alone; holes are {{name}}")
        for name in names_in(text):
            if name != EACH or step.each is None:
                _known(name, inputs, where)


def _check_hole(hole: dict[str, Any], where: str) -> None:
    is_spelt = all(isinstance(value, str) and value for value in hole.values())
    if not (is_spelt and {FROM, PATH} <= set(hole) <= {FROM, PATH, LESS}):
        raise WrongTemplate(f"{where}: has {FROM}, {PATH} and perhaps {LESS}, as texts")


def _check_endpoint(step: StepTemplate, at: str, catalogue: Catalogue) -> None:
    try:
        endpoint = catalogue.of(step.endpoint)
    except LookupError as error:
        raise WrongTemplate(f"{at}.endpoint: there is no {step.endpoint!r}") from error
    if endpoint.method != "POST" or endpoint.kind not in (EndpointKind.TASK, EndpointKind.CALL):
        raise WrongTemplate(f"{at}.endpoint: {step.endpoint!r} makes nothing")
    if ("{model}" in endpoint.path) != (step.model is not None):
        said = "must be given" if step.model is None else "does not stand in this endpoint's path"
        raise WrongTemplate(f"{at}.model: {said}")


def _check_each(one: Input, at: str) -> None:
    is_countable = one.type is InputType.LIST or (one.type is InputType.NUMBER and one.is_whole)
    if not is_countable:
        raise WrongTemplate(f"{at}: {one.name!r} is neither a list nor a whole number")
    if one.most is None:
        raise WrongTemplate(f"{at}: {one.name!r} has no most, so nobody knows how many it makes")


def _check_source(name: str, step: StepTemplate, at: str, before: dict[str, StepTemplate]) -> None:
    if name not in before:
        raise WrongTemplate(f"{at}: no step {name!r} stands before it")
    if before[name].each not in (None, step.each):
        raise WrongTemplate(f"{at}: {name!r} is made several times; only its twins can take it")


def _check_name(name: str, known: object, at: str) -> None:
    if not NAME.fullmatch(name):
        raise WrongTemplate(f"{at}: {name!r} is no name: a-z, 0-9, and - or _ between them")
    if name in known:  # type: ignore[operator]
        raise WrongTemplate(f"{at}: {name!r} stands twice")


def _known(name: str, inputs: dict[str, Input], at: str) -> Input:
    if name not in inputs:
        raise WrongTemplate(f"{at}: there is no input {name!r}")
    return inputs[name]
