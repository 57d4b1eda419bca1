"""A webhook for commands, which run in this process and not in a loop."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from tests.sandbox.receiver import Receiver


@contextmanager
def hook_answering(*statuses: int) -> Iterator[Receiver]:
    """Serve one in a thread of its own."""
    receiver = Receiver(answers=statuses)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(receiver.__aenter__())
    thread = Thread(target=loop.run_forever)
    thread.start()
    try:
        yield receiver
    finally:
        asyncio.run_coroutine_threadsafe(receiver.__aexit__(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
