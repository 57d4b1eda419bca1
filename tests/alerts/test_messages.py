"""What is told, to whom and when: once, after its pause, and again when it is over."""

import asyncio
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import text

from relay.alerts.heartbeat import beat
from relay.alerts.judge import Judged, judge_rules, write_judged
from relay.alerts.outgoing import CLAIM
from relay.alerts.rules import RULES
from relay.alerts.tables import Severity
from relay.choices import Language
from relay.desk.alerts import change_rule, mute_rule, remove_place
from relay.desk.voice import voice_of
from relay.html.words.heard import hear
from relay.settings import Settings
from tests.alerts.conftest import AROUND, Alerts
from tests.relay_app import ACTOR, PUBLIC_URL, running_relay
from tests.sandbox.receiver import Receiver
from tests.waiting import wait_until

OLD = "UPDATE deployment SET created_at = now() - interval '3 days'"
"""A relay without any backup or audit: two tickets."""
PARKED = """INSERT INTO alert_notes (rule, process, said, until)
VALUES ('not-ready', '{}', 'no channel''s keys can be opened', now() + interval '1 hour')"""
OVER = "DELETE FROM alert_notes"


async def test_a_page_is_told_once_and_so_is_its_end(alerts: Alerts) -> None:
    """What, since when, what to do and where; no more until its pause is over; then "over"."""
    await alerts.add_place()
    await alerts.relay.rows(PARKED.format("host-1:7"))

    await alerts.judge()
    assert await alerts.send() == 1
    (post,) = await alerts.arrived()
    assert post["title"] == "Kling Relay relay.test: PAGE: A process could run no submit"
    lines = post["message"].splitlines()
    assert lines[0] == "- host-1: no channel's keys can be opened"
    assert lines[1].startswith("Since 20")
    assert lines[2].startswith("What to do: Its log and `/health/ready` say why; it mends itself")
    assert lines[2].endswith("More: docs/operate.md, RelayNotReady.")
    assert lines[3:] == [
        "Quiet for two hours: relay alert mute not-ready --until 2h",
        "Relay: http://relay.test",
    ]
    assert post["headers"]["x-key"] == "hook-secret-1"

    # Another process too: within the pause nothing is told, and then both are.
    await alerts.relay.rows(PARKED.format("host-2:7"))
    await alerts.pass_time("2 minutes")
    await alerts.judge()
    assert await alerts.send() == 0
    await alerts.pass_time("4 minutes")
    await alerts.judge()
    assert await alerts.send() == 1
    (post,) = await alerts.arrived()
    assert "host-1" in post["message"]
    assert "host-2" in post["message"]

    await alerts.relay.rows(OVER)
    await alerts.pass_time("6 minutes")
    await alerts.judge()
    await alerts.judge()
    assert await alerts.send() == 1
    (post,) = await alerts.arrived()
    assert post["title"] == "Kling Relay relay.test: OVER: A process could run no submit"
    assert post["message"].startswith("It was: host-1, host-2.\nOver since 20")
    assert post["type"] == "success"
    row = await alerts.rule("not-ready")
    assert (row["is_firing"], row["found"], row["told"]) == (False, "{}", "{}")


async def waits_or_ends(alerts: Alerts, other: "asyncio.Task[Any]") -> bool:
    """Whether it has come to a lock that is held, or past where one should be."""
    waiting = await alerts.relay.row("SELECT count(*) FROM pg_locks WHERE NOT granted")
    return other.done() or waiting[0] > 0


