"""What operators make, listed by HTTP: pages that join, filters, and files with flat columns."""

import json
from typing import Any

from relay.operators.tables import Role
from tests.admin.office import asking, every_page, office, read_csv
from tests.desk.world import Desk
from tests.relay_app import fixture_relay

MORE = """
INSERT INTO owners (kind, resource_id, channel_id, tenant_id) VALUES ('voice', 'acmes', 1, 1);
INSERT INTO limits (tenant_id, token_id, kind, allowed, start_at)
VALUES (1, 1, 'in_flight', 5, now());
INSERT INTO notices (place_id, event, key, data, state, ended_at)
SELECT 1, 'quota.low', n::text, '{}', 'sent', now() FROM generate_series(1, 2) n;
UPDATE tenants SET contact = 'Ann_100%' WHERE name = 'beta';
UPDATE tokens SET expires_at = now() - interval '1 second' WHERE id = 2;
"""
"""One more of what there is one of."""
PAGED = (
    *("tenants", "tokens", "channels", "owners", "invoices", "pauses", "limits", "notices"),
    *("notices/places", "assets"),
)
WHOLE = (
    *("codes", "operators", "operator-tokens", "prices", "prices/missing", "multipliers"),
    *("alerts", "usage", "margin", "margin/losses"),
)
FILTERED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("tenants", {"like": "0%"}, ["beta"]),
    ("tenants", {"like": "EL"}, []),
    ("tenants", {"removed": True, "enabled": False}, ["former (removed #4)"]),
    ("tenants", {"parent": "acme"}, []),
    ("tenants", {"price_group": "vip"}, []),
    ("owners", {"kind": "voice"}, ["acmes"]),
    ("owners", {"id": "betas", "tenant": "beta", "channel": "main"}, ["betas"]),
    ("tokens", {"live": True, "tenant": "beta"}, []),
    ("tokens", {"scope": "manage"}, []),
    ("channels", {"removed": True, "enabled": False}, ["former (removed #3)"]),
    ("channels", {"group": "eu"}, []),
    ("channels", {"model": "kling-v3"}, ["main", "spare"]),
    ("notices", {"event": "quota.low", "state": "due"}, []),
    ("invoices", {"month": "2020-01"}, []),
    ("assets", {"tenant": "beta"}, []),
    ("assets", {"tenant": "acme", "state": "lost"}, []),
]


async def test_what_operators_make_is_paged_filtered_and_streamed(desk: Desk) -> None:
    """By pages of one, as JSON lines and as CSV: the same rows; and a month's sums, too."""
    async with fixture_relay(desk.database_url, keys=desk.keys) as relay, office(relay) as client:
        ann = await asking(relay, client, "ann", Role.OWNER)
        await desk.run(MORE)

        for noun in PAGED:
            of: dict[str, Any] = {"removed": True} if noun in ("tenants", "channels") else {}
            of |= {"ended": True} if noun == "pauses" else {}
            rows = await every_page(ann, noun, 1, **of)
            lined = await ann("GET", noun, accept="application/jsonl", **of)
            assert [json.loads(line) for line in lined.text.splitlines()] == rows, noun
            assert len(await read_csv(ann, noun, **of)) == len(rows), noun
            assert len(rows) > 1 or noun == "notices/places"
        for noun in WHOLE:
            lined = await ann("GET", noun, accept="application/jsonl")
            assert lined.status_code == 200, noun
            assert len(lined.text.splitlines()) == len(await read_csv(ann, noun)), noun

        assert [row["channel_name"] for row in await read_csv(ann, "channels")] == ["main", "spare"]
        allowed = {row["limit"]: row["allowed"] for row in await read_csv(ann, "limits")}
        assert allowed == {"month": "2.1", "in_flight": "5"}
        (issued,) = await read_csv(ann, "invoices", state="issued")
        assert (issued["title"], issued["mail"]) == ("Acme", "ap@tenant.test")
        (sums,) = await read_csv(ann, "usage", by=["tenant", "token"])
        assert (sums["tenant"], sums["token"], sums["succeeded"]) == ("acme", "1", "2")
        (sue,) = (one for one in await read_csv(ann, "operators") if one["name"] == "sue")
        assert json.loads(sue["ceilings"]) == {
            "task.refund": "0.000005",
            "task.release": "0.000006",
        }
        for noun, query, names in FILTERED:
            found = await every_page(ann, noun, 50, **query)
            flat = [row.get("channel", row) if noun == "channels" else row for row in found]
            assert [row.get("name") or row["id"] for row in flat] == names, (noun, query)
        wrong = await ann("GET", "channels", cursor="999")
        assert (wrong.status_code, wrong.json()["field"]) == (400, "cursor")
