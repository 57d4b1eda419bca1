"""What stands in a relay whose console is looked at: something of everything that pages show."""

import json

import msgspec

from relay.database.ids import TaskId
from relay.desk.logins import set_password
from relay.desk.notices import NewPlace, add_notice_place
from relay.desk.operators import add_operator, issue_operator_token
from relay.desk.pauses import pause_creates
from relay.desk.tasks import refund, release, settle
from relay.desk.tenants import issue_webhook_secret
from relay.logins.sessions import open_session
from relay.notices.events import Event
from relay.notices.tables import PlaceKind
from relay.operators.tables import Role
from relay.settings import Settings
from tests.admin.office import act
from tests.console.money_story import tell_money
from tests.console.story_of_prices import tell_prices
from tests.desk.acts import TRIAL
from tests.relay_app import CLIP, Relay

OF_TENANT = (
    *("callbacks", "callbacks?state=dead", "callbacks/secret", "notices", "notices?state=dead"),
    *("notices/add", "notices/places/1/remove", "portal", "portal/end"),
)
OF_OPERATORS = (
    *("change", "remove", "password", "password/remove", "second-factor", "second-factor/remove"),
    *("tokens/issue", "tokens/1/revoke"),
)
MARKUP = "\"'><img src=x onerror=alert(1)>"
"""What somebody may have called his things."""


async def tell_story(relay: Relay) -> list[str]:
    """Make it, and return the addresses of all pages that show it."""
    channel_id = await relay.add_channel()
    acme = await relay.add_tenant()
    marked = await relay.add_tenant(f"b {MARKUP}", quota_micros=5_000_000)
    for number in range(4):
        body = CLIP | {"external_task_id": f"{MARKUP}{number}"}
        assert (await relay.submit(acme if number else marked, body)).status_code == 200
    ids = [row["id"] for row in await relay.rows("SELECT id FROM tasks ORDER BY id")]
    assert await relay.act(settle, TaskId(ids[0]), MARKUP)
    assert await relay.act(settle, TaskId(ids[1]))
    assert await relay.act(refund, TaskId(ids[1]), MARKUP)
    assert await relay.act(release, TaskId(ids[2]))
    await relay.rows("UPDATE tasks SET is_flagged = true WHERE id = $1", ids[0])
    unpriced = CLIP | {"model_name": f"kling-9 {MARKUP}"}
    assert (await relay.submit(acme, unpriced)).status_code == 404
    await tell_marked(relay, channel_id, ids)
    prices = await tell_prices(relay, f"b {MARKUP}")
    owner, marked_one = await operators(relay)
    await tell_tenants(relay, ids[1])
    return [
        "",
        "/figures",
        "/tasks",
        "/tasks?state=failed&tenant=acme",
        "/tasks?tenant=nobody&since=never",
        *(f"/tasks/{task_id}" for task_id in ids),
        f"/tasks/{ids[0]}/raw",
        f"/tasks/{ids[3]}/cancel",
        f"/tasks/{ids[0]}/refund",
        f"/tasks/{ids[0]}/unflag",
        f"/tasks/{ids[3]}/settle",
        f"/tasks/{ids[3]}/release",
        f"/tasks/{ids[3]}/look",
        "/tasks/find?id=nothing",
        "/channels",
        f"/channels/{channel_id}",
        *(f"/channels/{channel_id}/{one}" for one in ("edit", "test", "cost", "drain", "remove")),
        *(f"/channels/{channel_id}/trials{one}" for one in ("", "/1", "/2")),
        "/channels/add",
        "/pauses",
        *("/pauses/add", "/pauses/1/end"),
        "/deliveries",
        "/deliveries?state=dead",
        *("/deliveries/1", "/deliveries/1/replay"),
        "/alerts",
        "/changes",
        "/tasks/4711",
        "/tenants",
        "/tenants?below=much",
        "/tenants/open",
        "/tenants/2",
        *(f"/tenants/1/{tab}" for tab in ("entries", "statement", "tokens", "limits", "below")),
        *("/tenants/1/prices", "/tenants/2/prices?endpoint=text2video", *prices),
        *(f"/tenants/1/{act}" for act in ("top-up", "credit", "change", "remove", "limits/set")),
        "/tenants/1/adjust",
        "/tenants/1/tokens/issue",
        "/tenants/1/tokens/1/rotate",
        *await tell_money(relay, MARKUP),
        *(f"/tenants/1/{one}" for one in OF_TENANT),
        *("/me", "/check", "/settings", "/backup"),
        *("/operators", "/operators/roles", "/operators/add"),
        *(f"/operators/{one}" for one in (owner, marked_one)),
        *(f"/operators/{marked_one}/{one}" for one in OF_OPERATORS),
    ]


