"""One page for one visitor: what its templates are given, and how it is answered."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from litestar import Request, Response
from litestar.datastructures import State
from litestar.status_codes import HTTP_403_FORBIDDEN
from msgspec import structs
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from relay.backups.read import OpenRestore, find_open_restore
from relay.console.gate import SITE
from relay.desk.act import AT_ONCE
from relay.desk.actor import Actor
from relay.desk.errors import Busy, NotAllowed, OverCeiling
from relay.desk.logins import actor_of
from relay.desk.office import Office
from relay.desk.once import refuse_again
from relay.desk.roles import ACTS
from relay.html.form import Form
from relay.html.gate import refuse_not_sent
from relay.html.page import SitePage, language_of
from relay.logins.sessions import Visitor
from relay.pauses.read import ListedPause, list_pauses

TIMEOUT_MS = 3000
"""Of a page's statements: a page that asks too much is told so, and holds up nobody's money."""

Asked = Request[Visitor | None, Any, State]


class Page(SitePage, frozen=True, kw_only=True):
    """One request, of an operator who was let in, or of somebody who is not yet."""

    office: Office

    @property
    def visitor(self) -> Visitor:
        visitor: Visitor | None = self.request.scope.get("user")
        assert visitor is not None, "the gate lets nobody else to this page"
        return visitor

    @property
    def actor(self) -> Actor:
        """Who acts on it."""
        client = self.request.scope["client"]
        return actor_of(
            self.visitor,
            origin=client[0] if client else "",
            request_id=self.request.headers.get("x-request-id"),
        )

    def actor_by(self, form: Form) -> Actor:
        """Who acts by a form: under its own key, where it has one."""
        return structs.replace(self.actor, request_id=form.key) if form.key else self.actor

    def may(self, act: str) -> bool:
        """Tell whether the visitor's role may do it: what it may not is not offered."""
        return self.visitor.role in ACTS[act]

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction that writes nothing, and gives up soon."""
        async with reading(self.office) as session:
            yield session

    @asynccontextmanager
    async def acting(self, form: Form | None = None) -> AsyncIterator[AsyncSession]:
        """Open the transaction of an act of the desk; who may not do it is noted.

        `form`: what has a key of its own is done once, by `actor_by` it.

        Raises:
            DeskError: nothing was written.
            DoneBefore: by the same form.
            NotSentYet
        """
        refuse_not_sent(self.request)
        try:
            async with self.office.sessions.begin() as session:
                if form is not None and form.key is not None:
                    await refuse_again(session, self.actor_by(form))
                yield session
        except (NotAllowed, OverCeiling):
            visitor, actor = self.visitor, self.actor
            await self.office.refusals.note(
                *((visitor.operator_id or 0, visitor.name), actor.origin),
                *(HTTP_403_FORBIDDEN, self.request.scope["path"]),
            )
            raise
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) in AT_ONCE:
                raise Busy from error
            raise

    async def render(self, template: str, *, status: int = 200, **values: Any) -> Response[str]:
        """Answer with a template."""
        if self.request.scope.get("user") is None:
            return self.compose(template, status=status, **values)
        async with self.reading() as session:
            pauses = await list_pauses(session)
            open_restore = await find_open_restore(session) if pauses else None
        return self.compose(
            template, status=status, pauses=pauses, open_restore=open_restore, **values
        )

    def compose(
        self,
        template: str,
        *,
        status: int = 200,
        pauses: Sequence[ListedPause] = (),
        open_restore: OpenRestore | None = None,
        **values: Any,
    ) -> Response[str]:
        """Answer with a template; `pauses`: what every page says is paused now, and for what."""
        return super().compose(
            template, status=status, pauses=pauses, open_restore=open_restore, **values
        )


@asynccontextmanager
async def reading(office: Office) -> AsyncIterator[AsyncSession]:
    """Open a transaction that writes nothing, and gives up soon."""
    async with office.reading() as session:
        await session.execute(text(f"SET LOCAL statement_timeout = {TIMEOUT_MS}"))
        yield session


def page_of(request: Asked) -> Page:
    """Say whose page it is, and in which language."""
    scope: Any = request.scope
    settings = scope["office"].settings
    return Page(
        *(request, SITE, language_of(request, settings.language)),
        *(settings.zone, settings.timezone, settings.currency),
        office=scope["office"],
    )
