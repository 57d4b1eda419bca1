"""Each rule fires by what stands in the database, and is over when that is."""

from typing import NamedTuple

from relay.alerts.judge import bound_of
from relay.alerts.rules import BY_NAME, RULES
from tests.alerts.conftest import AROUND, Alerts
from tests.relay_app import CLIP
from tests.waiting import wait_until


class Case(NamedTuple):
    """What is wrong, what ends it, and how it is told."""

    rule: str
    wrong: str
    about: str
    said: str
    right: str


CASES = [
    Case(
        "books-differ",
        "INSERT INTO audits (read_at, differences, drift_micros, accounts, tasks, entries, actor)"
        " VALUES (now(), 2, 700000, 1, 1, 1, 'relay')",
        *("", "2 rows differ, by 0.7 USD"),
        "UPDATE audits SET differences = 0",
    ),
    Case(
        "audit-stale",
        "UPDATE audits SET read_at = now() - interval '4 hours'",
        *("", "the last time was 4.0 h ago"),
        "UPDATE audits SET read_at = now()",
    ),
    Case(
        "outcome-unknown",
        "UPDATE tasks SET state = 'unknown', created_at = now() - interval '61 minutes'"
        " WHERE hold_ended_at IS NULL",
        *("main", "1 submit, the oldest 61 min old"),
        "UPDATE tasks SET created_at = now()",
    ),
    Case(
        "task-old",
        "UPDATE tasks SET submitted_at = now() - interval '46 minutes' WHERE hold_ended_at IS NULL;"
        "UPDATE tasks SET submitted_at = created_at, slots = 1,"
        " ended_at = created_at + interval '15 minutes',"
        " ended_via = 'look' WHERE hold_ended_at IS NOT NULL",
        *("kling-v3", "the oldest has run for 46 min; usual are 15 min"),
        "UPDATE tasks SET submitted_at = now() - interval '44 minutes' WHERE hold_ended_at IS NULL",
    ),
    Case(
        "no-channel",
        "INSERT INTO channel_conditions (channel_id, pack, model, state, reason, since, failed_at,"
        " try_at) VALUES (1, '', '', 'cooling', 'not sent', now() - interval '6 minutes', now(),"
        " now())",
        *("", "for 6 min: main: not sent"),
        "DELETE FROM channel_conditions",
    ),
    Case(
        "channel-parked",
        "INSERT INTO channel_conditions (channel_id, pack, model, state, code, reason, since,"
        " failed_at, try_at) VALUES (1, 'video', '', 'parked', 1102, 'code 1102', now(), now(),"
        " now())",
        *("main", "video: code 1102"),
        "UPDATE channel_conditions SET state = 'ok'",
    ),
    Case(
        "channel-refused",
        "UPDATE channel_conditions SET pack = '', state = 'refused', reason = 'code 1002'",
        *("main", "code 1002"),
        "UPDATE channel_conditions SET model = 'kling-v3'",
    ),
    Case(
        "units-low",
        "INSERT INTO channel_packs (channel_id, pack_id, name, kind, total, remaining, status)"
        " VALUES (1, 'p', 'p', 'video', 100, 7, 'online');"
        "UPDATE tasks SET cost_units = 3, cost_pack = 'video', created_at = now() -"
        " interval '1 day' WHERE state = 'succeed'",
        *("main video", "7 units, for 2.3 days"),
        "UPDATE channel_packs SET remaining = 70",
    ),
    Case(
        "price-underquoted",
        "INSERT INTO price_underquotes (key, price, seen_at, dearest, rise, risen_at) VALUES"
        """ ('k', '{"endpoint": "text2video", "model": "kling-v3"}', ARRAY[now()], 1.25, 1.25,"""
        " now())",
        *("text2video kling-v3", "Kling took 1.25 times the price; 1.25 times it is held"),
        "DELETE FROM price_underquotes",
    ),
    Case(
        "tenant-empty",
        "UPDATE tasks SET charged_micros = hold_micros, created_at = now() - interval '12 hours'"
        " WHERE state = 'succeed'; UPDATE accounts SET quota_micros = held_micros - 80000,"
        " credit_micros = 500000",
        *("acme", "0.42 USD left, for 12.0 h"),
        "UPDATE accounts SET credit_micros = 980000",
    ),
    Case(
        "deliveries-dead",
        "INSERT INTO deliveries (task_id, tenant_id, url, task_status, body, state, ended_at,"
        " reason) SELECT id, tenant_id, 'https://a.test', 'succeed', '{}', 'dead', now(), 'HTTP"
        " 500' FROM tasks ORDER BY id LIMIT 1",
        *("acme", "1 in the last hour: HTTP 500"),
        "UPDATE deliveries SET ended_at = now() - interval '61 minutes'",
    ),
    Case(
        "assets-late",
        "INSERT INTO assets (tenant_id, task_id, source, source_url, created_at, reason) SELECT"
        " tenant_id, id, 'result', 'https://a.test', now() - interval '25 hours', 'HTTP 500' FROM"
        " tasks ORDER BY id LIMIT 1",
        *("acme", "1 file, the oldest for 25.0 h: HTTP 500"),
        "UPDATE assets SET created_at = now()",
    ),
    Case(
        "assets-full",
        "UPDATE assets SET reason = 'its tenant may keep 1 bytes, and has them', created_at ="
        " now() - interval '25 hours';"
        "UPDATE tenants SET asset_bytes_max = 2000000000;"
        "INSERT INTO asset_objects (tenant_id, sha256, bytes) SELECT id, 'x', 1000000000 FROM"
        " tenants WHERE name = 'acme'",
        *("acme", "1 of 2 GB; files wait for room"),
        "UPDATE assets SET reason = NULL, created_at = now()",
    ),
    Case(
        "backup-old",
        "UPDATE deployment SET created_at = now() - interval '3 days'",
        *("", "there is none"),
        "INSERT INTO backups (made_at, place, bytes, actor) VALUES (now(), '/b', 1, 'relay')",
    ),
    Case(
        "queue-long",
        "UPDATE tasks SET state = 'queued', public_id = '1' WHERE hold_ended_at IS NULL;"
        "INSERT INTO queue (task_id, body_sealed, channel_ids, until, created_at) SELECT id, 'x',"
        " '{}', now() + interval '1 hour', now() - interval '6 minutes' FROM tasks"
        " WHERE state = 'queued'",
        *("", "1 create waits for room, the longest for 6 min"),
        "UPDATE queue SET created_at = now()",
    ),
    *(
        Case(
            rule,
            "INSERT INTO alert_notes (rule, process, said, until) VALUES"
            f" ('{rule}', 'host-1:77', 'so it is', now() + interval '1 minute')",
            *("host-1", "so it is"),
            "UPDATE alert_notes SET until = now()",
        )
        for rule in ("charge-fails", "not-ready", "disk-low")
    ),
]
OF_MANY = {"success-fallen", "content-refused", "callbacks-silent"}
"""Rules about more tasks than one."""


