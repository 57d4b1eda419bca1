"""A task's life after acceptance: processing at half time, then its end, by timers."""

import asyncio
from collections.abc import Callable

from relay.sandbox.books import Books
from relay.sandbox.callbacks import Callbacks
from relay.sandbox.charges import charge_of
from relay.sandbox.ledger import now_ms
from relay.sandbox.results import things_of
from relay.sandbox.tasks import Status, Task
from relay.sandbox.units import plain

FAILURE = "the prompt asked the sandbox to fail this task"


class Timeline:
    """Moves tasks forward and tells ledger and callbacks of each change."""

    def __init__(self, books: Books, callbacks: Callbacks, *, task_seconds: float) -> None:
        self._books = books
        self._ledger = books.ledger
        self._callbacks = callbacks
        self._task_seconds = task_seconds
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def begin(self, task: Task) -> None:
        """Record the acceptance and start the clock; needs a running loop."""
        self._ledger.add(
            "accepted",
            account=task.account.access_key,
            endpoint=task.order.endpoint.path,
            task_id=task.id,
            external_task_id=task.order.external_task_id,
            units=None if task.units is None else plain(task.units),
        )
        self._callbacks.announce(task)
        self._after_half(task, self._process)

    def stop(self) -> None:
        """Stop every clock; tasks stay as they are."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _after_half(self, task: Task, then: Callable[[Task], None]) -> None:
        seconds = task.order.faults.seconds("slow", self._task_seconds)
        loop = asyncio.get_running_loop()
        self._timers[task.id] = loop.call_later(seconds / 2, then, task)

    def _process(self, task: Task) -> None:
        _move(task, "processing")
        self._callbacks.announce(task)
        self._after_half(task, self._end)

    def _end(self, task: Task) -> None:
        """End the task; its slot is free before anybody hears of it."""
        self._timers.pop(task.id, None)
        if "fail" in task.order.faults:
            task.reason = FAILURE
            _move(task, "failed")
        else:
            _move(task, "succeed")
            self._succeed(task)
        self._books.tasks.free_slots(task)
        units = task.units if task.status == "succeed" else None
        self._ledger.add(
            "ended",
            task_id=task.id,
            status=task.status,
            units=None if units is None else plain(units),
        )
        self._callbacks.announce(task)

    def _succeed(self, task: Task) -> None:
        """Charge for the task, and make what it made known to its account."""
        owner = task.account.access_key
        task.things = things_of(task)
        for thing in task.things:
            self._books.things.add(owner, thing)
        charge = charge_of(task)
        if charge is not None:
            self._books.charges.add(owner, charge)


def _move(task: Task, status: Status) -> None:
    task.status = status
    task.updated_ms = max(now_ms(), task.updated_ms)
