"""Refusals of what is asked for."""

from collections.abc import Iterable

from relay.errors.refusal import RelayError
from relay.kling.codes import Code


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


class TemplateNotFound(RelayError, code=Code.NO_SUCH_RESOURCE):
    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"No template is called {name[:100]!r}: {', '.join(known)} are")


class Unpriced(RelayError, code=Code.NO_SUCH_RESOURCE):
    """No row of the price book fits. Nothing was written, Kling was not called."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"Not available here: {wanted}")
        self.wanted = wanted
