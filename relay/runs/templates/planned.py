"""A template with what it was given, as a plan of a run."""

from collections.abc import Mapping
from typing import Any

from relay.errors import InvalidParameter
from relay.runs.plan import Plan, PlannedStep
from relay.runs.templates.holes import EACH, fill
from relay.runs.templates.template import StepTemplate, Template


def plan_of(template: Template, values: Mapping[str, Any]) -> Plan:
    """Plan a run of a template; `values` as `check_given` returns them.

    Raises:
        InvalidParameter: nothing is to be made of these inputs.
    """
    made: list[StepTemplate] = []
    planned: list[PlannedStep] = []
    for step in template.steps:
        if any(name not in values for name in step.conditions):
            continue
        made.append(step)
        for place, item in enumerate(_items(step, values)):
            planned.append(_step(step, item, place, values=values, before=made))
    if not any(step.is_result for step in planned):
        raise InvalidParameter(
            template.inputs[0].name if template.inputs else "body", "nothing is to be made of this"
        )
    return Plan(template.kind, tuple(planned))


def _step(
    step: StepTemplate,
    item: Any,
    place: int,
    *,
    values: Mapping[str, Any],
    before: list[StepTemplate],
) -> PlannedStep:
    names = {one.name: _name(one, place) for one in before if one.each in (None, step.each)}
    own = {**values, EACH: item} if step.each is not None else values
    model = None if step.model is None else fill(step.model, own, names)
    return PlannedStep(
        names[step.name],
        step.endpoint,
        fill(step.body, own, names),
        model=model if isinstance(model, str) else None,
        needs=tuple(names[name] for name in step.needs if name in names),
        is_result=step.is_result,
    )


def _items(step: StepTemplate, values: Mapping[str, Any]) -> list[Any]:
    """List what a step is made for."""
    if step.each is None:
        return [None]
    over = values.get(step.each, [])
    return over if isinstance(over, list) else list(range(1, int(over) + 1))


def _name(step: StepTemplate, place: int) -> str:
    return step.name if step.each is None else f"{step.name}-{place + 1}"
