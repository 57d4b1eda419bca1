"""Several workers, dead workers, slow endpoints: nothing is lost, doubled or held up."""

import asyncio
import contextlib
import threading

from relay.deliveries.deliver import AttemptLimits
from relay.deliveries.names import NameThreads
from relay.deliveries.schedule import RetrySchedule
from relay.deliveries.send import Outcome
from relay.deliveries.statements import CLAIM, TAKE_TURN
from tests.benchmarks.plans import Sample, explained, nodes, touched
from tests.deliveries.bench import ENDED, Bench
from tests.deliveries.tenant_server import TenantServer
from tests.waiting import PATIENCE_S, settle_for, wait_until

ONE = AttemptLimits(in_all=8, of_tenant=4, of_host=4, of_lane=2)
NEVER_S = 2 * PATIENCE_S
"""No attempt is given up while a test waits."""


async def test_another_worker_takes_over_from_one_that_died(
    bench: Bench, server: TenantServer
) -> None:
    """It died in the middle of an attempt: when its lease is over, another one delivers, and the
    attempt without an outcome stays to be seen."""
    server.gate.clear()
    told = await bench.tell(await bench.add_task(await bench.add_tenant(), server.url()))
    async with bench.worker() as dying:
        (leased,) = await dying.claim()
        attempt = asyncio.create_task(dying.deliverer.deliver(leased))
        await wait_until(lambda: _has_posts(server, 1))
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
    server.gate.set()

    async with bench.worker() as worker, worker.running():
        claimed_early = await bench.delivery(told)
        await bench.end_leases()
        await wait_until(lambda: bench.is_ended(told))

    assert claimed_early["attempts"] == 1
    row = await bench.delivery(told)
    assert (row["state"], row["attempts"], len(server.posts)) == ("delivered", 2, 2)
    assert [one["http_status"] for one in await bench.attempts(told)] == [None, 200]


async def test_a_worker_that_slept_past_its_lease_changes_nothing(
    bench: Bench, server: TenantServer
) -> None:
    """Another one delivered meanwhile: the sleeper's failure does not make it due again."""
    told = await bench.tell(await bench.add_task(await bench.add_tenant(), server.url()))

    async with bench.worker(lease_s=ENDED) as sleeper, bench.worker() as other:
        (leased,) = await sleeper.claim()
        await other.once()
        await sleeper.deliverer._record(leased, Outcome(500, None, 1))  # noqa: SLF001 (the moment after its send)

    row = await bench.delivery(told)
    assert (row["state"], row["attempts"], len(server.posts)) == ("delivered", 2, 1)


async def test_a_worker_does_not_send_when_its_lease_is_nearly_over(
    bench: Bench, server: TenantServer
) -> None:
    """An attempt may take its whole timeout, and by then the row would be another's."""
    told = await bench.tell(await bench.add_task(await bench.add_tenant(), server.url()))

    async with bench.worker(lease_s=10.0, timeout_s=9.95) as worker:
        (leased,) = await worker.claim()
        await settle_for(0.06, because="the lease is then shorter than an attempt may take")
        await worker.deliverer.deliver(leased)

    assert server.posts == []
    assert (await bench.delivery(told))["state"] == "due"


async def test_two_workers_never_send_one_row_twice(bench: Bench, server: TenantServer) -> None:
    """Four workers over 200 rows: 200 posts, each with an id of its own."""
    tasks = await bench.add_tasks(await bench.add_tenant(), server.url(), 200)
    await bench.add_secret(1)
    told = await bench.tell_all(tasks)

    async with contextlib.AsyncExitStack() as workers:
        for _ in range(4):
            worker = await workers.enter_async_context(bench.worker())
            await workers.enter_async_context(worker.running())
        await wait_until(lambda: bench.is_ended(*told))

    ids = [post.webhook_id for post in server.posts]
    assert len(ids) == len(set(ids)) == 200


