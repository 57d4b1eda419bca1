"""What stands in a relay whose console is looked at: something of everything that pages show."""

from relay.database.ids import TaskId
from relay.desk.tasks import refund, release, settle
from tests.console.money_story import tell_money
from tests.console.story_of_prices import tell_prices
from tests.relay_app import CLIP, Relay

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
    prices = await tell_prices(relay, f"b {MARKUP}")
    return [
        "",
        "/figures",
        "/tasks",
        "/tasks?state=failed&tenant=acme",
        "/tasks?tenant=nobody&since=never",
        *(f"/tasks/{task_id}" for task_id in ids),
        f"/tasks/{ids[0]}/raw",
        f"/tasks/{ids[0]}/refund",
        f"/tasks/{ids[0]}/unflag",
        f"/tasks/{ids[3]}/settle",
        f"/tasks/{ids[3]}/release",
        f"/tasks/{ids[3]}/look",
        "/tasks/find?id=nothing",
        "/channels",
        f"/channels/{channel_id}",
        *(f"/channels/{channel_id}/{one}" for one in ("edit", "cost", "drain", "remove")),
        "/channels/add",
        "/pauses",
        "/pauses/add",
        "/deliveries",
        "/deliveries?state=dead",
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
        "/tenants/1/tokens/issue",
        "/tenants/1/tokens/1/rotate",
        *await tell_money(relay, MARKUP),
    ]
