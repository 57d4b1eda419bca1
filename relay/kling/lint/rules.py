"""The kinds of rules. Each says of a body what is broken, or None."""

import re
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import NamedTuple

import msgspec
from msgspec import Raw

from relay.kling.lint.given import Given, Unclear, items_in, number_in, size_of, start_of, text_in
from relay.kling.media import SCHEME
from relay.kling.words import meant_by

WEB = ("http://", "https://")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,15}://")
TRUE_OR_FALSE = ("true", "false")
"""What some write for on and off."""


class Broken(NamedTuple):
    """A rule that a body breaks."""

    field: str
    """By its path, with the numbers of items: `multi_prompt[0].prompt`."""
    why: str
    """What the field must be, to follow its name."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule."""

    source: str
    """Section of docs/kling-api.md."""
    models: tuple[str, ...] = ()
    """For these alone; else for all, also for those that nobody knows yet."""
    when: Callable[[Given], bool] | None = None
    """Whether it applies to a body; Unclear if nobody can say."""

    def broken(self, given: Given) -> Broken | None:
        """Judge a body.

        Raises:
            Unclear: Kling may read it otherwise.
        """
        raise NotImplementedError


class OnValue(Rule, frozen=True, kw_only=True):
    """A rule on each value at a path, where there is one."""

    path: str

    def broken(self, given: Given) -> Broken | None:
        for name, raw in given.values(self.path):
            why = None if raw is None else self.why(raw)
            if why is not None:
                return Broken(name, why)
        return None

    def why(self, raw: Raw) -> str | None:
        """Say what is wrong with one value."""
        raise NotImplementedError


class Needed(Rule, frozen=True, kw_only=True):
    """Present, or one of `or_else` is. Inside of an object only where that is there."""

    path: str
    or_else: tuple[str, ...] = ()

    def broken(self, given: Given) -> Broken | None:
        for index, (name, raw) in enumerate(given.values(self.path)):
            others = [given.values(other)[index].raw for other in self.or_else]
            if raw is None and all(other is None for other in others):
                also = "".join(f", or {_last(other)}" for other in self.or_else)
                return Broken(name, f"is required{also}")
        return None


class Exclusive(Rule, frozen=True, kw_only=True):
    """At most one of these, in one object; `a b` is a group of fields that go together."""

    paths: tuple[str, ...]

    def broken(self, given: Given) -> Broken | None:
        head, _, _ = self.paths[0].rpartition(".")
        name = head.removesuffix("[]")
        for inner in given.objects(name) if name else [given]:
            there = [
                path
                for group in self.paths
                if (path := next((one for one in group.split() if inner.has(_last(one))), None))
            ]
            if len(there) > 1:
                (first, _) = inner.values(_last(there[0]))[0]
                others = " and ".join(_last(path) for path in there[1:])
                return Broken(first, f"cannot be used with {others}")
        return None


class Word(OnValue, frozen=True, kw_only=True):
    """One of these words, or like one of them."""

    words: tuple[str, ...]
    also: tuple[str, ...] = ()
    """Words that are let pass and not named."""

    def why(self, raw: Raw) -> str | None:
        if meant_by(text_in(raw), (*self.words, *self.also)):
            return None
        return f"must be one of {', '.join(self.words)}"


class Number(OnValue, frozen=True, kw_only=True):
    """A number within bounds; whole if `is_whole`, one of `among` if there are such."""

    least: str = ""
    most: str = ""
    is_whole: bool = False
    among: tuple[int, ...] = ()
    also: tuple[str, ...] = ()
    """Words in place of a number."""

    def why(self, raw: Raw) -> str | None:
        number = number_in(raw)
        if number is None:
            if self.also and meant_by(text_in(raw), self.also):
                return None
            return self._must()
        if self.among:
            return None if number in self.among else self._must()
        if self.is_whole and number != number.to_integral_value():
            return self._must()
        is_within = Decimal(self.least) <= number <= Decimal(self.most)
        return None if is_within else self._must()

    def _must(self) -> str:
        words = "".join(f" or {word}" for word in self.also)
        if self.among:
            return f"must be one of {', '.join(map(str, self.among))}{words}"
        kind = "a whole number" if self.is_whole else "a number"
        return f"must be {kind} from {self.least} to {self.most}{words}"


class Length(OnValue, frozen=True, kw_only=True):
    """A text of at most so many characters."""

    most: int

    def why(self, raw: Raw) -> str | None:
        # A character is a byte at least, and so most are never decoded.
        if size_of(raw) - 2 <= self.most or len(text_in(raw)) <= self.most:
            return None
        return f"must be at most {self.most} characters"


class Count(OnValue, frozen=True, kw_only=True):
    """A list of so many items. An empty one is absent."""

    least: int = 1
    most: int

    def why(self, raw: Raw) -> str | None:
        if self.least <= len(items_in(raw)) <= self.most:
            return None
        if self.least == self.most:
            return f"must have {self.most} item{'' if self.most == 1 else 's'}"
        span = f"{self.least} to {self.most}" if self.least > 1 else f"at most {self.most}"
        return f"must have {span} item{'' if self.most == 1 else 's'}"


class Picture(OnValue, frozen=True, kw_only=True):
    """A URL, or base64 without a prefix."""

    def why(self, raw: Raw) -> str | None:
        start = start_of(raw)
        if start.startswith("data:"):
            return "must be a URL or base64 without a data: prefix"
        if _SCHEME.match(start) and not start.startswith((*WEB, SCHEME)):
            return "must be an http or https URL, or base64"
        return None


class Address(OnValue, frozen=True, kw_only=True):
    """A URL: Kling takes no video in a body."""

    def why(self, raw: Raw) -> str | None:
        start = start_of(raw)
        if start and not start.startswith((*WEB, SCHEME)):
            return "must be an http or https URL"
        return None


class Own(Rule, frozen=True, kw_only=True):
    """A rule that is like no other."""

    judge: Callable[[Given], Broken | None]

    def broken(self, given: Given) -> Broken | None:
        return self.judge(given)


def first_broken(rules: Collection[Rule], given: Given, model: str | None) -> Broken | None:
    """Find the first rule that a body breaks for sure."""
    for rule in rules:
        if rule.models and model not in rule.models:
            continue
        try:
            if rule.when is not None and not rule.when(given):
                continue
            broken = rule.broken(given)
        except Unclear:
            continue
        if broken is not None:
            return broken
    return None


def _last(path: str) -> str:
    return path.rpartition(".")[2]
