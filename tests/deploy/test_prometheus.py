"""Prometheus: its configuration, our rules, and that each alert has somebody's next step."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from relay.alerts.rules import RULES
from relay.pages.metrics import metrics_of_business
from relay.settings import Settings
from tests.deploy.expressions import not_there
from tests.test_docs import section
from tests.waiting import PATIENCE_S

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
JOBS: dict[str, dict[str, Any]] = {
    name: {
        job["job_name"]: job
        for job in yaml.safe_load((PROMETHEUS / f"{name}.yml").read_text())["scrape_configs"]
    }
    for name in ("prometheus", "kubernetes")
}
"""Of each configuration, by their names."""
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
NAMES = [alert["alert"] for alert in ALERTS]
PROMTOOL = shutil.which("promtool") or ""
needs_promtool = pytest.mark.skipif(not PROMTOOL, reason="there is no promtool here")


def promtool(*words: str) -> None:
    done = subprocess.run(
        [PROMTOOL, *words],
        cwd=PROMETHEUS,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_prometheus_reads_its_configuration_and_our_rules(tmp_path: Path) -> None:
    """As it would when it starts; Debian's knows nothing of Kubernetes, so that is left out."""
    without = re.sub(
        r"kubernetes_sd_configs: .*",
        "static_configs: []",
        (PROMETHEUS / "kubernetes.yml").read_text(),
    )
    (tmp_path / "kubernetes.yml").write_text(without)

    promtool("check", "config", "--syntax-only", "prometheus.yml")
    promtool("check", "config", "--syntax-only", str(tmp_path / "kubernetes.yml"))
    promtool("check", "rules", "rules.yml")


@needs_promtool
def test_each_alert_fires_when_it_should_and_not_before() -> None:
    """By the cases of rules.test.yml, which lack none."""
    promtool("test", "rules", "rules.test.yml")

    cases = (PROMETHEUS / "rules.test.yml").read_text()
    assert [name for name in NAMES if f'alertname="{name}"' not in cases] == []


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_each_alert_says_what_is_wrong_and_what_to_do(alert: dict[str, Any]) -> None:
    """A sentence, and an entry of the runbook that begins with how urgent it is."""
    entry = section("docs/operate.md", alert["alert"]) or ""
    urgency = entry.strip().partition("*")[2].partition(".*")[0].lower()

    assert alert["annotations"]["runbook"] == f"docs/operate.md#{alert['alert'].lower()}"
    assert re.fullmatch(r"([A-Z]|\{\{).+\.", alert["annotations"]["summary"])
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert urgency == alert["labels"]["severity"]


def test_the_runbook_has_no_entry_of_an_alert_that_is_gone() -> None:
    """And each alert, of Prometheus' and of the relay's own, stands there once."""
    entries = re.findall(
        r"^#### (\S+)$", section("docs/operate.md", "What each alert wants") or "", re.MULTILINE
    )

    assert sorted(entries) == sorted({*NAMES, *(rule.entry for rule in RULES)})


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_each_alert_is_about_metrics_that_there_are(alert: dict[str, Any]) -> None:
    """With labels that they have."""
    assert not_there(alert["expr"]) == []


def test_each_process_is_asked_at_its_office() -> None:
    """By address, which is the one thing that an office always answers to; the rules go by jobs."""
    for name in ("relay", "relay-business"):
        (asked,) = JOBS["prometheus"][name]["dns_sd_configs"]
        assert (asked["type"], asked["port"]) == ("A", Settings().office_port)
        kept = [one.get("regex") for one in JOBS["kubernetes"][name]["relabel_configs"]]
        assert {"kling-relay", "office"} <= set(kept)
    for jobs in JOBS.values():
        assert {jobs["relay-business"]["metrics_path"]} == metrics_of_business.paths
    named = {job for alert in ALERTS for job in re.findall(r'job="([^"]*)"', alert["expr"])}
    assert named <= JOBS["prometheus"].keys() & JOBS["kubernetes"].keys()
