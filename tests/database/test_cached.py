"""A remembered value is read once an age, by one reader for all who wait."""

import asyncio
import io

import pytest

from relay.database.cached import Cached
from tests.waiting import PATIENCE_S

AGE_MAX_S, STALE_MAX_S = 2.0, 30.0


class Source:
    """Counts its readings, and is slow or fails where a test says so."""

    def __init__(
        self, *, patience_s: float = PATIENCE_S, reading_max_s: float = PATIENCE_S
    ) -> None:
        self.now_s = 0.0
        self.number = 0
        self.is_down = False
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.cached = Cached(
            self.read,
            of="numbers",
            age_max_s=AGE_MAX_S,
            stale_max_s=STALE_MAX_S,
            patience_s=patience_s,
            reading_max_s=reading_max_s,
            clock=lambda: self.now_s,
        )

    async def read(self) -> int:
        self.number += 1
        number = self.number
        await self.is_open.wait()
        if self.is_down:
            raise OSError(f"reading {number}")
        return number

    async def begun(self, count: int) -> list["asyncio.Task[int]"]:
        """So many who ask at once; the reading waits until `is_open`."""
        self.is_open.clear()
        asking = [asyncio.create_task(self.cached.get()) for _ in range(count)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the reading is a task of its own
        return asking


async def test_it_is_read_again_when_it_is_older_than_its_age() -> None:
    """Not when it is as old; nor before anybody asks."""
    source = Source()
    before = source.number

    found = []
    for source.now_s in (0.0, 1.0, 2.0, 2.1, 4.1, 4.2):
        found.append(await source.cached.get())

    assert before == 0
    assert found == [1, 1, 1, 2, 2, 3]


async def test_its_age_counts_from_when_a_reading_began() -> None:
    """What changed while it was read is seen that much after its change, not after its end."""
    source = Source()
    asking = await source.begun(1)
    source.now_s = 2.1
    source.is_open.set()

    assert await asking[0] == 1
    assert await source.cached.get() == 2


async def test_many_at_once_share_one_reading() -> None:
    source = Source()
    asking = await source.begun(50)
    source.is_open.set()

    assert await asyncio.gather(*asking) == [1] * 50


async def test_a_failure_is_told_to_all_who_wait_and_the_next_tries_again() -> None:
    """One question to a dead database, not fifty one after the other."""
    source = Source()
    await source.cached.get()
    source.now_s, source.is_down = STALE_MAX_S + 1, True
    asking = await source.begun(50)
    source.is_open.set()

    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    with pytest.raises(OSError, match="reading 3"):
        await source.cached.get()
    source.is_down = False

    assert {str(outcome) for outcome in outcomes} == {"reading 2"}
    assert await source.cached.get() == 4


async def test_who_gives_up_ends_nobody_elses_reading() -> None:
    source = Source()
    first, second = await source.begun(2)
    first.cancel()
    await asyncio.sleep(0)
    source.is_open.set()

    assert await second == 1
    assert first.cancelled()


async def test_what_is_forgotten_while_it_is_read_is_read_again() -> None:
    """That reading may have come before the change: it answers whom it was for, and no other."""
    source = Source()
    (early,) = await source.begun(1)
    source.cached.forget()
    of_early, source.is_open = source.is_open, asyncio.Event()
    (late,) = await source.begun(1)

    source.is_open.set()
    found = await late
    of_early.set()

    assert (await early, found) == (1, 2)
    assert await source.cached.get() == 2


async def test_a_forgotten_value_is_not_given_though_it_is_young() -> None:
    source = Source()
    before = await source.cached.get()
    source.cached.forget()

    assert (before, await source.cached.get()) == (1, 2)


async def test_who_has_an_old_value_goes_on_with_it_while_it_cannot_be_read() -> None:
    """Up to 30 s of age, asking once in half a second; then the failure is everybody's."""
    source = Source()
    await source.cached.get()
    source.is_down = True

    found = []
    for source.now_s in (3.0, 3.1, 3.2, 3.6, STALE_MAX_S):
        found.append(await source.cached.get())
    readings = source.number
    source.now_s = STALE_MAX_S + 0.1
    with pytest.raises(OSError, match="reading"):
        await source.cached.get()

    assert found == [1] * 5
    assert readings == 4, "the first, and those at 3.0, 3.6 and 30.0"


async def test_a_reading_that_hangs_holds_up_nobody_who_has_an_old_value() -> None:
    """It is waited for once, for a moment; who comes later does not wait for it at all."""
    source = Source(patience_s=0.05)
    await source.cached.get()
    source.now_s = 3.0
    first, second = await source.begun(2)

    assert (await first, await second) == (1, 1)
    assert [await source.cached.get() for _ in range(50)] == [1] * 50
    assert source.number == 2
    source.is_open.set()


async def test_a_reading_that_hangs_is_given_up_and_another_begun() -> None:
    """Without an old value, whoever waits hears of it; the next reading is answered."""
    source = Source(reading_max_s=0.05)
    asking = await source.begun(3)
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    source.is_open.set()

    assert {type(outcome) for outcome in outcomes} == {TimeoutError}
    assert await source.cached.get() == 2


async def test_what_cannot_be_read_is_told_once(logged: io.StringIO) -> None:
    """One line when it begins, however often it is tried."""
    source = Source()
    await source.cached.get()
    source.is_down = True
    for source.now_s in (3.0, 4.0, 5.0):
        await source.cached.get()

    assert logged.getvalue().count("cache.not_read") == 1
    assert "numbers" in logged.getvalue()
