"""Ending in order when asked to: what was begun is cleaned up, whichever signal it was."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

SIGNALS = [number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGHUP")]
"""Those of them that the system has."""


class Stopped(Exception):
    """A signal ended it, and everything was cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class Stopper:
    """Cancels the work at the first signal; further ones do not cut its clean-up."""

    def __init__(self) -> None:
        self.came: int | None = None
        self._is_ending = False
        self._running: asyncio.Future[Any] | None = None

    def begin_clean_up(self) -> None:
        """From here on the work ends by itself, and no signal cuts it."""
        self._is_ending = True

    def watch(self, running: asyncio.Future[Any]) -> None:
        """Cancel `running` at a signal; called once, inside the loop."""
        self._running = running
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop, number)

    def _stop(self, number: int) -> None:
        assert self._running is not None
        if not self._is_ending:
            self.came = number
            self.begin_clean_up()
            self._running.cancel()


def run_stoppable(work: Callable[[Stopper], Coroutine[object, object, Result]]) -> Result:
    """Run until done or told to stop.

    Raises:
        Stopped: a signal came and the work ended by it.
    """
    stopper = Stopper()

    async def watched() -> Result:
        running = asyncio.ensure_future(work(stopper))
        stopper.watch(running)
        with contextlib.suppress(asyncio.CancelledError):
            return await running
        raise Stopped(stopper.came or signal.SIGTERM)

    return asyncio.run(watched())
