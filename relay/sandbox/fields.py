"""A request body as Kling reads it: leniently as to types, strictly as to values.

Kling's own examples send numbers and booleans as strings, so `5`, `5.0`, `"5"` and `true`, `"true"`
are the same. null and `""` are the same as an absent field. Every refusal names its field.
"""

import math
from collections.abc import Collection

from relay.sandbox.errors import Refusal


class Fields:
    """One JSON object; `where` is its place in the body, for messages (`multi_prompt[0].`)."""

    def __init__(self, values: dict[str, object], where: str = "") -> None:
        self._values = values
        self._where = where

    def refusal(self, name: str, why: str) -> Refusal:
        """Build the 400/1201 that names `name`; the caller raises it."""
        return Refusal(1201, f"{self._where}{name} {why}")

    def has(self, name: str) -> bool:
        """Tell whether the field says anything: null, "" and [] do not."""
        value = self._values.get(name)
        return value is not None and value not in ("", [])

    def need(self, *names: str) -> None:
        """Refuse a body that has none of `names`."""
        if not any(self.has(name) for name in names):
            raise self.refusal(" or ".join(names), "is required")

    def text(self, name: str, *, longest: int | None = None) -> str:
        """Read a string, "" if absent."""
        if not self.has(name):
            return ""
        value = self._values[name]
        if not isinstance(value, str):
            raise self.refusal(name, "must be a string")
        if longest is not None and len(value) > longest:
            raise self.refusal(name, f"must be at most {longest} characters")
        return value

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """Read one of `choices`, `default` if absent."""
        value = self.text(name) or default
        if value not in choices:
            raise self.refusal(name, f"must be one of {', '.join(choices)}")
        return value

    def is_word(self, name: str, word: str) -> bool:
        """Tell whether the field is this very string."""
        return self._values.get(name) == word

    def flag(self, name: str) -> bool:
        """Read a boolean, False if absent."""
        if not self.has(name):
            return False
        match self._values[name]:
            case bool() as value:
                return value
            case str() as word if word.lower() in {"true", "false"}:
                return word.lower() == "true"
            case _:
                raise self.refusal(name, "must be a boolean")

    def number(
        self, name: str, *, lowest: float, highest: float, default: float | None = None
    ) -> float:
        """Read a number within bounds, `default` if absent; without one the field is required."""
        if not self.has(name) and default is not None:
            return default
        number = _float_of(self._values.get(name))
        if number is None:
            raise self.refusal(name, "must be a number")
        if not math.isfinite(number) or not lowest <= number <= highest:
            raise self.refusal(name, f"must be between {lowest:g} and {highest:g}")
        return number

    def whole(self, name: str, allowed: Collection[int], default: int) -> int:
        """Read one of the whole numbers `allowed`, `default` if absent."""
        number = self.number(name, lowest=-1e15, highest=1e15, default=default)
        if number not in allowed:
            if isinstance(allowed, range):
                why = f"must be a whole number between {allowed[0]} and {allowed[-1]}"
            else:
                why = f"must be one of {', '.join(map(str, allowed))}"
            raise self.refusal(name, why)
        return int(number)

    def part(self, name: str) -> "Fields":
        """Read a nested object, an empty one if absent."""
        value = self._values.get(name) if self.has(name) else {}
        if not isinstance(value, dict):
            raise self.refusal(name, "must be an object")
        return Fields(value, f"{self._where}{name}.")

    def parts(self, name: str, *, most: int) -> "list[Fields]":
        """Read a list of objects, [] if absent."""
        value = self._values.get(name) if self.has(name) else []
        if not isinstance(value, list):
            raise self.refusal(name, "must be an array")
        if len(value) > most:
            raise self.refusal(name, f"must have at most {most} items")
        for item in value:
            if not isinstance(item, dict):
                raise self.refusal(name, "must be an array of objects")
        return [Fields(item, f"{self._where}{name}[{i}].") for i, item in enumerate(value)]

    def texts(self, name: str) -> list[str]:
        """Read a list of strings, [] if absent."""
        value = self._values.get(name) if self.has(name) else []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.refusal(name, "must be an array of strings")
        return value

    def picture(self, name: str) -> bool:
        """Check an image: a URL, or base64 without `data:` (section 12). True if it is there."""
        if self.text(name).startswith("data:"):
            raise self.refusal(name, "must be a URL or base64 without a data: prefix")
        return self.has(name)


def _float_of(value: object) -> float | None:
    """Read a JSON number or a string that is one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
