"""What a group may be called."""

from collections.abc import Iterable

from relay.channels.groups import TEST, spelt
from relay.desk.errors import Unusable
from relay.desk.names import check_name

WORDS = frozenset({"all", "none"})
"""What commands say instead of a name; a group of that name would be served by nobody."""


def checked_groups(groups: Iterable[str]) -> list[str]:
    """Check names of groups, and spell them as they are kept.

    Raises:
        Unusable
    """
    groups = list(groups)
    for group in groups:
        check_name(group, what="group")
        if group in WORDS:
            raise Unusable(f"'{group}' is a word of its own and no group's name", field="groups")
    return spelt(groups)


def checked_groups_of_callers(groups: Iterable[str] | None) -> list[str] | None:
    """Do the same for whom channels serve; None is all groups.

    Raises:
        Unusable: one of them is for tests, which a token is made for.
    """
    if groups is None:
        return None
    checked = checked_groups(groups)
    if TEST in checked:
        raise Unusable(f"group '{TEST}' serves keys that are made for tests alone", field="groups")
    if not checked:
        raise Unusable("in no group it would be served by no channel", field="groups")
    return checked
