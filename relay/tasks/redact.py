"""Our callback path in what Kling says, in whatever spelling: it is a credential.

Whoever has the path of a task can post that task's end. Kling may repeat it in a message, escaped
as JSON or as a URL, within quotes, or only its last part; so what is searched is the text without
any escapes, and what is searched for is the MAC, without which the rest opens nothing.

Links to files that a create names (`assets/given.py`) are others: in their place stands what the
tenant sent.

It goes where Kling's bytes come in, so that no row, event or answer has it.
"""

import html
import re
from collections.abc import Sequence
from urllib.parse import unquote

import msgspec

from relay.assets.links import by_their_ids
from relay.deliveries.kept_url import show_url
from relay.kling.transport import Reply
from relay.kling.wire import rewrite_texts

UNESCAPED_TIMES = 5
"""Escapes of escapes, as of JSON within JSON; with more of them it is nobody's spelling."""

_ESCAPES = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([/\"\\]))")
_PART = r"""(?:[^\s"'<>(){}\[\],;\\]|\\/|\\u[0-9a-fA-F]{4})*"""
"""A piece of text that a URL may be, with its escapes."""


def without_credential(body: bytes, macs: Sequence[str], *, own_url: str | None) -> bytes:
    """Put the tenant's own callback URL, or nothing, where ours or a part of it stands.

    Nearly always it is the body itself. `macs`: what the credential can end in, in small letters.
    `own_url`: as rows keep it; what may be a credential in it is not shown.
    """
    body = by_their_ids(body)
    text = body.decode("latin-1")  # searched in a fifth of the time
    if not _reveals(text, macs):
        return body
    own = "" if own_url is None else show_url(own_url)
    cut = rewrite_texts(body, lambda text: _cut(text, macs, own))
    # What is no JSON is shown to no tenant, and need not be kept.
    return b"" if _reveals(cut.decode("latin-1"), macs) else cut


def reply_without_credential(reply: Reply, macs: Sequence[str], *, own_url: str | None) -> Reply:
    body = without_credential(reply.body, macs, own_url=own_url)
    return reply if body is reply.body else msgspec.structs.replace(reply, body=body)


def _cut(text: str, macs: Sequence[str], own_url: str) -> str:
    if not _reveals(text, macs):
        return text
    for mac in macs:
        piece = re.compile(f"{_PART}{mac}{_PART}", re.IGNORECASE)
        text = piece.sub(lambda found: own_url if "callback" in found[0] else "", text)
    return "" if _reveals(text, macs) else text


def _reveals(text: str, macs: Sequence[str]) -> bool:
    """Tell whether one of them can be read in a text, however it is escaped."""
    for _ in range(UNESCAPED_TIMES):
        lower = text.lower()
        if any(mac in lower for mac in macs):
            return True
        if "\\" not in text and "%" not in text and "&" not in text:
            return False
        plain = html.unescape(unquote(_ESCAPES.sub(_unescaped, text)))
        if plain == text:
            return False
        text = plain
    return False


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else found[2]
