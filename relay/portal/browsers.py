"""Browsers that are logged in here for the tenant, and how one of them is logged out."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from relay.portal.keys import HERE
from relay.portal.page import Page


class Browsers(Controller):
    path = f"{HERE}/sessions"

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """List them, the last used first: all, or those that came in by the visitor's own key."""
        sessions = await page.asking.get("/sessions")
        names = await page.key_names() or {}
        return await page.render("keys/sessions.html", sessions=sessions, names=names)

    @post("/{session_id:int}/end")
    async def end(self, page: NamedDependency[Page], session_id: FromPath[int]) -> Response[Any]:
        """Log one out; whoever ends its own is at the door then."""
        await page.asking.post(f"/sessions/{session_id}/end")
        is_own = session_id == page.visitor.session_id
        return page.go(page.site.door, said="left") if is_own else page.go(self.path, said="done")
