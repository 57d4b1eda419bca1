"""Tenants' webhook secrets, and what is signed with them (Standard Webhooks).

A secret is sealed at rest and shown once. A rotation leaves the old one signing beside the new one
for 7 days, and ends the one before it: there are at most two.
"""

import base64
import secrets as entropy
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from standardwebhooks.webhooks import Webhook

from relay.deliveries.tables import WebhookSecret
from relay.secrets import KeyRing

SECRET_PREFIX = "whsec_"  # noqa: S105 (of every secret, by the standard)
SECRET_BYTES = 32
BOTH_SIGN_FOR = timedelta(days=7)


class IssuedSecret(msgspec.Struct, frozen=True):
    """A new secret; the only moment it exists outside the tenant's hands."""

    secret: str
    replaced_signs_until: datetime | None
    """When the one that it replaces, if any, ends to sign."""


async def issue_secret(
    session: AsyncSession, tenant_id: int, keys: KeyRing, *, may_rotate: bool
) -> IssuedSecret | None:
    """Make a tenant's secret. None, and nothing is written, if it has one and may not rotate."""
    # Two at once would leave two that never end.
    await session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"webhook_secrets/{tenant_id}", 0)))
    )
    of_tenant = WebhookSecret.tenant_id == tenant_id
    is_current = of_tenant & WebhookSecret.expires_at.is_(None)
    if not may_rotate and await session.scalar(select(WebhookSecret.id).where(is_current)):
        return None
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
    row.secret_sealed = keys.seal(secret, context=_context(row.id))
    await session.flush()
    return IssuedSecret(secret, until)


async def read_secrets(session: AsyncSession, tenant_id: int, keys: KeyRing) -> list[str]:
    """Read what signs for a tenant now, newest first; empty if it never got a secret.

    Raises:
        SecretKeyError: one cannot be opened with the configured secret keys.
    """
    rows = await session.scalars(
        select(WebhookSecret)
        .where(
            WebhookSecret.tenant_id == tenant_id,
            or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > func.now()),
        )
        .order_by(WebhookSecret.id.desc())
    )
    return [keys.open(row.secret_sealed, context=_context(row.id)) for row in rows]


def sign(secrets: list[str], *, webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Make the three headers; none without a secret, as Kling sends none without one.

    `at` must be aware and in UTC: the library takes any other time for UTC.
    """
    if not secrets:
        return {}
    text = body.decode()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(webhook_id, at, text) for secret in secrets
        ),
    }


def _context(secret_id: int) -> str:
    return f"webhook_secrets/{secret_id}/secret"
