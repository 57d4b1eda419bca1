"""Grafana's dashboards: each panel shows something that there is, under a name that says what."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.expressions import GROUPED, SCRAPED, not_there

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"
BOARDS: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))
}
GRAFANAS = {"$__rate_interval": "5m", "$__range": "6h"}
"""Its own variables, each as one of its values; all others are the board's."""
UNITS = {"bytes", "d", "percentunit", "reqps", "s", "short", "text"}

Panel = dict[str, Any]


def panels(board: dict[str, Any]) -> list[Panel]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(board: dict[str, Any]) -> Iterator[tuple[Panel, str, str]]:
    """Yield panels with each of their expressions, as it is sent, and what names its lines."""
    variables = [one["name"] for one in board["templating"]["list"]]
    for panel in panels(board):
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in GRAFANAS.items():
                expression = expression.replace(name, value)
            for name in variables:
                expression = re.sub(rf"\$\{{?{name}\b\}}?", ".*", expression)
            assert "$" not in expression, f"{panel['title']}: a variable that the board has not"
            yield panel, expression, target["legendFormat"]


@pytest.mark.parametrize("name", BOARDS)
def test_each_expression_is_about_metrics_that_there_are(name: str) -> None:
    """With labels that they have; those of the board's variables too."""
    wrong = {
        f"{panel['title']}: {one}"
        for panel, expression, _ in expressions(BOARDS[name])
        for one in not_there(expression)
    }
    for variable in BOARDS[name]["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"])
            assert found is not None, variable["definition"]
            wrong |= set(not_there(f"sum by ({found[2]}) ({found[1]})"))

    assert wrong == set()


@pytest.mark.parametrize("name", BOARDS)
def test_each_line_has_a_name_that_tells_it_from_the_others(name: str) -> None:
    """It is made of labels that are left once all is summed up, and of all of them."""
    for panel, expression, legend in expressions(BOARDS[name]):
        if panel["type"] != "timeseries":
            continue
        left = {label.strip() for one in GROUPED.findall(expression) for label in one.split(",")}
        shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert legend, panel["title"]
        assert shown <= left | SCRAPED, panel["title"]
        assert left - SCRAPED - {"le", ""} <= shown, panel["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_each_panel_can_be_read_by_a_person(name: str) -> None:
    """A title of its own and a unit; no two lie over each other, and none is outside."""
    titles = [panel["title"] for panel in panels(BOARDS[name])]
    places: set[tuple[int, int]] = set()
    for panel in BOARDS[name]["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & places, panel["title"]
        assert at["x"] + at["w"] <= 24
        places |= cells
    for panel in panels(BOARDS[name]):
        assert panel["type"] == "table" or panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}

    assert len(set(titles)) == len(titles)
    assert len({panel["id"] for panel in BOARDS[name]["panels"]}) == len(BOARDS[name]["panels"])


def test_the_boards_are_two() -> None:
    """One for who runs it and one for who sells it; each is told from the other by its id."""
    assert {board["uid"] for board in BOARDS.values()} == {
        "kling-relay-business",
        "kling-relay-operations",
    }
