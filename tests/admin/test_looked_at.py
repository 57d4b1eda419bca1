"""What Kling says of an account, and whether all is as it should be, by HTTP."""

from datetime import UTC, datetime
from typing import Any

from relay.months import month_of
from relay.operators.tables import Role
from tests.admin.office import asking, office
from tests.relay_app import fixture_relay
from tests.tasks.looking import ended_at_kling, look_now


async def test_an_account_is_asked_and_the_relay_checked(database_url: str) -> None:
    """Keys that Kling takes and does not take, its bill beside our tasks, and what is amiss."""
    async with fixture_relay(database_url) as relay, office(relay) as client:
        await relay.add_channel()
        token = await relay.add_tenant()
        assert (await relay.submit(token)).status_code == 200
        await ended_at_kling(relay)
        await look_now(relay)
        ann = await asking(relay, client, "ann", Role.OPERATOR)
        sue = await asking(relay, client, "sue", Role.VIEWER)
        month = month_of(datetime.now(UTC), UTC)

        asked = {
            "well": await ann("POST", "channels/main/test"),
            "not allowed": await sue("POST", "channels/main/test"),
            "unknown": await ann("POST", "channels/other/test"),
            "bill": await ann("GET", "channels/main/bill", month=str(month)),
            "no month": await ann("GET", "channels/main/bill", month="2026-13"),
            "check": await sue("GET", "check"),
        }
        keys = {
            "access_key": "another-access-key",
            "secret_key": "another-secret-key",
            "api_key": "",
        }
        changed = await ann("PATCH", "channels/main", keys)
        unwell = await ann("POST", "channels/main/test")

        told: dict[str, Any] = {name: answer.json() for name, answer in asked.items()}
        assert {name: answer.status_code for name, answer in asked.items()} == {
            **dict.fromkeys(("well", "bill", "check"), 200),
            "not allowed": 403,
            "unknown": 404,
            "no month": 400,
        }
        assert (told["well"]["is_well"], told["well"]["http_status"]) == (True, 400)
        bill = told["bill"]["bill"]
        assert (bill["ours"]["tasks"], bill["differences"]) == (1, [])
        subjects = {one["subject"] for one in told["check"]["findings"]}
        assert subjects >= {"database", "clock", "secret key", "channels", "backups"}
        assert told["check"]["level"] in ("warning", "bad")
        assert changed.status_code == 200, changed.text
        assert (unwell.json()["is_well"], unwell.json()["http_status"]) == (False, 401)
        assert "another-access-key" not in unwell.text
