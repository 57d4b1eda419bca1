"""What waits, and breaks Kling each time that it is sent."""

from relay.kling.transport import Reply
from tests.health.hosts import BROKEN, states
from tests.queue.waiting_line import (
    create,
    end_running,
    full_relay,
    queued,
    state_of,
    turn,
)
from tests.tasks.looking import look_now
from tests.tasks.scripted_kling import Call, success


async def test_what_breaks_kling_each_time_fails_once_others_are_taken(database_url: str) -> None:
    """Sent three times in vain it waits on, as Kling may be down; once another was taken
    since the fault is its own: it fails in Kling's words, and nothing is charged."""
    async with full_relay(database_url, slots=2, lost_after_s=0.0, lost_looks=2) as (relay, hosts):
        token = await relay.add_tenant()
        for _ in range(2):
            await create(relay, token)
        id_ = await queued(relay, token, prompt="poison")
        await end_running(relay, "failed")
        sent = hosts.posts("main")
        hosts.creates["main"] = _breaks_on_poison
        for round_ in (1, 2, 3, 4):
            if round_ == 4:
                assert (await create(relay, token)).json()["code"] == 0
            await turn(relay)
            if round_ == 4:
                await end_running(relay, "failed")
            assert await state_of(relay, id_) == "unknown"
            await look_now(relay)
            assert await state_of(relay, id_) == "unknown"
            await look_now(relay)
            assert await state_of(relay, id_) == ("failed" if round_ == 4 else "queued")
            queue = await relay.rows("SELECT failures FROM queue")
            assert [row["failures"] for row in queue] == [min(round_, 3)]
        await turn(relay)
        assert await relay.rows("SELECT FROM queue") == []

        shown = (await relay.get(token, id_)).json()["data"]
        assert (shown["task_status"], shown["task_status_msg"]) == ("failed", "oh")
        assert hosts.posts("main") == sent + 5
        assert await states(relay) == {}
        assert await relay.account() == (10_000_000, 0)
        assert (await relay.audit()).ok


def _breaks_on_poison(call: Call) -> Reply:
    if call.body["prompt"] == "poison":
        return BROKEN
    return success({"task_id": "made", "task_status": "submitted"})
