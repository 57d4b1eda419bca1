"""A tenant's view of its own callbacks over HTTP: `/relay/deliveries`."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.deliveries.conftest import in_one_task
from tests.deliveries.tenant_server import TenantServer
from tests.relay_app import CLIP, Relay, bearer, running_relay
from tests.waiting import wait_until

ROOT = "/relay/deliveries"


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    """Its tenants' servers are on loopback; no worker, so that nothing happens by itself."""
    opened = running_relay(database_url, callback_allow="127.0.0.0/8")
    async with in_one_task(opened) as running:
        await running.add_channel()
        yield running


async def submit(relay: Relay, token: Any, url: str, **fields: str) -> str:
    body = {**CLIP, "callback_url": url, **fields}
    task_id: str = (await relay.submit(token, body)).json()["data"]["task_id"]
    return task_id


async def send_due(relay: Relay) -> None:
    for leased in await relay.parts.loops.deliverer.claim_due(100):
        await relay.parts.loops.deliverer.deliver(leased)


async def get(relay: Relay, token: Any, path: str = "") -> Any:
    answer = await relay.client.get(ROOT + path, headers=bearer(token))
    return answer.json()


async def test_a_tenant_lists_its_own_deliveries(relay: Relay, server: TenantServer) -> None:
    """Newest first, in Kling's envelope, by its own ids: ours stand nowhere."""
    token = await relay.add_tenant()
    first = await submit(relay, token, server.url(), external_task_id="order-1")
    second = await submit(relay, token, server.url())

    answer = await get(relay, token)

    assert (answer["code"], answer["message"]) == (0, "SUCCEED")
    newest, oldest = answer["data"]
    assert (newest["task_id"], oldest["task_id"]) == (second, first)
    assert oldest["external_task_id"] == "order-1"
    assert (oldest["state"], oldest["task_status"], oldest["attempts"]) == ("due", "submitted", 0)
    assert oldest["id"].startswith("msg_")
    assert oldest["next_attempt_at"] >= oldest["created_at"] > 1_700_000_000_000


async def test_a_list_is_cut_by_task_state_and_page(relay: Relay, server: TenantServer) -> None:
    """By Kling's id or the tenant's; `before` goes on where a page ended."""
    token = await relay.add_tenant()
    one = await submit(relay, token, server.url(), external_task_id="order-1")
    await send_due(relay)
    two = await submit(relay, token, server.url())

    by_id = await get(relay, token, f"?task_id={one}")
    by_own = await get(relay, token, "?task_id=order-1")
    by_state = await get(relay, token, "?state=due")
    page = await get(relay, token, "?pageSize=1")
    rest = await get(relay, token, f"?pageSize=5&before={page['data'][0]['id']}")

    assert (
        [row["task_id"] for row in by_id["data"]]
        == [one]
        == [row["task_id"] for row in by_own["data"]]
    )
    assert [row["task_id"] for row in by_state["data"]] == [two]
    assert [row["task_id"] for row in page["data"] + rest["data"]] == [two, one]
    assert (await get(relay, token, "?task_id=nobody's"))["data"] == []


@pytest.mark.parametrize(
    "query", ["state=sent", "pageSize=0", "pageSize=501", "pageSize=x", "pageSize=000000001000"]
)
async def test_a_list_refuses_what_it_does_not_know(relay: Relay, query: str) -> None:
    """1201, with the field's name first."""
    token = await relay.add_tenant()

    answer = await get(relay, token, f"?{query}")

    assert answer["code"] == 1201
    assert answer["message"].startswith(query.partition("=")[0])


async def test_one_delivery_has_its_attempts(relay: Relay) -> None:
    """What was sent, what was answered, when it goes on."""
    token = await relay.add_tenant()
    async with TenantServer(answers=("502 X\r\n\r\nsorry",)) as server:
        await submit(relay, token, server.url())
        await send_due(relay)
        (listed,) = (await get(relay, token))["data"]

        shown = (await get(relay, token, f"/{listed['id']}"))["data"]

    assert shown["body"].encode() == server.posts[0].body
    assert (shown["state"], shown["reason"], shown["attempts"]) == ("due", "HTTP 502", 1)
    (attempt,) = shown["attempt_list"]
    assert (attempt["http_status"], attempt["response"]) == (502, "sorry")
    assert attempt["number"] == 1


