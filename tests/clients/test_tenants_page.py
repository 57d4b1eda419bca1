"""The page for tenants says what the code does."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from relay.deliveries.signature import sign
from relay.kling.codes import RESELLERS_BUSINESS, Code

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "deploy/tenants.md").read_text()
SECRETS = [
    "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=",
]
OWN = {1000, 1001, 1002, 1003, 1004, 1102}
"""Codes about an account that the relay itself says of the tenant's."""


def test_every_code_that_a_tenant_can_see_is_explained() -> None:
    """Each with its HTTP status; those that are the reseller's business are not promised."""
    rows = re.findall(r"^\| (\d{3}) \| ([\d, ]+) \|", PAGE, re.MULTILINE)
    told = {
        int(code): int(status)
        for status, codes in rows
        for code in codes.replace(" ", "").split(",")
    }

    seen = {code for code in Code if code and (code not in RESELLERS_BUSINESS or code in OWN)}
    assert told == {int(code): code.http_status for code in seen}


def checker() -> Any:
    """The page's own function."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (code,) = (block for block in blocks if "def is_genuine" in block)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["is_genuine"]


@pytest.mark.parametrize("secrets", [SECRETS[:1], SECRETS, SECRETS[::-1]])
def test_the_pages_check_takes_what_the_relay_signs(secrets: list[str]) -> None:
    """One secret, and two during a rotation; any byte, id or time that differs is refused."""
    is_genuine, body = checker(), b'{"task_id":"1","task_status":"succeed"}'
    now = datetime.now(UTC)
    headers = sign(secrets, webhook_id="msg_1", at=now, body=body)
    old = sign(secrets, webhook_id="msg_1", at=now - timedelta(seconds=400), body=body)

    assert all(is_genuine(secret, headers, body) for secret in secrets)
    assert not is_genuine(secrets[0], headers, body + b" ")
    assert not is_genuine(secrets[0], {**headers, "webhook-id": "msg_2"}, body)
    assert not is_genuine(secrets[0], old, body)
    assert not is_genuine("whsec_" + "A" * 44, headers, body)


def test_the_readme_leads_to_the_page() -> None:
    """Where it says what customers change."""
    assert "(deploy/tenants.md)" in (ROOT / "README.md").read_text()
