"""What the database says, judged."""

from collections.abc import Iterator
from datetime import datetime

from relay.database.facts import Facts
from relay.database.pooler import Pooler
from relay.desk.check.finding import Finding, bad, good, warning
from relay.ledger.audits import LastAudit
from relay.moments import spelt_moment
from relay.pauses.read import ListedPause
from relay.pricing.lists import OFFERED, AdoptedList
from relay.tasks.queue.read import Lineup
from relay.tasks.recent import LATE_S, Recent

MAJOR_MIN = 15
AUDITS_MISSED = 3
"""In a row, before it is said: one may take minutes, and a restart puts it off."""
SLOW_S = 0.02
QUEUE_WARNING_S = 300.0
"""Clients give up at twice that."""
CLOCK_BAD_S, CLOCK_WARNING_S, CLOCK_SEEN_S = 20.0, 2.0, 0.1
"""Beyond the first submits are refused and JWTs do not hold; the second is no machine with NTP."""


def judge_database(facts: Facts, where: str, *, connections: int) -> Iterator[Finding]:
    """`connections`: the most that one process opens."""
    subject = "database"
    said = f"PostgreSQL {facts.version.split()[0]}, {where}, answers in {_ms(facts.answers_in_s)}"
    if facts.major < MAJOR_MIN:
        yield bad(subject, said, f"update it: {MAJOR_MIN} is the oldest that is used")
    elif facts.is_standby or facts.is_read_only:
        yield bad(subject, f"{said}, and takes no writes", "name the primary in RELAY_DATABASE_URL")
    elif not (facts.is_synced and facts.writes_full_pages):
        yield bad(
            subject,
            f"{said}, with fsync or full_page_writes off",
            "switch both on: after a power cut, charges and holds would be lost or torn",
        )
    elif facts.answers_in_s > SLOW_S:
        yield warning(
            subject, said, "each submit waits for it twice: bring it nearer, or see what it does"
        )
    else:
        yield good(subject, said)
    free = facts.connections_max - facts.connections
    if free < connections:
        yield warning(
            "connections",
            f"{facts.connections} of max_connections ({facts.connections_max}) are in use, and one"
            f" process opens up to {connections}",
            "raise max_connections, or lower RELAY_DATABASE_CONNECTIONS",
        )


def judge_pooler(pooler: Pooler) -> Finding:
    subject = "pooler"
    if pooler is Pooler.TRANSACTION:
        return bad(
            subject,
            "RELAY_DATABASE_URL leads through a pooler that shares connections by transaction",
            "name Postgres itself there: holds and charges need what a session sets, such as"
            " lock_timeout",
        )
    if pooler is Pooler.SESSION:
        return warning(
            subject,
            "RELAY_DATABASE_URL leads through a pooler, in session mode",
            "name Postgres itself there: a process keeps its few connections anyway",
        )
    return good(subject, "RELAY_DATABASE_URL leads to Postgres itself")


def judge_pool(pooler: Pooler) -> Finding:
    subject = "database pool"
    said = "RELAY_DATABASE_POOL_URL leads to the same database"
    if pooler is Pooler.NONE:
        return warning(
            subject,
            f"{said}, without a pooler",
            "remove it: without, each statement there takes three messages less",
        )
    return good(subject, f"{said}, by a pooler in {pooler} mode")


def judge_clock(ahead_s: float) -> Finding:
    subject = "clock"
    said = f"{abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} the database's"
    if abs(ahead_s) < CLOCK_SEEN_S:
        said = "as the database's"
    if abs(ahead_s) > CLOCK_BAD_S:
        return bad(
            subject,
            said,
            "set both by NTP: submits are refused, and keys that are signed end early",
        )
    if abs(ahead_s) > CLOCK_WARNING_S:
        return warning(subject, said, "set both by NTP")
    return good(subject, said)


