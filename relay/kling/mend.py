"""Kling's bytes where they enter: mended once, so that JSON, UTF-8 and Postgres can read them all.

A sender that cuts a text in the middle of a character, or logs in another encoding, breaks a byte
of a field that nobody needs; left as it came, the whole message would be none, and its task would
never end.
"""

import re

import msgspec

from relay.kling.surrogates import STAND_IN, mended
from relay.kling.transport import MaybeSent, Reply
from relay.kling.wire import TEXT

_BOM = b"\xef\xbb\xbf"
_CONTROLS = bytes(range(0x20))
_WHITE = b"\t\n\r"
_SPACED = bytes(0x20 if byte < 0x20 and byte not in _WHITE else byte for byte in range(256))  # noqa: PLR2004 (below are ASCII's controls)
_ALL_SPACED = bytes(max(byte, 0x20) for byte in range(256))

_ESCAPE = re.compile(rb"\\(?:u0000|.)", re.DOTALL)
_NUL = rb"\u0000"

STATUSES = range(200, 600)
"""What HTTP has for a reply's end; no server can pass another on."""


def mend(body: bytes) -> bytes:
    """Put stand-ins for what cannot be read; nearly always it is the body itself.

    A broken UTF-8 byte, half a surrogate pair and an escaped NUL, which no text of Postgres holds,
    become U+FFFD. A control character becomes a space where JSON allows none. A byte order mark
    goes.
    """
    if not body.isascii():
        body = _as_utf8(body.removeprefix(_BOM))
    if len(body.translate(None, _CONTROLS)) < len(body):
        body = TEXT.sub(lambda text: text[0].translate(_ALL_SPACED), body.translate(_SPACED))
    if b"\\" not in body:
        return body
    if _NUL in body:
        # Escapes one after the other, so that the backslash of another one is not taken for ours.
        body = _ESCAPE.sub(lambda one: STAND_IN if one[0] == _NUL else one[0], body)
    return mended(body)


def _as_utf8(body: bytes) -> bytes:
    text = body.decode(errors="replace")
    return body if "\ufffd" not in text else text.encode()


def mend_reply(reply: Reply) -> Reply:
    """Mend what Kling answered.

    Raises:
        MaybeSent: its status is none of HTTP's, so it is no answer.
    """
    if reply.status not in STATUSES:
        raise MaybeSent(f"HTTP {reply.status}, which is no status of a reply")
    body = mend(reply.body)
    return reply if body is reply.body else msgspec.structs.replace(reply, body=body)
