"""How the office acts: at the desk, in one transaction with what it answers.

A key of the client's makes an act that is asked for twice one act. `If-Match` is compared under the
lock of the thing, behind the lock of the operator's row, which every act takes first.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.params import HeaderParameter
from litestar.types import Guard
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.problems import KeyOfAnother
from relay.desk.act import AT_ONCE
from relay.desk.actor import Actor, ActorKind
from relay.desk.errors import Busy, NotAllowed, OverCeiling
from relay.desk.office import Office
from relay.desk.roles import ACTS
from relay.desk.versions import Look, etag_of, refuse_stale
from relay.operators.answers import Answer, OtherAsked, claim, keep
from relay.operators.authenticate import KnownOperator
from relay.secrets import KeyRing
from relay.settings import Settings

Asked = Request[KnownOperator, Any, State]
Work = Callable[[AsyncSession, Actor], Awaitable[object]]
"""An act, and what is shown of it then."""

KEY_CHARS_MAX = 200
SAME_KEY_WAIT_MS = 3000
"""For an act that is being done under the same key."""
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=KEY_CHARS_MAX,
        description="Of your own, of one act: within 24 hours the same request with it is answered"
        " as the first one was, and not done again; another request with it is refused. What was"
        " refused is not kept.",
    ),
]
NeededKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=KEY_CHARS_MAX,
        description="Of your own, of one trial: within 24 hours the same request with it is"
        " answered with how that one goes or went, and makes no other; another request with it is"
        " refused.",
    ),
]
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        max_length=KEY_CHARS_MAX,
        description="The `ETag` that you have read: refused (412) if it was changed since.",
    ),
]


class AtDesk(msgspec.Struct, frozen=True):
    """One request that acts."""

    request: Any
    office: Office
    key: str | None

    @property
    def keys(self) -> KeyRing:
        return self.office.keys

    @property
    def settings(self) -> Settings:
        return self.office.settings

    @property
    def actor(self) -> Actor:
        known: KnownOperator = self.request.user
        client = self.request.scope["client"]
        return Actor(
            ActorKind.OPERATOR,
            known.name,
            origin=client[0] if client else "",
            request_id=self.request.headers.get("x-request-id"),
            operator_id=known.id,
        )

    async def act(self, work: Work, *, status: int = 200) -> Response[Any]:
        """Do it once, and answer what it shows.

        Raises:
            DeskError, KeyOfAnother, Stale: nothing was written.
        """
        async with self._refusals(), self.office.sessions.begin() as session:
            answer = await self._act(session, work, status)
        return Response(
            msgspec.Raw(answer.body.encode()),
            status_code=answer.status,
            headers={} if answer.etag is None else {"etag": answer.etag},
        )

    async def preview(self, work: Work) -> Response[Any]:
        """Do it, take it back, and answer what it would show.

        Raises:
            DeskError
        """
        async with self._refusals(), self.office.sessions() as session:
            body = encoded(await work(session, self.actor))
            await session.rollback()
        return Response(msgspec.Raw(body))

    @asynccontextmanager
    async def _refusals(self) -> AsyncIterator[None]:
        """Note who was refused, and tell what was in somebody's way."""
        try:
            yield
        except (NotAllowed, OverCeiling):
            await note_forbidden(self.request)
            raise
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) in AT_ONCE:
                raise Busy from error
            raise

    async def _act(self, session: AsyncSession, work: Work, status: int) -> Answer:
        claimed: int | Answer | None = None
        if self.key is not None:
            await session.execute(text(f"SET LOCAL lock_timeout = {SAME_KEY_WAIT_MS}"))
            try:
                claimed = await claim(
                    *(session, self.request.user.token_id, self.key),
                    asked_hash=await _hash_of(self.request),
                    keys=self.keys,
                )
            except OtherAsked as error:
                raise KeyOfAnother from error
        if isinstance(claimed, Answer):
            return claimed
        shown = await work(session, self.actor)
        answer = Answer(status, encoded(shown).decode(), etag_of(shown))
        if claimed is not None:
            await keep(session, claimed, answer, self.keys)
        return answer

    async def refuse_stale(
        self, session: AsyncSession, act: str, if_match: str | None, look: Look[object]
    ) -> None:
        """Compare what the client has read to what is there, which stays so until the commit.

        Raises:
            NotAllowed, NoSuch, Stale
        """
        if if_match is not None:
            await refuse_stale(session, self.actor, act, if_match, look)


def office_of(request: Asked) -> Office:
    """Find the office that the gate let it into."""
    office: Office = request.scope["office"]  # type: ignore[typeddict-item]  # the gate's own
    return office


def at_desk(
    request: Asked, office: NamedDependency[Office], idempotency_key: IdempotencyKey = None
) -> AtDesk:
    return AtDesk(request, office, idempotency_key)


def at_desk_by_key(
    request: Asked, office: NamedDependency[Office], idempotency_key: NeededKey
) -> AtDesk:
    """For what is not to be done twice by whoever did not hear the answer."""
    return AtDesk(request, office, idempotency_key)


def may(act: str) -> Guard:
    """Let in whose role may do it; whoever may not is noted."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        operator: KnownOperator = connection.scope["user"]
        if operator.role not in ACTS[act]:
            await note_forbidden(connection)
            raise PermissionDeniedException(f"with the role {operator.role.value} no {act}")

    return guard


async def note_forbidden(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Note that an operator was refused."""
    scope: Any = connection.scope
    client = scope["client"]
    operator: KnownOperator = scope["user"]
    await scope["office"].refusals.note(
        *((operator.id, operator.name), client[0] if client else "", 403, scope["path"])
    )


def encoded(shown: object) -> bytes:
    """Spell an answer: decimals as text, so that they stay exact."""
    return msgspec.json.encode(shown, enc_hook=str)


def of_version(shown: object, *, version_of: object = None) -> Response[Any]:
    """Answer one thing with its version, or with that of a part of it."""
    etag = etag_of(shown if version_of is None else version_of)
    return Response(msgspec.Raw(encoded(shown)), headers={} if etag is None else {"etag": etag})


async def _hash_of(request: Asked) -> bytes:
    scope = request.scope
    parts = [scope["method"].encode(), scope["raw_path"], scope["query_string"]]
    return sha256(b"\n".join([*parts, await request.body()])).digest()
