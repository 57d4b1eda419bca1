"""From a submit that names a callback URL to what its server is told."""

import asyncio
import json
from typing import Any

import pytest

from relay.tasks.door import Via
from relay.tasks.tables import TaskState
from tests.deliveries.tenant_server import TenantServer
from tests.relay_app import CLIP, Relay, running_relay
from tests.tasks.holding import hold_tasks, kling_id, news, read_row
from tests.waiting import wait_until

ALLOWED = "127.0.0.0/8"
SUCCESS: dict[str, Any] = {
    "final_unit_deduction": "3",
    "task_result": {"videos": [{"id": "v", "url": "http://kling/v.mp4", "duration": "5"}]},
}


async def learn(relay: Relay, id_: int, status: str, via: Via, **fields: Any) -> None:
    task = await read_row(relay, id_)
    await relay.parts.tasks.learner.learn(
        task, news(task, status, **fields), via=via, look_after_s=60
    )


async def test_a_tenant_is_told_without_a_public_url_of_ours(
    database_url: str, server: TenantServer
) -> None:
    """The worker's looks learn the end, and the tenant's server hears of it: its own ids, its own
    costs, and nothing of what we injected."""
    async with running_relay(
        database_url, with_worker=True, callback_allow=ALLOWED, refresh_s=0.2
    ) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        body = {**CLIP, "callback_url": server.url(), "external_task_id": "order-9"}
        task_id = (await relay.submit(token, body)).json()["data"]["task_id"]

        await wait_until(lambda: _is_told(server, "succeed"))
        task = await relay.task(task_id)

    told = json.loads(server.posts[-1].body)
    assert (told["task_id"], told["task_info"]) == (task_id, {"external_task_id": "order-9"})
    assert told["final_unit_deduction"] == "3"
    assert told["task_result"]["videos"][0]["url"]
    assert task["injected_id"] not in str(server.posts)
    statuses = [json.loads(post.body)["task_status"] for post in server.posts]
    assert statuses == sorted(set(statuses), key=["submitted", "processing", "succeed"].index)


@pytest.mark.parametrize("via", [Via.CALLBACK, Via.LOOK, Via.QUERY])
async def test_every_status_change_is_written_once_whoever_told_it(
    database_url: str, via: Via
) -> None:
    """Submitted, processing, succeed, each told three times: three rows, older ones superseded."""
    async with running_relay(database_url) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        (task,) = await hold_tasks(relay, token, callback_url="http://a.example/hook")

        for status in ("submitted", "processing", "succeed"):
            fields = SUCCESS if status == "succeed" else {}
            for _ in range(3):
                await learn(relay, task.id, status, via, **fields)

        rows = await relay.rows("SELECT * FROM deliveries ORDER BY id")

    assert [(row["task_status"], row["state"]) for row in rows] == [
        ("submitted", "superseded"),
        ("processing", "superseded"),
        ("succeed", "due"),
    ]
    body = json.loads(rows[-1]["body"])
    assert (body["task_id"], body["task_info"]) == (kling_id(task), {})


async def test_what_is_being_sent_is_not_superseded_by_the_door(database_url: str) -> None:
    """A row under lease ends by itself: the worker that has it judges what comes of it."""
    async with running_relay(database_url) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        (task,) = await hold_tasks(relay, token, callback_url="http://a.example/hook")
        await learn(relay, task.id, "submitted", Via.LOOK)
        (leased,) = await relay.parts.loops.deliverer.claim_due(10)

        await learn(relay, task.id, "processing", Via.LOOK)

        rows = await relay.rows("SELECT id, state, lease FROM deliveries ORDER BY id")

    assert [(row["state"], row["lease"]) for row in rows] == [("due", leased.lease), ("due", None)]


