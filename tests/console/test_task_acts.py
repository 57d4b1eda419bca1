"""What a task's page leads to: its kin, its tenant told again, a wait that is cancelled."""

import json

import httpx

from relay.kling.httpx_transport import HttpxTransport
from relay.operators.tables import Role
from relay.sandbox.settings import Account as SandboxAccount
from relay.tasks.queue.tables import body_context
from tests.console.test_operators import done, refused
from tests.console.visiting import visiting
from tests.relay_app import CLIP, SANDBOX_URL, Relay, fixture_relay

EVIL = "'><img src=x onerror=alert(1)>"


async def submitted(relay: Relay, *tenants: str) -> list[int]:
    """A task of each tenant, by our id."""
    await relay.add_channel()
    tokens = {name: await relay.add_tenant(name) for name in dict.fromkeys(tenants)}
    for name in tenants:
        assert (await relay.submit(tokens[name], CLIP)).status_code == 200
    return [row["id"] for row in await relay.rows("SELECT id FROM tasks ORDER BY id")]


async def extends(relay: Relay, task_id: int, video: str) -> None:
    info = {"task_info": {"parent_video": {"id": video}}, "task_result": {"videos": []}}
    await relay.rows(
        "UPDATE tasks SET endpoint = 'video-extend', reply = $2 WHERE id = $1",
        *(task_id, json.dumps(info)),
    )


async def test_a_task_is_linked_to_what_it_extends(database_url: str) -> None:
    """Both ways, among its tenant's own; a parent that is not known here is named by its video."""
    async with fixture_relay(database_url) as relay, visiting(relay) as ann:
        parent, child, stray, other = await submitted(relay, "acme", "acme", "acme", "other")
        made = {"task_result": {"videos": [{"id": "video-1", "url": "https://x"}]}}
        await relay.rows("UPDATE tasks SET reply = $2 WHERE id = $1", parent, json.dumps(made))
        await relay.rows(
            "INSERT INTO owners (kind, resource_id, channel_id, tenant_id, task_id)"
            " VALUES ('video', 'video-1', 1, 1, $1)",
            parent,
        )
        for task_id, video in ((child, "video-1"), (stray, EVIL), (other, "video-1")):
            await extends(relay, task_id, video)

        def link(task_id: int) -> str:
            return f'href="/console/tasks/{task_id}" data-drawer="#task"'

        page = await ann.read(f"/tasks/{parent}")
        assert [link(one) in page for one in (child, stray, other)] == [True, False, False]
        assert link(parent) in await ann.read(f"/tasks/{child}")
        for one, video in ((stray, EVIL), (other, "video-1")):
            answer = await ann.get(f"/tasks/{one}")
            assert (link(parent) in answer.text, "<img src=x" in answer.text) == (False, False)
            assert video in await ann.read(f"/tasks/{one}")