async def test_two_who_judge_at_once_tell_one_message(alerts: Alerts) -> None:
    """The second found the same; it waits for the first, whose message has gone out by then."""
    await alerts.add_place()
    await alerts.judge()
    judged: Judged = {rule.name: {} for rule in RULES}
    judged["not-ready"] = {"host-1": "no"}
    began_at = datetime.now(UTC) + timedelta(minutes=1)  # neither sees that the other was first

    async def second() -> None:
        async with alerts.relay.sessions.begin() as session:
            await write_judged(session, judged, began_at=began_at, around=AROUND)

    async with alerts.relay.sessions.begin() as session:
        await write_judged(session, judged, began_at=began_at, around=AROUND)
        await session.flush()
        other = asyncio.create_task(second())
        await wait_until(lambda: waits_or_ends(alerts, other))
        await session.execute(text("UPDATE alert_messages SET ended_at = now()"))
    await other

    assert len(await alerts.relay.rows("SELECT id FROM alert_messages")) == 1


async def test_what_one_has_claimed_no_other_sends(alerts: Alerts) -> None:
    """Not while the claim is being written, and not after it."""
    await alerts.add_place()
    await alerts.relay.rows(PARKED.format("host-1:7"))
    await alerts.judge()

    async with alerts.relay.sessions.begin() as session:
        await session.execute(text(CLAIM), {"lease_s": 60, "at_once": 20})
        other = asyncio.create_task(alerts.send())
        await wait_until(lambda: waits_or_ends(alerts, other))
    assert await other == 0
    assert await alerts.send() == 0


async def test_what_does_not_arrive_is_tried_again(alerts: Alerts, logged: io.StringIO) -> None:
    """The other place has it at once; no log and no row names the URL."""
    await alerts.relay.rows(PARKED.format("host-1:7"))
    async with Receiver(answers=(500,)) as broken:
        url = broken.url.replace("http://", "json://user-1:word-1@") + "/secret-path-1"
        place_id = await alerts.add_place(url=url)
        await alerts.add_place()
        await alerts.judge()
        assert await alerts.send() == 2
        await alerts.arrived(1)
        row = await alerts.relay.row("SELECT * FROM alert_messages WHERE ended_at IS NULL")
        assert (row["attempts"], row["lease"]) == (1, None)
        assert "500" in row["error"]
        assert await alerts.send() == 0

        await alerts.relay.rows("UPDATE alert_messages SET next_attempt_at = now()")
        assert await alerts.send() == 1
        await broken.wait(2)

        # Given up after a day.
        await alerts.relay.rows(
            "UPDATE alert_messages SET ended_at = NULL, next_attempt_at = now(),"
            " created_at = now() - interval '25 hours'"
        )
    assert await alerts.send() == 2
    (dead,) = await alerts.relay.rows(
        "SELECT * FROM alert_messages WHERE ended_at IS NOT NULL AND error IS NOT NULL"
    )
    assert dead["place_id"] == place_id
    said = logged.getvalue() + repr(await alerts.relay.rows("SELECT * FROM alert_messages"))
    said += repr(await alerts.relay.rows("SELECT * FROM changes"))
    for secret in ("user-1", "word-1", "secret-path-1", "hook-secret-1"):
        assert secret not in said
    async with alerts.relay.sessions.begin() as session:
        assert await remove_place(session, ACTOR, place_id) == url.split("user-1")[0] + (
            broken.url.removeprefix("http://").removesuffix("/hook")
        )
    assert {row[0] for row in await alerts.relay.rows("SELECT place_id FROM alert_messages")} == {2}


