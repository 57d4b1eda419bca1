"""What we answer when we refuse a request ourselves.

Every leaf is an expected answer: an HTTP status and one of Kling's own codes, rendered in Kling's
envelope by one handler (`proxy/answers.py`) and logged at info. Whatever else is raised in a
request is a bug: it is answered by InternalError, with a traceback in the log.

    RelayError
    ├── Unauthorized                       no tenant can be told from the credential
    │   ├── TenantDisabled         401  1000  its credential is right, and it is switched off
    │   ├── CredentialMissing      401  1001  no header
    │   ├── CredentialUnknown      401  1002  no JWT, and no API key of ours
    │   ├── SignatureInvalid       401  1002  a JWT that no access key and secret key of ours made
    │   ├── CredentialNotYetValid  401  1003  a JWT of ours before its time
    │   ├── CredentialExpired      401  1004  a JWT of ours after its time
    │   └── AccessExpired          401  1004  a token or a tenant after the operator's time for it
    ├── BadRequest                 400  1200  the body as a whole cannot be read
    ├── NoVerdict                  400  1200  sent, and answered by a 4xx that proves nothing
    ├── InvalidParameter           400  1201  one field, named in the message
    ├── IdsRequired                400  1201  a query of several tasks names none, or in two ways
    ├── TaskNotFound               400  1201  no task of this tenant and kind under that id
    ├── ThingNotFound              400  1201  names a video, voice, … that this tenant does not have
    ├── ThingDeleted               400  1201  deletes what this tenant has deleted before
    ├── ExternalIdTaken            400  1201  a task of this tenant has that external id already
    ├── TokenNotFound              400  1201  no key of this tenant under that number
    ├── DeliveryNotFound           400  1201  no callback of this tenant under that id
    ├── AssetNotFound              400  1201  no file of this tenant's that stays under that id
    ├── RunNotFound            400  1201  no task of the studio's of this tenant under that id
    ├── NoticePlaceNotFound        400  1201  no place for notices of this tenant under that number
    ├── PortalSessionNotFound      400  1201  no browser of this tenant's under that number
    ├── ScopeTooSmall              403  1103  the token may be used for other things, not for this
    ├── UploadsNotTaken            403  1103  the operator keeps no files for this tenant
    ├── FilesFull                  403  1103  it has as many bytes of files as it may
    ├── Withheld                   403  1103  what sub-tenants, and replaced keys, have not
    ├── AddressNotAllowed          403  1103  the token is not taken from there
    ├── EndpointNotAllowed         403  1103  the token is for other endpoints
    ├── ModelNotAllowed            403  1103  the token is for other models
    ├── UnknownPath                404  1202  not one of Kling's paths or methods
    ├── Unpriced                   404  1203  no row of the price book fits
    ├── InsufficientQuota          429  1102  quota and credit, less what is held, are less
    ├── QuotaWithheld              429  1102  the same of a sub-tenant, by what its parent has
    ├── SpendLimited               429  1102  the rest of a limit of money is less than the quote
    ├── TaskTooDear                403  1103  a limit of what one task may cost is
    ├── OverCap                    403  1103  a step of a run, over what is left of its cap
    ├── TooDear                    403  1103  the same of a sub-tenant, by a limit of its parent's
    ├── TooManyPings               429  1302  a second test callback within seconds
    ├── TooManyCalls               429  1302  free calls, wrong codes, creates by a parent's
    ├── TooManyCreates             429  1302  a limit of creates a second
    ├── TooManyTasks               429  1303  the tenant's own limit of open tasks
    ├── TooManyInFlight            429  1303  a limit of tasks in flight
    ├── NoRoom                     429  1303  all slots of the accounts are taken, or their pace is
    ├── InternalError              500  5000  a bug of ours
    ├── TooSlow                    503  5001  others waited for the room that its body took
    ├── Unavailable                503  5001  no channel can take it now, or we cannot
    ├── Paused                     503  5001  the operator stopped such creates for a while
    ├── TimedOut                   504  5002  sent, and no answer in time; the hold stays
    └── CallbackRefused                    told to Kling, or to whoever posed as Kling
        ├── CallbackUnreadable     400  1200  not a task object, or cut short
        ├── CallbackForged         401  1000  neither our path nor Kling's signature
        └── CallbackNotPosted      404  1202  another method than POST

A refusal never changes once it is made; tests/test_errors.py holds this drawing to the classes.
Source of the codes and their statuses: docs/kling-api.md 8, as `kling/codes.py` has them.
"""

from typing import ClassVar

from relay.kling.codes import Code


