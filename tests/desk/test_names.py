"""What may be a name, whoever asks."""

import pytest

from relay.desk.errors import Unusable
from relay.desk.names import check_name, check_new_name, removed_name


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " acme",
        "acme ",
        "ac\nme",
        "ac\x1b[2Jme",
        "ac\u200bme",
        "ac\x00",
        "\udcff",
        "x" * 65,
    ],
)
def test_what_cannot_be_seen_or_is_too_long_is_no_name(text: str) -> None:
    """Nor a reference or a reason: 1 to 64 printable characters, none of them white at an end."""
    for check in (check_name, check_new_name):
        with pytest.raises(Unusable, match="is no name: 1 to 64 printable characters"):
            check(text)
    with pytest.raises(Unusable, match="is no reference"):
        check_name(text, what="reference")


@pytest.mark.parametrize("text", ["a", "acme", "Ä & Ω 株式会社", "x" * 64, "acme (removed)"])
def test_what_can_be_read_is_a_name(text: str) -> None:
    """In any script, with spaces inside."""
    check_new_name(text)


def test_a_new_thing_is_not_called_like_a_removed_one() -> None:
    """Names of what was removed stay free for it; asked for by it they are taken."""
    name = removed_name("acme", 7)

    with pytest.raises(Unusable, match="is how something removed is called"):
        check_new_name(name)
    check_name(name)
