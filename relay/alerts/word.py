"""What a message says to somebody with a phone: what, how bad, since when, what to do, where."""

import socket
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from relay.alerts.rule import Found, Rule, ago, spell

NAMED_MAX = 8
"""Things that one message names."""
JUST_NOW_S = 60.0


class Words(NamedTuple):
    """One message."""

    title: str
    body: str


def word_firing(
    rule: Rule, found: Found, *, since: datetime, now: datetime, url: str | None
) -> Words:
    """Say that something is wrong."""
    age_s = (now - since).total_seconds()
    length = "just now" if age_s < JUST_NOW_S else ago(age_s)
    lines = [
        *(f"- {name}: {said}" if name else said for name, said in list(found.items())[:NAMED_MAX]),
        *([f"- and {len(found) - NAMED_MAX} more"] if len(found) > NAMED_MAX else []),
        f"Since {spell(since)} ({length}).",
        f"What to do: {rule.to_do}. More: docs/operate.md, {rule.entry}.",
        f"Quiet for two hours: relay alert mute {rule.name} --until 2h",
    ]
    return _with_relay(f"{rule.severity.upper()}: {rule.title}", lines, url)


def word_over(rule: Rule, told: Found, *, since: datetime, url: str | None) -> Words:
    """Say that it is over."""
    named = ", ".join(name for name in told if name)
    lines = [f"It was: {named}." if named else "", f"Over since {spell(since)}."]
    return _with_relay(f"OVER: {rule.title}", [line for line in lines if line], url)


def word_test(url: str | None) -> Words:
    """Say nothing, to see whether it arrives."""
    lines = ["Messages about this relay arrive here. Nothing is wrong."]
    return _with_relay("TEST: a message of `relay alert test`", lines, url)


def word_blind(why: str, url: str | None) -> Words:
    """Say that nothing can be known, from memory: the database tells nobody."""
    to_do = "see that Postgres runs and takes writes, and what the log says"
    lines = [
        f"{socket.gethostname()} cannot judge any rule: {why}.",
        f"What to do: {to_do}. More: docs/operate.md, DatabaseFails.",
    ]
    return _with_relay("PAGE: The database does not answer", lines, url)


def word_seeing(url: str | None) -> Words:
    """Say that rules are judged again."""
    lines = [f"{socket.gethostname()} judges the rules again."]
    return _with_relay("OVER: The database does not answer", lines, url)


def _with_relay(what: str, lines: list[str], url: str | None) -> Words:
    """Name the relay: some groups take only messages with a word that was agreed on."""
    relay = urlsplit(url).netloc if url else socket.gethostname()
    return Words(f"Kling Relay {relay}: {what}", "\n".join([*lines, f"Relay: {url or relay}"]))
