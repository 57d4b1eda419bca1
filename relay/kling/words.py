"""The words that a price may depend on, and which of them an odd spelling may mean."""

from collections.abc import Iterable

import msgspec

from relay.kling.alike import folded


class Words(msgspec.Struct, frozen=True):
    """What is priced of one endpoint: models, modes, and lengths that have prices of their own."""

    models: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    lengths: frozenset[int] = frozenset()


NO_WORDS = Words()


def meant_by(word: str, known: Iterable[str]) -> list[str]:
    """List what a word may mean: itself if it is known, else those that it is an odd spelling of.

    Empty if it is like none of them.
    """
    if word in known:
        return [word]
    spelt = folded(word)
    return [one for one in known if folded(one) == spelt]
