"""Redeem codes in the console: made once, shown once, redeemed once, and revoked."""

import base64
import csv
import io
import re
from typing import Any

import httpx

from relay.desk.codes import make_codes
from relay.operators.tables import Role
from tests.admin.office import act
from tests.console.test_money import NOTHING, table
from tests.console.test_tenants import EVIL, rows_of_csv
from tests.console.visiting import Visit, visiting
from tests.relay_app import Relay, fixture_relay

NEW = {"name": "spring", "kind": "paid", "amount": "2.000001", "count": "3", "forever": "on"}
WRONG: list[tuple[dict[str, str], str]] = [
    ({"name": ""}, "Fill this in."),
    ({"kind": "correction"}, "Choose one of the list."),
    ({"amount": "0.0000001"}, "decimal places"),
    ({"amount": "-1"}, "An amount such as"),
    ({"count": "0"}, "A whole number from 1 to 10000."),
    ({"count": "10001"}, "A whole number from 1 to 10000."),
    ({"forever": ""}, "Say a day, or tick that they never do."),
    ({"forever": "", "expires_at": "2026-02-30"}, "A day such as"),
    ({"forever": "", "expires_at": "2020-01-01", "sure": "6000003"}, "still to come"),
    ({"amount": "0", "sure": "0"}, "adds more than 0"),
]


async def changes_of(relay: Relay) -> list[str]:
    rows = await relay.rows("SELECT act FROM changes WHERE act LIKE 'code.%' ORDER BY id")
    return [row["act"] for row in rows]


async def make(ann: Visit, **fields: str) -> httpx.Response:
    """Answer both pages: what it comes to, and that one is sure."""
    asked = await ann.post("/money/codes/make", **NEW | fields)
    assert asked.status_code == 200
    sure = re.search(r'name="sure" value="(\d+)"', asked.text)
    assert sure is not None
    return await ann.post("/money/codes/make", **NEW | fields, sure=sure[1])


async def test_codes_are_made_once_and_shown_once(database_url: str) -> None:
    """What they come to is asked first; the answer alone has them, as text and as the file of
    `relay code make`; the same name again makes none; what is wrong is told at its field."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        assert "No code yet" in await ann.read("/money/codes")
        for fields, says in WRONG:
            answer = await ann.post("/money/codes/make", **NEW | fields)
            assert (answer.status_code >= 400, says in answer.text) == (True, True), fields
        asked = await ann.post("/money/codes/make", **NEW)
        assert "3 codes that add 6.000003 USD in all." in asked.text
        other = await ann.post("/money/codes/make", **NEW, sure="6000004")
        assert "3 codes that add 6.000003 USD in all." in other.text
        assert await changes_of(relay) == []

        made = await make(ann, name=f"b {EVIL}")
        assert (made.status_code, "<img src=x" in made.text) == (200, False)
        shown = re.search(r'<pre tabindex="0">([^<]+)</pre>', made.text)
        assert shown is not None
        codes = shown[1].split("\n")
        file = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)" download', made.text)
        assert file is not None
        rows = list(csv.DictReader(io.StringIO(base64.b64decode(file[1]).decode("utf-8-sig"))))
        assert [(row["code"], row["amount"], row["currency"]) for row in rows] == [
            (code, "2.000001", "USD") for code in codes
        ]
        assert len(set(codes)) == 3
        again = await ann.post("/money/codes/make", **NEW | {"name": f"b {EVIL}"})
        assert (again.status_code, "Another one is called that." in again.text) == (409, True)
        assert await changes_of(relay) == ["code.make"]
        for place in ("", "/1", "/1/csv", "/1/revoke"):
            page = (await ann.get(f"/money/codes{place}")).text
            assert not any(code in page for code in codes), place
            assert "<img src=x" not in page


async def test_codes_are_redeemed_once_and_revoked(database_url: str) -> None:
    """For a tenant, once; its entry stands behind it. One code is revoked, then what is free; a
    redeemed one is not, and says so. Who may not, is kept out and noted."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "vic", Role.VIEWER) as vic,
        visiting(relay, "oli", Role.OPERATOR) as oli,
    ):
        await relay.add_tenant("acme", quota_micros=0)
        of: dict[str, Any] = {"amount_micros": 2_000_001, "count": 3, "expires_at": None}
        made: list[Any] = await act(relay, make_codes, "spring", **of, currency="USD")
        here = "/money/codes/redeem"
        for fields, status, says in (
            ({"tenant": "nobody", "code": made[0].code}, 404, "There is no tenant nobody."),
            ({"tenant": "acme", "code": "7" * 25}, 404, "There is no code …7777."),
            ({"tenant": "acme", "code": ""}, 422, "Fill this in."),
        ):
            answer = await ann.post(here, **fields)
            assert (answer.status_code, says in answer.text) == (status, True), answer.text
        first = await ann.post(here, tenant="acme", code=made[0].code)
        assert "2.000001 USD were added to acme: code 1 of spring." in first.text
        second = await ann.post(here, tenant="acme", code=made[0].code.lower())
        assert "nothing was added now" in second.text
        assert await relay.account() == (2_000_001, 0)
        assert len(table(await ann.read("/money/entries", reference="code spring 1"))) == 1

        listed = table(await ann.read("/money/codes/1"))
        assert [(row["Number"], row["State"], row["Redeemed by"]) for row in listed] == [
            *(("3", "free", NOTHING), ("2", "free", NOTHING), ("1", "redeemed", "acme")),
        ]
        assert [row["state"] for row in await rows_of_csv(vic, "/money/codes/1/csv")] == [
            *("free", "free", "redeemed"),
        ]
        (batch,) = table(await vic.read("/money/codes"))
        assert (batch["Not redeemed, in all"], batch["Redeemed, in all"]) == (
            "4.000002",
            "2.000001",
        )

        for answer in (
            await vic.get("/money/codes/make"),
            await vic.post("/money/codes/1/revoke"),
            await vic.post(here, tenant="acme", code=made[1].code),
            await oli.post("/money/codes/make", **NEW, sure="6000003"),
        ):
            assert answer.status_code == 403
        assert "Revoke" not in (await vic.read("/money/codes/1")).replace("Revoked", "")
        refused = await ann.post("/money/codes/1/revoke", code_id="1")
        assert (refused.status_code, "it was redeemed" in refused.text) == (409, True)
        assert (await ann.post("/money/codes/1/revoke", code_id="99")).status_code == 404
        for place in ("2", "2/revoke", "2/csv", str(10**30)):
            assert (await ann.get(f"/money/codes/{place}")).status_code == 404
        asked = await ann.read("/money/codes/1/revoke")
        assert "2 codes of 4.000002 USD in all cannot be redeemed any more" in asked
        one = await ann.post("/money/codes/1/revoke", code_id="2", reason=EVIL)
        assert one.status_code == 303
        for _ in range(2):
            assert (await ann.post("/money/codes/1/revoke")).status_code == 303
        states = [row["State"] for row in table(await ann.read("/money/codes/1"))]
        assert states == ["revoked", "revoked", "redeemed"]
        assert await changes_of(relay) == [
            *("code.make", "code.redeem", "code.revoke", "code.revoke"),
        ]
        assert (await relay.audit()).differences == []
