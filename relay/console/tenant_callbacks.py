"""How a tenant is called back: the secret that signs, what it was told, and a test."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.console.access import may
from relay.console.acting import OK, WRONG, attempt
from relay.console.deliveries import DELIVERIES
from relay.console.page import Asked, Page
from relay.console.tenant import HERE, read_head, render_of
from relay.deliveries.ping import ping
from relay.deliveries.read import count_due
from relay.deliveries.send import Outcome
from relay.deliveries.signature import read_kept, read_secrets
from relay.desk.find import tenant_numbered
from relay.desk.tenants import IssuedSecret, issue_webhook_secret
from relay.html.form import Form, read_form
from relay.kling.body import CALLBACK_URL_CHARS_MAX
from relay.moments import MS_MAX, moment_of, ms_of


class TenantCallbacks(Controller):
    path = HERE
    guards = (may("delivery.read"),)

    @get("/{tenant_id:int}/callbacks")
    async def show(self, page: NamedDependency[Page], tenant_id: FromPath[int]) -> Response[Any]:
        """List what it was told, newest first, under the secret that signs it."""
        return await _show(page, tenant_id)

    @post("/{tenant_id:int}/callbacks/ping", guards=[may("delivery.replay")])
    async def ping(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Send a signed test callback once, through the same guard, and say what came of it."""
        form = await read_form(request, page.say)
        url = form.text("url", must=True, most=CALLBACK_URL_CHARS_MAX)
        if url is not None and (why := page.office.guard.why_unusable(url)):
            why = "it " + why
            form.errors["url"] = page.say("Nothing can be sent there: %(why)s.", why=why)
        outcome = None
        if form.is_right and url is not None:
            async with page.reading() as session:
                tenant = await tenant_numbered(session, tenant_id)
                secrets = await read_secrets(session, tenant.id, page.office.keys)
            outcome = await ping(page.office.sender, url, secrets=secrets)
        status = OK if form.is_right else WRONG
        return await _show(page, tenant_id, form, outcome=outcome, status=status)

    @get("/{tenant_id:int}/callbacks/secret", guards=[may("tenant.issue_webhook_secret")])
    async def ask_secret(
        self, page: NamedDependency[Page], tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Say what a new secret does to the one before it."""
        return await _ask_secret(page, tenant_id, Form(page.say))

    @post("/{tenant_id:int}/callbacks/secret", guards=[may("tenant.issue_webhook_secret")])
    async def issue_secret(
        self, page: NamedDependency[Page], request: Asked, tenant_id: FromPath[int]
    ) -> Response[Any]:
        """Make a secret, and show it this once; one in place of another only if that is meant."""
        form = await read_form(request, page.say)
        may_rotate = form.is_checked("rotate")
        was_ms = form.whole("issued_at", most=MS_MAX)

        async def work(session: AsyncSession) -> IssuedSecret:
            tenant = await tenant_numbered(session, tenant_id)
            return await issue_webhook_secret(
                *(session, page.actor, tenant.name, page.office.keys),
                may_rotate=may_rotate,
                was=None if was_ms is None else moment_of(was_ms),
            )

        issued, status = await attempt(page, form, work)
        if issued is None:
            return await _ask_secret(page, tenant_id, form, status=status)
        async with page.reading() as session:
            tenant = await read_head(session, page, tenant_id)
        return await render_of(page, "tenants/secret_issued.html", tenant, issued=issued)


async def _show(
    page: Page,
    tenant_id: int,
    sent: Form | None = None,
    *,
    outcome: Outcome | None = None,
    status: int = OK,
) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
        found = await DELIVERIES.page(page, session, tenant_id=tenant_id)
        due, kept = await count_due(session, tenant_id), await read_kept(session, tenant_id)
    return await render_of(
        *(page, "tenants/callbacks.html", tenant),
        status=status,
        form=sent or found.form,
        deliveries=found.rows,
        next_cursor=found.next_cursor,
        due=due,
        kept=kept,
        outcome=outcome,
    )


async def _ask_secret(page: Page, tenant_id: int, form: Form, *, status: int = OK) -> Response[Any]:
    async with page.reading() as session:
        tenant = await read_head(session, page, tenant_id)
        kept = await read_kept(session, tenant_id)
    issued_at = ms_of(kept[0].created_at) if kept else None
    return await render_of(
        *(page, "tenants/secret.html", tenant),
        status=status,
        form=form,
        kept=kept,
        issued_at=issued_at,
    )
