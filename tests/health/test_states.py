"""What keeps a channel from new tasks, and what ends it; in each case nothing is paid for it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from relay.channels.read import read_rows
from relay.desk.channels import ChannelChanges, change_channel
from relay.desk.check.channels import judge_standings
from relay.desk.check.finding import Level
from relay.health.read import read_standings
from relay.kling.transport import MaybeSent, NotSent, NoUsableReply, Reply
from tests.health.hosts import (
    BAD_CONTENT,
    BAD_KEYS,
    BROKEN,
    NO_SUCH_MODEL,
    NO_UNITS,
    TOO_FAST,
    Hosts,
    make_due,
    of_model,
    read_again,
    states,
)
from tests.relay_app import ACTOR, running_relay
from tests.tasks.scripted_kling import not_found, success
from tests.waiting import wait_until

QUOTA = 100_000_000


async def test_an_account_without_units_is_seen_by_one_create_at_a_time(database_url: str) -> None:
    """It gets no second create until one may try; two replicas let through one between them."""
    hosts = Hosts("first", "second")
    async with (
        running_relay(database_url, transport=hosts.kling) as relay,
        running_relay(database_url, transport=hosts.kling, beside=relay) as other,
    ):
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        hosts.creates["first"] = NO_UNITS
        assert (await relay.submit(token)).json()["code"] == 0
        assert await states(relay) == {"first/video": "parked"}
        await other.parts.kling.board.refresh([])

        answers = await asyncio.gather(
            *(one.submit(token) for one in (relay, other) for _ in range(5))
        )

        assert {answer.json()["code"] for answer in answers} == {0}
        assert hosts.posts("first") == 1

        # The pause is over, and it has no units still: the next pause is longer.
        for one in (relay, other):
            await make_due(one)
        answers = await asyncio.gather(
            *(one.submit(token) for one in (relay, other) for _ in range(5))
        )
        assert {answer.json()["code"] for answer in answers} == {0}
        assert hosts.posts("first") == 2
        await states(relay), await states(other)
        row = await relay.row(
            "SELECT state, tries, try_at > now() AS waits FROM channel_conditions"
        )
        assert (row["state"], row["tries"], row["waits"]) == ("parked", 1, True)

        # There are units again.
        hosts.creates["first"] = None
        for one in (relay, other):
            await make_due(one)
        await asyncio.gather(*(one.submit(token) for one in (relay, other) for _ in range(5)))
        await states(other)
        assert await states(relay) == {"first/video": "ok"}
        await read_again(relay)
        before = hosts.posts("first")
        await relay.submit(token)
        assert hosts.posts("first") == before + 1
        events = await relay.rows("SELECT before, state FROM channel_events ORDER BY id")
        assert [tuple(event) for event in events] == [("ok", "parked"), ("parked", "ok")]
        assert (await relay.audit()).ok


async def test_keys_that_are_refused_are_asked_about_for_free(database_url: str) -> None:
    """No create tries them; a free question of a worker does, as often as they are refused."""
    hosts = Hosts("only")
    async with (
        running_relay(database_url, transport=hosts.kling) as relay,
        running_relay(database_url, transport=hosts.kling, beside=relay) as worker,
    ):
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        keeper, board = worker.parts.loops.keeper, worker.parts.kling.board
        for turn in (1, 2):
            hosts.creates["only"] = hosts.queries["only"] = BAD_KEYS
            assert (await relay.submit(token)).json()["code"] == 5001
            assert (await relay.submit(token)).json()["code"] == 5001
            assert hosts.posts("only") == 2 * turn - 1
            await make_due(relay)
            await keeper.keep()
            await board.aclose()
            row = await relay.row("SELECT state, tries FROM channel_conditions")
            assert (row["state"], row["tries"]) == ("refused", 2 * turn - 1)
            hosts.queries["only"] = TOO_FAST  # which says nothing of them
            await make_due(relay)
            await keeper.keep()
            await board.aclose()
            row = await relay.row("SELECT state, tries FROM channel_conditions")
            assert (row["state"], row["tries"]) == ("refused", 2 * turn - 1)

            hosts.creates["only"], hosts.queries["only"] = None, not_found()
            await make_due(relay)
            await keeper.keep()
            await board.aclose()
            assert await states(relay) == {"only": "ok"}
            await read_again(relay)
            assert (await relay.submit(token)).json()["code"] == 0


async def test_a_model_that_is_not_allowed_keeps_no_other_model(database_url: str) -> None:
    hosts = Hosts("first", "second")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        hosts.creates["first"] = lambda call: (
            NO_SUCH_MODEL
            if call.body["model_name"] == "kling-v3"
            else success({"task_id": f"m{len(hosts.kling.calls)}", "task_status": "submitted"})
        )

        for _ in range(3):
            assert (await relay.submit(token)).json()["code"] == 0
        assert (hosts.posts("first"), hosts.posts("second")) == (1, 3)
        assert (await relay.submit(token, of_model("kling-v2-6"))).json()["code"] == 0

        assert (hosts.posts("first"), hosts.posts("second")) == (2, 3)
        assert await states(relay) == {"first/kling-v3": "refused"}
        async with relay.sessions.begin() as session:
            changes = ChannelChanges(enabled=True)
            await change_channel(session, ACTOR, relay.keys, "first", changes)
        assert await states(relay) == {}
        events = await relay.rows("SELECT model, before, state FROM channel_events ORDER BY id")
        assert [tuple(event) for event in events] == [
            ("kling-v3", "ok", "refused"),
            ("kling-v3", "refused", "ok"),
        ]


@pytest.mark.parametrize("trouble", [BROKEN, MaybeSent("ReadTimeout")], ids=["5xx", "timeout"])
async def test_trouble_in_a_row_cools_a_channel(database_url: str, trouble: object) -> None:
    """Of two tenants three are enough; one tenant's bodies may be what Kling stumbles over."""
    hosts = Hosts("only")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        first = await relay.add_tenant(quota_micros=QUOTA)
        second = await relay.add_tenant("other", quota_micros=QUOTA)
        hosts.creates["only"] = trouble  # type: ignore[assignment]

        for _ in range(3):
            await relay.submit(first)
        assert await states(relay) == {}
        hosts.creates["only"] = BAD_CONTENT  # it reads and judges: that was no outage
        await relay.submit(first)
        hosts.creates["only"] = trouble  # type: ignore[assignment]
        for token in (first, first, second):
            await relay.submit(token)

        assert await states(relay) == {"only": "cooling"}
        sent = hosts.posts("only")
        refused = await relay.submit(second)
        assert (refused.status_code, refused.json()["code"]) == (503, 5001)
        assert hosts.posts("only") == sent
        await make_due(relay)
        hosts.creates["only"] = None
        assert (await relay.submit(second)).json()["code"] == 0
        assert await states(relay) == {"only": "ok"}


