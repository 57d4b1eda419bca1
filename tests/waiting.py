"""Waiting: for a state, with a limit that costs nothing when it comes; for time, with a reason.

A sleep that is "long enough" is too long on an idle machine and too short on a busy one. So nothing
else in the tests sleeps, and nothing else sets a limit (`tests/conventions/test_waits.py`).
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar, overload

PATIENCE_S = 120.0
"""The longest that anything is waited for: a start, an answer, a state, an end. No proof rests on
it: two busy cores take twenty seconds for what an idle one does in one."""
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.001, 0.05

Answer = TypeVar("Answer")


def _nothing_to_say() -> str:
    return f"it did not come true within {PATIENCE_S:.0f} s"


@overload
async def wait_until(
    condition: Callable[[], Awaitable[Answer | None]], *, what: Callable[[], str] = ...
) -> Answer: ...
@overload
async def wait_until(
    condition: Callable[[], Answer | None], *, what: Callable[[], str] = ...
) -> Answer: ...
async def wait_until(
    condition: Callable[[], Any], *, what: Callable[[], str] = _nothing_to_say
) -> Any:
    """Ask until the answer is true, and return it; fail with `what()` when patience is at its end.

    `condition` is a function or a coroutine function.
    """
    pause_s = _PAUSE_MIN_S
    limit = asyncio.timeout(PATIENCE_S)
    try:
        async with limit:
            while True:
                answer = condition()
                if inspect.isawaitable(answer):
                    answer = await answer
                if answer:
                    return answer
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, _PAUSE_MAX_S)
    except TimeoutError:
        assert not limit.expired(), what()
        raise


def block_until(
    condition: Callable[[], Answer | None], *, what: Callable[[], str] = _nothing_to_say
) -> Answer:
    """Do the same where no event loop has anything to do meanwhile."""
    pause_s, deadline = _PAUSE_MIN_S, time.monotonic() + PATIENCE_S
    while not (answer := condition()):
        assert time.monotonic() < deadline, what()
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _PAUSE_MAX_S)
    return answer


async def settle_for(seconds: float, *, because: str) -> None:
    """Let time pass where that is what the test is about; short, as each run pays it.

    A busy machine must not break the test, only let it see less: `because` says what would have
    happened by then, or what has to grow old.
    """
    assert because
    await asyncio.sleep(seconds)


def block_for(seconds: float, *, because: str) -> None:
    """Do the same with the whole thread standing still."""
    assert because
    time.sleep(seconds)


async def play_slow(seconds: float) -> None:
    """Take so long, as a fake peer that is slow; nothing may rest on its being no slower."""
    await asyncio.sleep(seconds)


async def play_dead() -> NoReturn:
    """Never go on, as a fake peer that hangs; whoever waits for it gives up or cancels it."""
    while True:  # noqa: ASYNC110 (a timer keeps alive what nobody holds; an event would not)
        await asyncio.sleep(3600)
