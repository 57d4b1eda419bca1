"""Expressions of PromQL, and whether the metrics and labels are there that they are about."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import promql_parser

OPERATE = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]+) \|", re.MULTILINE)
FAMILIES = {
    name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(OPERATE)
}
"""Of docs/operate.md, which a test holds equal to what is exposed."""
PYTHONS = {
    "process_start_time_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
}
PYTHONS |= {"process_open_fds", "process_max_fds"}
"""Of prometheus-client's own collectors."""
SCRAPED = {"job", "instance"}
"""What Prometheus puts to all that it asks for, and to its own `up`."""
WORDS = ("by", "without", "on", "ignoring", "group_left", "group_right")
GROUPED = re.compile(rf"\b(?:{'|'.join(WORDS)}) ?\(([^)]*)\)")


class Selected(NamedTuple):
    name: str
    labels: frozenset[str]
    """Those that it is chosen by."""


def not_there(expression: str) -> list[str]:
    """List what the expression names and no metric has.

    Raises:
        ValueError: it is no expression.
    """
    selected = list(_selected(promql_parser.parse(expression)))
    assert selected, "it is about nothing"
    known = SCRAPED | {label for one in selected for label in _labels(one.name) or ()}
    grouped = {
        label.strip()
        for labels in GROUPED.findall(expression)
        for label in labels.split(",")
        if label
    }
    wrong = [one.name for one in selected if _labels(one.name) is None]
    wrong += [
        f"{one.name}: {label}"
        for one in selected
        for label in one.labels - (_labels(one.name) or set()) - SCRAPED
    ]
    return wrong + sorted(grouped - known)


def _selected(expression: promql_parser.Expr) -> Iterator[Selected]:
    found: list[Selected] = []

    def note(one: promql_parser.Expr) -> bool:
        if isinstance(one, promql_parser.VectorSelector):
            labels = frozenset(matcher.name for matcher in one.matchers.matchers)
            found.append(Selected(str(one.name), labels))
        return True

    promql_parser.walk(expression, note)
    return iter(found)


def _labels(name: str) -> set[str] | None:
    """Say which labels a series has; None if there is none of that name."""
    if name == "up" or name in PYTHONS:
        return set()
    if name in FAMILIES:
        kind, labels = FAMILIES[name]
        return None if kind == "histogram" else labels
    family = re.sub(r"_(bucket|sum|count)$", "", name)
    if family != name and FAMILIES.get(family, ("",))[0] == "histogram":
        return FAMILIES[family][1] | ({"le"} if name.endswith("_bucket") else set())
    return None