async def test_what_stands_before_kling_may_have_turned_away_one_body(database_url: str) -> None:
    """Its page keeps no other create from the channel, nor does it while a pack is tried."""
    hosts = Hosts("only")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        for status in (413, 403):
            hosts.creates["only"] = Reply(status, "text/html", b"<html>no</html>")
            await relay.submit(token)
        assert await states(relay) == {}
        hosts.creates["only"] = NO_UNITS
        await relay.submit(token)
        for trouble in (BROKEN, NotSent("ConnectError"), BAD_CONTENT):
            hosts.creates["only"] = trouble
            await make_due(relay)
            await relay.submit(token)
            assert await states(relay) == {"only/video": "parked"}
        row = await relay.row(
            "SELECT tries, try_at < now() + interval '61 s' AS is_soon FROM channel_conditions"
        )
        assert (row["tries"], row["is_soon"]) == (0, True)


async def test_who_comes_while_somebody_tries_waits_for_that(database_url: str) -> None:
    """A moment without connections, or of too many creates, is no tenant's to see."""
    hosts = Hosts("only")
    said: list[Reply | NoUsableReply] = []

    def flaky(_: object) -> Reply:
        if not said:
            return success({"task_id": str(len(hosts.kling.calls)), "task_status": "submitted"})
        answer = said.pop()
        if isinstance(answer, NoUsableReply):
            raise answer
        return answer

    async with running_relay(
        database_url, transport=hosts.kling, with_worker=True, submit_retry_s=60.0
    ) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        hosts.creates["only"] = flaky
        for trouble in ([NotSent("ConnectError")] * 3, [TOO_FAST]):
            said.extend(trouble)
            early = [asyncio.create_task(relay.submit(token)) for _ in range(4)]
            await wait_until(lambda: _is(relay, {"only": "cooling"}))
            row = await relay.row("SELECT tries FROM channel_conditions")
            assert row["tries"] == 0  # of this, whatever there was before
            answers = await asyncio.gather(*early, *(relay.submit(token) for _ in range(4)))
            assert {answer.json()["code"] for answer in answers} == {0}