async def test_severities_mutes_and_rules_that_cannot_be_judged(
    alerts: Alerts, logged: io.StringIO
) -> None:
    """A place of pages gets no ticket; what is muted is told at its end; one failure is its own."""
    await alerts.relay.rows(OLD)
    await alerts.judge()
    assert (await alerts.rule("backup-old"))["is_firing"]
    await alerts.add_place(Severity.PAGE)
    async with alerts.relay.sessions.begin() as session:
        until = datetime.now(UTC) + timedelta(hours=2)
        await mute_rule(session, ACTOR, "audit-stale", until=until)
    await alerts.pass_time("1 hour")
    await alerts.judge()
    assert await alerts.send() == 0
    await alerts.add_place()
    await alerts.relay.rows("ALTER TABLE backups RENAME TO gone")
    await alerts.pass_time("1 hour")
    await alerts.judge()
    row = await alerts.rule("backup-old")
    assert row["is_firing"]
    assert 'relation "backups" does not exist' in str(row["error"])
    assert (await alerts.rule("books-differ"))["error"] is None
    assert await alerts.send() == 0
    assert "alert.not_judged" in logged.getvalue()

    await alerts.relay.rows("ALTER TABLE gone RENAME TO backups")
    await alerts.relay.rows("UPDATE alert_rules SET muted_until = now()")
    await alerts.pass_time("1 hour")
    await alerts.judge()
    assert await alerts.send() == 2
    assert sorted(post["title"].rpartition(": ")[2] for post in await alerts.arrived(2)) == [
        "The books were not audited",
        "The last backup is old",
    ]
    assert (await alerts.rule("backup-old"))["error"] is None

    # The operator's bound: three days are not old any more.
    async with alerts.relay.sessions.begin() as session:
        await change_rule(session, ACTOR, "backup-old", bound=RULES[-1].bound.at * 2)  # type: ignore[union-attr]  # it has one
    await alerts.pass_time("1 hour")
    await alerts.judge()
    assert not (await alerts.rule("backup-old"))["is_firing"]


async def test_a_worker_notes_and_judges_and_tells_from_memory(
    alerts: Alerts, database_url: str
) -> None:
    """A charge that was not taken; then a database that takes nothing: three turns, one message."""
    async with running_relay(database_url, beside=alerts.relay, refresh_s=0.0) as worker:
        alerter = worker.parts.loops.alerter
        await alerts.add_place()
        await worker.add_channel()
        token = await worker.add_tenant()
        kling_id = (await worker.submit(token)).json()["data"]["task_id"]
        refuse = "CHECK (kind <> 'charge') NOT VALID"
        await worker.rows(f"ALTER TABLE entries ADD CONSTRAINT no_charges {refuse}")

        async def is_refused() -> bool:
            await worker.get(token, kling_id)
            return worker.parts.counts.charge_failures.by[()] > 0

        await wait_until(is_refused)
        await alerter.turn()
        assert "in the last minute; the log has each" in str(
            (await alerts.rule("charge-fails"))["found"]
        )
        await alerter.send_due()
        await alerts.arrived(1)

        name = (await alerts.relay.row("SELECT current_database()"))[0]
        await alerts.relay.rows(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        await alerts.relay.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for _ in range(5):
            await alerter.turn()
        (post,) = await alerts.arrived()
    assert post["title"].endswith("PAGE: The database does not answer")


async def test_the_heartbeat_is_asked_for_once_a_turn() -> None:
    """Whoever watches sees a plain GET."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        await beat(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ping/abc")

    assert asked == [b"GET /ping/abc HTTP/1.1\r\n"]


async def test_a_message_speaks_the_operators_language(alerts: Alerts) -> None:
    """All of ours in it, as the relay is set; what things are called stays."""
    await alerts.add_place()
    said = "the newest is 3 days old"
    await alerts.relay.rows(PARKED.format("host-1:7"))
    await alerts.relay.rows("UPDATE alert_notes SET said = $1", said)
    chinese = Settings(currency="USD", language=Language.ZH, public_url=PUBLIC_URL)
    around = msgspec.structs.replace(AROUND, voice=voice_of(chinese))

    await judge_rules(alerts.relay.sessions, around)
    assert await alerts.send() == 1
    (post,) = await alerts.arrived()

    assert post["title"] == "Kling Relay relay.test: 【立即处理】 有进程无法处理提交"
    lines = post["message"].splitlines()
    assert lines[0] == f"- host-1: {hear('zh', said)}"
    assert not re.search("[a-z]{3} [a-z]{3}", re.sub("`.*?`|relay alert .*", "", post["message"]))
    for rule in RULES:
        assert hear("zh", rule.title) != rule.title
        assert hear("zh", rule.to_do) != rule.to_do
