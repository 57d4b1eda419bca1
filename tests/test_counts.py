"""What is counted: sums, histograms, bounds against whoever invents labels, and waits."""

import asyncio
import time

from relay.counts import FOLDED_AT_ONCE, OTHER, Counter, Counts, Timing, Waits


def test_what_others_invent_makes_only_so_many_series() -> None:
    """The first ones keep their names and go on counting; all others are one."""
    counter = Counter("relay_x_total", "X.", "channel", "code", series_max=3)
    timing = Timing("relay_x_seconds", "X.", "channel", bounds=(1.0,), series_max=2)

    for _ in range(2):
        for number in range(1000):
            counter.add("main", str(number))
            timing.add(0.5, str(number))

    assert counter.by == {
        ("main", "0"): 2,
        ("main", "1"): 2,
        ("main", "2"): 2,
        (OTHER, OTHER): 1994,
    }
    assert {labels: sum(spread.counts) for labels, spread in timing.by.items()} == {
        ("0",): 2,
        ("1",): 2,
        (OTHER,): 1996,
    }


def test_what_has_no_labels_is_there_from_the_start() -> None:
    """As 0: a rate of what is not there is none."""
    assert Counter("relay_x_total", "X.").by == {(): 0}
    assert Timing("relay_x_seconds", "X.", bounds=(1.0,)).by[()].counts == [0, 0]


def test_a_bound_belongs_to_what_is_below_it() -> None:
    """`le` is "less or equal"; what took longer than every bound is counted apart."""
    timing = Timing("relay_x_seconds", "X.", bounds=(0.1, 1.0))

    for seconds in (0.0, 0.1, 0.1001, 1.0, 60.0):
        timing.add(seconds)

    assert timing.by[()].counts == [2, 2, 1]
    assert timing.by[()].sum_s == 0.0 + 0.1 + 0.1001 + 1.0 + 60.0


def test_answers_are_counted_many_at_a_time() -> None:
    """The last ones when somebody asks; codes in the words that are given for them."""
    counts = Counts(lambda code: "other" if code else "0")
    for number in range(FOLDED_AT_ONCE + 2):
        counts.note_answer("text2video.query", 200, number % 2, 0.02)
    before = sum(counts.requests.by.values())

    counts.fold_answers()
    counts.fold_answers()

    assert before == FOLDED_AT_ONCE
    half = FOLDED_AT_ONCE // 2 + 1
    assert counts.requests.by == {
        ("text2video.query", "200", "0"): half,
        ("text2video.query", "200", "other"): half,
    }
    assert sum(counts.overhead.by["text2video.query",].counts) == 2 * half


def test_what_is_no_more_is_forgotten() -> None:
    """And begins anew, should it come back."""
    counter = Counter("relay_x_total", "X.", "channel")
    counter.add("main", amount=7)
    counter.add("gone")

    counter.keep(lambda labels: labels[0] != "gone")
    counter.add("gone")

    assert counter.by == {("main",): 7, ("gone",): 1}


def test_every_family_has_a_name_of_its_own() -> None:
    """And begins with what all of them do."""
    names = [family.name for family in Counts()]

    assert len(set(names)) == len(names) > 10
    assert all(name.startswith("relay_") for name in names)


async def test_several_waits_at_once_count_once() -> None:
    """Two thirds of a request waited for by two of its questions are no more than the whole."""
    waits = Waits()
    began = time.perf_counter()

    async def wait_for(turns: int) -> None:
        with waits:
            for _ in range(turns):
                await asyncio.sleep(0)

    await asyncio.gather(wait_for(200), wait_for(500), wait_for(300))

    ended = time.perf_counter()
    waited = waits.until(ended)
    assert 0 < waited <= ended - began
    assert waits.until(ended + 60) == waited  # all of them are over


def test_a_wait_that_goes_on_counts_until_now() -> None:
    """A question may still be out when its request is answered."""
    waits = Waits()
    before = time.perf_counter()
    waits.__enter__()
    after = time.perf_counter()

    assert 60 - (after - before) <= waits.until(before + 60) <= 60