async def test_a_replay_sends_the_same_again(relay: Relay, server: TenantServer) -> None:
    """A delivered row is due again, and arrives with the same bytes; while due, it is refused."""
    token = await relay.add_tenant()
    await submit(relay, token, server.url())
    await send_due(relay)
    (listed,) = (await get(relay, token))["data"]
    path = f"{ROOT}/{listed['id']}/replay"

    replayed = await relay.client.post(path, headers=bearer(token))
    again = await relay.client.post(path, headers=bearer(token))
    await send_due(relay)

    assert (replayed.status_code, replayed.json()["data"]["state"]) == (200, "due")
    assert (again.status_code, again.json()["code"]) == (400, 1201)
    first, second = server.bodies()
    assert first == second
    shown = (await get(relay, token, f"/{listed['id']}"))["data"]
    assert (shown["state"], shown["attempts"]) == ("delivered", 2)


async def test_a_replay_waits_for_the_tasks_other_status(
    relay: Relay, server: TenantServer
) -> None:
    """While a newer status is still to be told, an older one is not replayed beside it."""
    token = await relay.add_tenant()
    task_id = await submit(relay, token, server.url())
    await send_due(relay)
    (listed,) = (await get(relay, token))["data"]
    await relay.rows(
        "INSERT INTO deliveries (task_id, tenant_id, url, task_status, body)"
        " SELECT id, tenant_id, callback_url, 'processing', '{}' FROM tasks WHERE kling_id = $1",
        task_id,
    )

    answer = await relay.client.post(f"{ROOT}/{listed['id']}/replay", headers=bearer(token))

    assert answer.json()["code"] == 1201
    assert "another status" in answer.json()["message"]


async def test_another_tenants_deliveries_do_not_exist(relay: Relay, server: TenantServer) -> None:
    """Not in lists, not by id, not by task, not by replay, not as a page's edge; the answers are
    those for ids that nobody has."""
    acme, beta = await relay.add_tenant(), await relay.add_tenant("beta")
    task_id = await submit(relay, acme, server.url(), external_task_id="order-1")
    await send_due(relay)
    (theirs,) = (await get(relay, acme))["data"]

    seen = [
        (await get(relay, beta))["data"],
        (await get(relay, beta, f"?task_id={task_id}"))["data"],
        (await get(relay, beta, "?task_id=order-1"))["data"],
        (await get(relay, beta, f"?before={theirs['id']}"))["data"],
    ]
    refused = [
        await relay.client.get(f"{ROOT}/{theirs['id']}", headers=bearer(beta)),
        await relay.client.post(f"{ROOT}/{theirs['id']}/replay", headers=bearer(beta)),
        await relay.client.get(f"{ROOT}/msg_nobody", headers=bearer(beta)),
        await relay.client.get(f"{ROOT}/1", headers=bearer(beta)),
        await relay.client.get(f"{ROOT}/1", headers=bearer(acme)),
    ]

    assert seen == [[]] * 4
    assert {(one.status_code, one.json()["code"], one.json()["message"]) for one in refused} == {
        (400, 1201, "Delivery not found")
    }
    row = await relay.row("SELECT state, attempts FROM deliveries")
    assert (row["state"], row["attempts"]) == ("delivered", 1)


async def test_nobody_gets_in_without_a_bearer(relay: Relay) -> None:
    """Kling's 1001 and 1002, as everywhere."""
    without = await relay.client.get(ROOT)
    wrong = await relay.client.get(ROOT, headers={"Authorization": "Bearer sk-nobody"})

    assert [(one.status_code, one.json()["code"]) for one in (without, wrong)] == [
        (401, 1001),
        (401, 1002),
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("DELETE", ""), ("POST", ""), ("PUT", "/ping"), ("POST", "/x"), ("GET", "/x/y")),
        *(("GET", "/x/replay"), ("POST", "/x/replay/y")),
    ],
)
async def test_other_paths_are_klings_404(relay: Relay, method: str, path: str) -> None:
    """404/1202 for what is neither Kling's nor ours."""
    token = await relay.add_tenant()

    answer = await relay.client.request(method, ROOT + path, headers=bearer(token))

    assert (answer.status_code, answer.json()["code"]) == (404, 1202)


@pytest.mark.parametrize("key", ["%00", "%ff", "a%2Fb", "msg_" + "x" * 5000, "'; --", "%F0%9F"])
async def test_odd_ids_are_not_found(relay: Relay, key: str) -> None:
    """And break nothing."""
    token = await relay.add_tenant()

    shown = await relay.client.get(f"{ROOT}/{key}", headers=bearer(token))
    listed = await relay.client.get(f"{ROOT}?task_id={key}&before={key}", headers=bearer(token))

    assert (shown.status_code, shown.json()["code"]) == (400, 1201)
    assert (listed.status_code, listed.json()["data"]) == (200, [])