async def test_a_status_that_changes_nothing_tells_nothing(database_url: str) -> None:
    """A task without a callback URL, a verdict of ours, an old word after the end: no rows."""
    async with running_relay(database_url) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        (quiet,) = await hold_tasks(relay, token)
        (lost, late) = await hold_tasks(relay, token, 2, callback_url="http://a.example/hook")

        await learn(relay, quiet.id, "succeed", Via.LOOK, **SUCCESS)
        await relay.end(lost, TaskState.REFUSED, Via.LOOK, "Kling never had it")
        await learn(relay, late.id, "failed", Via.LOOK)
        await learn(relay, late.id, "processing", Via.CALLBACK)
        rows = await relay.rows("SELECT task_id, task_status FROM deliveries")

    assert [tuple(row) for row in rows] == [(late.id, "failed")]


async def test_a_late_success_is_told_after_the_failure(database_url: str) -> None:
    """The one move backwards is a status change like any other."""
    async with running_relay(database_url) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        (task,) = await hold_tasks(relay, token, callback_url="http://a.example/hook")

        await learn(relay, task.id, "failed", Via.LOOK)
        await learn(relay, task.id, "succeed", Via.LOOK, **SUCCESS)
        rows = await relay.rows("SELECT task_status, state FROM deliveries ORDER BY id")

    assert [tuple(row) for row in rows] == [("failed", "superseded"), ("succeed", "due")]


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "https://[fd00::1]/"),
        *("http://169.254.169.254/", "ftp://a.example/", "no url", "http://", "http://[::1/"),
    ],
)
async def test_a_submit_with_a_url_that_cannot_be_is_refused(shared: Relay, url: str) -> None:
    """1201 before anything is written or sent: no row, no hold."""
    token = await shared.add_tenant(url.replace("/", "_"))

    answer = await shared.submit(token, {**CLIP, "callback_url": url})

    assert (answer.status_code, answer.json()["code"]) == (400, 1201)
    assert answer.json()["message"].startswith("callback_url: ")
    assert await shared.account(url.replace("/", "_")) == (10_000_000, 0)


@pytest.mark.parametrize(
    "url", ["http://localhost/", "https://8.8.8.8:4443/x", "http://internal.example/"]
)
async def test_a_submit_with_a_name_or_a_public_address_is_taken(shared: Relay, url: str) -> None:
    """Whether a name may be dialled is judged when it is dialled."""
    token = await shared.add_tenant(url.replace("/", "_"))

    answer = await shared.submit(token, {**CLIP, "callback_url": url})

    assert (answer.status_code, answer.json()["code"]) == (200, 0)


async def test_a_relay_without_an_allow_list_dials_no_loopback(database_url: str) -> None:
    """The guard is in the app as it is served: a name of 127.0.0.1 gets an attempt, and no
    connection."""
    async with TenantServer() as server, running_relay(database_url, with_worker=True) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        await relay.submit(token, {**CLIP, "callback_url": server.url(host="localhost")})

        async def is_attempted() -> bool:
            return bool(await relay.rows("SELECT FROM delivery_attempts WHERE error IS NOT NULL"))

        await wait_until(is_attempted)
        (attempt, *_) = await relay.rows("SELECT * FROM delivery_attempts")

    assert attempt["error"] == "the address is not a public one"
    assert server.connections == 0


async def test_callbacks_are_sent_while_submits_go_on(database_url: str) -> None:
    """Twenty tasks at once, each told its end once, and nothing of another's."""
    async with (
        TenantServer() as server,
        running_relay(
            database_url, with_worker=True, callback_allow=ALLOWED, refresh_s=0.2
        ) as relay,
    ):
        token = await relay.add_tenant(quota_micros=20_000_000)
        await relay.add_channel()
        answers = await asyncio.gather(
            *(
                relay.submit(token, {**CLIP, "callback_url": server.url(path=f"/{number}")})
                for number in range(20)
            )
        )
        ids = {f"/{n}": answer.json()["data"]["task_id"] for n, answer in enumerate(answers)}

        await wait_until(lambda: _is_told(server, "succeed", 20))

    told = [(post.path, json.loads(post.body)) for post in server.posts]
    assert all(body["task_id"] == ids[path] for path, body in told)
    ends = [path for path, body in told if body["task_status"] == "succeed"]
    assert sorted(ends) == sorted(ids)


async def _is_told(server: TenantServer, status: str, times: int = 1) -> bool:
    told = [json.loads(post.body)["task_status"] for post in server.posts]
    return told.count(status) >= times
