"""A tenant's tokens, without their secrets: issued, rotated, revoked; new keys are shown once."""

from datetime import datetime
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, attempt
from relay.console.lists import RowList
from relay.console.page import Asked, Page
from relay.console.tenant import HERE, read_head, render_of
from relay.console.tenant_change import read_names
from relay.console.tenant_limits import read_allowed
from relay.desk.actor import Actor
from relay.desk.errors import NoSuch
from relay.desk.find import tenant_numbered, token_numbered
from relay.desk.gates import GateChanges, set_gates
from relay.desk.limits import set_limits
from relay.desk.shown import ShownTenant, ShownToken, shown_token
from relay.desk.tokens import (
    KEEP_MAX_S,
    IssuedToken,
    change_token,
    issue_token,
    revoke_token,
    rotate_token,
)
from relay.html.days import read_day
from relay.html.form import Form, read_form
from relay.limits.tables import LimitKind
from relay.pages.rows import Read, cut
from relay.tasks.live import read_held
from relay.tenants.read import TokenFilter, list_tokens
from relay.tenants.scope import Scope

HOUR_S = 3600
SCOPES = [scope.value for scope in Scope]


class TenantTokens(Controller):
    path = HERE
    guards = (may("token.read"),)

    @get("/{tenant_id:int}/tokens")
    async def show(self, page: NamedDependency[Page], tenant_id: FromPath[int]) -> Response[Any]:
        """List tokens, newest first; by default those that are taken."""
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
            found = await TOKENS.page(page, session, tenant_id=tenant_id)
        return await render_of(
            *(page, "tenants/tokens.html", tenant),
            form=found.form,
            tokens=found.rows,
            next_cursor=found.next_cursor,
        )

    @get("/{tenant_id:int}/tokens/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], tenant_id: FromPath[int], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the same list as a file, all of it; what they are signed with is in none."""
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
        back, whose = f"{HERE}/{tenant_id}/tokens", f"of-{tenant.name}"
        return await TOKENS.file(page, file_form, back=back, whose=whose, tenant_id=tenant_id)

    @get("/{tenant_id:int}/tokens/issue", guards=[may("token.issue")])
    async def ask_issue(
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Ask what a new token is for."""
        return await _ask_issue(page, tenant_id, Form(page.say))

    @post("/{tenant_id:int}/tokens/issue", guards=[may("token.issue")])
    async def issue(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Make keys, and show them this once."""
        form, settings = await read_form(request, page.say), page.office.settings
        name = form.text("name")
        scope, queue_s = form.choice("scope", SCOPES, must=True), form.whole("queue_s")
        is_test, groups = form.is_checked("test"), read_names(form, "groups")
        gates = _read_gates(form, page)
        limits = {kind: it for kind, it in read_allowed(form).items() if it is not None}

        async def work(session: AsyncSession) -> IssuedToken:
            actor: Actor = page.actor_by(form)
            tenant = await tenant_numbered(session, tenant_id)
            issued = await issue_token(
                *(session, actor, tenant.name, page.office.keys),
                groups=groups,
                is_test=is_test,
                queue_s=queue_s,
                scope=Scope(scope or Scope.CALL),
            )
            if name is not None:
                await change_token(session, actor, issued.id, name=name)
            if gates != GateChanges():
                await set_gates(session, actor, gates, token_id=issued.id)
            if limits:
                await set_limits(session, actor, limits, token_id=issued.id, zone=settings.zone)
            return issued

        issued, status = await attempt(page, form, work)
        if issued is None:
            return await _ask_issue(page, tenant_id, form, status=status)
        return await _show_issued(page, tenant_id, issued)

    @get("/{tenant_id:int}/tokens/{token_id:int}/rotate", guards=[may("token.rotate")])
    async def ask_rotate(
        self, page: NamedDependency[Page], tenant_id: FromPath[int], token_id: FromPath[int]
    ) -> Response[Any]:
        """Ask for how long the old keys are to be taken."""
        return await _ask(page, tenant_id, token_id, "rotate", Form(page.say))

    @get("/{tenant_id:int}/tokens/{token_id:int}/revoke", guards=[may("token.revoke")])
    async def ask_revoke(
        self, page: NamedDependency[Page], tenant_id: FromPath[int], token_id: FromPath[int]
    ) -> Response[Any]:
        """Say what an end of a token comes to."""
        return await _ask(page, tenant_id, token_id, "revoke", Form(page.say))

    @post("/{tenant_id:int}/tokens/{token_id:int}/rotate", guards=[may("token.rotate")])
    async def rotate(
        self,
        page: NamedDependency[Page],
        request: Asked,
        tenant_id: FromPath[int],
        token_id: FromPath[int],
    ) -> Response[Any]:
        """Give a token new keys, and show them this once."""
        form = await read_form(request, page.say)
        hours = form.whole("keep_hours", most=KEEP_MAX_S // HOUR_S, must=True)

        async def work(session: AsyncSession) -> IssuedToken:
            await _own(session, tenant_id, token_id)
            return await rotate_token(
                *(session, page.actor, token_id, page.office.keys),
                keep_s=(hours or 0) * HOUR_S,
                was=(form.values["access_key"] or None) if "access_key" in form.values else UNSET,
            )

        issued, status = await attempt(page, form, work)
        if issued is None:
            return await _ask(page, tenant_id, token_id, "rotate", form, status=status)
        return await _show_issued(page, tenant_id, issued)

    @post("/{tenant_id:int}/tokens/{token_id:int}/revoke", guards=[may("token.revoke")])
    async def revoke(
        self,
        page: NamedDependency[Page],
        request: Asked,
        tenant_id: FromPath[int],
        token_id: FromPath[int],
    ) -> Response[Any]:
        """End a token for good."""
        form = await read_form(request, page.say)

        async def work(session: AsyncSession) -> None:
            await _own(session, tenant_id, token_id)
            is_leaked = form.is_checked("leaked")
            await revoke_token(session, page.actor, token_id, is_leaked=is_leaked)

        _, status = await attempt(page, form, work)
        if form.is_right:
            return page.go(f"{HERE}/{tenant_id}/tokens", said="done")
        return await _ask(page, tenant_id, token_id, "revoke", form, status=status)


async def _own(session: AsyncSession, tenant_id: int, token_id: int) -> ShownToken:
    """Find a token of this tenant, or raise NoSuch."""
    if token_id >= 2**63:
        raise NoSuch("token", token_id)
    row, name = await token_numbered(session, token_id)
    if row.tenant_id != tenant_id:
        raise NoSuch("token", token_id)
    return shown_token(row, name)


def _read_gates(form: Form, page: Page) -> GateChanges:
    """Read until when and from where a token is taken; what is not typed is no bound."""
    expires_at: datetime | None = read_day(form, "until", page.office.settings.zone, is_end=True)
    addresses = read_names(form, "addresses")
    given: dict[str, Any] = {"expires_at": expires_at, "addresses": addresses}
    return GateChanges(**{name: value for name, value in given.items() if value is not None})


async def _ask_issue(page: Page, tenant_id: int, form: Form, *, status: int = OK) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
    kinds = [kind.value for kind in LimitKind]
    return await render_of(
        *(page, "tenants/issue.html", tenant), status=status, form=form, scopes=SCOPES, kinds=kinds
    )


async def _ask(
    page: Page, tenant_id: int, token_id: int, act: str, form: Form, *, status: int = OK
) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
        token = await _own(session, tenant_id, token_id)
        live, held_micros = await read_held(session, token_id=token_id)
    return await render_of(
        *(page, "tenants/token_act.html", tenant),
        status=status,
        form=form,
        act=act,
        token=token,
        live=live,
        held_micros=held_micros,
    )


async def _show_issued(page: Page, tenant_id: int, issued: IssuedToken) -> Response[Any]:
    async with page.reading() as session:
        tenant: ShownTenant = await read_head(session, page, tenant_id)
    return await render_of(page, "tenants/issued.html", tenant, issued=issued)


async def _read_of(_: AsyncSession, __: Page, form: Form, *, tenant_id: int) -> Read[ShownToken]:
    is_live = None if form.is_checked("all") else True

    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[ShownToken], int | None]:
        wanted = TokenFilter(tenant_id=tenant_id, is_live=is_live, before_id=before_id)
        found = await list_tokens(session, wanted, limit=most + 1)
        return cut([shown_token(row, name) for row, name in found], most)

    return read


TOKENS = RowList(_read_of, ShownToken, name="tokens", title=lambda page: page.say("Tokens"))
