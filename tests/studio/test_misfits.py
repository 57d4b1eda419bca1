"""What is wrong with a body's shape is told in people's words, not in a library's."""

from typing import Annotated, Any

import msgspec
import pytest

from relay.studio.misfits import misfit_of


class Inner(msgspec.Struct):
    x: float


class Shape(msgspec.Struct):
    text: str
    may_be: int | str | None = None
    flag: bool | None = None
    several: Annotated[list[Inner], msgspec.Meta(min_length=1, max_length=2)] | None = None
    page: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ([1], "body: must be an object"),
        ({}, "text: must be given"),
        ({"text": 5}, "text: must be a text"),
        ({"text": "x", "may_be": []}, "may_be: must be a whole number or a text"),
        ({"text": "x", "flag": "yes"}, "flag: must be true or false"),
        ({"text": "x", "several": 5}, "several: must be a list"),
        ({"text": "x", "several": []}, "several: must not be empty"),
        ({"text": "x", "several": [{"x": 1}] * 3}, "several: must have at most 2 items"),
        ({"text": "x", "several": [{}]}, "several[0].x: must be given"),
        ({"text": "x", "several": [{"x": "far"}]}, "several[0].x: must be a number"),
        ({"text": "x", "page": 9}, "page: must be at most 5"),
    ],
)
def test_a_misfit_names_its_field_and_what_belongs_there(body: Any, told: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(body, Shape)

    assert misfit_of(str(raised.value)).message == told


def test_a_part_of_a_body_is_named_with_where_it_stands() -> None:
    said = misfit_of("Object missing required field `prompt`", "input")
    assert said.message == "input.prompt: must be given"
