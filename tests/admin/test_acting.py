"""Acts by HTTP: once for each key, never on what was changed meanwhile, and by whoever may."""

import asyncio
from typing import Any

from relay.operators.tables import Role
from relay.worker.forget_old import ANSWERS
from tests.admin.office import asking, office
from tests.relay_app import Relay, fixture_relay


async def acts_of(relay: Relay) -> list[str]:
    rows = await relay.rows("SELECT act FROM changes WHERE actor = 'operator:ann' ORDER BY id")
    return [row["act"] for row in rows]


async def quota(relay: Relay, name: str = "acme") -> int:
    (row,) = await relay.rows(
        "SELECT quota_micros FROM accounts a JOIN tenants t ON t.account_id = a.id"
        f" WHERE t.name = '{name}'"
    )
    return int(row["quota_micros"])


async def test_a_tenant_is_opened_paid_changed_and_removed(database_url: str) -> None:
    """Each answer shows what there is then; each act has the operator's name in `changes`."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        ann = await asking(relay, client, "ann", Role.OWNER)

        opened = await ann("POST", "tenants", {"name": "acme", "quota_micros": 5_000_000})
        assert (opened.status_code, opened.json()["quota_micros"]) == (201, 5_000_000)
        paid = await ann(
            "POST", "tenants/acme/top-ups", {"amount_micros": 7, "reference": "bill-1"}
        )
        again = await ann(
            "POST", "tenants/acme/top-ups", {"amount_micros": 7, "reference": "bill-1"}
        )
        assert [one.json()["added_micros"] for one in (paid, again)] == [7, 0]
        adjusted = await ann(
            "POST", "tenants/acme/adjustments", {"amount_micros": -5_000_007, "reason": "all back"}
        )
        assert adjusted.json()["available_micros"] == 0
        patched = await ann(
            *("PATCH", "tenants/acme", {"multiplier": "1.25", "tasks_max": 3, "groups": ["eu"]})
        )
        told = patched.json()
        assert (told["own_multiplier"], told["tasks_max"], told["groups"]) == ("1.25", 3, ["eu"])
        issued = (await ann("POST", "tenants/acme/tokens", {"queue_s": 60})).json()
        path = f"tokens/{issued['id']}"
        assert (await ann("PATCH", path, {"queue_s": None})).json()["queue_s"] is None
        secret = (await ann("POST", "tenants/acme/webhook-secret", {})).json()["secret"]
        assert secret.startswith("whsec_")
        (listed,) = (await ann("GET", "tokens", tenant="acme")).json()["tokens"]
        assert listed["access_key"] == issued["access_key"]
        assert issued["api_key"] not in str(listed)
        revoked = (await ann("DELETE", path, leaked=True)).json()
        assert (revoked["was_live"], revoked["token"]["revoked_at"] is None) == (True, False)
        tenant_id = told["id"]
        by_id = (await ann("GET", f"tenants/id:{tenant_id}")).json()
        assert by_id["name"] == "acme"
        gone = (await ann("DELETE", "tenants/acme")).json()
        assert gone["name"] == f"acme (removed #{tenant_id})"
        assert (await ann("GET", "tenants")).json() == {"tenants": [], "next_cursor": None}
        assert len((await ann("GET", "tenants", removed=True)).json()["tenants"]) == 1

        assert await acts_of(relay) == [
            *("tenant.open", "tenant.top_up", "tenant.adjust", "tenant.change", "token.issue"),
            *("token.change", "tenant.issue_webhook_secret", "token.revoke", "tenant.remove"),
        ]


async def test_what_cannot_be_done_is_said_and_nothing_is_written(database_url: str) -> None:
    """Bad fields 400 with their name, unknown things 404, conflicts 409, small roles 403."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_tenant("acme", quota_micros=1)
        ann = await asking(relay, client, "ann", Role.OWNER)
        before = len(await relay.rows("SELECT FROM changes"))
        cases: list[tuple[str, str, object, int, str]] = [
            ("POST", "tenants", {}, 400, "name"),
            ("POST", "tenants", {"name": ""}, 400, "name"),
            ("POST", "tenants", {"name": " acme"}, 400, "name"),
            ("POST", "tenants", {"name": "b", "quota_micros": -1}, 400, "quota_micros"),
            ("POST", "tenants", {"name": "b", "quota_micros": 1.5}, 400, "quota_micros"),
            ("POST", "tenants", {"name": "b", "multiplier": "-1"}, 400, "multiplier"),
            ("POST", "tenants", {"name": "b", "colour": "red"}, 400, "colour"),
            ("POST", "tenants", {"name": "acme"}, 409, ""),
            ("PATCH", "tenants/acme", {"queue_weight": 0}, 400, "queue_weight"),
            ("PATCH", "tenants/nobody", {"enabled": False}, 404, "tenant"),
            ("DELETE", "tenants/acme", None, 409, ""),
            ("POST", "tenants/acme/adjustments", {"amount_micros": 0, "reason": "x"}, 400, "*"),
            ("POST", "tenants/acme/top-ups", {"amount_micros": 5}, 400, "reference"),
            ("PATCH", "tokens/4711", {"queue_s": 1}, 404, "token"),
            ("PATCH", "tokens/99999999999999999999", {"queue_s": 1}, 400, "token_id"),
            ("POST", "tenants", [], 400, ""),
        ]
        for method, path, body, status, field in cases:
            answer = await ann(method, path, body)
            told = answer.json()
            assert (answer.status_code, told["status"]) == (status, status), (path, body, told)
            assert answer.headers["content-type"] == "application/problem+json"
            wanted = "amount_micros" if field == "*" else field
            assert told.get("field", "") == wanted, (path, body, told)
        strange = [
            await ann("GET", "entries", tennant="acme"),
            await ann("GET", "tenants/acme", limit=5),
        ]
        assert [(one.status_code, one.json()["field"]) for one in strange] == [
            *((400, "tennant"), (400, "limit")),
        ]
        broken = await client.post(
            "/admin/v1/tenants",
            content=b"{",
            headers=ann.headers | {"content-type": "application/json"},
        )
        assert (broken.status_code, broken.json()["status"]) == (400, 400)
        assert len(await relay.rows("SELECT FROM changes")) == before

        sue = await asking(relay, client, "sue", Role.SUPPORT)
        refused = await sue("POST", "tenants", {"name": "b"})
        assert (refused.status_code, "tenant.open" in refused.json()["detail"]) == (403, True)
        ops = await asking(relay, client, "ops", Role.OPERATOR)
        over = await ops("POST", "tenants", {"name": "b", "quota_micros": 1})
        assert (over.status_code, "ceiling" in over.json()["detail"]) == (403, True)
        noted = await relay.rows("SELECT subject FROM changes WHERE act = 'office.refuse'")
        assert [row["subject"] for row in noted] == ["sue"]  # one an address and status a minute


