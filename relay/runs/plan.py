"""What a run is made of before it begins: steps as data, with holes for what others make.

A value that is `{"$from": "speech", "path": "task_result.audios.0.id"}` stands for what the step
`speech` made: `path` goes into `data` of Kling's reply, by names and by places in lists. With
`"less"`, a second such path, it stands for the difference of two numbers.
"""

from typing import Any

import msgspec

FROM, PATH, LESS = "$from", "path", "less"
STEPS_MAX = 50
"""Of one run: what it holds at once is bounded by that, too."""


class PlannedStep(msgspec.Struct, frozen=True):
    """One create of a run."""

    name: str
    endpoint: str
    """By our name of it."""
    body: dict[str, Any]
    model: str | None = None
    """As it stands in the path of a 2.0 create."""
    needs: tuple[str, ...] = ()
    """Beside those that its body takes something from."""
    price_name: str | None = None
    """Of what price rows it is charged by, if not its endpoint's; "" is free of charge."""
    share_micros: int | None = None
    """What it is charged of its run's price, which was divided; then no row prices it."""
    is_result: bool = True

    @property
    def all_needs(self) -> tuple[str, ...]:
        """Name the steps that must have ended well before it begins."""
        return tuple(dict.fromkeys((*self.needs, *(hole[FROM] for hole in _holes(self.body)))))

    @property
    def takes(self) -> tuple[str, ...]:
        """Name what its body takes of what others make, each as `name.path`."""
        return tuple(dict.fromkeys(f"{hole[FROM]}.{hole[PATH]}" for hole in _holes(self.body)))


class Plan(msgspec.Struct, frozen=True):
    """All steps of a run, in the order in which people read them."""

    kind: str
    steps: tuple[PlannedStep, ...]

    def __post_init__(self) -> None:
        """Hold it to what can be run; templates are checked as they are read.

        Raises:
            ValueError: a name stands twice, or a step needs what does not stand before it.
        """
        seen: set[str] = set()
        if not 0 < len(self.steps) <= STEPS_MAX:
            raise ValueError(f"a run has 1 to {STEPS_MAX} steps, not {len(self.steps)}")
        for step in self.steps:
            missing = [name for name in step.all_needs if name not in seen]
            if step.name in seen or missing:
                raise ValueError(f"step {step.name!r} stands twice, or needs {missing} before it")
            seen.add(step.name)


class NotMade(Exception):
    """A step before did not make what this one takes; the words are for its tenant."""


def filled(value: Any, outputs: dict[str, Any]) -> Any:
    """Put what steps made in the place of the holes; `outputs`: by step, `data` of Kling's reply.

    Raises:
        NotMade
    """
    if isinstance(value, dict):
        if FROM in value:
            return _found(value, outputs)
        return {name: filled(one, outputs) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, outputs) for one in value]
    return value


def made_by(step: str, path: str, *, less: str | None = None) -> dict[str, Any]:
    """Spell a hole."""
    return {FROM: step, PATH: path} | ({} if less is None else {LESS: less})


def with_samples(value: Any) -> Any:
    """Put a text in the place of each hole: what prices a step depends on none of them."""
    if isinstance(value, dict):
        if FROM in value:
            return "0"
        return {name: with_samples(one) for name, one in value.items()}
    if isinstance(value, list):
        return [with_samples(one) for one in value]
    return value


def has_hole(value: Any) -> bool:
    """Tell whether somebody's input looks like a hole: what a tenant sends is never one."""
    if isinstance(value, dict):
        return FROM in value or any(has_hole(one) for one in value.values())
    return isinstance(value, list) and any(has_hole(one) for one in value)


def _found(hole: dict[str, Any], outputs: dict[str, Any]) -> Any:
    found = _at(hole[FROM], hole[PATH], outputs)
    if LESS not in hole:
        return found
    less = _at(hole[FROM], hole[LESS], outputs)
    if isinstance(found, int) and isinstance(less, int):
        return found - less
    raise NotMade(f"{hole[FROM]!r} made no numbers where they are needed")


def _at(step: str, path: str, outputs: dict[str, Any]) -> Any:
    found: Any = outputs.get(step)
    for part in path.split("."):
        try:
            found = found[int(part)] if isinstance(found, list) else found[part]
        except (KeyError, IndexError, TypeError, ValueError):
            found = None
        if found is None:
            raise NotMade(f"{step!r} made nothing that could be gone on with")
    return found


def _holes(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        if FROM in value:
            return [value]
        return [hole for one in value.values() for hole in _holes(one)]
    if isinstance(value, list):
        return [hole for one in value for hole in _holes(one)]
    return []
