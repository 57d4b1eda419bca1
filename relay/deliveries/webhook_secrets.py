"""Making tenants' webhook secrets.

A secret is sealed at rest and shown once. A rotation leaves the old one signing beside the new one
for 7 days, and ends the one before it: there are at most two. Where one before it still signs,
whoever rotates says which one he replaces, or that he means it: asked twice for one rotation, the
second would end the secret that the tenant's server checks by.
"""

import base64
import secrets as entropy
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.deliveries.signature import secret_context
from relay.deliveries.tables import WebhookSecret
from relay.moments import ms_of
from relay.secrets import KeyRing

SECRET_PREFIX = "whsec_"  # noqa: S105 (of every secret, by the standard)
SECRET_BYTES = 32
BOTH_SIGN_FOR = timedelta(days=7)


class IssuedSecret(msgspec.Struct, frozen=True):
    """A new secret; the only moment it exists outside the tenant's hands."""

    secret: str
    replaced_signs_until: datetime | None
    """When the one that it replaces, if any, ends to sign."""


async def read_dates(
    session: AsyncSession, tenant_id: int
) -> tuple[datetime | None, datetime | None]:
    """Tell since when a tenant has its secret, and until when the one before signs beside it."""
    issued_at: datetime | None = None
    replaced_until: datetime | None = None
    rows = select(WebhookSecret.created_at, WebhookSecret.expires_at).where(
        WebhookSecret.tenant_id == tenant_id,
        or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > func.now()),
    )
    for created_at, expires_at in await session.execute(rows):
        if expires_at is None:
            issued_at = created_at
        else:
            replaced_until = expires_at
    return issued_at, replaced_until


class OtherSecretSigns(Exception):
    """A secret is not replaced: nothing was written."""

    def __init__(self, until: datetime | None) -> None:
        """`until`: until when the one before signs, which would end; None: another is in force."""
        super().__init__(until)
        self.until = until


async def issue_secret(
    session: AsyncSession,
    tenant_id: int,
    keys: KeyRing,
    *,
    may_rotate: bool,
    was: datetime | None = None,
    ends_former: bool = False,
) -> IssuedSecret | None:
    """Make a tenant's secret. None, and nothing is written, if it has one and may not rotate.

    `was`: when the one was issued that is to be replaced, to the millisecond; None is not said.
    `ends_former`: though the one before it still signs.

    Raises:
        OtherSecretSigns: another one is in force by now; or the one before it still signs, and
            neither is said.
    """
    # Two at once would leave two that never end.
    await session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"webhook_secrets/{tenant_id}", 0)))
    )
    of_tenant = WebhookSecret.tenant_id == tenant_id
    is_current = of_tenant & WebhookSecret.expires_at.is_(None)
    issued_at, until = await read_dates(session, tenant_id)
    if not may_rotate and issued_at is not None:
        return None
    if was is not None and (issued_at is None or ms_of(issued_at) != ms_of(was)):
        raise OtherSecretSigns(None)
    if was is None and until is not None and not ends_former:
        raise OtherSecretSigns(until)
    await session.execute(
        delete(WebhookSecret).where(of_tenant, WebhookSecret.expires_at.is_not(None))
    )
    until = await session.scalar(
        update(WebhookSecret)
        .where(is_current)
        .values(expires_at=func.now() + BOTH_SIGN_FOR)
        .returning(WebhookSecret.expires_at)
    )
    secret = SECRET_PREFIX + base64.b64encode(entropy.token_bytes(SECRET_BYTES)).decode()
    row = WebhookSecret(tenant_id=tenant_id, secret_sealed="to be sealed")  # noqa: S106
    session.add(row)
    await session.flush()  # sealed for the row's id
    row.secret_sealed = keys.seal(secret, context=secret_context(row.id))
    await session.flush()
    return IssuedSecret(secret, until)
