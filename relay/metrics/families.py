"""Families of metrics in Prometheus' own words."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from relay.counts import Counter, Labels, Timing

Values = Iterable[tuple[Labels, float]]


class Gauge(NamedTuple):
    """A row of a table: what is read when somebody asks."""

    name: str
    about: str
    labels: Labels
    read: Callable[[], Values]


class Exposition(NamedTuple):
    """A body, and what it is written in."""

    body: bytes
    content_type: str


def write(collector: Collector, *, accept: str) -> Exposition:
    """Write all that a collector has, in the format that the asker prefers."""
    encode, content_type = choose_encoder(accept)
    return Exposition(encode(collector), content_type)


def new_registry(*collectors: Collector) -> CollectorRegistry:
    """Make one of our own: prometheus-client's is the process's, and what is in it stays there."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return registry


def counter_family(counter: Counter) -> Metric:
    family = CounterMetricFamily(counter.name, counter.about, labels=counter.labels)
    for labels, value in counter.by.copy().items():
        # Whole numbers stay so: a float has 53 bits of them, nine thousand million units in micros.
        whole, rest = divmod(value, counter.per_unit)
        family.add_metric(labels, whole if rest == 0 else value / counter.per_unit)
    return family


def timing_family(timing: Timing) -> Metric:
    family = HistogramMetricFamily(timing.name, timing.about, labels=timing.labels)
    bounds = [*(f"{bound:g}" for bound in timing.bounds), "+Inf"]
    for labels, spread in timing.by.copy().items():
        so_far, buckets = 0, []
        for bound, count in zip(bounds, spread.counts, strict=True):
            so_far += count
            buckets.append((bound, so_far))
        family.add_metric(labels, buckets, spread.sum_s)
    return family


def gauge_family(gauge: Gauge) -> Metric:
    family = GaugeMetricFamily(gauge.name, gauge.about, labels=gauge.labels)
    for labels, value in gauge.read():
        family.add_metric(labels, value)
    return family
