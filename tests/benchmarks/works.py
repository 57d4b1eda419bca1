"""The works of one round on the relay, (a) to (i), and the counts that must come out even."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks.books import Books, Task
from tests.benchmarks.counts import Counts
from tests.benchmarks.large_bodies import offer
from tests.benchmarks.loads import CLIENTS, Plan, polls, submits
from tests.benchmarks.machine import cpu_s, memory_peak_mb
from tests.benchmarks.servers import (
    ENDED,
    Server,
    Stub,
    kling_says,
    running_relay,
    running_slow_stub,
)
from tests.benchmarks.wrk import Load, Measured, Request, VoidRoundError, measure

LIVE = 2000
SLOW_DELAY_MS = 200
SLOW_CLIENTS = 500
SLOW_PAUSE_MS = 50
"""Slows the clients of (a) to about the rate that (h) can have: 500 in 0.2 s and a little."""
CALLBACKS_MAX = 20_000
REFRESH_WITH_CALLBACKS_S, REFRESH_S = 30.0, 3.0
COPIED_MAX_MB = 3000
"""A copy of ten million rows would take minutes; they grow by some thousandths a round."""
MB = 1024 * 1024


class RelayRound:
    """One relay on a fresh database."""

    def __init__(
        self, books: Books, stub: Stub, directory: Path, *, template: str, plan: Plan
    ) -> None:
        self._books = books
        self._stub = stub
        self._directory = directory
        self._template = template
        self._plan = plan
        self._database = "benchmark_round"
        self._relays: list[Server] = []
        self._starts: list[float] = []

    async def run(self, *, is_growth: bool = False) -> dict[str, Measured]:
        """All works, or with `is_growth` those that may depend on the number of rows.

        Raises:
            VoidRoundError: the books, or the counts, are not those of the load.
        """
        self._stub.say_ended(is_ended=False)
        if is_growth:
            if await self._books.size_mb(self._template) > COPIED_MAX_MB:
                self._database = self._template
            results = await self._with_fast_kling(is_growth=True)
            if self._database != self._template:
                await self._books.drop(self._database)
            return results
        results = await self._with_fast_kling(is_growth=False)
        results |= await self._without_callbacks()
        results |= await self._with_slow_kling()
        results["a"].notes["ready s"] = median(self._starts[1:])  # the first one compiles modules
        await self._books.drop(self._database)
        return results

    async def _start(self, **settings: object) -> dict[str, object]:
        """Settings for a relay, and a fresh database that callbacks count as arriving in."""
        if self._database == self._template:
            url = await self._books.settle(self._database)
        else:
            url = await self._books.clone(self._template, self._database)
        await self._books.fetch(self._database, "UPDATE channels SET callback_at = now()")
        return {"database_url": url, "secret_key": self._books.secret_key, **settings}

    @contextlib.asynccontextmanager
    async def _relay(self, **settings: object) -> AsyncIterator[Server]:
        """One more relay, which all loads then share."""
        async with running_relay(self._directory, **settings) as relay:
            self._relays.append(relay)
            self._starts.append(relay.ready_s)
            try:
                yield relay
            finally:
                self._relays.remove(relay)

    async def _with_fast_kling(self, *, is_growth: bool) -> dict[str, Measured]:
        settings = await self._start(public_url=self._books.public_url)
        keys = self._books.api_keys
        seconds = self._plan.seconds
        results: dict[str, Measured] = {}
        async with self._relay(**settings):
            await self._warm_up()
            results["a"] = await self._submit(Load(submits(keys), CLIENTS, seconds))
            results["b"] = await self._submit(Load(submits(keys[:1]), CLIENTS, seconds))
            paced = Load(submits(keys), CLIENTS, seconds, pause_ms=SLOW_PAUSE_MS)
            if not is_growth:
                results["a paced"] = await self._submit(paced)
            await self._books.put_off_looks(self._database)
            results["g submit"] = await self._submit(Load(submits(keys), 1, seconds / 2))
            live = await self._books.live(self._database, LIVE)
            results["g poll"] = await self._load(Load(polls(live), 1, seconds / 2))
            results["c"] = await self._poll(live)
            results["c 1 Hz"] = await self._poll_slowly(live, every_s=REFRESH_WITH_CALLBACKS_S)
            results["e"] = await self._call_back()
            results["d"] = await self._poll_ended()
            if not is_growth:
                self._stub.say_ended(is_ended=False)
                results["mix"] = await self._mix()
                await self._books.put_off_looks(self._database)
                async with self._relay(**settings):
                    await self._warm_up()
                    half = Load(submits(keys), CLIENTS // 2, seconds)
                    results["a two"] = await self._submit(half)
        await self._books.check(self._database)
        return results

    async def _without_callbacks(self) -> dict[str, Measured]:
        """Polls at 1 Hz once more, with callbacks off."""
        settings = await self._start()
        self._stub.say_ended(is_ended=False)
        async with self._relay(**settings):
            await self._submit(Load(submits(self._books.api_keys * 2), CLIENTS, 0))
            live = await self._books.live(self._database, LIVE)
            result = await self._poll_slowly(live, every_s=REFRESH_S)
        await self._books.check(self._database)
        return {"c 1 Hz, no callbacks": result}

    async def _with_slow_kling(self) -> dict[str, Measured]:
        """What depends on how long Kling takes, and large bodies; each in a fresh process."""
        results: dict[str, Measured] = {}
        requests = submits(self._books.api_keys)
        async with running_slow_stub(self._directory, delay_ms=SLOW_DELAY_MS) as stub:
            settings = await self._start(public_url=self._books.public_url)
            await self._books.fetch(
                self._database, "UPDATE channels SET base_url = $1", f"http://127.0.0.1:{stub.port}"
            )
            async with self._relay(**settings):
                await self._submit(Load(requests, SLOW_CLIENTS, 0), is_counted=False)
                load = Load(requests, SLOW_CLIENTS, self._plan.seconds)
                stub_before_s = cpu_s(stub.pid)
                results["h"] = await self._submit(load, is_counted=False)
                stub_s = cpu_s(stub.pid) - stub_before_s
                results["h"].notes["slow stub's core"] = stub_s / results["h"].seconds
            load = Load(requests, SLOW_CLIENTS, self._plan.seconds / 2)
            results["h stub"] = await measure(
                [(load, stub.port)], self._directory, pids=[], postmaster=0
            )
            for name, size in (("f 13 MB", 13 * MB), ("f 60 MB", 60 * MB)):
                async with self._relay(**settings) as relay:
                    results[name] = await self._offer(relay, size=size)
        await self._books.check(self._database)
        return results

    async def _offer(self, relay: Server, *, size: int) -> Measured:
        idle_mb = memory_peak_mb(relay.pid)
        before = await self._books.count(self._database)
        keys = self._books.api_keys[:2]  # one tenant may fill half of the budget
        result = await offer(relay, keys, size=size, bodies=self._plan.large_bodies)
        result.notes["idle MB"] = idle_mb
        await self._expect(before.with_submits(result.requests), "large bodies")
        return result

    async def _warm_up(self) -> None:
        """Connections, statements, caches; what is left of it for the worker is put off."""
        for relay in self._relays:
            load = Load(submits(self._books.api_keys), 32, 0)
            await measure([(load, relay.port)], self._directory, pids=[relay.pid], postmaster=0)
        await self._books.put_off_looks(self._database)

    async def _load(self, load: Load) -> Measured:
        return await measure(
            [(load, relay.port) for relay in self._relays],
            self._directory,
            pids=[relay.pid for relay in self._relays],
            postmaster=self._books.postmaster,
        )

    async def _submit(self, load: Load, *, is_counted: bool = True) -> Measured:
        """Submit, and count: each answer is a row and a hold, and Kling was asked for it."""
        before = await self._books.count(self._database)
        asked = self._stub.requests() if is_counted else 0
        result = await self._load(load)
        if is_counted:
            arrived = self._stub.requests() - asked - 1
            result.notes["upstream per submit"] = arrived / result.requests
            if arrived < result.requests:
                raise VoidRoundError(
                    f"THE COUNTS DIFFER: {result.requests} answers, and {arrived} came to Kling"
                )
        await self._expect(before.with_submits(result.requests), "submits")
        return result

    async def _expect(self, expected: Counts, what: str) -> None:
        found = await self._books.count(self._database)
        if found != expected:
            raise VoidRoundError(f"THE COUNTS DIFFER after {what}: {found}, not {expected}")

    async def _poll(self, tasks: Sequence[Task]) -> Measured:
        """Ask about live tasks as fast as possible; just asked about, they are not asked again."""
        await self._books.refreshed_now(self._database, tasks)
        return await self._load(Load(polls(tasks), CLIENTS, self._plan.seconds))

    async def _poll_slowly(self, tasks: Sequence[Task], *, every_s: float) -> Measured:
        """2,000 clients, each asks about its own task once a second."""
        await self._books.put_off_looks(self._database)
        await self._books.spread_refreshes(self._database, tasks, every_s=every_s)
        asked = self._stub.requests()
        load = Load(polls(tasks), len(tasks), self._plan.polling_seconds, pause_ms=1000)
        result = await self._load(load)
        arrived = self._stub.requests() - asked - 1
        result.notes["upstream per GET"] = arrived / result.requests
        await self._books.put_off_looks(self._database)
        return result

    def _callback(self, task: Task) -> Request:
        return Request(
            self._books.callback_path(task), "", kling_says(task.kling_id, "succeed", rest=ENDED)
        )

    async def _call_back(self) -> Measured:
        """A callback for each live task in a burst; each answer comes after its commit."""
        tasks = await self._books.live(self._database, CALLBACKS_MAX)
        before = await self._books.count(self._database)
        result = await self._load(Load([self._callback(task) for task in tasks], CLIENTS, 0))
        if result.requests != len(tasks):
            raise VoidRoundError(f"{result.requests} of {len(tasks)} callbacks were answered")
        await self._expect(before.with_ends(len(tasks)), "callbacks")
        await self._books.put_off_looks(self._database)
        return result

    async def _poll_ended(self) -> Measured:
        """Ask about ended tasks; Kling is asked once for each before, for the full reply."""
        self._stub.say_ended(is_ended=True)
        tasks = await self._books.ended(self._database, LIVE)
        await self._load(Load(polls(tasks), 32, 0))
        asked = self._stub.requests()
        result = await self._load(Load(polls(tasks), CLIENTS, self._plan.seconds))
        result.notes["upstream per GET"] = (self._stub.requests() - asked - 1) / result.requests
        return result

    async def _mix(self) -> Measured:
        """Live tasks are polled, others submitted, and Kling calls back, all at once.

        And ended tasks are polled too. What Kling has to be asked meanwhile is asked; large bodies
        are left out, since only the slow stub reads them.
        """
        books, database, seconds = self._books, self._database, self._plan.seconds
        await self._submit(Load(submits(books.api_keys * 4), CLIENTS, 0))
        before = await books.count(database)
        live = await books.live(database, 2 * LIVE)
        called_back, polled = live[:LIVE], live[LIVE:]
        await books.spread_refreshes(database, polled, every_s=REFRESH_WITH_CALLBACKS_S)
        polled += await books.ended(database, LIVE)
        loads = (
            Load(polls(polled), CLIENTS // 2, seconds),
            Load(submits(books.api_keys), CLIENTS // 8, seconds, pause_ms=20),
            Load([self._callback(task) for task in called_back], 4, 0, pause_ms=2),
        )
        (relay,) = self._relays
        result = await measure(
            [(load, relay.port) for load in loads],
            self._directory,
            pids=[relay.pid],
            postmaster=books.postmaster,
        )
        _, submitted, ended = result.parts
        await self._expect(before.with_submits(submitted).with_ends(ended), "the mix")
        return result
