"""What is done to tenants in the console: each by a form, at the desk, once somebody is sure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html import unescape
from typing import Any

from relay.desk.storage import charge_storage
from relay.form_keys import new_key
from relay.months import month_of
from relay.operators.tables import Role
from tests.admin.office import act
from tests.console.test_tenants import EVIL, amount_of, id_of
from tests.console.visiting import Visit, visiting
from tests.relay_app import Relay, fixture_relay

PAGES = ("top-up", "adjust", "credit", "change", "remove", "open-below", "tokens/issue")
WRONG: list[tuple[str, dict[str, str], str]] = [
    ("top-up", {"kind": "paid", "amount": "x", "reference": "r"}, "A number such as 12.50."),
    ("top-up", {"kind": "gift", "amount": "1", "reference": "r"}, "Choose one of the list."),
    ("top-up", {"kind": "paid", "amount": "1"}, "Fill this in."),
    (
        "top-up",
        {"kind": "paid", "amount": "-1", "reference": "r", "sure": "-1000000"},
        "correction",
    ),
    ("adjust", {"amount": "1.0000001", "reason": "r"}, "decimal places"),
    ("adjust", {"amount": "0", "reason": "r"}, "0 changes nothing"),
    ("top-up", {"kind": "paid", "amount": "0", "reference": "r"}, "0 changes nothing"),
    ("credit", {"credit": "-1", "reason": "r"}, "An amount such as 12.50."),
    ("change", {"was.name": "acme", "name": ""}, "Fill this in."),
    ("change", {"was.queue_weight": "1", "queue_weight": "0"}, "A weight is from 1"),
    ("open-below", {"name": "a/b", "factor": "2"}, "has no / in it"),
    ("tokens/issue", {"scope": "all"}, "Choose one of the list."),
    ("tokens/issue", {"scope": "call", "addresses": "nowhere"}, "nowhere"),
    ("limits/set", {"kind": "year", "allowed": "1"}, "Choose one of the list."),
    ("limits/set", {"kind": "rate", "allowed": "1.5"}, "A whole number"),
    ("limits/raise", {"kind": "day", "allowed": "9"}, "Fill this in."),
    ("limits/raise", {"kind": "week", "allowed": "9", "hours": "1"}, "no limit 'week'"),
]


async def done(ann: Visit, path: str, **fields: str) -> None:
    answer = await ann.post(path, **fields)
    assert answer.status_code == 303, answer.text


async def state(relay: Relay) -> Mapping[str, Any]:
    (row,) = await relay.rows(
        "SELECT t.*, a.quota_micros, a.credit_micros, a.tasks_max FROM tenants t"
        " JOIN accounts a ON a.id = t.account_id WHERE t.name LIKE 'acme%' ORDER BY t.id LIMIT 1"
    )
    return dict(row)


async def open_acme(ann: Visit) -> str:
    """Open a tenant by its form; returns the page that shows its keys."""
    fields = {"name": "acme", "quota": "10.5", "contact": EVIL, "limit_day": "5", "lang": "en"}
    fields |= {"base_url": "https://relay.test", "tasks_max": "7", "limit_in_flight": "3"}
    asked = await ann.post("/tenants/open", **fields)
    assert "10.50 USD are entered as a top-up that acme paid." in asked.text
    changed = await ann.post("/tenants/open", **(fields | {"quota": "11", "sure": "10500000"}))
    assert "11.00 USD are entered" in changed.text, "another amount is asked for anew"
    opened = await ann.post("/tenants/open", **fields, sure="10500000")
    assert (opened.status_code, opened.headers["cache-control"]) == (200, "no-store")
    return opened.text


async def changes_of(relay: Relay) -> list[tuple[str, str]]:
    rows = await relay.rows("SELECT act, actor FROM changes ORDER BY id")
    return [(row["act"], row["actor"]) for row in rows]


async def pay(relay: Relay, ann: Visit, here: str) -> None:
    paid = {"kind": "paid", "amount": "20", "reference": "wx-1"}
    asked = await ann.post(f"{here}/top-up", **paid)
    assert "from 10.50 USD to 30.50 USD" in asked.text
    assert "Add 20.00 USD to acme" in asked.text
    assert (await state(relay))["quota_micros"] == 10_500_000
    for _ in range(2):
        await done(ann, f"{here}/top-up", **paid, sure="20000000")
    other = await ann.post(f"{here}/top-up", **(paid | {"amount": "21"}), sure="21000000")
    assert "It stands for 20.00 USD (paid) already" in other.text
    await done(ann, f"{here}/adjust", amount="-0.5", reason="fee", sure="-500000")
    await done(ann, f"{here}/credit", credit="4", reason="monthly", sure="4000000")
    after = await state(relay)
    assert (after["quota_micros"], after["credit_micros"]) == (30_000_000, 4_000_000)


async def test_a_tenant_is_opened_paid_changed_and_removed(database_url: str) -> None:
    """Each act is done once, with its change; wrong input says so at its field, without one."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        shown = await open_acme(ann)
        acme = await id_of(relay, "acme")
        here = f"/tenants/{acme}"
        key = re.search(r"API key</dt><dd><span class=\"copyable\"><code>([^<]+)<", shown)
        assert key is not None
        assert shown.count(key[1]) > 2, "in the list, in the sheet, and to copy"
        before = await state(relay)
        assert (before["quota_micros"], before["tasks_max"]) == (10_500_000, 7)

        count = await changes_of(relay)
        for name, fields, says in WRONG:
            answer = await ann.post(f"{here}/{name}", **fields)
            assert (answer.status_code >= 400, says in unescape(answer.text)) == (True, True), (
                name,
                fields,
            )
        assert await changes_of(relay) == count

        await pay(relay, ann, here)
        form = {"was.name": "acme", "name": "acme b", "was.enabled": "on", "was.groups": ""}
        form |= {"groups": "eu, spare", "was.multiplier": "", "multiplier": "1.5"}
        form |= {"was.contact": EVIL, "contact": EVIL, "was.queue_s": "", "queue_s": "60"}
        form |= {"was.notes": "", "notes": "rings \a"}
        form |= {"was.asset_gb_month": "", "asset_gb_month": "0.03"}
        bell = await ann.post(f"{here}/change", **form)
        assert (bell.status_code, 'id="notes-error"' in bell.text) == (409, True)
        form |= {"notes": f"{EVIL}\r\npays on the 5th"}
        await done(ann, f"{here}/change", **form)
        page = await ann.read(here)
        assert (f"{EVIL}\npays on the 5th" in page, "0.03 USD a GB-month" in page) == (True, True)
        now = await state(relay)
        assert now["notes"] == f"{EVIL}\npays on the 5th"
        assert (now["name"], now["enabled"], now["groups"]) == ("acme b", False, ["eu", "spare"])
        assert (now["queue_s"], now["contact"], now["room_min"]) == (60, EVIL, 0)
        await done(ann, f"{here}/open-below", name="eu", factor="1.2")
        assert "acme b/eu" in await ann.read(f"{here}/below")

        await done(ann, f"{here}/limits/set", kind="rate", allowed="2")
        await done(ann, f"{here}/limits/raise", kind="day", allowed="9", hours="2")
        await done(ann, f"{here}/limits/set", kind="in_flight", allowed="")
        limits = await ann.read(f"{here}/limits")
        assert amount_of(limits, "A day") == 0
        assert ("of 9.00" in re.sub(r"<[^>]+>", "", limits), "Tasks at a time" in limits) == (
            *(True, False),
        )
        refused = await ann.post(f"{here}/remove")
        assert (refused.status_code, "has sub-tenants" in refused.text) == (409, True)
        acts = (await changes_of(relay))[len(count) :]
        assert {actor for _, actor in acts} == {"operator:ann"}
        assert [act for act, _ in acts] == [
            *("tenant.top_up", "tenant.adjust", "tenant.set_credit", "tenant.change"),
            *("sub_tenant.open", "limit.set", "limit.raise", "limit.set"),
        ]

        eu = await id_of(relay, "acme b/eu")
        await done(ann, f"/tenants/{eu}/remove")
        assert "Removed" in await ann.read(f"/tenants/{eu}")


