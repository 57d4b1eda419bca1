"""My account: one's own password, second factor and sessions."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from relay.console import logins
from relay.console.gate import ROOT
from relay.console.logins import Whose
from relay.console.operators import read_operator
from relay.console.page import Asked, Page
from relay.desk.errors import NoSuch
from relay.logins.sessions import read_sessions

HERE = f"{ROOT}/me"


class OwnLogin(Controller):
    path = HERE

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Say who one is here, by what one comes in, and where one is in."""
        visitor = page.visitor
        whose = None if visitor.operator_id is None else await _own(page)
        async with page.reading() as session:
            sessions = await read_sessions(session, visitor.operator_id)
        if whose is None:
            sessions = [one for one in sessions if one.is_system and one.name == visitor.name]
        return await page.render("logins/me.html", whose=whose, sessions=sessions)

    @get("/password")
    async def ask_password(self, page: NamedDependency[Page]) -> Response[Any]:
        """Ask for the password of now, and for a new one."""
        return await logins.ask_password(page, await _own(page))

    @post("/password")
    async def password(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Set one's own; this session stays."""
        return await logins.change_password(page, request, await _own(page))

    @get("/second-factor")
    async def ask_second_factor(self, page: NamedDependency[Page]) -> Response[Any]:
        """Show a secret for one's app."""
        return await logins.ask_second_factor(page, await _own(page))

    @post("/second-factor")
    async def second_factor(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Be asked for codes from now on."""
        return await logins.confirm_second_factor(page, request, await _own(page))

    @get("/second-factor/remove")
    async def ask_factor_end(self, page: NamedDependency[Page]) -> Response[Any]:
        """Say what it is to be asked for no code."""
        return await logins.ask_factor_end(page, await _own(page))

    @post("/second-factor/remove")
    async def end_factor(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Be asked for no code any more."""
        return await logins.end_factor(page, request, await _own(page))

    @post("/sessions/end")
    async def end_all(self, page: NamedDependency[Page]) -> Response[Any]:
        """Log out everywhere, here too."""
        return await logins.end_all(page, await _own(page))

    @post("/sessions/{session_id:int}/end")
    async def end_session(
        self, page: NamedDependency[Page], session_id: FromPath[int]
    ) -> Response[Any]:
        """Log one browser of one's own out."""
        visitor = page.visitor
        of = None if visitor.operator_id is None else visitor.name
        return await logins.end_one(page, session_id, HERE, of=of)


async def _own(page: Page) -> Whose:
    operator_id = page.visitor.operator_id
    if operator_id is None:
        raise NoSuch("operator", page.visitor.name)
    return Whose(await read_operator(page, operator_id), HERE, is_own=True)
