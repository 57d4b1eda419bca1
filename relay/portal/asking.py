"""What pages ask for a tenant, of the surfaces that answer its programs."""

from typing import Any
from urllib.parse import urlencode

import msgspec

from relay.html.gate import NotSentYet
from relay.proxy.answers import JSON, Document, Sent
from relay.proxy.own_surface import OwnSurface
from relay.proxy.surface import KlingSurface
from relay.tenants.caller import Caller

OK = 200
QUOTE = "/relay/quote"
"""Asked by a POST, and does nothing."""


class KlingSaid(Exception):
    """An answer that is no success, in Kling's envelope."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Asking:
    """One tenant's questions, each answered as its own bearer would be.

    All raise RelayError, and KlingSaid where Kling refused what was passed on to it.
    """

    def __init__(
        self,
        own: OwnSurface,
        kling: KlingSurface,
        caller: Caller,
        *,
        address: str,
        is_reading: bool = False,
    ) -> None:
        """`is_reading`: what would be done is refused by NotSentYet."""
        self._is_reading = is_reading
        self._own, self._kling = own, kling
        self._caller = caller
        self._address = address

    async def get(self, path: str, **query: object) -> Any:
        """Ask `/relay…` for what stands in `data`; what is None in the query is left out."""
        return await self._ask(self._own, "GET", f"/relay{path}", query=query)

    async def get_whole(self, path: str) -> bytes:
        """Ask `/relay…` for what stands in no envelope, such as a document."""
        return (await self._send(self._own, "GET", f"/relay{path}")).body

    async def post(self, path: str, body: object = None, *, form_key: str | None = None) -> Any:
        """Have something done by `/relay…`, and return what stands in `data`.

        `form_key`: of a form that makes something under no name of its own.

        Raises:
            SentBefore: by the same form.
        """
        return await self._ask(self._own, "POST", f"/relay{path}", body=body, form_key=form_key)

    async def put(self, path: str, body: object) -> Any:
        return await self._ask(self._own, "PUT", f"/relay{path}", body=body)

    async def get_of_kling(self, path: str, **query: object) -> Any:
        """Ask what Kling's own path answers, for what stands in `data`."""
        return await self._ask(self._kling, "GET", path, query=query)

    async def create(self, path: str, body: object, *, key: str) -> Any:
        """Send a create, as the tenant's program would; once, however often with the same key."""
        return await self._ask(self._kling, "POST", path, body=body, key=key)

    async def _ask(
        self,
        surface: OwnSurface | KlingSurface,
        method: str,
        path: str,
        *,
        query: dict[str, object] | None = None,
        body: object = None,
        key: str | None = None,
        form_key: str | None = None,
    ) -> Any:
        sent = await self._send(
            surface, method, path, query=query, body=body, key=key, form_key=form_key
        )
        if sent.content_type != JSON:
            return Document(sent.body, sent.content_type)
        answer = msgspec.json.decode(sent.body)
        if sent.status != OK or answer.get("code") != 0:
            raise KlingSaid(sent.status, str(answer.get("message", "")))
        return answer.get("data")

    async def _send(
        self,
        surface: OwnSurface | KlingSurface,
        method: str,
        path: str,
        *,
        query: dict[str, object] | None = None,
        body: object = None,
        key: str | None = None,
        form_key: str | None = None,
    ) -> Sent:
        if self._is_reading and method != "GET" and path != QUOTE:
            raise NotSentYet
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return await surface.ask(
            *(self._caller, method, path),
            query=urlencode(given, doseq=True).encode(),
            body=b"" if body is None else msgspec.json.encode(body),
            address=self._address,
            key=key,
            form_key=form_key,
        )
