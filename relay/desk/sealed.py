"""Whether the configured secret keys are those that what is stored was sealed with."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.directory import read_channels
from relay.deliveries.signature import secret_context as webhook_context
from relay.deliveries.tables import WebhookSecret
from relay.secrets import KeyRing
from relay.tenants.tables import Token
from relay.tenants.tokens import secret_context as token_context


async def check_keys(session: AsyncSession, keys: KeyRing) -> None:
    """Open every channel's keys, and of tokens and webhook secrets one for each key id.

    Raises:
        SecretKeyError: one that cannot be opened; its words name it, and no secret.
    """
    await read_channels(session, keys)
    for column, context in (
        (Token.secret_key_sealed, token_context),
        (WebhookSecret.secret_sealed, webhook_context),
    ):
        by_key = func.split_part(column, ":", 1)
        newest = select(func.max(column.class_.id)).where(column.is_not(None)).group_by(by_key)
        query = select(column.class_.id, column).where(column.class_.id.in_(newest))
        for row_id, sealed in await session.execute(query):
            keys.open(sealed, context=context(row_id))
