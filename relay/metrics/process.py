"""`/metrics`: one process as it is, and what it counted since it started."""

import asyncio
import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version

from prometheus_client import GCCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from relay.channels.directory import ChannelDirectory
from relay.counts import Counter, Counts, Family, Labels
from relay.database.connections import Connections
from relay.metrics.families import (
    Exposition,
    Gauge,
    Values,
    counter_family,
    gauge_family,
    new_registry,
    timing_family,
    write,
)
from relay.tasks.ability import Ability

CHANNEL = "channel"


class ProcessMetrics(Collector):
    """Turns what was counted into families of metrics; asks nobody, and waits for nothing."""

    def __init__(
        self,
        counts: Counts,
        *,
        connections: Callable[[], Iterator[Connections]],
        directory: ChannelDirectory,
        ability: Ability,
        is_ready: Callable[[], bool],
    ) -> None:
        self._counts = counts
        self._connections = connections
        self._directory = directory
        self._registry = new_registry(self)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self.gauges = (
            Gauge(
                "relay_build_info",
                "Always 1: which version runs, on which Python.",
                ("version", "python"),
                lambda: [((version("kling-relay"), platform.python_version()), 1)],
            ),
            Gauge(
                "relay_ready",
                "1 if a submit could run when this was last tried, else 0.",
                (),
                lambda: [((), int(is_ready()))],
            ),
            Gauge(
                "relay_clock_ahead_seconds",
                "How far this machine's clock is before the database's; negative is behind.",
                (),
                lambda: [((), ability.clock_ahead_s)],
            ),
            Gauge(
                "relay_database_connections",
                "Connections to Postgres by what they are for, and whether they are in use.",
                ("connections", "state"),
                self._uses,
            ),
            Gauge(
                "relay_database_connections_max",
                "How many connections to Postgres there may be, by what they are for.",
                ("connections",),
                lambda: [((one.name,), one.most) for one in connections()],
            ),
        )

    async def show(self, accept: str) -> Exposition:
        """Write it all, in a thread: it takes some milliseconds, in which requests go on.

        Of channels that are no more nothing is kept.
        """
        self._counts.fold_answers()
        names = self._directory.names()
        if names is not None:
            for family in self._counts:
                _forget_others(family, names)
        return await asyncio.to_thread(write, self._registry, accept=accept)

    def collect(self) -> Iterator[Metric]:
        for gauge in self.gauges:
            yield gauge_family(gauge)
        for family in self._counts:
            yield (counter_family(family) if isinstance(family, Counter) else timing_family(family))

    def _uses(self) -> Values:
        for one in self._connections():
            yield (one.name, "used"), one.used
            yield (one.name, "idle"), one.open - one.used


def _forget_others(family: Family, names: frozenset[str]) -> None:
    if CHANNEL not in family.labels:
        return
    place = family.labels.index(CHANNEL)

    def is_there(labels: Labels) -> bool:
        return labels[place] in names

    family.keep(is_there)
