"""Variables that are meant for us and set nothing."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

KUBERNETES = re.compile(r"RELAY_(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(TCP|UDP|SCTP)\w*)")
"""What Kubernetes puts into each container beside a service called `relay`."""


def find_misspelt(
    names: Iterable[str], known: set[str], *, prefix: str, not_here: dict[str, str]
) -> list[str]:
    """Say of each variable that begins like ours, in whatever letters, what is wrong with it.

    `not_here`: of settings that no variable sets, where they can stand.
    """
    by_letters = {_letters(name): name for name in known}
    wrong = []
    for name in sorted(set(names) - known):
        same = by_letters.get(_letters(name))
        setting = name.removeprefix(prefix).lower()
        if same is not None:
            wrong.append(f"{name} is spelt {same}")
        elif setting in not_here:
            wrong.append(f"{name} can stand {not_here[setting]}")
        elif name.startswith(prefix) and not KUBERNETES.fullmatch(name):
            wrong.append(f"{name} is no setting{meant(name, known)}")
    return wrong


def meant(name: str, known: Iterable[str]) -> str:
    """Say what a name was likely meant to be; nothing, if it is like none."""
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _letters(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())
