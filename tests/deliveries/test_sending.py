"""What a tenant's server gets, how often, and in which order."""

import asyncio

import pytest

from relay.counts import Counts
from relay.deliveries.schedule import HOUR_S, RetrySchedule
from relay.deliveries.send import CONTENT_TYPE
from relay.deliveries.statements import CLAIM, TAKE_TURN
from tests.deliveries.bench import ENDED, Bench
from tests.deliveries.tenant_server import TenantServer
from tests.tasks.waiting import WAITING_FOR_A_LOCK
from tests.waiting import settle_for, wait_until

ODD_BODY = '{"task_id":"1","prompt":"\\u00e9\\/ü€😀","n":9007199254740993,"x":1.50}'
HEADERS = {"host", "accept", "accept-encoding", "user-agent", "content-type", "content-length"}


def counted(counts: Counts) -> dict[str, int]:
    """What became of attempts, by the counts of the worker that made them."""
    return {result: times for (result,), times in counts.deliveries.by.items() if times}


async def test_a_delivery_arrives_once_as_it_was_written(
    bench: Bench, server: TenantServer
) -> None:
    """The row's bytes, Kling's content type, no header that names a relay; then nothing more."""
    task = await bench.add_task(await bench.add_tenant(), server.url(path="/a%2Fb?x=%7E+1"))
    told = await bench.tell(task, body=ODD_BODY)

    async with bench.worker() as worker:
        rounds = [await worker.once() for _ in range(2)]

    (post,) = server.posts
    assert rounds == [1, 0]
    assert (post.path, post.body) == ("/a%2Fb?x=%7E+1", ODD_BODY.encode())
    assert set(post.headers) == HEADERS | {"connection"}
    assert post.headers["content-type"] == CONTENT_TYPE
    assert post.headers["connection"] == "close"  # the next attempt dials, and is judged, anew
    assert "relay" not in str(post.headers)
    row = await bench.delivery(told)
    assert (row["state"], row["attempts"], row["lease"]) == ("delivered", 1, None)


async def test_each_retry_has_the_same_bytes_and_id(bench: Bench) -> None:
    """Two refusals and a broken answer, then 204: four posts that differ in nothing but time."""
    answers = ("500 X\r\n\r\nbusy", "404 X\r\n\r\n", "nonsense\r\n\r\n", "204 X\r\n\r\n")
    tenant, counts = await bench.add_tenant(), Counts()
    await bench.add_secret(tenant)

    async with TenantServer(answers=answers) as failing, bench.worker(counts=counts) as worker:
        told = await bench.tell(await bench.add_task(tenant, failing.url()), body=ODD_BODY)
        async with worker.running():
            await wait_until(lambda: bench.is_ended(told))

    assert failing.bodies() == [ODD_BODY.encode()] * 4
    row = await bench.delivery(told)
    assert {post.webhook_id for post in failing.posts} == {row["webhook_id"]}
    assert (row["state"], row["attempts"], row["reason"]) == ("delivered", 4, None)
    attempts = await bench.attempts(told)
    assert [attempt["http_status"] for attempt in attempts] == [500, 404, None, 204]
    assert attempts[0]["response"] == "busy"
    assert attempts[2]["error"] is not None
    assert counted(counts) == {"refused": 2, "unreachable": 1, "delivered": 1}
    assert sum(counts.delivery_seconds.by[()].counts) == 4


async def test_a_delivery_is_dead_after_its_window(bench: Bench) -> None:
    """Nobody listens: after the window of 1.5 s it is given up, with the last reason."""
    schedule = RetrySchedule(first_s=0.05, longest_s=0.1, window_s=1.5)
    async with TenantServer() as gone:
        url = gone.url()
    told = await bench.tell(await bench.add_task(await bench.add_tenant(), url))

    async with bench.worker(schedule=schedule) as worker, worker.running():
        await wait_until(lambda: bench.is_ended(told))

    row = await bench.delivery(told)
    assert (row["state"], row["ended_at"] is not None) == ("dead", True)
    assert row["reason"] == (
        "given up after 1.5 seconds; at last: the connection was refused or broke"
    )
    assert row["attempts"] == len(await bench.attempts(told)) > 2


async def test_410_ends_a_delivery_at_once(bench: Bench) -> None:
    """Its server wants no more of it; the task's next status is told all the same."""
    counts, gone = Counts(), TenantServer(answers=("410 Gone\r\n\r\n",))
    async with gone as server, bench.worker(counts=counts) as worker:
        task = await bench.add_task(await bench.add_tenant(), server.url())
        told = await bench.tell(task, "submitted")
        await worker.once()
        newer = await bench.tell(task)
        await worker.once()

    first, second = await bench.delivery(told), await bench.delivery(newer)
    assert (first["state"], first["reason"]) == ("dead", "HTTP 410: its server wants no more of it")
    assert (second["state"], len(server.posts)) == ("delivered", 2)
    assert counted(counts) == {"dead": 1, "delivered": 1}


async def test_an_attempt_that_is_not_answered_ends(bench: Bench, server: TenantServer) -> None:
    """Within its timeout, as an attempt with a reason; the next one is due."""
    server.gate.clear()
    told = await bench.tell(await bench.add_task(await bench.add_tenant(), server.url()))

    async with bench.worker(timeout_s=0.2) as worker:
        await worker.once()

    (attempt,) = await bench.attempts(told)
    assert (attempt["http_status"], attempt["error"]) == (None, "no answer within 0.2 s")
    assert (await bench.delivery(told))["state"] == "due"


