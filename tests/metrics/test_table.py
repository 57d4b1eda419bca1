"""docs/operate.md has every metric that there is, and no other."""

import re
from pathlib import Path

from relay.metrics.business import FIGURES
from tests.metrics.exposition import scrape
from tests.relay_app import running_relay

PAGE = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
ROW = re.compile(r"^\| `(relay_\w+)` \| (\w+) \| (.+?) \| ", re.MULTILINE)
OF_PYTHON = ("process_", "python_gc_")


async def test_the_tables_have_every_metric_with_its_type_and_labels(database_url: str) -> None:
    """Also those that have no series yet, of what was counted and of the business."""
    async with running_relay(database_url) as relay:
        pages = [await scrape(relay.app), await scrape(relay.app, "/metrics/business")]
        counted = list(relay.parts.counts)
        read = relay.app.state.process_metrics.gauges
    labels = {family.name: family.labels for family in (*counted, *read, *FIGURES)}

    families = {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for page in pages
        for family in page.families.values()
        if not family.name.startswith(OF_PYTHON)
    }
    assert families.keys() == labels.keys()
    rows = ROW.findall(PAGE)
    assert len({name for name, _, _ in rows}) == len(rows)
    assert {name: (kind, these) for name, kind, these in rows} == {
        name: (kind, spelt(labels[name])) for name, kind in families.items()
    }


def spelt(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels) or "-"
