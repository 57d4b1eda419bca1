"""What a program asks for beside lists: sums, prices and why, the books, and what is sent."""

from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

from relay.desk.prices import set_price
from relay.desk.storage import charge_storage
from relay.desk.tenants import issue_webhook_secret
from relay.months import Month, Window, first_moment
from relay.operators.tables import Role
from relay.pricing.book import Per, PriceKind, PriceRow
from tests.admin.office import Asking, act, asking, office, read_csv
from tests.deliveries.tenant_server import TenantServer
from tests.relay_app import ACTOR, fixture_relay
from tests.usage.business import make_business

MONTH = Window(first_moment(date(2026, 10, 1), UTC), first_moment(date(2026, 11, 1), UTC))
SOLD_AT_NOTHING = PriceRow(
    "text2video", kind=PriceKind.FIXED, per=Per.TASK, amount_micros=1, model="kling-v3"
)
KLING_TOOK = """
UPDATE tasks SET cost_units = 9, cost_pack = 'video', quote = jsonb_set(
    quote || '{"row": {"endpoint": "text2video", "units": "0.6"}, "unit_micros": "1"}',
    '{wanted,endpoint}', '"text2video"')
"""


async def whole(ann: Asking, path: str, **query: Any) -> Any:
    answer = await ann("GET", path, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_months_of_files_are_listed_and_given_back(database_url: str) -> None:
    """1 GB-month of October at 2, charged, of which 0.5 is given back and no more than 2 can be."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_tenant("acme")
        await relay.rows(
            "INSERT INTO asset_days SELECT id, '2026-10-31', 31000000000, 2000000 FROM tenants"
        )
        async with relay.sessions.begin() as session:
            october = Month(2026, 10)
            await charge_storage(session, ACTOR, "acme", october, zone=UTC, currency="USD")
        ann = await asking(relay, client, "ann", Role.OWNER)
        back = {"amount_micros": 500_000, "reason": "a test's", "storage_month": "2026-10"}

        async def give_back(**more: Any) -> int:
            answer = await ann("POST", "tenants/acme/adjustments", back | more)
            return answer.status_code

        assert await give_back() == 201
        assert await give_back(amount_micros=1_500_001) == 409
        assert await give_back(storage_month="2026-09") == 409
        assert await give_back(storage_month="0000-09") == 400
        for month in ("2026-10", None):
            query = {} if month is None else {"month": month}
            [row] = (await whole(ann, "assets/months", tenant="acme", **query))["months"]
            assert row == {
                "tenant": "acme",
                "month": "2026-10",
                "bytes_most": 31_000_000_000,
                "gb_months": "1.000000",
                "comes_to_micros": 2_000_000,
                "charged_micros": 2_000_000,
                "given_back_micros": 500_000,
            }
        assert (await whole(ann, "assets/months", month="2026-09"))["months"] == []
        assert (await ann("GET", "assets/months", month="0000-09")).status_code == 400
        priced = await ann("PATCH", "tenants/acme", {"asset_gb_month_micros": 30_000})
        assert priced.json()["asset_gb_month_micros"] == 30_000


async def test_a_program_is_told_what_commands_tell(database_url: str) -> None:
    """A month's margin by day and by tenant, its losses, a price and why, a file's month."""
    async with (
        fixture_relay(database_url, callback_allow="127.0.0.0/8") as relay,
        office(relay) as client,
        TenantServer() as server,
    ):
        await relay.add_channel()
        for name in ("acme", "beta"):
            await relay.add_tenant(name, quota_micros=0)
        edges = [MONTH.start, MONTH.start + timedelta(days=9)]
        await make_business(relay, ("acme", "beta"), within=MONTH, edges=edges, count=40)
        await relay.rows(KLING_TOOK)
        ann = await asking(relay, client, "ann", Role.OWNER)

        by_tenant = await whole(ann, "margin", month="2026-10", by="tenant")
        window = {"since": "2026-10-01T00:00:00Z", "until": "2026-11-01T00:00:00Z"}
        by_day = await whole(ann, "margin", **window, by=["day", "channel"])
        assert by_day["whole"] == by_tenant["whole"] == by_tenant["as_known_at_its_end"]
        for found in (by_day, by_tenant):
            sums = sum(one["margin_micros"] for one in found["margin"])
            assert sums == found["whole"]["margin_micros"] < 0
        acme = await whole(ann, "margin", month="2026-10", tenant="acme")
        of_acme = next(one for one in by_tenant["margin"] if one["keys"] == {"tenant": "acme"})
        assert acme["whole"] == {**of_acme, "keys": {}}
        losses = await whole(ann, "margin/losses", month="2026-10")
        assert losses["lost_micros"] == sum(one["lost_micros"] for one in losses["losses"]) > 0
        told = await read_csv(ann, "margin/losses", month="2026-10")
        assert [Decimal(row["sold_at"]) * 1_000_000 for row in told] == [
            Decimal(one["sold_at_micros"]) for one in losses["losses"]
        ]
        for query, field in (
            ({"until": window["until"]}, "since"),
            ({"since": "2026-10-01T00:00:00"}, "since"),
            ({"month": "2026-10", **window}, "month"),
            ({"since": window["until"], "until": window["since"]}, "until"),
            ({"tenant": "nobody"}, "tenant"),
        ):
            refused = await ann("GET", "margin/losses", **query)
            assert (refused.status_code // 100, refused.json()["field"]) == (4, field)

        await act(relay, set_price, SOLD_AT_NOTHING)
        task: dict[str, Any] = {
            "endpoint": "text2video",
            "model": "kling-v3",
            "duration": 5,
            "tenant": "acme",
        }
        quoted = await whole(ann, "prices/quote", **task)
        why = await whole(ann, "prices/why", **task)
        assert quoted["hold_micros"] == why["hold_micros"] == 1
        assert [one["is_chosen"] for one in why["rows"]].count(True) == 1
        assert why["rows"][0]["row"] == quoted["row"]
        past = await whole(ann, "prices/why", **task, at="2026-10-01T00:00:00Z")
        assert past["hold_micros"] > 1
        for name, value, status in (("endpoint", "text2vide", 404), ("duration", 0, 400)):
            refused = await ann("GET", "prices/why", **{**task, name: value})
            assert (refused.status_code, refused.json()["field"]) == (status, name)
        file = (await whole(ann, "prices/file"))["toml"]
        simulated = await ann(
            *("POST", "prices/file/simulation"), {"toml": file, "month": "2026-10"}
        )
        rows = simulated.json()["rows"]
        assert sum(one["tasks"] for one in rows) == by_tenant["whole"]["succeeded"]

        assert (await ann("GET", "audit")).status_code == 404
        audited = (await ann("POST", "audit")).json()
        last = await whole(ann, "audit")
        assert (last["read_at"], last["differences"]) == (
            audited["read_at"],
            len(audited["differences"]),
        )
        assert (await ann("POST", "alerts/test")).json()["status"] == 409
        await act(relay, issue_webhook_secret, "acme", relay.keys, may_rotate=False)
        pinged = await ann("POST", "deliveries/ping", {"tenant": "acme", "url": server.url()})
        assert (pinged.json()["delivered"], pinged.json()["signed"]) == (True, True)
        away = {"tenant": "acme", "url": "http://10.0.0.1/hook"}
        refused = await ann("POST", "deliveries/ping", away)
        assert (refused.status_code, refused.json()["field"]) == (400, "url")


async def test_a_token_is_bounded_as_it_is_made(database_url: str) -> None:
    """Named, limited and let in by one request; what cannot be is refused with the token."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_tenant("acme")
        ann = await asking(relay, client, "ann", Role.OWNER)
        bounds = {
            "name": "ci",
            "gate": {"models": ["kling-v3"], "addresses": ["10.0.0.0/8"]},
            "limits": {"month_micros": 5_000_000, "in_flight": 2},
        }

        made = (await ann("POST", "tenants/acme/tokens", bounds)).json()["id"]
        refused = await ann(
            *("POST", "tenants/acme/tokens"), bounds | {"gate": {"endpoints": ["text2vid"]}}
        )

        shown = await whole(ann, f"tokens/{made}")
        assert (shown["name"], shown["models"], shown["addresses"]) == (
            *("ci", ["kling-v3"]),
            ["10.0.0.0/8"],
        )
        limits = (await whole(ann, "limits", token=made))["limits"]
        assert {one["limit"]: one["allowed"] for one in limits} == {
            "month": 5_000_000,
            "in_flight": 2,
        }
        assert (refused.status_code, refused.json()["field"]) == (404, "endpoint")
        assert len((await whole(ann, "tokens", tenant="acme"))["tokens"]) == 2
        unset = {"month_micros": None}
        left = (await ann("PATCH", f"tokens/{made}/limits", unset)).json()["limits"]
        assert [one["limit"] for one in left] == ["in_flight"]
        etag = (await ann("GET", "tenants/acme")).headers["etag"]
        gate = {"expires_at": "2100-01-01T00:00:00Z"}
        let_in = await ann("PATCH", "tenants/acme/gate", gate, if_match=etag)
        assert let_in.json()["expires_at"] == gate["expires_at"]
        stale = await ann("PATCH", "tenants/acme/gate", {"expires_at": None}, if_match=etag)
        assert stale.status_code == 412
