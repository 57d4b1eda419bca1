"""What is signed for tenants, and with which of their secrets (Standard Webhooks)."""

from datetime import datetime

import msgspec
import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from standardwebhooks.webhooks import Webhook

from relay.database.sealed import SealedColumn
from relay.deliveries.tables import WebhookSecret
from relay.secrets import KeyRing, SecretKeyError

log = structlog.get_logger()


async def read_secrets(session: AsyncSession, tenant_id: int, keys: KeyRing) -> list[str]:
    """Read what signs for a tenant now, newest first; empty if it never got a secret.

    One that cannot be opened is passed over, and told in the log: the tenant checks by the other.

    Raises:
        SecretKeyError: none of them can be opened with the configured secret keys.
    """
    rows = await session.scalars(
        select(WebhookSecret)
        .where(
            WebhookSecret.tenant_id == tenant_id,
            or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > func.now()),
        )
        .order_by(WebhookSecret.id.desc())
    )
    opened: list[str] = []
    failure: SecretKeyError | None = None
    for row in rows:
        try:
            opened.append(keys.open(row.secret_sealed, context=secret_context(row.id)))
        except SecretKeyError as error:
            failure = error
            log.error("webhook_secret.unreadable", tenant_id=tenant_id, reason=str(error))  # noqa: TRY400
    if failure is not None and not opened:
        raise failure
    return opened


class KeptSecret(msgspec.Struct, frozen=True):
    """One that signs now, without itself."""

    created_at: datetime
    expires_at: datetime | None
    """Of one that was replaced."""


async def read_kept(session: AsyncSession, tenant_id: int) -> list[KeptSecret]:
    """Read since when a tenant has its secrets, the newest first; none of what is over."""
    rows = await session.execute(
        select(WebhookSecret.created_at, WebhookSecret.expires_at)
        .where(
            WebhookSecret.tenant_id == tenant_id,
            or_(WebhookSecret.expires_at.is_(None), WebhookSecret.expires_at > func.now()),
        )
        .order_by(WebhookSecret.id.desc())
    )
    return [KeptSecret(created_at, expires_at) for created_at, expires_at in rows]


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


def secret_context(secret_id: int) -> str:
    return f"webhook_secrets/{secret_id}/secret"


SEALED = (SealedColumn(WebhookSecret, "secret_sealed", secret_context),)