class RelayError(Exception):
    """An expected answer, in Kling's terms; only its leaves are raised."""

    code: ClassVar[Code]
    http_status: ClassVar[int]
    retry_after: str = ""
    """Whole seconds, of the header, where it is known after how many it is worth while."""

    def __init_subclass__(cls, *, code: Code | None = None) -> None:
        """Give a leaf its code, and with it the status that Kling sends with that code."""
        if code is not None:
            cls.code, cls.http_status = code, code.http_status

    words: ClassVar[str] = ""
    """What a leaf says that always says the same."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.words)

    @property
    def message(self) -> str:
        return str(self)


class Unauthorized(RelayError):
    """Nothing about the tenant may be told from the message: bad credentials look alike."""


class TenantDisabled(Unauthorized, code=Code.AUTH_FAILED):
    words = "Authentication failed"


class CredentialMissing(Unauthorized, code=Code.AUTH_EMPTY):
    words = "Authorization is empty"


class CredentialUnknown(Unauthorized, code=Code.AUTH_INVALID):
    """One answer for all of them, in Kling's words (docs/kling-api.md 5.6)."""

    words = "api key not found"


class SignatureInvalid(Unauthorized, code=Code.AUTH_INVALID):
    """One answer for all of them too: who forges learns not which access keys there are."""

    def __init__(self) -> None:
        super().__init__(
            "Authorization is invalid: access key not found, or the signature does not match"
        )


class CredentialNotYetValid(Unauthorized, code=Code.AUTH_NOT_YET_VALID):
    words = "Authorization is not yet valid"


class CredentialExpired(Unauthorized, code=Code.AUTH_EXPIRED):
    words = "Authorization has expired"


class AccessExpired(Unauthorized, code=Code.AUTH_EXPIRED):
    """Told to who has the credential alone."""

    def __init__(self, at: str) -> None:
        super().__init__(f"Authorization has expired: this key was valid until {at}")


class BadRequest(RelayError, code=Code.INVALID_REQUEST):
    pass


class NoVerdict(RelayError, code=Code.INVALID_REQUEST):
    """Sent, and something before Kling answered with a 4xx that proves nothing.

    Of the same class as that, so that no client repeats what may have been taken.
    """

    def __init__(self, http_status: int) -> None:
        super().__init__(
            f"Unexpected answer, HTTP {http_status}: the request may have been taken."
            " Query before you send it again"
        )


class InvalidParameter(RelayError, code=Code.INVALID_PARAMETER):
    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class IdsRequired(RelayError, code=Code.INVALID_PARAMETER):
    """The words are Kling's own."""

    words = "task_ids or external_task_ids is required"


class TaskNotFound(RelayError, code=Code.INVALID_PARAMETER):
    """The words are Kling's own (docs/kling-api.md 5.6 and 17), as clients match on them."""

    words = "Task not found by id/external id"


class ThingNotFound(RelayError, code=Code.INVALID_PARAMETER):
    """Also where it is another tenant's. In the words that Kling has for voices (17)."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"{kind.capitalize()} id not found")


class ThingDeleted(RelayError, code=Code.INVALID_PARAMETER):
    """In Kling's words (docs/kling-api.md 17)."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"{kind.capitalize()} already be deleted")


class ExternalIdTaken(RelayError, code=Code.INVALID_PARAMETER):
    """In both wordings that clients look for (docs/kling-api.md 7 and 17)."""

    words = "duplicate external_task_id: it already exists"


class TokenNotFound(RelayError, code=Code.INVALID_PARAMETER):
    words = "no such token"


class DeliveryNotFound(RelayError, code=Code.INVALID_PARAMETER):
    words = "Delivery not found"


class AssetNotFound(RelayError, code=Code.INVALID_PARAMETER):
    words = "Asset not found"


class RunNotFound(RelayError, code=Code.INVALID_PARAMETER):
    words = "Task not found"


class NoticePlaceNotFound(RelayError, code=Code.INVALID_PARAMETER):
    words = "no such place for notices"


class PortalSessionNotFound(RelayError, code=Code.INVALID_PARAMETER):
    words = "no such session"


INVALID_METHOD = "the requested method is invalid"
"""Kling's words for it (docs/kling-api.md 8)."""


class ScopeTooSmall(RelayError, code=Code.NO_PERMISSION):
    def __init__(self, scope: str, needed: str) -> None:
        super().__init__(
            f"this key is for other things: its scope is {scope}, and this takes {needed}"
        )


class UploadsNotTaken(RelayError, code=Code.NO_PERMISSION):
    words = "No files are kept for this account"


class FilesFull(RelayError, code=Code.NO_PERMISSION):
    words = "This account has as many bytes of files as it may keep"


class Withheld(RelayError, code=Code.NO_PERMISSION):
    def __init__(self, what: str) -> None:
        super().__init__(f"No permission: {what}")


