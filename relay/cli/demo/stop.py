"""Ending in order when asked to: what was begun is cleaned up, whichever signal it was."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal ended it, and everything was cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def run_stoppable(work: Coroutine[object, object, Result]) -> Result:
    """Run until done; the first signal cancels the work, further ones do not cut its clean-up.

    Raises:
        Stopped: a signal came and the work ended by it.
    """
    return asyncio.run(_stoppable(work))


async def _stoppable(work: Coroutine[object, object, Result]) -> Result:
    came: list[int] = []
    running = asyncio.ensure_future(work)

    def stop(number: int) -> None:
        if not came:
            running.cancel()
        came.append(number)

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    with contextlib.suppress(asyncio.CancelledError):
        return await running
    raise Stopped(came[0] if came else signal.SIGTERM)