def judge_pauses(pauses: list[ListedPause]) -> Iterator[Finding]:
    """Name what is paused, which somebody may have forgotten."""
    if pauses:
        newest = pauses[0]
        yield warning(
            "pauses",
            f"{len(pauses)} in force, the newest since {spelt_moment(newest.created_at)}:"
            f" {newest.reason}",
            "`relay pause list` shows them, `relay pause end ID` ends one",
        )


def judge_queue(queue: Lineup) -> Iterator[Finding]:
    """Say how many wait for room, and since when the first of them."""
    if not queue.tasks:
        return
    waits = "1 create waits" if queue.tasks == 1 else f"{queue.tasks} creates wait"
    said = f"{waits} for room, the longest for {queue.wait_s:.0f} s"
    if queue.wait_s < QUEUE_WARNING_S:
        yield good("queue", said)
    else:
        yield warning(
            "queue",
            said,
            "`relay channel list` shows what is full, parked or refused; nothing is sent without a"
            " worker",
        )


def judge_audit(last: LastAudit | None, *, every_s: float, now: datetime) -> Finding:
    """`every_s`: how often a worker is to recompute the books."""
    subject = "books"
    if last is None:
        return good(subject, f"not audited yet; a worker does it every {every_s / 60:.0f} minutes")
    when = spelt_moment(last.read_at)
    if last.differences:
        return bad(
            subject,
            f"{last.differences} rows differed when they were last audited, {when}",
            "`relay audit` names them; top up and refund nobody until it is known why",
        )
    if (now - last.read_at).total_seconds() > AUDITS_MISSED * every_s:
        return warning(
            subject,
            f"last audited {when}, and a worker should do it every {every_s / 60:.0f} minutes",
            "see what the log of a worker says of `audit`; `relay audit` does it now",
        )
    return good(subject, f"right when they were last audited, {when}")


def judge_price_list(adopted: AdoptedList) -> Finding:
    subject = "price list"
    said = f"Kling's of {adopted.name} is in force"
    if adopted.name != OFFERED.name:
        return warning(
            subject,
            f"{said}, and this version brings that of {OFFERED.name}",
            "`relay price adopt` shows what it would change, and asks",
        )
    return good(subject, said)


def judge_recent(recent: Recent, *, are_on: bool) -> Iterator[Finding]:
    """`are_on`: Kling is given a URL to call back."""
    yield _judge_callbacks(recent, are_on=are_on)
    subject = "tenants' callbacks"
    said = f"{recent.delivered} of {recent.attempts} attempts of the last hour were taken"
    if recent.attempts and recent.delivered * 2 < recent.attempts:
        yield warning(
            subject, said, "`relay delivery list` says whose server does not answer, and how"
        )
    else:
        yield good(subject, said if recent.attempts else "none were to be made in the last hour")
    if recent.late_looks:
        yield bad(
            "worker",
            f"{recent.late_looks} tasks should have been looked at over {LATE_S // 60} minutes ago",
            "see that `relay serve` or `relay worker` runs, and what its log says",
        )
    else:
        yield good("worker", "no look is late")


def _judge_callbacks(recent: Recent, *, are_on: bool) -> Finding:
    subject = "Kling's callbacks"
    last = _last(recent.callback_at)
    if not are_on:
        return good(subject, "off: live tasks are polled")
    if recent.ended_without and not recent.callbacks:
        return bad(
            subject,
            f"none in the last hour, in which {recent.ended_without} ends were found by asking; the"
            f" last one: {last}",
            "see `public URL` above, and whether something before the relay refuses POST",
        )
    if recent.not_applied:
        return warning(
            subject,
            f"{recent.not_applied} of {recent.callbacks} of the last hour did not fit their task",
            "`relay task list --stuck` has them, `relay task show ID` says why",
        )
    if not recent.callbacks:
        return good(subject, f"none in the last hour, in which no task ended; the last one: {last}")
    return good(subject, f"{recent.callbacks} in the last hour")


def _last(at: datetime | None) -> str:
    return "never" if at is None else spelt_moment(at)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
