"""Creates on which Kling breaks, whoever else asks: who sends them stands back for others."""

from relay.health.condition import Condition, Need
from relay.health.rules import State
from relay.health.suspects import GRACE_S, Suspects
from relay.kling.transport import Reply
from tests.health.hosts import BROKEN, Hosts, make_due, states
from tests.relay_app import CLIP, Relay, running_relay
from tests.tasks.scripted_kling import Call, success

QUOTA = 100_000_000
KEY = (1, "", "")
BAD, GOOD = Need(1, "video", "kling-v3"), Need(2, "video", "kling-v3")


async def test_one_tenants_creates_lengthen_the_pause_of_others_but_once(database_url: str) -> None:
    """Eleven break Kling, and four more as the ones who try: the next pause is short all the same.
    Another tenant, in whose name none has failed, shows that it is over, or makes it longer."""
    hosts = Hosts("only")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        names = ("bad", "good", "other")
        bad, good, other = [await relay.add_tenant(name, quota_micros=QUOTA) for name in names]
        hosts.creates["only"] = _breaks_on_poison
        poison = CLIP | {"prompt": "poison"}
        for _ in range(10):
            await relay.submit(bad, body=poison)
        assert await states(relay) == {"only": "cooling"}

        for _ in range(4):
            await make_due(relay)
            posts = hosts.posts("only")
            assert (await relay.submit(bad, body=poison)).status_code == 500
            assert hosts.posts("only") == posts + 1
            assert await _tries(relay) == 0
        await make_due(relay, for_all=False)
        assert (await relay.submit(bad, body=poison)).status_code == 503

        for tries in (1, 1):  # another's, which is news once
            await make_due(relay)
            await relay.submit(other, body=poison)
            assert await _tries(relay) == tries
        await make_due(relay, for_all=False)
        assert (await relay.submit(good)).status_code == 200
        assert await states(relay) == {"only": "ok"}


def test_who_tries_in_vain_tries_again_after_pauses_that_double() -> None:
    """1 s, then 2, 4 and so on up to a minute; it is forgotten once the trouble is over."""
    now = [100.0]
    suspects = Suspects(lambda: now[0])
    cooling = Condition(*KEY, state=State.COOLING, code=None, reason="", try_at_s=101.0)
    suspects.see(KEY, [(BAD.tenant_id, BAD.model)])
    pauses = []
    for _ in range(8):
        pauses.append(suspects.try_at_s(cooling, BAD) - now[0])
        assert suspects.try_at_s(cooling, GOOD) == 101.0
        assert suspects.blame(KEY, BAD)

    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    # What comes from the queue once more stands back for all, whoever sends it.
    has_failed = Need(3, "video", "kling-v3", has_waited=True, has_failed=True)
    assert suspects.try_at_s(cooling, has_failed) == 101.0 + GRACE_S
    assert not suspects.blame(KEY, GOOD)
    suspects.keep([])
    assert suspects.try_at_s(cooling, BAD) == 101.0


async def _tries(relay: Relay) -> int:
    await states(relay)
    row = await relay.row("SELECT tries FROM channel_conditions")
    tries: int = row["tries"]
    return tries


def _breaks_on_poison(call: Call) -> Reply:
    if call.body["prompt"] == "poison":
        return BROKEN
    return success({"task_id": "made", "task_status": "submitted"})
