"""What things from elsewhere are called here."""

from collections.abc import Iterable

from relay.channels.groups import TEST
from relay.desk.errors import Unusable
from relay.desk.names import CHARS_MAX, check_new_name

OTHER_THAN_TEST = "test-group"
"""Here `test` is the group of sandboxes."""


class Names:
    """Names that are taken, by what there is and by what is planned."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def take(self, name: str, *, otherwise: str) -> str:
        """Take a name as it is or with a number behind it; `otherwise` where it can be none."""
        name = name.strip()
        try:
            check_new_name(name)
        except Unusable:
            name = otherwise
        free, number = name, 1
        while free in self._taken:
            number += 1
            free = f"{name[: CHARS_MAX - 8]}-{number}"
        self._taken.add(free)
        return free


def group_named(group: str) -> str:
    """Say what a group is called here."""
    spelled = "".join(char for char in group if char.isprintable()).strip()[:CHARS_MAX].strip()
    return OTHER_THAN_TEST if spelled == TEST else spelled or "default"