async def test_claims_at_the_same_time_share_nothing(bench: Bench, server: TenantServer) -> None:
    """Eight workers claim at once, three rounds: every row is leased to one of them."""
    tasks = await bench.add_tasks(await bench.add_tenant(), server.url(), 60)
    told = await bench.tell_all(tasks)
    claimed: list[int] = []

    async with bench.worker() as a, bench.worker() as b, bench.worker() as c, bench.worker() as d:
        for _ in range(3):
            for leased in await asyncio.gather(*(one.claim() for one in (a, b, c, d))):
                claimed += [one.id for one in leased]

    assert len(claimed) == len(set(claimed)) > 0
    assert set(claimed) <= set(told)


async def test_slow_names_of_two_tenants_hold_up_no_other(
    bench: Bench, server: TenantServer
) -> None:
    """A lookup outlives its attempt, on a thread that nobody can stop, and so does its place.

    Of eight threads two tenants have four, however often their attempts are given up; another's
    callback finds one.
    """
    slow = [await bench.add_tenant(f"slow-{name}") for name in "ab"]
    quick = await bench.add_tenant("quick")
    may_answer = threading.Event()

    def look_up(name: str) -> list[str]:
        if name.startswith("slow"):
            may_answer.wait()
        return ["127.0.0.1"]

    names = NameThreads(look_up, at_once=8)
    limits = AttemptLimits(in_all=8, of_tenant=2, of_host=2, of_lane=2)
    for tenant in slow:
        url = server.url(host=f"slow-{tenant}.example")
        await bench.tell_all(await bench.add_tasks(tenant, url, 20))
    try:
        async with (
            bench.worker(lookup=names, limits=limits, timeout_s=0.1) as worker,
            worker.running(),
        ):
            await wait_until(lambda: _given_up(bench, 4))
            await settle_for(0.5, because="places that were free would be taken by then, and again")
            told = await bench.tell(await bench.add_task(quick, server.url(host="quick.example")))
            await wait_until(lambda: bench.is_ended(told))
    finally:
        may_answer.set()
        names.close()

    assert (await bench.delivery(told))["state"] == "delivered"


async def _given_up(bench: Bench, count: int) -> bool:
    query = "SELECT count(*) >= $1 FROM delivery_attempts WHERE error LIKE 'no answer within%'"
    return bool(await bench.pool.fetchval(query, count))


async def test_a_slow_endpoint_holds_up_no_other_tenant(bench: Bench, server: TenantServer) -> None:
    """Two thousand rows wait for a server that never answers; another tenant's row, the newest of
    all, arrives before the first attempt there is given up."""
    slow, quick = await bench.add_tenant("slow"), await bench.add_tenant("quick")
    async with (
        TenantServer() as stuck,
        bench.worker(limits=ONE, timeout_s=NEVER_S, lease_s=2 * NEVER_S) as worker,
    ):
        stuck.gate.clear()
        await bench.tell_all(await bench.add_tasks(slow, stuck.url(), 2000))
        async with worker.running():
            await wait_until(lambda: _has_posts(stuck, ONE.of_lane))
            told = await bench.tell(await bench.add_task(quick, server.url()))
            await wait_until(lambda: bench.is_ended(told))

        assert len(stuck.posts) == ONE.of_lane
    assert len(server.posts) == 1


async def test_a_slow_endpoint_holds_up_no_other_of_its_tenant(
    bench: Bench, server: TenantServer
) -> None:
    """The same within one tenant: its dead endpoint fills its own lane only."""
    tenant = await bench.add_tenant()
    async with (
        TenantServer() as stuck,
        bench.worker(limits=ONE, timeout_s=NEVER_S, lease_s=2 * NEVER_S) as worker,
    ):
        stuck.gate.clear()
        await bench.tell_all(await bench.add_tasks(tenant, stuck.url(), 500))
        async with worker.running():
            await wait_until(lambda: _has_posts(stuck, ONE.of_lane))
            told = await bench.tell(await bench.add_task(tenant, server.url()))
            await wait_until(lambda: bench.is_ended(told))

        assert len(stuck.posts) == ONE.of_lane
    assert len(server.posts) == 1


