"""Pages of what was told and done: deliveries, changes, alerts; and their forms."""

from typing import Any

from msgspec.structs import replace

from relay.alerts.tables import Severity
from relay.desk.alerts import add_place
from relay.desk.channels import ChannelChanges, change_channel
from relay.desk.prices import set_price
from relay.desk.tenants import TenantChanges, change_tenant
from relay.operators.tables import Role
from tests.admin.office import act
from tests.console.test_gate import charged_task
from tests.console.test_home import EVIL
from tests.console.visiting import Visit, visiting
from tests.desk.world import FIXED
from tests.relay_app import Relay, fixture_relay

PLACE = "jsons://hooks.example.com/relay?+secret=hunter2"


async def test_what_was_told_and_done_is_read_and_done_again(database_url: str) -> None:
    """Filters find it, markup in it is text, forms do what they say, and roles hold."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        task_id = await charged_task(relay)
        await deliveries(relay, ann, vic, task_id)
        await changes(relay, ann)
        await alerts(relay, ann, vic)


async def acts_of(relay: Relay) -> list[str]:
    rows = await relay.rows("SELECT act FROM changes WHERE actor LIKE 'operator:%' ORDER BY id")
    return [row["act"] for row in rows]


async def deliveries(relay: Relay, ann: Visit, vic: Visit, task_id: int) -> None:
    await relay.rows(
        "INSERT INTO deliveries"
        " (task_id, tenant_id, url, task_status, body, state, attempts, ended_at, reason)"
        " SELECT id, tenant_id, 'https://a.test/' || $1, 'succeed', $1, 'dead', 1, now(), $1"
        " FROM tasks",
        EVIL,
    )
    (row,) = await relay.rows("SELECT id, webhook_id FROM deliveries WHERE state = 'dead'")
    await relay.rows(
        "INSERT INTO delivery_attempts (delivery_id, number, http_status, duration_ms, response)"
        " VALUES ($1, 1, 502, 71, $2)",
        row["id"],
        EVIL,
    )
    link = f'href="/console/deliveries/{row["id"]}"'
    for query in ({"state": "dead"}, {"tenant": "acme"}, {"task": task_id}, {}):
        assert link in await ann.read("/deliveries", **query), query
    assert link not in await ann.read("/deliveries", state="delivered")
    for wrong in ({"tenant": "nobody"}, {"task": "4711"}, {"state": "x"}, {"cursor": "x"}):
        assert "This filter cannot be used" in await ann.read("/deliveries", **wrong), wrong
    pages = [(await ann.get(f"/deliveries{one}")).text for one in ("", f"/{row['webhook_id']}")]
    assert [("<script>alert" in page, "<img src=x" in page) for page in pages] == [(False,) * 2] * 2
    assert "HTTP 502" in pages[1]
    replay = f"/deliveries/{row['id']}/replay"
    assert replay not in (await vic.get(f"/deliveries/{row['id']}")).text
    assert [(await vic.get(replay)).status_code, (await vic.post(replay)).status_code] == [403] * 2
    assert "No money moves" in await ann.read(replay)
    without = await ann.post(replay)
    assert (without.status_code, 'id="reason-error"' in without.text) == (422, True)
    answer = await ann.post(replay, reason="other", words=EVIL)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/console/deliveries/{row['id']}?said=due",
    )
    again = await ann.post(replay, reason="asked")
    assert (again.status_code, 'role="alert"' in again.text) == (409, True)
    assert (await ann.post("/deliveries/4711/replay")).status_code == 404
    assert await acts_of(relay) == ["delivery.replay"]
    assert (await relay.row("SELECT reason FROM changes WHERE act = 'delivery.replay'"))[
        "reason"
    ] == EVIL


async def changes(relay: Relay, ann: Visit) -> None:
    changed = TenantChanges(contact=EVIL, queue_s=600, joins_retries=True)
    await act(relay, change_tenant, "acme", changed)
    (row,) = await relay.rows("SELECT id, at FROM changes WHERE after::text LIKE '%script%'")
    link = f'href="/console/changes/{row["id"]}"'
    day = row["at"].date()
    fitting: list[dict[str, Any]] = [
        {"subject": "acme"},
        {"act": "tenant"},
        {"actor": "system:tester"},
        {"since": day, "until": day},
    ]
    for query in fitting:
        assert link in await ann.read("/changes", **query), query
    for query in ({"act": "delivery"}, {"actor": "operator:ann"}, {"since": "2999-01-01"}):
        assert link not in await ann.read("/changes", **query), query
    assert "A day such as" in await ann.read("/changes", since="yesterday")
    page = (await ann.get(f"/changes/{row['id']}")).text
    assert "<script>alert" not in page
    assert "contact" in page
    assert "Before" in page
    chinese = {"accept-language": "zh"}
    page = (await ann.client.get(f"/console/changes/{row['id']}", headers=chinese)).text
    for said in ("排队等待", "queue_s", "10:00 min", "合并重试", "是", "联系方式"):
        assert said in page, said
    await act(relay, change_channel, relay.keys, "main", ChannelChanges(room={"video": 4}))
    (roomier,) = await relay.rows("SELECT id FROM changes WHERE act = 'channel.change'")
    page = await ann.read(f"/changes/{roomier['id']}")
    for said in ("none", "video=4"):
        assert f'"kept">{said}<' in page, "no braces for people"
    (opened,) = await relay.rows("SELECT id FROM changes WHERE act = 'tenant.open'")
    assert "10.00 USD" in await ann.read(f"/changes/{opened['id']}"), "amounts are money"
    assert (await ann.get("/changes/4711")).status_code == 404
    price = replace(FIXED, model="kling-v3", sound=False, amount_micros=1_234_567_890)
    await act(relay, set_price, price, tenant="acme")
    (row,) = await relay.rows("SELECT id FROM changes WHERE act = 'price.set'")
    assert (await act(relay, set_price, price, tenant="acme")) is not None, "set twice, noted once"
    for place in ("/changes", f"/changes/{row['id']}"):
        page = await ann.read(place)
        assert "text2video kling-v3, without sound, tenant acme" in page, "no key for programs"
        assert "1,234.56789 USD" in page
    page = (await ann.client.get(f"/console/changes/{row['id']}", headers=chinese)).text
    for said in ("text2video kling-v3", "无声", "租户 acme"):
        assert said in page, said
    assert "1,234.56789 USD" in page


async def alerts(relay: Relay, ann: Visit, vic: Visit) -> None:
    assert "Nobody is told of any alert yet" in await ann.read("/alerts")
    place = await act(relay, add_place, PLACE, relay.keys, least=Severity.PAGE)
    await relay.rows(
        "INSERT INTO alert_rules (name, is_firing, found, checked_at)"
        " VALUES ('units-low', true, jsonb_build_object($1::text, $1::text), now())",
        EVIL,
    )
    page = (await ann.get("/alerts", state="firing")).text
    assert 'id="units-low"' in page
    assert 'id="books-differ"' not in page
    assert "<script>alert" not in page
    assert "hunter2" not in page

    rule = "/alerts/rules/units-low"
    removal = f"/alerts/places/{place.id}/remove"
    for path in (rule, removal, "/alerts/places/add"):
        assert (await vic.get(path)).status_code == 403, path
        assert (await vic.post(path)).status_code == 403, path
    for path in (f"{rule}/mute", "/alerts/test"):
        assert (await vic.post(path)).status_code == 403, path
    for fields in ({"bound": "x", "pause": "1"}, {"bound": "2"}, {"bound": "2", "pause": "99999"}):
        answer = await ann.post(rule, **fields)
        assert (answer.status_code, 'class="error"' in answer.text) == (422, True), fields
    assert (await ann.post(rule, bound="-1", pause="5")).status_code == 409
    assert (await ann.post(f"{rule}/mute", **{"for": "9y"})).status_code == 422
    for path, fields in (
        (rule, {"bound": "7.5", "pause": "30"}),
        (f"{rule}/mute", {"for": "4h"}),
        (f"{rule}/mute", {}),
        (rule, {"default": "on"}),
        (removal, {}),
    ):
        assert (await ann.post(path, **fields)).status_code == 303, path
    assert (await acts_of(relay))[1:] == [
        *("alert.set", "alert.mute", "alert.mute", "alert.set", "alert.remove")
    ]
    for nothing in ("/alerts/rules/none", removal):
        assert (await ann.get(nothing)).status_code == 404

    wrong = await ann.post("/alerts/places/add", url="ftp://x", least="page")
    assert (wrong.status_code, "Nothing can be sent there" in wrong.text) == (422, True)
    assert await relay.rows("SELECT 1 FROM alert_places") == []
    assert (await ann.post("/alerts/places/add", url=PLACE, least="ticket")).status_code == 303
    assert (await relay.row("SELECT least FROM alert_places"))["least"] == "ticket"