async def test_who_cannot_be_reached_is_asked_for_free(database_url: str) -> None:
    """Any answer at all shows that it can be, also to a question about another task."""
    hosts = Hosts("only")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        made = (await relay.submit(token)).json()["data"]["task_id"]
        hosts.creates["only"] = hosts.queries["only"] = NotSent("ConnectError")
        for _ in range(3):
            assert (await relay.submit(token)).json()["code"] == 5001
        assert await states(relay) == {"only": "cooling"}
        sent = hosts.posts("only")
        await relay.submit(token)
        assert hosts.posts("only") == sent

        hosts.queries["only"] = BROKEN  # an answer all the same
        await make_due(relay)
        await relay.parts.loops.keeper.keep()
        assert await states(relay) == {"only": "ok"}
        hosts.creates["only"] = NotSent("ConnectError")
        for _ in range(3):
            await relay.submit(token)
        assert await states(relay) == {"only": "cooling"}
        # `relay check` says so once it lasts longer than Kling's pace does.
        async with relay.sessions() as session:
            rows = await read_rows(session)
            standings = await read_standings(session, rows)
        for minutes, levels in ((0.5, []), (2, [Level.WARNING])):
            later = datetime.now(UTC) + timedelta(minutes=minutes)
            found = judge_standings(rows, standings, now=later)
            assert [one.level for one in found] == levels

        hosts.creates["only"] = None
        hosts.queries["only"] = success({"task_id": made, "task_status": "processing"})
        await relay.rows("UPDATE tasks SET refresh_at = now() - interval '1 hour'")
        await relay.get(token, made)
        await wait_until(lambda: _is(relay, {"only": "ok"}))

        assert (await relay.submit(token)).json()["code"] == 0


async def _is(relay: object, expected: dict[str, str]) -> bool:
    return await states(relay) == expected  # type: ignore[arg-type]


async def test_what_surely_made_nothing_is_tried_again(database_url: str) -> None:
    """Until it is taken, with one hold and one id; what is in doubt is never sent again."""
    hosts = Hosts("only")
    fails = [NotSent("ConnectError"), NotSent("ConnectError")]

    def flaky(_: object) -> object:
        if fails:
            raise fails.pop()
        return success({"task_id": "made", "task_status": "submitted"})

    async with running_relay(database_url, transport=hosts.kling, submit_retry_s=60.0) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        hosts.creates["only"] = flaky  # type: ignore[assignment]

        answer = await relay.submit(token)

        assert answer.json()["data"]["task_id"] == "made"
        assert hosts.posts("only") == 3
        assert len({call.body["external_task_id"] for call in hosts.kling.calls}) == 1
        hosts.creates["only"] = MaybeSent("ReadTimeout")
        assert (await relay.submit(token)).json()["code"] == 5002
        assert hosts.posts("only") == 4

        # A channel that was switched off meanwhile gets nothing more.
        hosts.creates["only"] = NotSent("ConnectError")
        last = asyncio.create_task(relay.submit(token))
        await wait_until(lambda: _has_posts(hosts, 5))
        async with relay.sessions.begin() as session:
            changes = ChannelChanges(enabled=False)
            await change_channel(session, ACTOR, relay.keys, "only", changes)
        relay.read_anew()
        hosts.creates["only"] = None
        assert ((await last).json()["code"], hosts.posts("only")) == (5001, 5)
        row = await relay.row("SELECT count(*), sum(hold_micros) FROM tasks")
        assert row["count"] == 3


async def _has_posts(hosts: Hosts, posts: int) -> bool:
    return hosts.posts("only") == posts


async def test_a_draining_channel_ends_by_itself(database_url: str) -> None:
    hosts = Hosts("first", "second")
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await hosts.add_to(relay)
        token = await relay.add_tenant(quota_micros=QUOTA)
        keeper = relay.parts.loops.keeper
        made = (await relay.submit(token)).json()["data"]["task_id"]
        async with relay.sessions.begin() as session:
            await change_channel(
                session, ACTOR, relay.keys, "first", ChannelChanges(is_draining=True)
            )
        relay.read_anew()

        assert (await relay.submit(token)).json()["code"] == 0
        assert (hosts.posts("first"), hosts.posts("second")) == (1, 1)
        await keeper.keep()
        drained = "SELECT enabled, is_draining FROM channels WHERE name = 'first'"
        assert tuple(await relay.row(drained)) == (True, True)

        done = {"task_id": made, "task_status": "failed", "task_status_msg": "no"}
        hosts.queries["first"] = success(done)
        await relay.rows("UPDATE tasks SET refresh_at = now() - interval '1 hour'")
        await relay.get(token, made)
        await keeper.keep()
        assert tuple(await relay.row(drained)) == (False, False)
        acts = await relay.rows("SELECT act, actor FROM changes WHERE act = 'channel.drained'")
        assert [tuple(act) for act in acts] == [("channel.drained", "relay")]
