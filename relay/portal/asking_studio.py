"""What pages ask of the studio's paths, as the tenant's own programs would."""

import re
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec

from relay.html.gate import NotSentYet
from relay.portal.asking import OK, KlingSaid
from relay.proxy.answers import Sent
from relay.tenants.caller import Caller

PREFIX = "/api/kling"
QUOTE = "/quote"
"""By what paths end that are asked by a POST, and do nothing."""
NOT_FOUND = "Task not found"
_FIELD = re.compile(r"([a-z_]+): (.+)", re.DOTALL)


class Studio(Protocol):
    """Whoever answers on the studio's paths."""

    async def ask(
        self,
        caller: Caller,
        method: str,
        path: str,
        *,
        query: bytes,
        body: bytes,
        address: str,
        language: str,
        key: str | None = None,
    ) -> Sent: ...


class StudioSaid(KlingSaid):
    """An answer that is no success, in the studio's envelope."""

    def __init__(self, status: int, message: str, task_id: str | None = None) -> None:
        super().__init__(status, message)
        self.task_id = task_id
        """Of a create that Kling refused: it is there, and has failed."""
        found = _FIELD.fullmatch(message)
        self.field = found[1] if found else None
        self.told = found[2] if found else message
        """What is said of the field, or of all."""

    @property
    def is_not_found(self) -> bool:
        return self.message == NOT_FOUND


class AskingStudio:
    """One tenant's questions to the studio, each answered as its own bearer would be.

    All raise StudioSaid, and ScopeTooSmall.
    """

    def __init__(
        self, studio: Studio, caller: Caller, *, address: str, language: str, is_reading: bool
    ) -> None:
        """`is_reading`: what would be done is refused by NotSentYet."""
        self._studio, self._caller = studio, caller
        self._address, self._language = address, language
        self._is_reading = is_reading

    async def get(self, path: str, **query: object) -> Any:
        """Ask a path below the prefix; what is None in the query is left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return await self._ask("GET", path, query=urlencode(given).encode())

    async def post(self, path: str, body: object = None, *, key: str | None = None) -> Any:
        """Have something done, once for a `key`, or quoted."""
        if self._is_reading and not path.endswith(QUOTE):
            raise NotSentYet
        return await self._ask("POST", path, body=msgspec.json.encode(body or {}), key=key)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        query: bytes = b"",
        body: bytes = b"",
        key: str | None = None,
    ) -> Any:
        sent = await self._studio.ask(
            *(self._caller, method, f"{PREFIX}{path}"),
            query=query,
            body=body,
            address=self._address,
            language=self._language,
            key=key,
        )
        answer = msgspec.json.decode(sent.body)
        if sent.status != OK:
            message = str(answer.get("error_message", ""))
            raise StudioSaid(sent.status, message, answer.get("task_id"))
        return answer