async def test_a_key_makes_two_requests_one_act(database_url: str) -> None:
    """The same answer again, secrets too, also at once; another body is refused; each its own."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_tenant("acme", quota_micros=0)
        ann = await asking(relay, client, "ann", Role.OWNER)
        ben = await asking(relay, client, "ben", Role.OWNER)
        path, body = "tenants/acme/adjustments", {"amount_micros": 5, "reason": "gift"}

        at_once = await asyncio.gather(*(ann("POST", path, body, key="k1") for _ in range(6)))
        assert {(one.status_code, one.content) for one in at_once} == {(201, at_once[0].content)}, [
            one.text for one in at_once
        ]
        assert await quota(relay) == 5

        other = await ann("POST", path, body | {"amount_micros": 6}, key="k1")
        assert (other.status_code, other.json()["field"]) == (409, "Idempotency-Key")
        elsewhere = await ann("POST", "tenants", {"name": "b"}, key="k1")
        assert elsewhere.status_code == 409
        await ben("POST", path, body, key="k1")
        assert await quota(relay) == 10

        first = await ann("POST", "tenants/acme/tokens", {}, key="k2")
        second = await ann("POST", "tenants/acme/tokens", {}, key="k2")
        assert first.json() == second.json()
        kept = await relay.rows("SELECT answer_sealed FROM operator_answers")
        assert len(kept) == 3
        assert not any(first.json()["secret_key"] in row["answer_sealed"] for row in kept)

        refused = await ann("POST", "tenants", {"name": "acme"}, key="k3")
        mended = await ann("POST", "tenants", {"name": "beta"}, key="k3")
        assert (refused.status_code, mended.status_code) == (409, 201)
        etags = {mended.headers["etag"]}
        etags.add((await ann("POST", "tenants", {"name": "beta"}, key="k3")).headers["etag"])
        assert len(etags) == 1

        await relay.rows(
            "UPDATE operator_answers SET created_at = created_at - interval '25 hours'"
            " WHERE key = 'k1' RETURNING id"
        )
        assert (await ann("POST", path, body, key="k1")).status_code == 201
        assert await quota(relay) == 15
        forgotten = ANSWERS.replace(":at_once", "100").replace(":days", "1")
        await relay.rows(f"{forgotten} RETURNING id")
        left = await relay.rows("SELECT key FROM operator_answers ORDER BY key")
        assert [row["key"] for row in left] == ["k1", "k2", "k3"]  # ben's k1 was as old


async def test_what_was_changed_meanwhile_is_not_changed_again(database_url: str) -> None:
    """Of ten that have read the same one changes it; what traffic moves is no change."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_tenant("acme", quota_micros=0)
        ann = await asking(relay, client, "ann", Role.OWNER)
        read = (await ann("GET", "tenants/acme")).headers["etag"]
        await ann("POST", "tenants/acme/adjustments", {"amount_micros": 5, "reason": "gift"})
        assert (await ann("GET", "tenants/acme")).headers["etag"] == read

        async def change(weight: int) -> Any:
            return await ann("PATCH", "tenants/acme", {"queue_weight": weight}, if_match=read)

        answers = await asyncio.gather(*(change(weight) for weight in range(2, 12)))

        statuses = sorted(one.status_code for one in answers)
        assert statuses.count(200) == 1
        assert set(statuses) <= {200, 412, 409}  # 409: it waited too long for another's lock
        (told,) = (one.json() for one in answers if one.status_code == 200)
        assert (await ann("GET", "tenants/acme")).json()["queue_weight"] == told["queue_weight"]
        stale = await ann("DELETE", "tenants/acme", if_match=read)
        assert (stale.status_code, stale.json()["field"]) == (412, "If-Match")
        unread = await ann("PATCH", "tenants/acme", {"enabled": False}, if_match="*")
        assert unread.json()["enabled"] is False


async def test_a_sub_tenant_is_named_in_a_path_with_its_slash_escaped(database_url: str) -> None:
    """Read, changed, paid by its parent and listed, as `acme%2Feu`; no path leads elsewhere."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_tenant("acme", quota_micros=5)
        ann = await asking(relay, client, "ann", Role.OWNER)
        made = await ann("POST", "tenants/acme/sub-tenants", {"name": "eu", "factor": "1.5"})

        shown = await ann("GET", "tenants/acme%2Feu")
        changed = await ann(
            *("PATCH", "tenants/acme%2feu", {"queue_s": 7}), if_match=shown.headers["etag"]
        )
        key = await ann("POST", "tenants/acme%2Feu/tokens", {})
        month = await ann("GET", "statements/acme%2Feu/2026-10")
        none = [
            await ann("GET", path)
            for path in ("tenants/acme/eu", "tenants%2Facme", "tenants/acme%2Fus", "tenants/%2F")
        ]

        assert made.json()["name"] == shown.json()["name"] == "acme/eu"
        assert changed.json()["queue_s"] == 7
        assert key.status_code == 201
        assert month.status_code == 200
        assert [answer.status_code for answer in none] == [404] * 4
