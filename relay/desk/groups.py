"""What a group may be called, and what no model is."""

from collections.abc import Iterable

from relay.channels.groups import TEST, spelt
from relay.desk.errors import Unusable
from relay.desk.names import check_name

WORDS = frozenset({"all", "none", "tenant"})
"""What commands say instead of a name; a group of such a name would be served by nobody."""


def checked_groups(groups: Iterable[str]) -> list[str]:
    """Check names of groups, and spell them as they are kept.

    Raises:
        Unusable
    """
    groups = list(groups)
    for group in groups:
        check_name(group, what="group")
        check_word(group, what="group")
    return spelt(groups)


def check_word(name: str, *, what: str) -> None:
    """Refuse a word that commands have for all or for none in a name's place.

    Raises:
        Unusable
    """
    if name in WORDS:
        raise Unusable(f"'{name}' stands for no {what} of that name", field=f"{what}s")


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
