"""What an exposition says, as Prometheus reads it."""

import shutil
import subprocess
from typing import Any

import httpx
import pytest
from litestar import Litestar
from prometheus_client.parser import text_string_to_metric_families

Series = tuple[str, tuple[tuple[str, str], ...]]


class Scraped:
    """One answer to a scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {one.name: one for one in text_string_to_metric_families(text)}
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """One series' value; 0 where there is none."""
        return self._values.get((name, frozenset(labels.items())), 0.0)

    def all(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """Every series of a name, by its labels."""
        return {labels: value for (one, labels), value in self._values.items() if one == name}

    def lint(self) -> None:
        """Have Prometheus' own tool find nothing; where it is not installed, say so."""
        promtool = shutil.which("promtool")
        if promtool is None:
            pytest.skip("promtool is not installed (Debian's package prometheus has it)")
        done = subprocess.run(
            [promtool, "check", "metrics"],
            input=self.text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


async def scrape(app: Litestar, path: str = "/metrics", **headers: Any) -> Scraped:
    answer = await ask(app, path, **headers)
    assert answer.status_code == 200, answer.text
    return Scraped(answer.text)


async def ask(app: Litestar, path: str = "/metrics", **headers: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=app.state.office)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as office:
        return await office.get(path, headers=headers)
