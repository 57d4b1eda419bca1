"""The language in which operators are told what nobody has asked for."""

from functools import partial

from relay.alerts.rule import Voice
from relay.html.words.heard import hear
from relay.settings import Settings


def voice_of(settings: Settings) -> Voice:
    """Speak as `RELAY_LANGUAGE` says: who reads a message has no browser that asks for another."""
    return Voice(settings.public_url, partial(hear, settings.language.value))
