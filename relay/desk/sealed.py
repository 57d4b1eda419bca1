"""Whether the configured secret keys are those that what is stored was sealed with."""

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.places import url_context
from relay.alerts.tables import AlertPlace
from relay.channels.directory import read_channels
from relay.deliveries.kept_url import open_url
from relay.deliveries.signature import secret_context as webhook_context
from relay.deliveries.tables import Delivery, WebhookSecret
from relay.desk.secret_keys import SEALED
from relay.logins.second_factor import secret_context as second_factor_context
from relay.notices.places import url_context as notice_context
from relay.notices.tables import NoticePlace
from relay.operators.answers import answer_context
from relay.operators.tables import Operator, OperatorAnswer
from relay.runs.tables import Run, RunStep, input_context
from relay.runs.tables import body_context as step_context
from relay.secret_keys.proofs import judge_keys
from relay.secrets import KeyRing
from relay.tasks.queue.tables import Queued, body_context
from relay.tasks.tables import Task
from relay.tenants.tables import Token
from relay.tenants.tokens import secret_context as token_context

SECRETS: tuple[tuple[Any, Any], ...] = (
    (Token.secret_key_sealed, token_context),
    (Token.former_secret_key_sealed, token_context),
    (WebhookSecret.secret_sealed, webhook_context),
    (AlertPlace.url_sealed, url_context),
    (NoticePlace.url_sealed, notice_context),
    (Queued.body_sealed, body_context),
    (Run.input_sealed, input_context),
    (RunStep.body_sealed, step_context),
    (OperatorAnswer.answer_sealed, answer_context),
    (Operator.totp_sealed, second_factor_context),
)
URLS: tuple[tuple[Any, ColumnElement[bool]], ...] = (
    (Task.callback_url, Task.hold_ended_at.is_(None)),
    (Delivery.url, Delivery.state == "due"),
)
"""With what of them is still to be called; nobody needs the others."""


async def open_what_is_used(session: AsyncSession, keys: KeyRing) -> None:
    """Hold the keys to the database's, open every channel's, and of all else one for each key id.

    The proofs of `relay/secret_keys/proofs.py` tell whether keys are this database's at all; the
    rest, what a key that is not given any more still seals. Nothing is written.

    Raises:
        SecretKeyError: one that cannot be opened; its words name it, and no secret.
    """
    await judge_keys(session, keys, SEALED)
    await read_channels(session, keys)
    for column, context in SECRETS:
        newest = _newest(column, column, column.is_not(None))
        query = select(column.class_.id, column).where(column.class_.id.in_(newest))
        for row_id, sealed in await session.execute(query):
            keys.open(sealed, context=context(row_id))
    for column, is_used in URLS:
        sealed = func.split_part(column, " ", 2)
        newest = _newest(column, sealed, column.like("% %") & is_used)
        query = select(column, column.class_.tenant_id).where(column.class_.id.in_(newest))
        for kept, tenant_id in await session.execute(query):
            open_url(kept, keys, tenant_id=tenant_id)


def _newest(column: Any, sealed: Any, is_wanted: ColumnElement[bool]) -> Any:
    """Select the newest row of each key id, which stands before the first colon."""
    by_key = func.split_part(sealed, ":", 1)
    return select(func.max(column.class_.id)).where(is_wanted).group_by(by_key)
