"""A word about models that Kling is not known to have: a slip there goes unnoticed for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relay.cli.show import note

if TYPE_CHECKING:
    from collections.abc import Iterable


def note_unknown_models(models: Iterable[str], *, also: Iterable[str] = ()) -> None:
    """Say which of them no create is known to name; `also`: what may stand in a model's place.

    It may be a model of tomorrow, so nothing is refused for it.
    """
    from difflib import get_close_matches

    from relay.pricing.official import OFFICIAL_WORDS

    known = {model for words in OFFICIAL_WORDS.values() for model in words.models} | {*also}
    for model in models:
        if model.lower() in known:
            continue
        close = get_close_matches(model.lower(), sorted(known), n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        note(f"Kling is not known to have a model '{model}', and it counts as it is written{hint}")
