"""What a message says to somebody with a phone: what, how bad, since when, what to do, where."""

import socket
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from relay.alerts.rule import Found, Rule, Voice, ago, spell

NAME = "Kling Relay"
NAMED_MAX = 8
"""Things that one message names."""
JUST_NOW_S = 60.0
KINDS = ("PAGE:", "TICKET:", "OVER:", "TEST:")
"""What titles begin with."""
DATABASE_AWAY = "The database does not answer"


class Words(NamedTuple):
    """One message."""

    title: str
    body: str


def word_firing(rule: Rule, found: Found, *, since: datetime, now: datetime, voice: Voice) -> Words:
    """Say that something is wrong."""
    age_s, say = (now - since).total_seconds(), voice.say
    length = "just now" if age_s < JUST_NOW_S else ago(age_s)
    # What a thing is called stays as it is, whatever sentence it looks like.
    lines = [
        *(
            f"- {name}: {say(said)}" if name else say(said)
            for name, said in list(found.items())[:NAMED_MAX]
        ),
        *([f"- {say(f'and {len(found) - NAMED_MAX} more')}"] if len(found) > NAMED_MAX else []),
        say(f"Since {spell(since)} ({length})."),
        say(f"What to do: {rule.to_do}. More: docs/operate.md, {rule.entry}."),
        say(f"Quiet for two hours: relay alert mute {rule.name} --until 2h"),
    ]
    return _with_relay(f"{rule.severity.upper()}:", rule.title, lines, voice)


def word_over(rule: Rule, told: Found, *, since: datetime, voice: Voice) -> Words:
    """Say that it is over."""
    named = ", ".join(name for name in told if name)
    lines = [
        *([f"{voice.say('It was:')} {named}."] if named else []),
        voice.say(f"Over since {spell(since)}."),
    ]
    return _with_relay("OVER:", rule.title, lines, voice)


def word_test(voice: Voice) -> Words:
    """Say nothing, to see whether it arrives."""
    lines = [voice.say("Messages about this relay arrive here. Nothing is wrong.")]
    return _with_relay("TEST:", "a message of `relay alert test`", lines, voice)


def word_blind(voice: Voice) -> Words:
    """Say that nothing can be known, from memory: the database tells nobody."""
    to_do = "see that Postgres runs and takes writes, and what the log says"
    entry = "DatabaseFails"
    lines = [
        voice.say(f"{socket.gethostname()} cannot judge any rule: the database cannot be used."),
        voice.say(f"What to do: {to_do}. More: docs/operate.md, {entry}."),
    ]
    return _with_relay("PAGE:", DATABASE_AWAY, lines, voice)


def word_seeing(voice: Voice) -> Words:
    """Say that rules are judged again."""
    lines = [voice.say(f"{socket.gethostname()} judges the rules again.")]
    return _with_relay("OVER:", DATABASE_AWAY, lines, voice)


def _with_relay(kind: str, what: str, lines: list[str], voice: Voice) -> Words:
    """Name the relay: some groups take only messages with a word that was agreed on."""
    relay = urlsplit(voice.url).netloc if voice.url else socket.gethostname()
    return Words(
        f"{NAME} {relay}: {voice.say(kind)} {voice.say(what)}",
        "\n".join([*lines, voice.say(f"Relay: {voice.url or relay}")]),
    )
