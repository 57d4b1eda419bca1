"""Ctrl-C and SIGTERM: what was started ends first, then the process, with one sentence."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_until_stopped(main: Coroutine[Any, Any, None]) -> int:
    """Run it; the exit code, 130 after Ctrl-C and 143 after SIGTERM, as shells have it."""
    stops: list[signal.Signals] = []
    try:
        asyncio.run(_cancelled_by_signals(main, stops))
    except asyncio.CancelledError:
        if not stops:
            raise
        sys.stderr.write(f"Stopped by {stops[0].name}; what was started has ended.\n")
        return 128 + stops[0]
    return 0


async def _cancelled_by_signals(
    main: Coroutine[Any, Any, None], stops: list[signal.Signals]
) -> None:
    task = asyncio.create_task(main)

    def stop(number: signal.Signals) -> None:
        stops.append(number)
        task.cancel()  # each time: before Python 3.12, wait_for may lose one

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    await task
