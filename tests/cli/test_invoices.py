"""`relay invoice`, as whoever makes invoices has it."""

import csv
import io
from pathlib import Path

from tests.cli.command import Command

BUYER = ("--title", "=Acme, GmbH", "--tax-id", "913100001234567890", "--mail", "ap@acme.test")


def test_an_invoice_from_its_request_to_its_reversal(relay: Command, tmp_path: Path) -> None:
    """What is due, the request, a CSV for tax software, the number and the file, a correction that
    is seen, and what cannot be, in a sentence each."""
    paper = tmp_path / "acme.pdf"
    paper.write_bytes(b"%PDF-1.7 \xff\x00")
    relay("tenant", "add", "acme", "--quota", "100")
    assert "there is no invoice profile" in relay.refused("invoice", "profile", "acme")
    assert "there is no invoice profile" in relay.refused("invoice", "due", "acme")
    assert "it has no invoice profile" in relay.refused("invoice", "request", "acme")

    relay("invoice", "profile", "acme", *BUYER)
    (due,) = relay.json("invoice", "due")
    shown = relay("invoice", "request", "acme")
    listed = relay("invoice", "list", "--state", "requested", "--format", "csv").stdout
    relay("invoice", "issue", "1", "--number", "26317000000123456789", "--file", str(paper))
    relay("tenant", "topup", "acme", "--kind", "correction", "--ref", "less", "--", "-30")
    seen = relay("invoice", "list")
    of = relay.json("invoice", "show", "1")
    relay("invoice", "file", "1", "--out", str(tmp_path / "copy.pdf"))
    refused = relay.refused("invoice", "request", "acme")
    asked = relay.refused("invoice", "reverse", "1", "--reason", "red letter", stdin="n\n")
    relay("invoice", "reverse", "1", "--reason", "red letter", "--yes")
    again = relay.json("invoice", "request", "acme")

    assert (due["amount_micros"], due["what"]) == (100_000_000, "paid")
    assert "100 USD" in shown.stdout
    (row,) = csv.DictReader(io.StringIO(listed.removeprefix("\ufeff")))
    assert listed.startswith("\ufeff")
    assert (row["Title"], row["Tax id"], row["Amount"]) == (
        *("'=Acme, GmbH", "913100001234567890", "100"),
    )
    assert '"913100001234567890"' in listed
    assert "-30 USD" in seen.stdout
    assert "on no invoice" in " ".join(seen.stderr.split())
    assert [one["reference"] for one in of["corrected_since"]] == ["less"]
    assert of["file_name"] == "acme.pdf"
    assert (tmp_path / "copy.pdf").read_bytes() == paper.read_bytes()
    assert "comes to -30" in refused
    assert "Aborted" in asked
    assert again["amount_micros"] == 70_000_000
    assert [one["state"] for one in relay.json("invoice", "list")] == ["requested", "reversed"]
    assert "there is no invoice 7; `relay invoice list` shows them" in relay.refused(
        "invoice", "show", "7"
    )
    assert "no file of invoice 2" in relay.refused("invoice", "file", "2", "--out", "x")
    acts = [one["act"] for one in relay.json("changes", "list")]
    assert [one for one in acts if one.startswith("invoice.")] == [
        *("invoice.request", "invoice.reverse", "invoice.issue", "invoice.request"),
        "invoice.set_profile",
    ]
