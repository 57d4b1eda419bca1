"""The portal's door: in by a link of the operator's or by a key, out again, and how pages look."""

import time
from typing import Any

import jwt
from litestar import Controller, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromQuery
from litestar.status_codes import HTTP_403_FORBIDDEN, HTTP_429_TOO_MANY_REQUESTS

from relay.desk.logins import WrongLogin
from relay.desk.portal import enter_portal, enter_portal_by_link, leave_portal
from relay.errors import AddressNotAllowed, RelayError, SignatureInvalid
from relay.html.form import Form, read_form
from relay.html.gate import CLEARED, address_of, session_cookie
from relay.html.kept import KEPT, ask_who_sent, go_on, read_kept
from relay.logins.sessions import WHOLE
from relay.networks import client_of
from relay.portal.gate import ROOT
from relay.portal.page import Asked, Page

KEY_CHARS_MAX = 500
SECRET_CHARS_MIN = 32
SIGNED_FOR_S = 60


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
        """Let somebody in by a key of the tenant's: an API key, or an access key and its secret."""
        form = await read_form(request, page.say)
        there = page.site.own_address(form.values.get("next", ROOT))
        kept = read_kept(page.site, form.values.get(KEPT, ""))
        key = form.text("key", must=True, most=KEY_CHARS_MAX)
        secret_key = form.text("secret_key", most=KEY_CHARS_MAX)
        address = address_of(request)
        who, tries = client_of(address), page.portal.tries
        if (wait_s := tries.wait_s(who)) > 0:
            form.errors[""] = page.say(
                "Too many wrong tries. Try again in %(s)s seconds.", s=int(wait_s) + 1
            )
            status = HTTP_429_TOO_MANY_REQUESTS
            return await page.render("login.html", status=status, form=form, next=there, kept=kept)
        if form.is_right and key is not None:
            # Counted before it is known: of many at once each would still be free to try.
            tries.count(who)
            try:
                caller = await page.portal.authenticator.authenticate(
                    _bearer(key, secret_key), now_s=time.time(), address=address
                )
            except AddressNotAllowed:
                form.errors[""] = page.say("This key is not let in from where you are.")
            except (RelayError, UnicodeError):
                form.errors[""] = page.say("No key that works here. Is it whole, and of today?")
            else:
                tries.take_back(who)
                try:
                    secret = await enter_portal(
                        *(page.portal.sessions, caller, key),
                        address=address,
                        agent=request.headers.get("user-agent", ""),
                    )
                except WrongLogin:
                    form.errors[""] = page.say("This key was replaced. Use the new one.")
                else:
                    return await _show_in(page, request, secret, there, form)
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
        """Let in whoever has a link that an operator made, once."""
        form = await read_form(request, page.say)
        try:
            secret = await enter_portal_by_link(
                page.portal.sessions,
                form.values.get("key", ""),
                address=address_of(request),
                agent=request.headers.get("user-agent", ""),
            )
        except WrongLogin:
            return await page.render("enter.html", status=HTTP_403_FORBIDDEN, key="", is_over=True)
        return await _show_in(page, request, secret, ROOT, form)

    @post("/leave")
    async def leave(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """End this session."""
        await leave_portal(page.portal.sessions, page.visitor.session_id)
        answer = page.go(page.site.door, said="left")
        answer.set_cookie(session_cookie(page.site, request.scope["scheme"], "", lasts_s=0))
        answer.headers |= CLEARED
        return answer

    @post("/look")
    async def look(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Keep in which language, and whether light or dark, this browser wants its pages."""
        return page.keep_look(await read_form(request, page.say))

    @get("/assets/logo")
    async def show_logo(self, page: NamedDependency[Page]) -> Response[bytes]:
        """Serve the reseller's own."""
        logo = page.portal.logo
        if logo is None:
            raise NotFoundException
        headers = {"cache-control": "public, max-age=3600"}
        return Response(logo.content, media_type=logo.content_type, headers=headers)


def _bearer(key: str, secret_key: str | None) -> str:
    """Spell what a program would send: of an access key a token that its secret signs.

    Raises:
        SignatureInvalid: the secret is too short to be one of ours, or no secret at all.
    """
    if secret_key is None:
        return f"Bearer {key}"
    if len(secret_key) < SECRET_CHARS_MIN:
        raise SignatureInvalid
    now = int(time.time())
    claims = {"iss": key, "exp": now + SIGNED_FOR_S, "nbf": now - SIGNED_FOR_S}
    try:
        return f"Bearer {jwt.encode(claims, secret_key, algorithm='HS256')}"
    except jwt.PyJWTError as error:
        raise SignatureInvalid from error  # of a PEM or an SSH key, it refuses to sign by


async def _show_in(
    page: Page, request: Asked, secret: str, there: str, form: Form
) -> Response[Any]:
    """Give a browser its new session, whatever it showed before; the one before it is over."""
    if request.scope["user"] is not None:
        await leave_portal(page.portal.sessions, page.visitor.session_id)
    answer = await go_on(page, request, secret, there, form)
    scheme, lasts_s = request.scope["scheme"], int(WHOLE.total_seconds())
    cookie: Cookie = session_cookie(page.site, scheme, secret, lasts_s=lasts_s)
    answer.set_cookie(cookie)
    return answer
