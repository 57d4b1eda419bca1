"""What lives on one account and is named by id: made there, unknown everywhere else."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from relay.sandbox.errors import Refusal
from relay.sandbox.presets import PRESET_ELEMENTS, PRESET_VOICES

ThingKind = Literal["video", "audio", "element", "voice", "session"]

_DAY_MS = 24 * 60 * 60 * 1000
LIVES_MS: dict[ThingKind, int] = {"video": 30 * _DAY_MS, "audio": 30 * _DAY_MS, "session": _DAY_MS}
"""How long an id can be named (section 12); elements and voices stay until they are deleted."""


@dataclass(slots=True)
class Thing:
    """One id, with what later calls need to know of it."""

    kind: ThingKind
    id: str
    made_ms: int
    seconds: int = 5
    model: str = ""
    mode: str = ""
    is_deleted: bool = False
    shown: dict[str, Any] = field(default_factory=dict)
    """How lists show it, where they show more than the id."""
    marks: dict[int, list[dict[str, float]]] = field(default_factory=dict)
    """A session's marked frames: the points of each."""

    def is_known(self, now_ms: int) -> bool:
        """Tell whether a request may still name it."""
        lives_ms = LIVES_MS.get(self.kind)
        return not self.is_deleted and (lives_ms is None or now_ms - self.made_ms < lives_ms)


_PRESETS: dict[tuple[ThingKind, str], Thing] = {
    ("element", str(one["element_id"])): Thing("element", str(one["element_id"]), 0)
    for one in PRESET_ELEMENTS
} | {
    ("voice", str(one["voice_id"])): Thing("voice", str(one["voice_id"]), 0)
    for one in PRESET_VOICES
}


class Things:
    """Every account's things. `owner` is its access key."""

    def __init__(self) -> None:
        self._of: defaultdict[str, dict[tuple[ThingKind, str], Thing]] = defaultdict(dict)

    def add(self, owner: str, thing: Thing) -> Thing:
        """Make `thing` known to `owner`."""
        self._of[owner][thing.kind, thing.id] = thing
        return thing

    def find(self, owner: str, kind: ThingKind, name: str, *, now_ms: int) -> Thing | None:
        """Find what `owner` may name: its own, or a preset of Kling's."""
        return self.own(owner, kind, name, now_ms=now_ms) or _PRESETS.get((kind, name))

    def own(self, owner: str, kind: ThingKind, name: str, *, now_ms: int) -> Thing | None:
        """Find what `owner` made itself."""
        thing = self._of[owner].get((kind, name))
        return thing if thing is not None and thing.is_known(now_ms) else None

    def was_deleted(self, owner: str, kind: ThingKind, name: str) -> bool:
        """Tell whether `owner` made it once and deleted it."""
        thing = self._of[owner].get((kind, name))
        return thing is not None and thing.is_deleted

    def shown(self, owner: str, kind: ThingKind) -> list[dict[str, Any]]:
        """List what there is to show of one kind, the newest first."""
        own = reversed(self._of[owner].values())
        return [thing.shown for thing in own if thing.kind == kind and thing.shown]

    def need(
        self,
        owner: str,
        ids: tuple[tuple[ThingKind, str], ...],
        values: dict[str, object],
        *,
        now_ms: int,
    ) -> list[Thing]:
        """Find everything that a body names; `ids` says where.

        Raises:
            Refusal: 1201 an id is unknown to the account, or no id at all. Its message names it.
        """
        found = []
        for kind, where in ids:
            for name in values_at(values, where):
                if isinstance(name, bool) or not isinstance(name, int | str):
                    raise Refusal(1201, f"{where} must be an id")
                thing = self.find(owner, kind, str(name), now_ms=now_ms)
                if thing is None:
                    raise Refusal(1201, f"{where} {str(name)[:100]} not found")
                found.append(thing)
        return found

    def clear(self) -> None:
        """Forget all of them."""
        self._of.clear()


def values_at(values: object, where: str) -> Iterator[object]:
    """Read what stands at `a.b[].c`; what is absent, null, "" or of another shape is skipped."""
    name, _, rest = where.partition(".")
    value = values.get(name.removesuffix("[]")) if isinstance(values, dict) else None
    items = value if name.endswith("[]") and isinstance(value, list) else [value]
    for item in items:
        if rest:
            yield from values_at(item, rest)
        elif item is not None and item != "":
            yield item
