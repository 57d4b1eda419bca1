"""How a price row stands among the others: what it prices, and which rows go before it.

Told by asking the book for every kind of task that the row fits: each model and mode that a row of
its endpoint names, with and without sound, and so on.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product

import msgspec

from relay.kling.endpoint import Endpoint
from relay.kling.models import model_at
from relay.kling.wanted import Wanted
from relay.pricing.book import ANY_ENDPOINT, PriceBook, PriceRow
from relay.pricing.official import OFFICIAL_WORDS

OTHER_MODEL = "a model that no row names"
BOTH = (False, True)


class Standing(msgspec.Struct, frozen=True):
    """What a row comes to in a book."""

    is_used: bool
    """It prices at least one kind of task that Kling is known to make, or a model of tomorrow."""
    before: tuple[PriceRow, ...]
    """Rows that price some of the tasks that it fits; those that take most of them first."""


def stand(row: PriceRow, book: PriceBook, endpoints: Iterable[Endpoint]) -> Standing:
    """Compare a row with the rest of its book; `endpoints` are all that there are."""
    wins: Counter[PriceRow] = Counter()
    for endpoint in endpoints:
        if endpoint.is_free or row.endpoint not in (endpoint.name, ANY_ENDPOINT):
            continue
        for wanted in kinds_of_task(row, book, endpoint):
            found = book.find(wanted) if row.fits(wanted) else None
            if found is not None:
                wins[found] += 1
    is_used = wins.pop(row, 0) > 0
    return Standing(is_used, tuple(other for other, _ in wins.most_common()))


def unknown_words(row: PriceRow) -> dict[str, tuple[str, ...]]:
    """Find the key's words that Kling is not known to have, by field, with those that it has.

    A word may be of tomorrow, so this is no fault. Of an endpoint without a list nothing is known.
    """
    known = OFFICIAL_WORDS.get(row.endpoint)
    if known is None:
        return {}
    pairs = (("model", row.model, known.models), ("mode", row.mode, known.modes))
    return {
        field: tuple(words) for field, word, words in pairs if word and words and word not in words
    }


def task_of(row: PriceRow, endpoint: Endpoint) -> Wanted:
    """Make the task that a row's key describes, with Kling's defaults for what it leaves open."""
    pricing = endpoint.pricing
    model = model_at(endpoint.name, row.model)
    sound = None if pricing.sound is None else pricing.sound.default == "on"
    duration = None if pricing.duration is None else pricing.duration.default
    return Wanted(
        endpoint=endpoint.name,
        model=row.model or (pricing.model.default if pricing.model else None),
        mode=row.mode or (pricing.mode.default if pricing.mode else None),
        sound=sound if row.sound is None else row.sound,
        voice=bool(row.voice) if pricing.voice_list or pricing.contents else None,
        video_input=bool(row.video_input) if pricing.inputs or pricing.contents else None,
        is_open=pricing.is_open,
        seconds=row.duration_s or (int(duration) if duration else None),
        seconds_max=pricing.seconds_max if model is None else model.seconds_max,
        is_image=pricing.count is not None,
        # One video of the longest kind.
        input_seconds=max(model.input_seconds.values()) if model and row.video_input else 0,
    )


def kinds_of_task(row: PriceRow, book: PriceBook, endpoint: Endpoint) -> Iterator[Wanted]:
    """Make one task of each kind that a row may tell apart; those with a field the row names."""
    pricing, words = endpoint.pricing, book.words(endpoint.name)
    default = task_of(row, endpoint)
    has_contents = pricing.contents is not None
    has_model = pricing.model is not None or has_contents
    modes = dict.fromkeys([default.mode, *words.modes]) if pricing.mode else [None]
    choices = (
        [row.model] if row.model or not has_model else [*words.models, OTHER_MODEL],
        [row.mode] if row.mode else list(modes),
        _both(row.sound, is_told_apart=pricing.sound is not None),
        _both(row.voice, is_told_apart=has_contents or pricing.voice_list is not None),
        _both(row.video_input, is_told_apart=has_contents or bool(pricing.inputs)),
        _lengths(row, book, endpoint),
    )
    for model, mode, sound, voice, video_input, seconds in product(*choices):
        yield msgspec.structs.replace(
            default,
            model=model,
            mode=mode,
            sound=sound,
            voice=voice,
            video_input=video_input,
            seconds=seconds,
            is_open=seconds is None,
        )


def _both(named: bool | None, *, is_told_apart: bool) -> Iterable[bool | None]:  # noqa: FBT001 (three values)
    if not is_told_apart:
        return (None,)
    return BOTH if named is None else (named,)


def _lengths(row: PriceRow, book: PriceBook, endpoint: Endpoint) -> list[int | None]:
    """List the lengths that rows name, one that none names, and None where Kling may decide it."""
    pricing = endpoint.pricing
    if pricing.duration is None:
        return [None]
    if row.duration_s is not None:
        return [row.duration_s]
    named = book.words(endpoint.name).lengths
    other = next(length for length in range(1, len(named) + 2) if length not in named)
    takes_video = pricing.contents is not None or "video_list" in pricing.inputs
    return [*named, other, *([None] if takes_video else [])]