class AddressNotAllowed(RelayError, code=Code.NO_PERMISSION):
    def __init__(self, address: str) -> None:
        super().__init__(f"No permission: this key is not taken from {address or 'nowhere'}")


class EndpointNotAllowed(RelayError, code=Code.NO_PERMISSION):
    def __init__(self, endpoint: str) -> None:
        super().__init__(f"No permission for the API: this key is not for {endpoint}")


class ModelNotAllowed(RelayError, code=Code.NO_PERMISSION):
    """Nothing was written."""

    def __init__(self, model: str | None) -> None:
        super().__init__(f"No permission for the model: this key is not for {model or 'this one'}")


class UnknownPath(RelayError, code=Code.INVALID_METHOD):
    """`advice` says what would have been right, as far as that can be told."""

    def __init__(self, method: str, path: str, advice: str = "") -> None:
        said = f"{INVALID_METHOD}: {method} {path}"
        super().__init__(f"{said}, {advice}" if advice else said)
        self.path = path


class Unpriced(RelayError, code=Code.NO_SUCH_RESOURCE):
    """No row of the price book fits. Nothing was written, Kling was not called."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"Not available here: {wanted}")
        self.wanted = wanted


class InsufficientQuota(RelayError, code=Code.RESOURCE_PACK_USED_UP):
    """Nothing was written. The two sums are the tenant's own, so the message names them.

    What stands before them are Kling's words, as clients match on them (docs/kling-api.md 17).
    """

    def __init__(
        self, *, needed: str, available: str, needed_micros: int, available_micros: int
    ) -> None:
        super().__init__(f"Account balance not enough: needed {needed}, available {available}")
        self.needed_micros = needed_micros
        self.available_micros = available_micros


class QuotaWithheld(RelayError, code=Code.RESOURCE_PACK_USED_UP):
    """Nothing was written. Kling's words alone: what there is, is another tenant's."""

    words = "Account balance not enough"


class SpendLimited(RelayError, code=Code.RESOURCE_PACK_USED_UP):
    """Nothing was written. In the words of InsufficientQuota, before what is the tenant's own."""

    def __init__(self, limit: str, *, allowed: str, left: str, needed: str, until: str) -> None:
        """`limit`: such as "this key's limit per month"; `until`: when it begins anew, or ""."""
        again = f", until {until}" if until else ""
        super().__init__(
            f"Account balance not enough: {limit} is {allowed}, {left} is left of it{again}, and"
            f" {needed} is needed"
        )
        self.limit = limit


class TaskTooDear(RelayError, code=Code.NO_PERMISSION):
    """Nothing was written. By a status that nobody repeats: waiting makes it no cheaper."""

    def __init__(self, limit: str, *, allowed: str, needed: str) -> None:
        super().__init__(f"No permission: {limit} is {allowed}, and this one may cost {needed}")
        self.limit = limit


class OverCap(RelayError, code=Code.NO_PERMISSION):
    """Nothing was written. Of a step of a run: what was made before it stays."""

    words = "No permission: this step would cost more than is left of what its run may cost"


class TooDear(RelayError, code=Code.NO_PERMISSION):
    """Nothing was written. By the status of TaskTooDear, without a figure of the other tenant's."""

    words = "No permission: this task may cost more than one may here"


class TooManyPings(RelayError, code=Code.RATE_LIMITED):
    """The address was not called."""

    def __init__(self, *, every_s: float) -> None:
        super().__init__(f"One test callback in {every_s:g} seconds")


class TooManyCalls(RelayError, code=Code.RATE_LIMITED):
    """Kling was not asked."""

    def __init__(self, retry_after: str = "") -> None:
        super().__init__("request too fast, rate limit exceeded")
        self.retry_after = retry_after


class TooManyCreates(RelayError, code=Code.RATE_LIMITED):
    """Nothing was written."""

    retry_after = "1"

    def __init__(self, limit: str, *, allowed: int) -> None:
        super().__init__(f"request too fast, rate limit exceeded: {limit} is {allowed}")
        self.limit = limit


class TooManyTasks(RelayError, code=Code.CONCURRENCY_LIMITED):
    """In Kling's own words for a resource pack's limit (docs/kling-api.md 5.6)."""

    words = "parallel task over resource pack limit"


class TooManyInFlight(RelayError, code=Code.CONCURRENCY_LIMITED):
    """Nothing was written. In the words of TooManyTasks, before what is the tenant's own."""

    def __init__(self, limit: str, *, allowed: int) -> None:
        super().__init__(f"parallel task over resource pack limit: {limit} is {allowed}")
        self.limit = limit


class NoRoom(RelayError, code=Code.CONCURRENCY_LIMITED):
    """In Kling's own words, as TooManyTasks; nothing was made."""

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__("parallel task over resource pack limit")
        self.retry_after = str(retry_after_s)


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
