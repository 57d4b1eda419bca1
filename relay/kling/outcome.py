"""What one call to Kling came to, in a word; what follows from it is judged in `verdicts.py`."""

from enum import StrEnum

from relay.kling.codes import TROUBLE_MIN, Code, code_word
from relay.kling.transport import NotSent, NoUsableReply, Reply
from relay.kling.wire import read_envelope

_OK = b'{"code":0,'
_CLIENT_ERROR, _SERVER_ERROR = 400, 500


class Outcome(StrEnum):
    """What one call came to."""

    OK = "ok"
    """Kling did what it was asked."""
    REFUSED = "refused"
    """Kling said no, for a reason of the account's or of the request's."""
    FAILED = "failed"
    """Kling, or what stands before it, failed: 5xx, or a code that says so."""
    UNREAD = "unread"
    """Neither a failure nor in Kling's envelope."""
    NOT_SENT = "not_sent"
    """It cannot have reached Kling."""
    MAYBE_SENT = "maybe_sent"
    """It may have, and no whole reply came: a timeout, a broken connection."""


def is_plain_success(reply: Reply) -> bool:
    """Tell of nearly every success that it is one, 2 us before it is read."""
    return reply.status < _CLIENT_ERROR and reply.body.startswith(_OK)


def outcome_of(reply: Reply) -> tuple[Outcome, str]:
    """Say what a reply is, and the code in it: one of Kling's, `other`, or nothing."""
    is_ok = reply.status < _CLIENT_ERROR
    if is_plain_success(reply):
        return Outcome.OK, code_word(Code.OK)
    envelope = read_envelope(reply)
    code = "" if envelope is None else code_word(envelope.code)
    if reply.status >= _SERVER_ERROR:
        return Outcome.FAILED, code
    if envelope is None:
        return Outcome.UNREAD, code
    if is_ok and envelope.code == 0:
        return Outcome.OK, code
    return (Outcome.FAILED if envelope.code >= TROUBLE_MIN else Outcome.REFUSED), code


def outcome_without_reply(error: NoUsableReply) -> Outcome:
    return Outcome.NOT_SENT if isinstance(error, NotSent) else Outcome.MAYBE_SENT
