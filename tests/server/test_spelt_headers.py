"""The usual headers go by a template, which spells what the checked way spells."""

import pytest

from relay.server.exchange import Headers, _spell, _spell_usual

ID = b"0199e3c4-5b6a-7c7d-8e8f-90a1b2c3d4e5"
KIND = (b"content-type", b"application/json")
SIZE = (b"content-length", b"300")
USUAL: Headers = [KIND, SIZE, (b"x-request-id", ID)]


@pytest.mark.parametrize("size", [0, 7, 300, 10_000_000])
def test_an_answer_to_a_tenant_is_spelt_as_any_other(size: int) -> None:
    """Three headers in our order, to the byte."""
    headers = [KIND, (b"content-length", b"%d" % size), (b"x-request-id", ID)]

    assert _spell_usual(headers, size) == _spell(tuple(headers), size=size)


@pytest.mark.parametrize(
    "headers",
    [
        *([], [SIZE], USUAL[:2], [*USUAL, (b"retry-after", b"3")], [*USUAL, KIND]),
        *([SIZE, KIND, USUAL[2]], [KIND, USUAL[2], SIZE], [KIND, SIZE, (b"x-other", ID)]),
        [(b"content-type", b"text/html"), *USUAL[1:]],
        [(b"x-type", b"application/json"), *USUAL[1:]],
        [KIND, (b"x-length", b"300"), USUAL[2]],
        [KIND, (b"content-length", b"0300"), USUAL[2]],
    ],
)
def test_other_headers_go_the_checked_way(headers: Headers) -> None:
    """More, fewer, another order, name, kind or spelling."""
    assert _spell_usual(headers, 300) is None


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("line_break", [b"\r\n", b"\n", b"\r"])
def test_a_line_break_is_found_in_each_part_of_the_usual(
    place: int, part: int, line_break: bytes
) -> None:
    """Whoever chooses a name or a value plants no header and no second answer."""
    headers = list(USUAL)
    broken = list(headers[place])
    broken[part] += line_break + b"planted: a"
    headers[place] = (broken[0], broken[1])

    assert _spell_usual(headers, 300) is None
    with pytest.raises(RuntimeError, match="line break"):
        _spell(tuple(headers), size=300)


def test_a_length_that_is_not_the_bodys_is_found() -> None:
    """Of the usual headers too; an answer without a body may tell any."""
    assert _spell_usual(USUAL, 299) is None
    with pytest.raises(RuntimeError, match="length"):
        _spell(tuple(USUAL), size=299)
    assert _spell(tuple(USUAL)) == _spell_usual(USUAL, 300)
