"""Refusals by what one has left, and may at a time."""

from relay.errors.refusal import RelayError
from relay.kling.codes import Code


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


class TooManyStreams(RelayError, code=Code.RATE_LIMITED):
    """Nothing is told; those that are open go on."""

    words = "Too many streams of events are open: close some, or follow all tasks by one"
    retry_after = "15"


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