async def ask(alerts: Alerts, name: str) -> dict[str, str]:
    rule = BY_NAME[name]
    async with alerts.relay.sessions() as session:
        return await rule.ask(session, bound_of(rule, None), AROUND)


async def test_what_is_so_fires_and_what_is_over_does_not(alerts: Alerts) -> None:
    """A live task and a charged one; each rule in turn, and every rule has its turn."""
    relay = alerts.relay
    await relay.add_channel()
    token = await relay.add_tenant()
    first = (await relay.submit(token)).json()["data"]["task_id"]

    async def has_ended() -> bool:
        await relay.get(token, first)
        return bool((await relay.task(first))["state"] == "succeed")

    await wait_until(has_ended)
    await relay.submit(token)

    for case in CASES:
        assert await ask(alerts, case.rule) == {}, case.rule
        for statement in case.wrong.split(";"):
            await relay.rows(statement)
        found = await ask(alerts, case.rule)
        assert found.keys() == {case.about}, (case.rule, found)
        assert found[case.about].startswith(case.said), (case.rule, found)
        await relay.rows(case.right)
        assert await ask(alerts, case.rule) == {}, case.rule

    assert {case.rule for case in CASES} | OF_MANY == {rule.name for rule in RULES}


async def test_rules_of_many_tasks(alerts: Alerts) -> None:
    """21 refusals for policy within an hour; half the success of before; callbacks that stopped."""
    relay = alerts.relay
    await relay.add_channel()
    token = await relay.add_tenant(quota_micros=10**9)
    for _ in range(2):
        await relay.submit(token, {**CLIP, "prompt": "x"})
    copied = ", ".join(
        row[0]
        for row in await relay.rows(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'tasks'"
            " AND column_name NOT IN ('id', 'injected_id', 'kling_id', 'request_id')"
        )
    )
    await relay.rows(
        f"INSERT INTO tasks ({copied}, injected_id, request_id)"
        f" SELECT {copied}, 'i' || n, 'r' || n FROM (SELECT * FROM tasks ORDER BY id LIMIT 1) t,"
        " generate_series(1, 40) n"
    )

    async def end(ids: str, state: str, at: str, message: str = "no") -> None:
        charged = "hold_micros" if state == "succeed" else "NULL"
        await relay.rows(
            f"UPDATE tasks SET state = '{state}', hold_ended_at = now(), ended_via = 'look',"
            f" ended_at = {at}, fail_message = $1, charged_micros = {charged} WHERE {ids}",
            message,
        )

    await relay.rows("UPDATE channels SET callback_at = now() - interval '31 minutes'")
    assert await ask(alerts, "callbacks-silent") == {"main": "none for 31 min, with 42 tasks open"}
    await relay.rows("UPDATE channels SET callback_at = now() - interval '29 minutes'")
    assert await ask(alerts, "callbacks-silent") == {}

    await end("id % 2 = 0", "refused", "now()", "code 1301: no")
    assert await ask(alerts, "content-refused") == {"acme": "21 refused in the last hour"}
    await end("id % 2 = 0", "refused", "now()", "code 1201: no")
    assert await ask(alerts, "content-refused") == {}

    await end("id % 2 = 0", "succeed", "now() - interval '2 hours'")
    await end("id % 2 = 1", "failed", "now()")
    assert await ask(alerts, "success-fallen") == {
        "kling-v3": "0% of the last hour's, 100% of the day before"
    }
    await end("id % 2 = 1", "succeed", "now()")
    assert await ask(alerts, "success-fallen") == {}