async def tell_marked(relay: Relay, channel_id: int, ids: list[int]) -> None:
    """Have others say markup: Kling of tasks and of a channel, an operator, an alert."""
    failed, waiting = ids[2], ids[3]
    await relay.rows("UPDATE tasks SET fail_message = $2 WHERE id = $1", failed, MARKUP)
    said = json.dumps({"task_status": "processing", "task_status_msg": MARKUP})
    await relay.rows("UPDATE tasks SET reply = $2 WHERE id = $1", waiting, said)
    await act(relay, pause_creates, reason=MARKUP, tenant=f"b {MARKUP}", model="none")
    await relay.rows(
        "INSERT INTO channel_conditions"
        " (channel_id, pack, model, state, code, reason, since, failed_at, try_at)"
        " VALUES ($1, 'video', $2, 'cooling', 1303, $2, now(), now(), now())",
        *(channel_id, MARKUP),
    )
    for failure, report in ((MARKUP, None), (None, msgspec.json.encode(TRIAL).decode())):
        await relay.rows(
            "INSERT INTO trials (channel_id, actor, endpoint, model, cost_micros, most_micros,"
            " injected_id, ended_at, failure, report)"
            " VALUES ($1, 'system:ann', 'text2video', 'kling-v3', 420000, 500000, $2, now(), $3,"
            " $4)",
            *(channel_id, f"r0-try-{failure is None}", failure, report),
        )
    await relay.rows(
        "INSERT INTO alert_rules (name, is_firing, found, checked_at)"
        " VALUES ('deliveries-dead', true, jsonb_build_object($1::text, $1::text), now())",
        MARKUP,
    )


async def tell_tenants(relay: Relay, task_id: int) -> None:
    """A callback that arrived and one that was given up, and a place that notices do not reach."""
    await act(relay, issue_webhook_secret, "acme", relay.keys, may_rotate=False)
    url = f"https://acme.test/hook?{'x' * 80}"
    for state, reason in (("delivered", None), ("dead", MARKUP)):
        await relay.rows(
            "INSERT INTO deliveries (task_id, tenant_id, url, task_status, body, state, attempts,"
            " reason, ended_at) VALUES ($1, 1, $2, 'succeed', $5, $3, 2, $4, now())",
            *(task_id, url, state, reason, MARKUP),
        )
    await relay.rows(
        "INSERT INTO delivery_attempts (delivery_id, number, http_status, duration_ms, response)"
        " SELECT id, 1, 500, 12, $1 FROM deliveries ON CONFLICT DO NOTHING",
        MARKUP,
    )
    events = [Event.QUOTA_LOW, Event.TASK_REFUNDED]
    place = NewPlace(kind=PlaceKind.WEBHOOK, to="https://acme.test/notices", events=events)
    settings = Settings(currency="USD")
    await act(relay, add_notice_place, "acme", place, relay.keys, settings=settings)
    await relay.rows(
        "INSERT INTO notices (place_id, event, key, data, state, attempts, error, ended_at)"
        " VALUES (1, 'quota.low', '1', '{}', 'sent', 1, NULL, now()),"
        " (1, 'task.refunded', '2', '{}', 'dead', 9, $1, now())",
        MARKUP,
    )


async def operators(relay: Relay) -> tuple[int, int]:
    """An owner with all that one may have, and somebody with a ceiling and a markup of a name."""
    await act(relay, add_operator, "owen", role=Role.OWNER)
    await act(relay, set_password, "owen", "no hash of any password")
    name = MARKUP[:40]
    ceilings = {"task.refund": 50_000_000}
    row = await act(relay, add_operator, name, role=Role.SUPPORT, ceilings=ceilings)
    await act(relay, issue_operator_token, name, addresses=["10.0.0.0/8"])
    async with relay.sessions.begin() as session:
        await open_session(session, operator_id=row.id, address="10.0.0.7", agent=MARKUP)
    return row.id - 1, row.id