async def test_tokens_are_issued_rotated_and_revoked(database_url: str) -> None:
    """Keys stand on the answer alone, and on no page after; of another tenant's nothing is done."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        await open_acme(ann)
        here = f"/tenants/{await id_of(relay, 'acme')}"
        fields = {"name": EVIL, "scope": "read", "until": "2999-12-31", "addresses": "10.0.0.0/8"}
        issued = await ann.post(f"{here}/tokens/issue", **fields, limit_month="3")
        secrets = re.findall(r"<code>([^<]+)</code>", issued.text)
        assert (issued.status_code, len(secrets)) == (200, 3)
        (token,) = await relay.rows("SELECT * FROM tokens ORDER BY id DESC LIMIT 1")
        assert (token["name"], token["scope"], token["addresses"]) == (EVIL, "read", ["10.0.0.0/8"])
        listed = (await ann.get(f"{here}/tokens")).text
        assert [secrets[at] in listed for at in range(3)] == [False, True, False]
        assert "<img src=x" not in listed

        one = f"{here}/tokens/{token['id']}"
        rotated = await ann.post(f"{one}/rotate", keep_hours="0")
        new = re.findall(r"<code>([^<]+)</code>", rotated.text)
        assert (rotated.status_code, set(new) & set(secrets)) == (200, set())
        assert "A whole number" in (await ann.post(f"{one}/rotate", keep_hours="721")).text
        await ann.post("/tenants/open", name="b", lang="en", base_url="https://relay.test")
        theirs = f"/tenants/{await id_of(relay, 'b')}/tokens/{token['id']}"
        for act in ("rotate", "revoke"):
            assert (await ann.get(f"{theirs}/{act}")).status_code == 404
            assert (await ann.post(f"{theirs}/{act}", keep_hours="0")).status_code == 404
            assert (await vic.post(f"{one}/{act}", keep_hours="0")).status_code == 403
        await done(ann, f"{one}/revoke", leaked="on")
        assert f">{token['id']}</a>" not in await ann.read(f"{here}/tokens")
        assert "revoked" in await ann.read(f"{here}/tokens", all="on")

        before = await relay.rows("SELECT count(*) AS n FROM changes WHERE act <> 'office.refuse'")
        for page in ("/tenants/open", *(f"{here}/{name}" for name in PAGES)):
            assert (await vic.get(page)).status_code == 403, page
        for act, fields, _ in RIGHT:
            answer = await vic.post(f"{here}/{act}", **fields)
            assert (answer.status_code, "Your role may not do this." in answer.text) == (403, True)
        after = await relay.rows("SELECT count(*) AS n FROM changes WHERE act <> 'office.refuse'")
        assert before == after
        assert "Top up…" not in await vic.read(here)


RIGHT: list[tuple[str, dict[str, str], str]] = [
    ("top-up", {"kind": "paid", "amount": "1", "reference": "r", "sure": "1000000"}, ""),
    ("adjust", {"amount": "1", "reason": "r", "sure": "1000000"}, ""),
    ("credit", {"credit": "1", "reason": "r", "sure": "1000000"}, ""),
    ("change", {"was.name": "acme", "name": "other"}, ""),
    ("remove", {}, ""),
    ("open-below", {"name": "x", "factor": "2"}, ""),
    ("tokens/issue", {"scope": "call"}, ""),
    ("limits/set", {"kind": "day", "allowed": "1"}, ""),
    ("limits/raise", {"kind": "day", "allowed": "9", "hours": "1"}, ""),
]


async def test_a_month_of_kept_files_is_given_back_to_whoever_paid(database_url: str) -> None:
    """Its months are listed with what was charged; no more than that goes back, each time once."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        await open_acme(ann)
        here = f"/tenants/{await id_of(relay, 'acme')}"
        assert "It kept no file" in await ann.read(f"{here}/kept")
        last = month_of(datetime.now(UTC), UTC).previous
        days = (last.next.first - last.first).days
        await relay.rows(
            "INSERT INTO asset_days SELECT id, $1, $2, 2000000 FROM tenants WHERE name = 'acme'",
            *(last.first, days * 1_500_000_000),
        )
        act_page = f"{here}/kept/{last}/give-back"
        assert (await ann.get(act_page)).status_code == 404, "it was not charged yet"
        await act(relay, charge_storage, "acme", last, zone=UTC, currency="USD")
        listed = await ann.read(f"{here}/kept")
        assert (f"{here}/kept/{last}/give-back" in listed, ">3.00<" in listed) == (True, True)
        seen = await vic.read(f"{here}/kept")
        assert (">3.00<" in seen, "give-back" in seen) == (True, False)
        assert (await vic.post(act_page, amount="1", reason="r")).status_code == 403

        count = await changes_of(relay)
        for fields, says in (
            ({"amount": "0", "reason": "r"}, "0 changes nothing"),
            ({"amount": "-1", "reason": "r"}, "An amount such as 12.50."),
            ({"amount": "3.000001", "reason": "r"}, "no such amount to be given back"),
            ({"amount": "1", "reason": ""}, "Fill this in."),
        ):
            answer = await ann.post(act_page, **fields)
            assert (answer.status_code >= 400, says in unescape(answer.text)) == (True, True), says
        assert (await ann.post(f"{here}/kept/2020-13/give-back", amount="1")).status_code == 404
        asked = await ann.post(act_page, amount="0.4", reason="files of a test")
        assert (asked.status_code, "of the charge 2.60 USD stay" in asked.text) == (200, True)
        assert await changes_of(relay) == count, "nothing is done before one is sure"
        before = await state(relay)
        sure = {"amount": "0.4", "reason": "files of a test", "sure": "400000", "once": new_key()}
        for _ in range(2):
            await done(ann, act_page, **sure)
        after = await state(relay)
        assert after["quota_micros"] - before["quota_micros"] == 400_000
        assert (await changes_of(relay))[len(count) :] == [("tenant.adjust", "operator:ann")]
        assert ">0.40<" in await ann.read(f"{here}/kept")
