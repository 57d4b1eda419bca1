"""Every act of the desk is reached by HTTP, as an operator, or stands here with its reason.

A new act fails here first: give it a route in `relay/admin`, and a row in `ASKED` that does it once
on the desk of `tests/desk/world.py`; or, if no program should, a line in `NOT_BY_HTTP`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from relay.desk.roles import ACTS, READS
from relay.months import month_of
from relay.operators.tables import Role
from tests.admin.office import asking, office
from tests.desk.acts import AGED
from tests.desk.world import CODE, STORED_ASSET, Desk
from tests.relay_app import fixture_relay

NOT_BY_HTTP = {
    "backup.take": "writes files where the relay's machine has room for them",
    "database.restore": "needs a relay that is stopped, and the machine's shell",
    "storage.charge": "the relay's own, once a month is over",
    "asset.mend": "follows from reading the whole store: `relay asset verify`",
    "secret_key.reseal": "needs the old keys and the new, which no request may carry",
    "secret_key.retire": "as above",
    "tenant.move_in": "reads another program's database, from where it is: `relay import`",
    "task.move_in": "as above",
    "model.move_in": "as above",
    "code.move_in": "as above",
    "operator.set_password": "a token that leaked must open no way in for people: by the console",
    "operator.set_second_factor": "as above",
    "console.open": "proves a shell on the relay's machine, which no request does",
    "office.refuse": "the office's own word of whom it kept out",
}
"""Acts without a route, and why."""


class Asked(NamedTuple):
    """One request that does an act."""

    method: str
    path: str | Callable[[Desk], str]
    body: Any = None
    sql: str = ""
    """Run before, where the desk is not so that it can be done."""
    status: int = 0
    """Where it is not 201 of a POST, and 200 of others."""


def last_month(_: Desk) -> str:
    month = month_of(datetime.now(UTC), UTC).previous
    return f"statements/acme/{month}/close"


CLIP = {"endpoint": "text2video", "model": "kling-v3"}
FILE = {"toml": "[[price]]\nendpoint = 'tts'\nunits = 1\n"}
LIMITED = (
    "INSERT INTO limits (tenant_id, token_id, kind, allowed, start_at)"
    " SELECT tenant_id, id, 'month', 5, now() FROM tokens WHERE id = 1"
    " ON CONFLICT DO NOTHING"
)
NEWER_LIST = (
    "UPDATE price_lists SET name = 'older' WHERE name = (SELECT max(name) FROM price_lists)"
)
ASKED: dict[str, Asked] = {
    "tenant.open": Asked("POST", "tenants", {"name": "new", "quota_micros": 5}),
    "sub_tenant.open": Asked("POST", "tenants/acme/sub-tenants", {"name": "eu", "factor": "1.3"}),
    "tenant.change": Asked("PATCH", "tenants/acme", {"tasks_max": 7}),
    "tenant.remove": Asked("DELETE", "tenants/idle"),
    "tenant.link": Asked("POST", "tenants/acme/portal-links"),
    "portal.end_session": Asked("DELETE", "tenants/acme/portal-sessions"),
    "tenant.issue_webhook_secret": Asked("POST", "tenants/acme/webhook-secret", {}),
    "tenant.top_up": Asked(
        "POST", "tenants/acme/top-ups", {"amount_micros": 5, "reference": "x", "kind": "bonus"}
    ),
    "tenant.adjust": Asked(
        "POST", "tenants/acme/adjustments", {"amount_micros": -5, "reason": "twice"}
    ),
    "code.make": Asked(
        *("POST", "codes"),
        {"name": "summer", "amount_micros": 5, "count": 2, "expires_at": None, "is_bonus": True},
    ),
    "code.revoke": Asked("DELETE", "codes/spring/1?reason=posted"),
    "code.redeem": Asked("POST", "tenants/acme/redeem", {"code": CODE}),
    "tenant.set_credit": Asked(
        "PUT", "tenants/acme/credit", {"credit_micros": 500, "reason": "pays by the month"}
    ),
    "account.close_month": Asked(*("POST", last_month, {}), ";".join(AGED)),
    "token.issue": Asked("POST", "tenants/acme/tokens", {"groups": ["eu"]}),
    "token.change": Asked("PATCH", "tokens/1", {"queue_s": 5}),
    "token.rotate": Asked("POST", "tokens/1/rotate", {"keep_s": 60}),
    "limit.set": Asked("PATCH", "tenants/acme/limits", {"month_micros": 9_000_000, "rate": 3}),
    "limit.raise": Asked(
        *("POST", "tokens/1/limits/month/raise"),
        {"allowed": 9_000_000_000, "until": "2100-01-01T00:00:00Z", "reason": "launch"},
        LIMITED,
    ),
    "gate.set": Asked("PATCH", "tokens/1/gate", {"models": ["kling-v3"], "addresses": None}),
    "token.revoke": Asked("DELETE", "tokens/1"),
    "task.settle": Asked("POST", lambda desk: f"tasks/{desk.tasks.live}/settle", {"reason": "x"}),
    "task.release": Asked("POST", lambda desk: f"tasks/{desk.tasks.live}/release", {"reason": "x"}),
    "task.refund": Asked(
        *("POST", lambda desk: f"tasks/{desk.tasks.charged}/refund"),
        {"reason": "black", "amount_micros": 5},
    ),
    "task.cancel": Asked(
        *("POST", lambda desk: f"tasks/{desk.tasks.unsent}/cancel", {"reason": "x"}),
        "UPDATE tasks SET state = 'queued', public_id = '4711' WHERE id = 2",
    ),
    "task.look": Asked("POST", lambda desk: f"tasks/{desk.tasks.live}/look", {}),
    "task.unflag": Asked("POST", lambda desk: f"tasks/{desk.tasks.flagged}/unflag", {}),
    "price.set": Asked("POST", "prices", CLIP | {"units_per_second": "0.6", "times": "1.2"}),
    "price.remove": Asked("POST", "prices/end", {"endpoint": "text2video"}),
    "price.adopt": Asked("POST", "prices/adopt", {"instead_of": "older"}, NEWER_LIST),
    "price.import": Asked("PUT", "prices/file", FILE),
    "price.amounts": Asked("PUT", "prices/amounts", {"are_multiplied": True}),
    "multiplier.set": Asked("POST", "multipliers", {"times": "1.5", "tenant": "acme"}),
    "multiplier.end": Asked("POST", "multipliers/end", {"price_group": "vip"}),
    "channel.add": Asked(
        "POST", "channels", {"name": "n", "base_url": "https://kling.test", "api_key": "new-key"}
    ),
    "channel.change": Asked("PATCH", "channels/main", {"weight": 3, "room": {"video": 2}}),
    "channel.remove": Asked("DELETE", "channels/spare"),
    "channel.try": Asked("POST", "channels/main/try", {"max_cost_micros": 1_000_000}, status=202),
    "channel.drained": Asked("POST", "channels/spare/drained", {}),
    "channel.set_cost": Asked(
        *("POST", "channels/main/costs"),
        {"unit": "video", "price": "0.11", "currency": "CNY", "rate": "7.12"},
    ),
    "invoice.set_profile": Asked("PATCH", "accounts/acme/invoice-profile", {"title": "Acme Ltd"}),
    "invoice.request": Asked("POST", "invoices", {"account": "beta"}),
    "invoice.issue": Asked("POST", "invoices/1/issue", {"number": "26-2"}),
    "invoice.reject": Asked("POST", "invoices/1/reject", {"reason": "no tax id"}),
    "invoice.reverse": Asked("POST", "invoices/2/reverse", {"reason": "wrong title"}),
    "pause.add": Asked("POST", "pauses", {"reason": "we move", "tenant": "acme"}),
    "pause.end": Asked("DELETE", "pauses/1"),
    "owner.claim": Asked(
        *("POST", "owners"),
        {"tenant": "acme", "channel": "main", "kind": "element", "ids": ["one", "two"]},
    ),
    "delivery.replay": Asked(
        "POST", lambda desk: f"deliveries/{desk.deliveries['dead']}/replay", {}
    ),
    "asset.delete": Asked("DELETE", f"assets/{STORED_ASSET}"),
    "notice.add": Asked(
        *("POST", "notices/places"),
        {"tenant": "beta", "kind": "webhook", "to": "https://hooks.test/x", "lang": "en"},
    ),
    "notice.remove": Asked("DELETE", "notices/places/1"),
    "notice.replay": Asked("POST", "notices/1/replay"),
    "notice.test": Asked("POST", "notices/places/1/test"),
    "alert.add": Asked(
        "POST", "alerts/places", {"url": "json://10.1.2.3/alerts", "least": "ticket"}
    ),
    "alert.remove": Asked("DELETE", "alerts/places/1"),
    "alert.set": Asked("PATCH", "alerts/rules/units-low", {"bound": "8"}),
    "alert.mute": Asked("PUT", "alerts/rules/task-old/mute", {"until": "2100-01-01T00:00:00Z"}),
    "operator.add": Asked("POST", "operators", {"name": "eve", "role": "viewer"}),
    "operator.change": Asked("PATCH", "operators/sue", {"role": "finance"}),
    "operator.remove": Asked("DELETE", "operators/sue"),
    "operator.issue_token": Asked("POST", "operators/sue/tokens", {"addresses": ["10.1.0.0/16"]}),
    "operator.end_session": Asked("DELETE", "operators/sue/sessions/1"),
    "operator.revoke_token": Asked("DELETE", "operator-tokens/1"),
}
"""A request for each act; its word in `changes` is what proves that it does it."""


def test_every_act_has_a_request_or_a_reason_to_have_none() -> None:
    """See this file's first lines for what to do about a new one."""
    acts = ACTS.keys() - READS
    without = acts - ASKED.keys() - NOT_BY_HTTP.keys()
    assert without == set(), "give it a route, and a row in ASKED; or a line in NOT_BY_HTTP"
    assert (ASKED.keys() | NOT_BY_HTTP.keys()) - acts == set(), "there is no such act any more"
    assert ASKED.keys() & NOT_BY_HTTP.keys() == set()


@pytest.fixture
async def opened(desk: Desk) -> Any:
    async with fixture_relay(desk.database_url, keys=desk.keys) as relay, office(relay) as client:
        yield desk, relay, client


@pytest.mark.parametrize("act", ASKED)
async def test_an_act_is_done_by_http_under_the_operators_name(opened: Any, act: str) -> None:
    """It answers 200 or 201, and its one change names who asked, and from where."""
    desk, relay, client = opened
    asked = ASKED[act]
    ann = await asking(relay, client, "ann-of-http", Role.OWNER)
    if asked.sql:
        await desk.run(asked.sql)
    path = asked.path if isinstance(asked.path, str) else asked.path(desk)
    before = len(await desk.changes())

    answer = await ann(asked.method, path, asked.body, key="once")

    usual = 201 if asked.method == "POST" else 200
    assert answer.status_code == (asked.status or usual), answer.text
    (change,) = (await desk.changes())[before:]
    assert (change["act"], change["actor"], change["origin"]) == (
        *(act, "operator:ann-of-http"),
        "10.1.2.3",
    )
