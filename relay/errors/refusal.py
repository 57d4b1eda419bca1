"""What all refusals are."""

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
