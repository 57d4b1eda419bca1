"""What we sign for Kling is dated by Kling's clock, as far as its answers show it."""

import io
from email.utils import formatdate

import pytest

from relay.kling.clock import DOUBTED_S, LOOKED_AT_EVERY_S, UpstreamClocks
from relay.kling.jwt import lifetime_of, sign_jwt

KLING, OTHER = "https://kling.test", "https://other.test"
NOW_S = 1_790_000_000.0


class Clocks:
    """Ours is where a test puts it, and Kling's so many seconds ahead."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.of = UpstreamClocks(clock=lambda: self.passed_s, wall=lambda: NOW_S)

    def answered(self, ahead_s: float, *, url: str = KLING, is_refused: bool = False) -> float:
        """An answer of an upstream's; how far ahead of us a bearer is dated then."""
        date = formatdate(NOW_S + ahead_s, usegmt=True)
        lifetime = lifetime_of(sign_jwt("AK", "SK", now_s=self.of.now_s(url)))
        assert lifetime is not None
        self.of.note(url, date)  # as of each answer
        if is_refused:
            self.of.note_refused(url, date, lifetime)
        return self.of.now_s(url) - NOW_S


@pytest.mark.parametrize("ahead_s", [-86_400, -600, -30, 30, 600, 86_400])
def test_a_bearer_is_dated_by_the_clock_of_who_judges_it(
    ahead_s: float, logged: io.StringIO
) -> None:
    """To within a second; of one upstream nothing follows for another. It is said once."""
    clocks = Clocks()

    found = [clocks.answered(ahead_s)]
    clocks.passed_s = LOOKED_AT_EVERY_S
    found.append(clocks.answered(ahead_s + 1))

    assert all(abs(one - ahead_s) <= 1 for one in found)
    assert clocks.of.now_s(OTHER) == NOW_S
    assert logged.getvalue().count("clock.differs_from_kling") == 1


@pytest.mark.parametrize("ahead_s", [-4, 0, 4])
def test_what_a_date_cannot_tell_changes_nothing(ahead_s: float, logged: io.StringIO) -> None:
    """It has whole seconds, and was some time on its way."""
    assert Clocks().answered(ahead_s) == 0
    assert logged.getvalue() == ""


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Foo 2026", "9" * 400, "\udcff"])
def test_a_date_that_is_none_is_passed_over(date: str) -> None:
    clocks = Clocks()

    clocks.of.note(KLING, date)

    assert clocks.of.now_s(KLING) == NOW_S


def test_a_clock_that_is_right_again_is_followed_back(logged: io.StringIO) -> None:
    """Looked at no more than once in ten seconds."""
    clocks = Clocks()

    found = [clocks.answered(600), clocks.answered(0)]
    clocks.passed_s = LOOKED_AT_EVERY_S
    found.append(clocks.answered(0))

    assert all(abs(one - ahead_s) <= 1 for one, ahead_s in zip(found, (600, 600, 0), strict=True))
    assert "clock.agrees_with_kling" in logged.getvalue()


@pytest.mark.parametrize("ahead_s", [-86_400, -60, 1900, 86_400])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_refusal_is_looked_at_at_once(ahead_s: float, *, is_first: bool) -> None:
    """The next bearer is sent in the same call; and the first answer of all is no other."""
    clocks = Clocks()
    if not is_first:
        clocks.answered(0)

    assert abs(clocks.answered(ahead_s, is_refused=True) - ahead_s) <= 1


def test_of_two_bearers_of_one_moment_the_second_refusal_doubts_nothing() -> None:
    """Both were signed before the first answer told the clock."""
    clocks = Clocks()
    signed = lifetime_of(sign_jwt("AK", "SK", now_s=int(NOW_S)))
    assert signed is not None

    found = [clocks.answered(-600, is_refused=True)]
    clocks.of.note_refused(KLING, formatdate(NOW_S - 600, usegmt=True), signed)
    found.append(clocks.of.now_s(KLING) - NOW_S)

    assert all(abs(one + 600) <= 1 for one in found)


def test_a_date_that_its_judge_does_not_go_by_is_doubted() -> None:
    """As of a balancer before it: then our own clock is tried, for ten minutes."""
    clocks = Clocks()
    clocks.answered(600)
    assert abs(clocks.of.now_s(KLING) - NOW_S - 600) <= 1

    refused = clocks.answered(600, is_refused=True)
    clocks.passed_s = DOUBTED_S - 1
    meanwhile = [clocks.answered(600), clocks.answered(600, is_refused=True)]
    clocks.passed_s = DOUBTED_S
    after = clocks.answered(600)

    assert [refused, *meanwhile] == [0, 0, 0]
    assert abs(after - 600) <= 1
