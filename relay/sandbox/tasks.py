"""The sandbox's tasks: ids, indexes and slots. Nothing here is slower with more tasks."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from relay.sandbox.endpoint import Endpoint, Generation
from relay.sandbox.errors import Refusal
from relay.sandbox.identifiers import Ids
from relay.sandbox.ledger import now_ms
from relay.sandbox.orders import Order
from relay.sandbox.settings import Account
from relay.sandbox.things import Thing
from relay.sandbox.units import units_of

Status = Literal["submitted", "processing", "succeed", "failed"]


@dataclass(slots=True)
class Task:
    """One accepted create; `status` moves forward only."""

    id: str
    account: Account
    order: Order
    base_url: str
    """Where results of this task are served from."""
    created_ms: int
    updated_ms: int
    status: Status = "submitted"
    reason: str = ""
    held_callbacks: list[tuple[Status, bytes]] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)
    """What its success made: other calls can name them by id."""

    @property
    def is_ended(self) -> bool:
        """Tell whether the task has its final status."""
        return self.status in {"succeed", "failed"}

    @property
    def units(self) -> Decimal | None:
        """Say what a success deducts; None if the reply has no deduction fields."""
        faults = self.order.faults
        if "no deduction" in faults:
            return None
        if "cash" in faults:
            return Decimal(0)
        if "units" in faults:
            return Decimal(faults.words["units"])
        return units_of(self.order)

    @property
    def cash(self) -> Decimal:
        """Say what a success deducts in currency."""
        words = self.order.faults.words
        return Decimal(words.get("cash", words.get("mixed", 0)))


class Tasks:
    """All tasks since the start or the last reset, of every account."""

    def __init__(self, ids: Ids, *, concurrency: int) -> None:
        self._ids = ids
        self._concurrency = concurrency
        self._by_id: dict[str, Task] = {}
        self._by_external_id: dict[tuple[str, str], Task] = {}
        self._lists: defaultdict[tuple[str, str], list[Task]] = defaultdict(list)
        self._generations: defaultdict[tuple[str, Generation], list[Task]] = defaultdict(list)
        self._slots: Counter[tuple[str, str]] = Counter()

    def accept(self, account: Account, order: Order, *, base_url: str) -> Task:
        """Take a slot and create the task.

        Raises:
            Refusal: 1201 the external id is taken, by any type of task of the account, ended ones
                too; 1303 no slot is free. Nothing was changed.
        """
        external_key = (account.access_key, order.external_task_id)
        if order.external_task_id and external_key in self._by_external_id:
            raise Refusal(1201, "duplicate external_task_id: it already exists")
        slot_key = _slot_key(account, order.endpoint)
        if self._slots[slot_key] + order.slots > self._concurrency:
            raise Refusal(1303)
        now = now_ms()
        task = Task(self._ids.task(now), account, order, base_url, created_ms=now, updated_ms=now)
        self._slots[slot_key] += order.slots
        self._by_id[task.id] = task
        if order.external_task_id:
            self._by_external_id[external_key] = task
        self._lists[account.access_key, order.endpoint.path].append(task)
        self._generations[account.access_key, order.endpoint.generation].append(task)
        return task

    def free_slots(self, task: Task) -> None:
        """Give the slots of an ended task back."""
        self._slots[_slot_key(task.account, task.order.endpoint)] -= task.order.slots

    def find(self, account: Account, endpoint: Endpoint, name: str) -> Task:
        """Find a task by its id or, where the endpoint allows, the caller's external id.

        Raises:
            Refusal: 1201 there is none of this account and this type.
        """
        task = self._by_id.get(name)
        if task is None and endpoint.finds_external_id:
            task = self._by_external_id.get((account.access_key, name))
        if task is None or task.account is not account or task.order.endpoint is not endpoint:
            raise Refusal(1201, "Task not found by id/external id")
        return task

    def page(self, account: Account, endpoint: Endpoint, *, number: int, size: int) -> list[Task]:
        """List one page, the newest task first."""
        tasks = self._lists[account.access_key, endpoint.path]
        end = len(tasks) - (number - 1) * size
        return tasks[max(0, end - size) : max(0, end)][::-1]

    def of_generation(self, account: Account, generation: Generation) -> list[Task]:
        """List the account's tasks of one generation, the oldest first; only ever appended to."""
        return self._generations[account.access_key, generation]

    def named(
        self,
        account: Account,
        generations: frozenset[Generation],
        names: list[str],
        *,
        are_external: bool,
    ) -> list[Task]:
        """Find those of `names` that are tasks of the account and generations, in that order."""
        if are_external:
            found = [self._by_external_id.get((account.access_key, name)) for name in names]
        else:
            found = [self._by_id.get(name) for name in names]
        return [
            task
            for task in found
            if task is not None
            and task.account is account
            and task.order.endpoint.generation in generations
        ]

    def clear(self) -> None:
        """Forget every task and free every slot."""
        self._by_id.clear()
        self._by_external_id.clear()
        self._lists.clear()
        self._generations.clear()
        self._slots.clear()


def _slot_key(account: Account, endpoint: Endpoint) -> tuple[str, str]:
    return account.access_key, endpoint.slots_for
