"""Files that stay, by command: what is kept of whom, and whether all of it is there."""

import hashlib
from pathlib import Path

import pytest

from tests.cli.command import Command, execute

ID = "5f0c1a2b-0000-4000-8000-00000000000a"
CONTENT = b"\0\0\0\x18ftypmp42" + b"\0" * 3000
HASH = hashlib.sha256(CONTENT).hexdigest()
FILES_URL = "https://files.example.com"


@pytest.fixture
def kept(relay: Command, tmp_path: Path) -> Path:
    """One file of acme's, in the store; returns where it lies."""
    relay.environ |= {"RELAY_ASSET_STORE": str(tmp_path), "RELAY_ASSET_URL": FILES_URL}
    relay("tenant", "add", "acme")
    execute(
        relay,
        "INSERT INTO asset_objects (tenant_id, sha256, bytes, stored_at) VALUES (1, $1, $2, now())",
        *(HASH, len(CONTENT)),
    )
    execute(
        relay,
        "INSERT INTO assets (public_id, tenant_id, source, state, object_id, sha256, bytes,"
        " content_type, stored_at, kept_until) VALUES ($1, 1, 'upload', 'stored', 1, $2, $3,"
        " 'video/mp4', now(), now() + interval '1 day')",
        *(ID, HASH, len(CONTENT)),
    )
    path = tmp_path / "1" / HASH[:2] / f"{HASH}.1"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return path


def test_what_is_kept_is_shown_and_ended(relay: Command, kept: Path) -> None:
    """With a link to it, and the bytes of all; one that is over is not ended again."""
    [listed] = relay.json("asset", "list", "--tenant", "acme", "--state", "stored")
    assert (listed["asset"], listed["bytes"]) == (ID, len(CONTENT))
    assert f"{len(CONTENT):,} bytes of acme, in 1 objects" in (
        relay("asset", "list", "--tenant", "acme").stderr
    )
    assert f"{FILES_URL}/assets/{ID}.mp4?until=" in relay("asset", "show", ID).stdout
    missing = relay.refused("asset", "show", "nothing")
    assert "there is no asset 'nothing'; `relay asset list` shows them" in missing
    assert "changed" not in missing, "it was a question"

    relay("asset", "delete", ID, "--yes")

    assert "over already" in relay.refused("asset", "delete", ID, "--yes")
    assert relay.json("asset", "list", "--state", "stored") == []
    assert kept.exists(), "for an hour"


def test_what_is_not_there_whole_is_named(relay: Command, kept: Path) -> None:
    """Cut, changed or taken away; `relay check` says whether the store can be written."""
    assert "All is there: 1 objects" in relay("asset", "verify").stdout
    for content, why in ((CONTENT[:-1] + b"x", "another one"), (CONTENT[:-1], "should have")):
        kept.write_bytes(content)
        assert why in relay("asset", "verify", "--tenant", "acme", code=1).stdout
    kept.unlink()
    [wrong] = relay.json("asset", "verify", code=1)
    assert wrong["why_not"] == "it is not in the store"

    # Without a channel it is not well in any case.
    checked = relay.json("check", code=1)["findings"]
    [said, *_] = [one for one in checked if one["subject"] == "kept files"]
    assert (said["level"], str(kept.parents[2]) in said["said"]) == ("good", True)
    nowhere = relay.json("check", code=1, RELAY_ASSET_STORE="/proc/nowhere")["findings"]
    assert ("kept files", "bad") in {(one["subject"], one["level"]) for one in nowhere}


def test_a_store_and_its_rows_are_made_to_agree(relay: Command, kept: Path) -> None:
    """What no row knows of is taken out, and what is not there is told to be lost, once asked."""
    strange = kept.with_name(f"{HASH}.7")
    strange.write_bytes(CONTENT)
    (kept.parents[2] / "backup.bin").write_bytes(b"somebody's")
    told = relay.json("asset", "verify", code=1)
    assert [one["why_not"] for one in told] == [None, "no row knows of it"]
    assert relay.json("asset", "verify", "--tenant", "acme")[0]["why_not"] is None
    assert "of no row" in relay("asset", "verify", "--mend", "--yes", code=1).stderr
    assert "All is there" in relay("asset", "verify").stdout
    assert (kept.exists(), strange.exists()) == (True, False)

    kept.unlink()
    assert "say --none-left" in relay.refused("asset", "verify", "--mend", "--yes")
    relay("asset", "verify", "--mend", "--none-left", "--yes", code=1)
    [lost] = relay.json("asset", "list")
    assert (lost["state"], lost["reason"]) == ("lost", "its content was not in the store")
    assert "0 objects" in relay("asset", "verify").stdout
    assert (kept.parents[2] / "backup.bin").exists()


def test_what_is_kept_of_a_tenant_is_said_and_taken_back(relay: Command) -> None:
    """In days and gigabytes; what is no number is refused."""
    relay("tenant", "add", "acme")
    names = ("keep_results_days", "asset_bytes_max", "result_urls")

    on = ("--keep-results", "2", "--keep-gb", "0.5", "--result-urls", "ours")
    told = relay.json("tenant", "set", "acme", *on)
    assert [told[name] for name in names] == [2, 500_000_000, "ours"]
    shown = relay("tenant", "show", "acme").stdout
    for pair in ("keeps results   for 2 days", "keeps at most   0.5 GB", "result URLs     ours"):
        assert pair in shown
    assert relay("tenant", "set", "acme", "--contact", "ann@acme.test").stdout.endswith(
        "contact         ann@acme.test\n"
    )
    noted = relay("tenant", "set", "acme", "--notes", "pays by bank\nbefore the 5th").stdout
    assert noted.endswith("notes           pays by bank / before the 5th\n")
    priced = relay("tenant", "set", "acme", "--asset-gb-month", "0.03").stdout
    assert "GB-month        0.03 USD, its own" in priced
    free = relay.json("tenant", "set", "acme", "--asset-gb-month", "none")
    assert free["asset_gb_month_micros"] is None
    assert "Nobody kept files then" in relay("asset", "months", "--tenant", "acme").stderr
    assert relay.json("asset", "months", "--month", "2026-10") == []
    back = ("tenant", "adjust", "acme", "1", "--reason", "x", "--storage", "2026-10")
    assert "have no such amount to be given back; left of them is 0 USD" in relay.refused(*back)
    off = ("--keep-results", "none", "--keep-gb", "none", "--result-urls", "kling")
    told = relay.json("tenant", "set", "acme", *off)
    assert [told[name] for name in names] == [None, None, "kling"]
    for wrong, why in (("x", "neither a number of days nor none"), ("0", "1 to 3650 days")):
        said = relay.refused(
            *("tenant", "set", "acme", "--keep-results", wrong), code=2 if wrong == "x" else 1
        )
        assert why in said