async def test_of_a_long_answer_only_the_beginning_is_kept(bench: Bench) -> None:
    """A kilobyte, with what Postgres takes; the status counts though the body never ends."""
    answer = "500 X\r\ncontent-length: 9000000\r\n\r\n" + "\x00é" * 2000
    async with TenantServer(answers=(answer,)) as server, bench.worker() as worker:
        told = await bench.tell(await bench.add_task(await bench.add_tenant(), server.url()))
        await worker.once()

    (attempt,) = await bench.attempts(told)
    assert attempt["http_status"] == 500
    assert 0 < len(attempt["response"]) <= 1024


async def test_a_newer_status_replaces_what_failed_meanwhile(bench: Bench) -> None:
    """While the first status is in flight a second comes: it waits, goes out after the first
    failed, and the first is superseded instead of tried again."""
    async with TenantServer(answers=("503 X\r\n\r\n",)) as server, bench.worker() as worker:
        server.gate.clear()
        task = await bench.add_task(await bench.add_tenant(), server.url())
        first = await bench.tell(task, "processing")
        (leased,) = await worker.claim()
        sending = asyncio.create_task(worker.deliverer.deliver(leased))
        second = await bench.tell(task, "succeed")
        claimed_meanwhile = await worker.claim()
        server.gate.set()
        await sending
        await worker.once()

    assert claimed_meanwhile == []
    assert server.bodies() == [b'{"task_status":"processing"}', b'{"task_status":"succeed"}']
    states = [(await bench.delivery(one))["state"] for one in (first, second)]
    assert states == ["superseded", "delivered"]


async def test_of_a_dead_workers_statuses_only_the_newest_is_told(
    bench: Bench, server: TenantServer
) -> None:
    """The worker that had the older one never came back, so both are due: the newer goes out."""
    task = await bench.add_task(await bench.add_tenant(), server.url())
    first = await bench.tell(task, "submitted")
    async with bench.worker(lease_s=ENDED) as dead:
        await dead.claim()
    second = await bench.tell(task, "succeed")

    async with bench.worker() as worker:
        rounds = [await worker.once() for _ in range(2)]

    assert rounds == [1, 0]
    assert server.bodies() == [b'{"task_status":"succeed"}']
    states = [(await bench.delivery(one))["state"] for one in (first, second)]
    assert states == ["superseded", "delivered"]


async def test_deliveries_of_one_task_are_never_in_flight_together(
    bench: Bench, server: TenantServer
) -> None:
    """Two workers, one task, twelve statuses one after the other: one post at a time, in order."""
    task = await bench.add_task(await bench.add_tenant(), server.url())

    async with bench.worker() as one, bench.worker() as other, one.running(), other.running():
        for number in range(12):
            last = await bench.tell(task, f"status {number}")
            await settle_for(0.01, because="the workers may take up each of them, or skip it")
        await wait_until(lambda: bench.is_ended(last))

    told = [int(body.decode().split()[1].rstrip('"}')) for body in server.bodies()]
    assert server.at_once_max == 1
    assert told == sorted(told)
    assert told[-1] == 11


async def test_a_claim_sees_what_the_one_before_it_leased(bench: Bench) -> None:
    """A worker is about to commit its lease; another, that finds a newer status, waits for it."""
    task = await bench.add_task(await bench.add_tenant(), "http://127.0.0.1:1/hook")
    await bench.tell(task, "submitted")
    async with bench.worker() as other:
        async with bench.pool.begin() as first:
            await first.execute(TAKE_TURN)
            claimed = await first.fetch(CLAIM, 10, [], [], 0, "", 1000, 8, 16, 32, 30.0)
            await bench.tell(task, "processing")

            claiming = asyncio.create_task(other.claim())
            await wait_until(lambda: bench.pool.fetch(WAITING_FOR_A_LOCK))
            has_claimed = claiming.done()
        leased = await claiming

    assert len(claimed) == 2, "one row, and the record of lanes"
    assert not has_claimed
    assert leased == []


@pytest.mark.parametrize(
    ("elapsed_s", "least_s", "most_s"),
    [
        (0.0, 3.75, 6.25),
        (5.0, 3.75, 6.25),
        (600.0, 450.0, 750.0),
        (24 * HOUR_S, 3 * HOUR_S, 5 * HOUR_S),
        (71.9 * HOUR_S, 0.0, 0.1 * HOUR_S + 1),
    ],
)
def test_pauses_grow_with_what_has_passed(elapsed_s: float, least_s: float, most_s: float) -> None:
    """By default 5 s at first, then as long as it took so far, 4 h at most, jittered; the last
    attempt stands at the end of the 72 hours."""
    pauses = [RetrySchedule().pause_s(elapsed_s) for _ in range(200)]

    assert all(pause is not None and least_s <= pause <= most_s for pause in pauses)
    assert elapsed_s > 71 * HOUR_S or len(set(pauses)) > 100


def test_the_default_schedule_tries_some_thirty_times() -> None:
    """Each failure at once: between 20 and 40 attempts, and none after 72 hours."""
    schedule, elapsed_s, attempts = RetrySchedule(), 0.0, 1

    while (pause_s := schedule.pause_s(elapsed_s)) is not None:
        elapsed_s += pause_s
        attempts += 1

    assert 20 <= attempts <= 40
    assert elapsed_s == pytest.approx(72 * HOUR_S)
