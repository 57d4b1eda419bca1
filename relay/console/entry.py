"""The door: logging in by password or by a link of this machine's, leaving, and how pages look."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.status_codes import HTTP_403_FORBIDDEN, HTTP_429_TOO_MANY_REQUESTS

from relay.console.gate import ROOT
from relay.console.page import Asked, Page
from relay.desk.logins import WrongLogin, log_in, log_in_by_link
from relay.html.form import Form, read_form
from relay.html.gate import CLEARED, address_of, session_cookie
from relay.html.kept import KEPT, ask_who_sent, go_on, read_kept
from relay.logins.sessions import WHOLE, end_session
from relay.networks import client_of

WINDOW_S = 300.0
OF_ADDRESS_MAX, OF_NAME_MAX = 20, 10
"""Wrong passwords in a window, from an address and for a name, whether there is such an operator or
not; then whoever it is waits."""
CHARS_MAX = 200


class Door(Controller):
    path = ROOT

    @get("/login")
    async def ask(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Ask who it is."""
        there = page.site.own_address(request.query_params.get("next", ROOT))
        if request.scope["user"] is not None:
            return page.go(there)
        return await page.render("login.html", form=Form(page.say), next=there, kept=None)

    @get("/login/again")
    async def ask_anew(self, page: NamedDependency[Page]) -> Response[Any]:
        """Lead to the door, who looks at that page in another language."""
        return page.go(page.site.door)

    @post("/login/again")
    async def ask_who_sent(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Ask who it is, and keep what was filled in: it was sent without a session."""
        return await ask_who_sent(page, request)

    @post("/login")
    async def log_in(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Let an operator in by name and password, with a code where there is a second factor."""
        form = await read_form(request, page.say)
        there = page.site.own_address(form.values.get("next", ROOT))
        kept = read_kept(page.site, form.values.get(KEPT, ""))
        name, code = form.text("name", must=True), form.text("code")
        password = form.values.get("password", "")
        if not password:
            form.errors["password"] = page.say("Fill this in.")
        keys = (client_of(address_of(request)), (name or "").casefold()[:CHARS_MAX])
        scope: Any = request.scope
        addresses, names = scope["tries"]
        wait_s = max(addresses.wait_s(keys[0]), names.wait_s(keys[1]))
        if wait_s > 0:
            form.errors[""] = page.say(
                "Too many wrong tries. Try again in %(s)s seconds.", s=int(wait_s) + 1
            )
            return await page.render(
                *("login.html",),
                status=HTTP_429_TOO_MANY_REQUESTS,
                form=form,
                next=there,
                kept=kept,
            )
        if form.is_right and name is not None:
            office = page.office
            # Counted before it is known: of many at once each would still be free to try.
            addresses.count(keys[0])
            names.count(keys[1])
            try:
                secret, _ = await log_in(
                    *(office.sessions, office.keys),
                    name=name,
                    password=password,
                    code=code,
                    address=address_of(request),
                    agent=request.headers.get("user-agent", ""),
                    owners_need_code=office.settings.owners_need_code,
                )
            except WrongLogin:
                form.errors[""] = page.say(
                    "That is not right: the name, the password, or the code of your second factor."
                )
            else:
                addresses.take_back(keys[0])
                names.take_back(keys[1])
                return await _let_in(page, request, secret, there, form)
        return await page.render(
            "login.html", status=HTTP_403_FORBIDDEN, form=form, next=there, kept=kept
        )

    @get("/enter")
    async def ask_to_enter(
        self, page: NamedDependency[Page], key: FromQuery[str] = ""
    ) -> Response[Any]:
        """Show a button: what previews a link fetches it, and must not use it up."""
        return await page.render("enter.html", key=key, is_over=False)

    @post("/enter")
    async def enter(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Let in whoever has a link that `relay console open` printed, once."""
        form = await read_form(request, page.say)
        try:
            secret, _ = await log_in_by_link(
                page.office.sessions,
                form.values.get("key", ""),
                address=address_of(request),
                agent=request.headers.get("user-agent", ""),
            )
        except WrongLogin:
            return await page.render("enter.html", status=HTTP_403_FORBIDDEN, key="", is_over=True)
        return await _let_in(page, request, secret, ROOT, form)

    @post("/leave")
    async def leave(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """End this session."""
        async with page.acting() as session:
            await end_session(session, page.visitor.session_id)
        answer = page.go(f"{ROOT}/login", said="left")
        answer.set_cookie(session_cookie(page.site, request.scope["scheme"], "", lasts_s=0))
        answer.headers |= CLEARED
        return answer

    @post("/look")
    async def look(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Keep in which language, and whether light or dark, this browser wants its pages."""
        form = await read_form(request, page.say)
        return page.keep_look(form)


async def _let_in(page: Page, request: Asked, secret: str, there: str, form: Form) -> Response[Any]:
    """Give a browser its new session, whatever it showed before; the one before it is over."""
    if request.scope["user"] is not None:
        async with page.acting() as session:
            await end_session(session, page.visitor.session_id)
    answer = await go_on(page, request, secret, there, form)
    scheme, lasts_s = request.scope["scheme"], int(WHOLE.total_seconds())
    answer.set_cookie(session_cookie(page.site, scheme, secret, lasts_s=lasts_s))
    return answer
