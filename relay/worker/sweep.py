"""The one loop that all sweeps share: claim what is due, handle it, rest when there is nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

from relay.database.faults import end_if_cancelled, log_failure

log = structlog.get_logger()

IDLE_S = 0.5
AFTER_FAILURE_S = 5.0

Row = TypeVar("Row")


async def sweep(
    name: str,
    claim: Callable[[int], Awaitable[Sequence[Row]]],
    handle: Callable[[Row], Awaitable[None]],
    *,
    at_once: int,
    idle_s: float = IDLE_S,
) -> None:
    """Run until cancelled. A row that fails is logged; its lease brings it back later.

    At most `at_once` rows are in hand, and new ones are claimed as soon as there is room, so one
    slow answer holds up nothing but its own row.
    """
    in_hand: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                rows = await claim(at_once - len(in_hand))
            except Exception as error:  # noqa: BLE001 (told in the log)
                end_if_cancelled(error)
                log_failure(log, "sweep.claim_failed", error, sweep=name)
                await asyncio.sleep(AFTER_FAILURE_S)
                continue
            in_hand |= {asyncio.create_task(_handled(name, handle, row)) for row in rows}
            if len(in_hand) >= at_once:
                _, in_hand = await asyncio.wait(in_hand, return_when=asyncio.FIRST_COMPLETED)
            elif not rows and in_hand:
                # One that ends may make room for rows that have to wait for it.
                _, in_hand = await asyncio.wait(
                    in_hand, timeout=idle_s, return_when=asyncio.FIRST_COMPLETED
                )
            elif not rows:
                await asyncio.sleep(idle_s)
            in_hand = {task for task in in_hand if not task.done()}
    finally:
        for task in in_hand:
            task.cancel()
        await asyncio.gather(*in_hand, return_exceptions=True)


async def _handled(name: str, handle: Callable[[Row], Awaitable[None]], row: Row) -> None:
    try:
        await handle(row)
    except Exception as error:  # noqa: BLE001 (told in the log)
        log_failure(log, "sweep.row_failed", error, sweep=name)
