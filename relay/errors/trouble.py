"""What is told when it is us, or Kling; and refusals of callbacks."""

from relay.errors.bodies import INVALID_METHOD
from relay.errors.refusal import RelayError
from relay.kling.codes import Code


class InternalError(RelayError, code=Code.INTERNAL_ERROR):
    """What went wrong stands in our log only."""

    words = "Internal error"


class TooSlow(RelayError, code=Code.UNAVAILABLE):
    """Its body stopped, or fell behind while others waited. Nothing was sent or written."""

    words = "The request body arrived too slowly, retry later"


class Unavailable(RelayError, code=Code.UNAVAILABLE):
    words = "Service temporarily unavailable, retry later"


class Paused(RelayError, code=Code.UNAVAILABLE):
    """In the words of Unavailable: that, and why, is the operator's business."""

    words = "Service temporarily unavailable, retry later"


class TimedOut(RelayError, code=Code.INTERNAL_TIMEOUT):
    words = "Internal timeout, retry later"


class CallbackRefused(RelayError):
    """No row was changed by it, and a sender that retries may."""


class CallbackUnreadable(CallbackRefused, code=Code.INVALID_REQUEST):
    words = "Invalid body"


class CallbackForged(CallbackRefused, code=Code.AUTH_FAILED):
    words = "Authentication failed"


class CallbackNotPosted(CallbackRefused, code=Code.INVALID_METHOD):
    words = INVALID_METHOD