async def ping(relay: Relay, token: Any, url: object) -> httpx.Response:
    return await relay.client.post(f"{ROOT}/ping", headers=bearer(token), json={"url": url})


async def test_a_ping_is_sent_at_once_and_shown(relay: Relay) -> None:
    """A test body in Kling's shape; the answer says what came of it, and no row is written."""
    token = await relay.add_tenant()
    async with TenantServer(answers=("201 X\r\n\r\nhello",)) as server:
        answer = await ping(relay, token, server.url())

    data = answer.json()["data"]
    assert (data["delivered"], data["signed"], data["http_status"]) == (True, False, 201)
    assert data["response"] == "hello"
    assert b'"task_status":"submitted"' in server.posts[0].body
    assert await relay.rows("SELECT FROM deliveries") == []


async def test_a_ping_that_fails_says_why(relay: Relay) -> None:
    """200 with `delivered` false: the call did its work."""
    token = await relay.add_tenant()
    async with TenantServer() as gone:
        url = gone.url()

    answer = await ping(relay, token, url)

    data = answer.json()["data"]
    assert (answer.status_code, data["delivered"], data["http_status"]) == (200, False, None)
    assert data["error"] == "the connection was refused or broke"


async def test_a_second_ping_within_six_seconds_is_refused(
    relay: Relay, server: TenantServer
) -> None:
    """429/1302, of one tenant: another one's passes."""
    acme, beta = await relay.add_tenant(), await relay.add_tenant("beta")

    answers = [await ping(relay, token, server.url()) for token in (acme, acme, beta)]

    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert answers[1].json()["code"] == 1302
    assert len(server.posts) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_a_ping_to_no_public_address_is_refused(
    shared: Relay, server: TenantServer, host: str
) -> None:
    """1201, and nothing reaches who listens there."""
    token = await shared.add_tenant()

    answer = await ping(shared, token, server.url(host=host))

    assert (answer.status_code, answer.json()["code"]) == (400, 1201)
    assert answer.json()["message"] == "url: must be a public address"
    assert server.connections == 0


async def test_a_ping_to_a_name_of_a_private_address_is_refused_at_the_dial(
    shared: Relay, server: TenantServer
) -> None:
    """The outcome says so, and nothing reaches who listens there."""
    token = await shared.add_tenant()

    answer = await ping(shared, token, server.url(host="localhost"))

    assert answer.json()["data"]["error"] == "the address is not a public one"
    assert server.connections == 0


async def test_a_ping_to_a_url_longer_than_any_is_refused(shared: Relay) -> None:
    """As a submit's: 10 million characters would stop all other requests for a while."""
    token = await shared.add_tenant()

    answer = await ping(shared, token, "https://t.example/" + "a" * 10_000_000)

    assert (answer.status_code, answer.json()["code"]) == (400, 1201)
    assert answer.json()["message"] == "url: must be at most 1024 characters"
    assert len(answer.content) < 200


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"url": 7}', b'{"url": "x"}', b"\xff", b"["])
async def test_a_ping_without_a_url_is_refused(shared: Relay, body: bytes) -> None:
    """Kling's 1200 or 1201, whatever the body is."""
    token = await shared.add_tenant()

    answer = await shared.client.post(f"{ROOT}/ping", headers=bearer(token), content=body)

    assert answer.status_code == 400
    assert answer.json()["code"] in {1200, 1201}


async def test_a_worker_delivers_what_was_replayed(database_url: str, server: TenantServer) -> None:
    """With the loops running, a replayed row arrives by itself."""
    async with running_relay(
        database_url, with_worker=True, callback_allow="127.0.0.0/8", refresh_s=60
    ) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        await submit(relay, token, server.url())

        async def has(count: int) -> bool:
            return len(server.posts) >= count

        await wait_until(lambda: has(1))

        async def is_delivered() -> bool:
            state: str = (await get(relay, token))["data"][0]["state"]
            return state == "delivered"

        await wait_until(is_delivered)
        (listed,) = (await get(relay, token))["data"]
        await relay.client.post(f"{ROOT}/{listed['id']}/replay", headers=bearer(token))
        await wait_until(lambda: has(2))

    assert server.bodies()[0] == server.bodies()[1]
