"""One page for one visitor: what its templates are given, and how it is answered."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Request, Response
from litestar.datastructures import State
from litestar.status_codes import HTTP_303_SEE_OTHER, HTTP_403_FORBIDDEN
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from relay.backups.read import OpenRestore, find_open_restore
from relay.console.assets import address_of
from relay.console.spelling import Speller
from relay.console.words import LANGUAGES, LOCALES, choose, translations
from relay.desk.act import AT_ONCE
from relay.desk.actor import Actor
from relay.desk.errors import Busy, NotAllowed, OverCeiling
from relay.desk.logins import actor_of
from relay.desk.office import Office
from relay.desk.roles import ACTS
from relay.logins.sessions import Visitor
from relay.money import decimal_of
from relay.pauses.read import ListedPause, list_pauses

TEMPLATES = Path(__file__).with_name("templates")
LANGUAGE_COOKIE, THEME_COOKIE = "relay-language", "relay-theme"
THEMES = ("auto", "light", "dark")
TIMEOUT_MS = 3000
"""Of a page's statements: a page that asks too much is told so, and holds up nobody's money."""

Asked = Request[Visitor | None, Any, State]


@lru_cache
def environment(language: str) -> Environment:
    """Read the templates for one language."""
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    found.install_gettext_translations(  # type: ignore[attr-defined]
        translations(language), newstyle=True
    )
    found.globals |= {
        "asset": address_of,
        "pairs": lambda values: [(value, value) for value in values],
        "labelled": lambda values, labels: [(value, labels[value]) for value in values],
        "plain": decimal_of,
        "LANGUAGES": LANGUAGES,
    }
    return found


class Page(msgspec.Struct, frozen=True):
    """One request, of a visitor who was let in, or of somebody who is not yet."""

    request: Any
    office: Office
    language: str

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

    @property
    def spell(self) -> Speller:
        settings = self.office.settings
        return Speller(LOCALES[self.language], settings.zone, settings.currency)

    def say(self, message: str, **values: object) -> str:
        """Translate a sentence of the code's, which is in the catalogues as those of templates."""
        found = translations(self.language).gettext(message)
        return found % values if values else found

    def may(self, act: str) -> bool:
        """Tell whether the visitor's role may do it: what it may not is not offered."""
        return self.visitor.role in ACTS[act]

    def address(self, **changed: object) -> str:
        """Spell this page's address with some of its query changed; None takes one away."""
        query = dict(parse_qsl(self.request.scope["query_string"].decode()))
        query.pop("said", None)
        query |= {name: str(value) for name, value in changed.items() if value is not None}
        for name in [name for name, value in changed.items() if value is None]:
            query.pop(name, None)
        path: str = self.request.scope["path"]
        return f"{path}?{urlencode(query)}" if query else path

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction that writes nothing, and gives up soon."""
        async with reading(self.office) as session:
            yield session

    @asynccontextmanager
    async def acting(self) -> AsyncIterator[AsyncSession]:
        """Open the transaction of an act of the desk; who may not do it is noted.

        Raises:
            DeskError: nothing was written.
        """
        try:
            async with self.office.sessions.begin() as session:
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
        theme = self.request.cookies.get(THEME_COOKIE)
        content = (
            environment(self.language)
            .get_template(template)
            .render(
                page=self,
                spell=self.spell,
                visitor=self.request.scope.get("user"),
                language=self.language,
                theme=theme if theme in THEMES else "auto",
                path=self.request.scope["path"],
                now=datetime.now(UTC),
                said=self.request.query_params.get("said", ""),
                pauses=pauses,
                open_restore=open_restore,
                **values,
            )
        )
        return Response(content, status_code=status, media_type=MediaType.HTML)

    def go(self, address: str, *, said: str | None = None) -> Response[None]:
        """Lead to another page after an act; `said`: the sentence of `parts/said.html` to show."""
        if said is not None:
            address += ("&" if "?" in address else "?") + urlencode({"said": said})
        return Response(None, status_code=HTTP_303_SEE_OTHER, headers={"location": address})


@asynccontextmanager
async def reading(office: Office) -> AsyncIterator[AsyncSession]:
    """Open a transaction that writes nothing, and gives up soon."""
    async with office.reading() as session:
        await session.execute(text(f"SET LOCAL statement_timeout = {TIMEOUT_MS}"))
        yield session


def page_of(request: Asked) -> Page:
    """Say whose page it is, and in which language."""
    scope: Any = request.scope
    language = choose(
        request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", "")
    )
    return Page(request, scope["office"], language)