async def test_one_tenants_many_hosts_leave_places_for_others(bench: Bench) -> None:
    """Thirty hosts of one tenant, one of another: the first gets its four limits of eight."""
    many, one = await bench.add_tenant("many"), await bench.add_tenant("one")
    for number in range(30):
        await bench.tell(await bench.add_task(many, f"http://h{number}.example/"))
    await bench.tell(await bench.add_task(one, "http://z.example/"))

    async with bench.worker(limits=ONE) as worker:
        first = await worker.claim(8)
        second = await worker.claim(8 - len(first))

    assert sorted(leased.tenant_id for leased in first) == [many] * 4 + [one]
    assert second == []


async def test_many_tenants_of_one_host_leave_places_for_others(bench: Bench) -> None:
    """Ten tenants name the same host: it gets its four limits, and another host its own."""
    tenants = [await bench.add_tenant(f"tenant {number}") for number in range(10)]
    for tenant in tenants:
        await bench.tell(await bench.add_task(tenant, "http://shared.example/x"))
    await bench.tell(await bench.add_task(tenants[-1], "http://other.example/"))

    async with bench.worker(limits=ONE) as worker:
        hosts = [leased.host for leased in await worker.claim(8)]

    assert sorted(hosts) == ["other.example"] + ["shared.example"] * 4


async def test_lanes_beyond_one_claims_reach_come_with_the_next(bench: Bench) -> None:
    """A claim looks at three lanes of ten: four claims have seen all, by turns."""
    tenant = await bench.add_tenant()
    for number in range(10):
        await bench.tell(await bench.add_task(tenant, f"http://h{number}.example/"))

    async with bench.worker(limits=AttemptLimits(lanes_looked_at=3)) as worker:
        claims = [[leased.host for leased in await worker.claim()] for _ in range(4)]

    assert [len(hosts) for hosts in claims] == [3, 3, 3, 1]
    assert len({host for hosts in claims for host in hosts}) == 10


async def test_places_are_given_back(bench: Bench, server: TenantServer) -> None:
    """Twenty rows through a lane of two limits: all arrive, failing ones too."""
    tasks = await bench.add_tasks(await bench.add_tenant(), server.url(), 20)
    told = await bench.tell_all(tasks)

    async with bench.worker(limits=ONE) as worker, worker.running():
        await wait_until(lambda: bench.is_ended(*told))

    assert len(server.posts) == 20
    assert server.at_once_max in (1, 2)  # a busy machine may send them one by one


async def test_a_stopped_worker_leaves_its_rows_to_others(
    bench: Bench, server: TenantServer
) -> None:
    """Stopped in the middle of ten attempts: all ten are due again after their leases."""
    server.gate.clear()
    tasks = await bench.add_tasks(await bench.add_tenant(), server.url(), 8)
    told = await bench.tell_all(tasks)
    async with bench.worker() as stopped, stopped.running():
        await wait_until(lambda: _has_posts(server, 8))
    server.gate.set()

    async with bench.worker() as worker, worker.running():
        await bench.end_leases()
        await wait_until(lambda: bench.is_ended(*told))

    states = {(await bench.delivery(one))["state"] for one in told}
    assert states == {"delivered"}


async def test_a_claim_goes_by_the_index(bench: Bench) -> None:
    """Over 30,000 due rows of one tenant and a hundred of others, a claim reads few of them,
    though nobody told Postgres how many there are."""
    tenant = await bench.add_tenant()
    for _ in range(6):  # a statement has its time, on a busy machine too
        await bench.tell_all(await bench.add_tasks(tenant, "http://busy.example/", 5_000))
    for number in range(100):
        other = await bench.add_tenant(f"other {number}")
        await bench.tell(await bench.add_task(other, f"http://h{number}.example/"))
    claim = Sample(CLAIM, (128, [], [], 0, "", 1000, 8, 16, 32, 30.0), before=TAKE_TURN)
    async with bench.worker(schedule=RetrySchedule()) as worker:
        await worker.claim(1)
        async with bench.pool.begin() as connection:
            plan = await explained(connection, claim)
        claimed = await worker.claim(128)

    assert len(claimed) == 107
    assert max(map(touched, nodes(plan))) < 1000


async def _has_posts(server: TenantServer, count: int) -> bool:
    return len(server.posts) >= count
