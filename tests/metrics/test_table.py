"""docs/operate.md has every metric that there is, and no other."""

import re
from pathlib import Path

from tests.metrics.exposition import scrape
from tests.relay_app import running_relay

PAGE = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
ROW = re.compile(r"^\| `(relay_\w+)` \| (\w+) \| (.+?) \| ", re.MULTILINE)
OF_PYTHON = ("process_", "python_gc_")


async def test_the_table_has_every_metric_with_its_type_and_labels(database_url: str) -> None:
    """Those that a process shows, whether or not it has counted anything yet."""
    async with running_relay(database_url) as relay:
        scraped = await scrape(relay.app)
        labels = {family.name: family.labels for family in relay.parts.counts}
        labels |= {one.name: one.labels for one in relay.app.state.process_metrics.gauges}

    families = {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in scraped.families.values()
        if not family.name.startswith(OF_PYTHON)
    }
    shown = {name: (kind, spelt(labels[name])) for name, kind in families.items()}
    assert shown.keys() == labels.keys()
    assert {name: (kind, these) for name, kind, these in ROW.findall(PAGE)} == shown


def spelt(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels) or "-"
