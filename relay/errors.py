"""What we answer when we refuse a tenant's request ourselves.

Every leaf is an expected answer: an HTTP status and one of Kling's own codes, rendered in Kling's
envelope by one handler (`proxy/answers.py`) and logged at info. Anything else that is raised in a
request is a bug: 500/5000 and a traceback in the log.

    RelayError
    ├── Unauthorized          401  1000-1004  no tenant can be told from the credential
    ├── BadRequest            400  1200       the body as a whole cannot be read
    ├── InvalidParameter      400  1201       one field, named in the message
    ├── TaskNotFound          400  1201       no task of this tenant and kind under that id
    ├── UnknownPath           404  1202       not one of Kling's paths or methods
    ├── Unpriced              404  1203       no row of the price book fits
    ├── InsufficientQuota     429  1102       quota - held is less than the quote
    ├── TooManyTasks          429  1303       the tenant's own limit of open tasks
    ├── Unavailable           503  5001       no channel can take it now, or we cannot
    └── TimedOut              504  5002       sent, and no answer in time; the hold stays

Source of the codes: docs/kling-api.md 8.
"""


class RelayError(Exception):
    """An expected answer to a tenant, in Kling's terms."""

    def __init__(self, http_status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.code = code
        self.message = message


class Unauthorized(RelayError):
    """Nothing about the tenant may be told from the message: bad credentials look alike."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(401, code, message)


class BadRequest(RelayError):
    def __init__(self, message: str) -> None:
        super().__init__(400, 1200, message)


class InvalidParameter(RelayError):
    def __init__(self, field: str, message: str) -> None:
        super().__init__(400, 1201, f"{field}: {message}")
        self.field = field


class TaskNotFound(RelayError):
    """The words are Kling's own (docs/kling-api.md 5.6), as clients match on them."""

    def __init__(self) -> None:
        super().__init__(400, 1201, "Task not found")


class UnknownPath(RelayError):
    def __init__(self, method: str, path: str) -> None:
        super().__init__(404, 1202, f"Invalid method: {method} {path}")
        self.path = path


class Unpriced(RelayError):
    """No row of the price book fits. Nothing was written, Kling was not called."""

    def __init__(self, wanted: str) -> None:
        super().__init__(404, 1203, f"Not available here: {wanted}")
        self.wanted = wanted


class InsufficientQuota(RelayError):
    """Nothing was written. The two sums are the tenant's own, so the message names them."""

    def __init__(
        self, *, needed: str, available: str, needed_micros: int, available_micros: int
    ) -> None:
        super().__init__(
            429, 1102, f"Account quota not enough: needed {needed}, available {available}"
        )
        self.needed_micros = needed_micros
        self.available_micros = available_micros


class TooManyTasks(RelayError):
    """In Kling's own words for a resource pack's limit (docs/kling-api.md 5.6)."""

    def __init__(self) -> None:
        super().__init__(429, 1303, "parallel task over resource pack limit")


class Unavailable(RelayError):
    def __init__(self, message: str = "Service temporarily unavailable, retry later") -> None:
        super().__init__(503, 5001, message)


class TimedOut(RelayError):
    def __init__(self) -> None:
        super().__init__(504, 5002, "Internal timeout, retry later")
