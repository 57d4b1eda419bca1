"""Loops that are told to end while the database is gone."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from relay.worker.chores import repeat
from relay.worker.sweep import sweep
from tests.waiting import PATIENCE_S


class Hanging:
    """A statement that is never answered; its rollback fails, and takes a cancellation's place."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def run(self, *_: object) -> list[int]:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionResetError from None
        return []


async def _nothing(_: int) -> None:
    pass


@pytest.mark.parametrize(
    "loop",
    [
        lambda hanging: sweep("rows", hanging.run, _nothing, at_once=1),
        lambda hanging: repeat("chore", hanging.run, every_s=0),
    ],
)
async def test_a_loop_ends_though_its_rollback_fails(
    loop: Callable[[Hanging], Awaitable[None]],
) -> None:
    """It is no turn that failed: it would wait, and go on for ever."""
    hanging = Hanging()
    running = asyncio.ensure_future(loop(hanging))
    await asyncio.wait_for(hanging.begun.wait(), PATIENCE_S)

    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=PATIENCE_S)

    assert done
    assert running.cancelled()