async def test_a_wait_is_cancelled_and_its_hold_given_back(database_url: str) -> None:
    """To the micro, with its row of the queue; what does not wait is not offered, nor done."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        waiting, sent = await submitted(relay, "acme", "acme")
        before = await held(relay)
        await relay.rows(
            "UPDATE tasks SET state = 'queued', kling_id = NULL, public_id = 'p-1',"
            " next_look_at = NULL WHERE id = $1",
            waiting,
        )
        await relay.rows(
            "INSERT INTO queue (task_id, body_sealed, channel_ids, until)"
            " VALUES ($1, $2, '{1}', now() + interval '1 hour')",
            *(waiting, relay.keys.seal("{}", context=body_context(waiting))),
        )
        page = await ann.read(f"/tasks/{waiting}")
        assert ("Cancel…" in page, "Release…" in page) == (True, False)
        assert "Cancel…" not in await ann.read(f"/tasks/{sent}")
        page = await ann.read(f"/tasks/{sent}/cancel")
        assert "cannot be done with this task" in page
        assert "<form" not in page.split("<main")[1]
        asked = {"reason": "asked"}
        await refused(ann, f"/tasks/{waiting}/cancel", "Choose", reason="why not")
        assert (await vic.post(f"/tasks/{waiting}/cancel", **asked)).status_code == 403
        await done(ann, f"/tasks/{waiting}/cancel", **asked)
        assert before - await held(relay) == before // 2
        row = await relay.row("SELECT state, charged_micros FROM tasks WHERE id = $1", waiting)
        assert (row["state"], row["charged_micros"]) == ("failed", None)
        assert await relay.rows("SELECT 1 FROM queue") == []
        for one in (waiting, sent):
            await refused(ann, f"/tasks/{one}/cancel", "does not wait for room", **asked)
        (change,) = await relay.rows("SELECT * FROM changes WHERE act = 'task.cancel'")
        assert (change["actor"], change["reason"]) == ("operator:ann", "Its tenant asked for it")


async def held(relay: Relay) -> int:
    (row,) = await relay.rows("SELECT sum(held_micros) AS micros FROM accounts")
    return int(row["micros"])


async def test_a_tenant_is_told_again_from_its_task(database_url: str) -> None:
    """By the newest of its callbacks, and not while one is still to be sent."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        (task_id,) = await submitted(relay, "acme")
        assert "Tell the tenant again" not in await ann.read(f"/tasks/{task_id}")
        rows = await relay.rows(
            "INSERT INTO deliveries (task_id, tenant_id, url, task_status, body, state)"
            " SELECT $1, 1, 'https://a.test/x', 'succeed', '{}', s"
            " FROM unnest(ARRAY['dead', 'delivered']) s RETURNING id",
            task_id,
        )
        again = f"/deliveries/{rows[-1]['id']}/replay"
        assert f'href="/console{again}"' in await ann.read(f"/tasks/{task_id}")
        assert "Tell the tenant again" not in await vic.read(f"/tasks/{task_id}")
        await done(ann, again, reason="not-told")
        change = await relay.row("SELECT reason FROM changes WHERE act = 'delivery.replay'")
        assert change["reason"] == "Its tenant was not told"
        assert "Tell the tenant again" not in await ann.read(f"/tasks/{task_id}")


async def test_a_channel_is_tested_for_free(database_url: str) -> None:
    """Kling's answer in words: of keys that work, and of keys that do not."""
    async with (
        fixture_relay(database_url) as relay,
        visiting(relay) as ann,
        visiting(relay, "vic", Role.VIEWER) as vic,
    ):
        right = await relay.add_channel()
        other = SandboxAccount(access_key="ak-9", secret_key="sk-of-nine-chars", api_key="key-9")
        wrong = await relay.add_channel("wrong", account=other)
        assert "It is free" in await ann.read(f"/channels/{right}/test")
        for channel_id, says in (
            (right, "It works"),
            (wrong, "does not take these keys"),
        ):
            answer = await ann.post(f"/channels/{channel_id}/test")
            assert (answer.status_code, says in answer.text) == (200, True), answer.text
            assert "sk-of-nine" not in answer.text
        assert (await vic.get(f"/channels/{right}/test")).status_code == 403
        assert (await vic.post(f"/channels/{right}/test")).status_code == 403
        assert (await ann.post("/channels/999/test")).status_code == 404
        assert await relay.rows("SELECT 1 FROM tasks") == []


class Nobody(httpx.AsyncBaseTransport):
    """A network in which nobody is."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"no route to {request.url.host}")


async def test_a_channel_that_nobody_answers_is_told_so(database_url: str) -> None:
    """With the reason, and where it was looked for."""
    transport = HttpxTransport(Nobody())
    async with fixture_relay(database_url, transport=transport) as relay, visiting(relay) as ann:
        page = (await ann.post(f"/channels/{await relay.add_channel()}/test")).text
        assert f"Nothing answered at {SANDBOX_URL}" in page
        assert "ConnectError" in page
    await transport.aclose()
