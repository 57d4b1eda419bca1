"""By what somebody comes in: password, second factor and sessions, as one's own and an owner's.

Two controllers have the same pages: `/console/me` for everybody's own, and those below an operator
for owners. Whoever sits at one's own session is asked for the password first: somebody may have
found a browser open.
"""

from typing import Any

import msgspec
from litestar import Response
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.acting import OK, attempt
from relay.console.page import Asked, Page
from relay.desk import logins
from relay.desk.logins import (
    end_web_session,
    knows_password,
    log_out,
    set_second_factor,
    step_shown,
)
from relay.desk.shown import ShownOperator
from relay.html.form import Form, read_form
from relay.html.gate import address_of
from relay.logins.passwords import BYTES_MAX, CHARS_MIN, hashed
from relay.logins.second_factor import new_second_factor, otpauth_uri
from relay.networks import client_of
from relay.secrets import SecretKeyError


class Whose(msgspec.Struct, frozen=True):
    """Whose log-in it is about."""

    operator: ShownOperator
    here: str
    """The page that its pages are below."""
    is_own: bool

    @property
    def asks_password(self) -> bool:
        """Tell whether the visitor is to say its own password first."""
        return self.is_own and self.operator.has_password


async def ask_password(
    page: Page, whose: Whose, form: Form | None = None, *, status: int = OK
) -> Response[Any]:
    """Ask for a new password, twice."""
    return await page.render(
        "logins/password.html",
        status=status,
        whose=whose,
        form=form or Form(page.say),
        least=CHARS_MIN,
    )


async def change_password(page: Page, request: Asked, whose: Whose) -> Response[Any]:
    """Set it, and log out every other browser of whose it is."""
    form = await read_form(request, page.say)
    await _check_own_password(page, form, whose)
    given = form.values.get("password", "")
    if len(given.strip()) < CHARS_MIN:
        form.errors["password"] = page.say("At least %(least)s characters.", least=CHARS_MIN)
    elif given != form.values.get("again", ""):
        form.errors["again"] = page.say("The two differ.")
    password_hash = None
    if form.is_right:
        try:
            password_hash = await hashed(given)
        except ValueError:
            form.errors["password"] = page.say("At most %(most)s bytes.", most=BYTES_MAX)

    async def work(session: AsyncSession) -> None:
        await logins.set_password(
            *(session, page.actor, whose.operator.name, password_hash),
            but=page.visitor.session_id if whose.is_own else None,
        )

    _, status = await attempt(page, form, work)
    if form.is_right:
        return page.go(whose.here, said="password-set")
    return await ask_password(page, whose, form, status=status)


async def ask_password_end(
    page: Page, whose: Whose, form: Form | None = None, *, status: int = OK
) -> Response[Any]:
    """Say what it is to take a password away."""
    form = form or Form(page.say)
    return await page.render("logins/no_password.html", status=status, whose=whose, form=form)


async def end_password(page: Page, request: Asked, whose: Whose) -> Response[Any]:
    """Take an operator's password away: nobody logs in by it any more."""
    form = await read_form(request, page.say)
    await _check_own_password(page, form, whose)

    async def work(session: AsyncSession) -> None:
        await logins.set_password(session, page.actor, whose.operator.name, None)

    _, status = await attempt(page, form, work)
    if form.is_right:
        return page.go(whose.here, said="done")
    return await ask_password_end(page, whose, form, status=status)


async def ask_second_factor(
    page: Page,
    whose: Whose,
    form: Form | None = None,
    *,
    secret: str | None = None,
    status: int = OK,
) -> Response[Any]:
    """Show a secret for an app, and ask for the code that the app then shows."""
    secret = secret or new_second_factor()
    return await page.render(
        "logins/second_factor.html",
        status=status,
        whose=whose,
        form=form or Form(page.say),
        secret=secret,
        uri=otpauth_uri(secret, name=whose.operator.name),
        sealed=page.office.keys.seal(secret, context=_context(page, whose)),
    )


async def confirm_second_factor(page: Page, request: Asked, whose: Whose) -> Response[Any]:
    """Ask for codes from now on, if the app has shown the right one."""
    form = await read_form(request, page.say)
    try:
        secret = page.office.keys.open(form.values.get("sealed", ""), context=_context(page, whose))
    except SecretKeyError:
        form.errors[""] = page.say("This form is too old. Here is a new secret.")
        return await ask_second_factor(page, whose, form, status=409)
    await _check_own_password(page, form, whose)
    code, step = form.text("code", must=True), None
    if form.is_right:
        async with page.reading() as session:
            step = await step_shown(session, secret, code or "")
        if step is None:
            form.errors["code"] = page.say(
                "That is not the code of now. Is the phone's clock right?"
            )

    async def work(session: AsyncSession) -> None:
        await set_second_factor(
            *(session, page.actor, whose.operator.name, secret, page.office.keys), step=step
        )

    _, status = await attempt(page, form, work)
    if form.is_right:
        return page.go(whose.here, said="factor-set")
    return await ask_second_factor(page, whose, form, secret=secret, status=status)


async def ask_factor_end(
    page: Page, whose: Whose, form: Form | None = None, *, status: int = OK
) -> Response[Any]:
    """Say what it is to be asked for no code any more."""
    form = form or Form(page.say)
    return await page.render("logins/no_factor.html", status=status, whose=whose, form=form)


async def end_factor(page: Page, request: Asked, whose: Whose) -> Response[Any]:
    """Ask for no code any more."""
    form = await read_form(request, page.say)
    await _check_own_password(page, form, whose)

    async def work(session: AsyncSession) -> None:
        name = whose.operator.name
        await set_second_factor(session, page.actor, name, None, page.office.keys)

    _, status = await attempt(page, form, work)
    if form.is_right:
        return page.go(whose.here, said="done")
    return await ask_factor_end(page, whose, form, status=status)


async def end_one(page: Page, session_id: int, here: str, *, of: str | None) -> Response[Any]:
    """Log one browser out."""
    async with page.acting() as session:
        await end_web_session(session, page.actor, session_id, of=of)
    return page.go(here, said="logged-out")


async def end_all(page: Page, whose: Whose) -> Response[Any]:
    """Log an operator out of every browser, of this one too if it is one's own."""
    async with page.acting() as session:
        await log_out(session, page.actor, whose.operator.name)
    return page.go(whose.here, said="logged-out")


async def _check_own_password(page: Page, form: Form, whose: Whose) -> None:
    """Ask the visitor for its own password, as slowly as the door does."""
    operator_id = page.visitor.operator_id
    if not whose.asks_password or operator_id is None:
        return
    scope: Any = page.request.scope
    addresses, names = scope["tries"]
    keys = client_of(address_of(page.request)), page.visitor.name.casefold()
    wait_s = max(addresses.wait_s(keys[0]), names.wait_s(keys[1]))
    if wait_s > 0:
        form.errors["current"] = page.say(
            "Too many wrong tries. Try again in %(s)s seconds.", s=int(wait_s) + 1
        )
        return
    addresses.count(keys[0])
    names.count(keys[1])
    if await knows_password(page.office.sessions, operator_id, form.values.get("current", "")):
        addresses.take_back(keys[0])
        names.take_back(keys[1])
    else:
        form.errors["current"] = page.say("That is not your password.")


def _context(page: Page, whose: Whose) -> str:
    """Bind a secret that waits for its code to whose it is, and to the session it was shown in."""
    return f"console/second_factor/{whose.operator.id}/{page.visitor.session_id}"
