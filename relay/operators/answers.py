"""Answers of acts that are kept for a day, so that a client may ask again and act once.

A row is written in the act's own transaction, before the act and under a unique key: of two
requests with one key the second waits for the first to end, and then finds its answer, or nothing
where the act was refused and taken back.
"""

import msgspec
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.sealed import SealedColumn
from relay.operators.tables import OperatorAnswer
from relay.secrets import KeyRing

KEPT = text("interval '24 hours'")


class Answer(msgspec.Struct, frozen=True):
    """What a client was told."""

    status: int
    body: str
    etag: str | None


class OtherAsked(Exception):
    """Under this key something else was asked for before."""


async def claim(
    session: AsyncSession, token_id: int, key: str, *, asked_hash: bytes, keys: KeyRing
) -> int | Answer:
    """Take a key for the act that follows, and return our id of it; or what was answered before.

    Waits, as long as `lock_timeout` lets it, for another one that has just taken it.

    Raises:
        OtherAsked
    """
    whose = (OperatorAnswer.token_id == token_id, OperatorAnswer.key == key)
    over = OperatorAnswer.created_at <= func.now() - KEPT
    await session.execute(delete(OperatorAnswer).where(*whose, over))
    taken = insert(OperatorAnswer).values(
        token_id=token_id, key=key, asked_hash=asked_hash, answer_sealed=""
    )
    new_id: int | None = await session.scalar(
        taken.on_conflict_do_nothing().returning(OperatorAnswer.id)
    )
    if new_id is not None:
        return new_id
    row = (await session.scalars(select(OperatorAnswer).where(*whose))).one()
    if row.asked_hash != asked_hash:
        raise OtherAsked
    opened = keys.open(row.answer_sealed, context=answer_context(row.id))
    return msgspec.json.decode(opened, type=Answer)


async def keep(session: AsyncSession, claimed: int, answer: Answer, keys: KeyRing) -> None:
    """Keep what the act under a claimed key is answered."""
    row = await session.get_one(OperatorAnswer, claimed)
    spelt = msgspec.json.encode(answer).decode()
    row.answer_sealed = keys.seal(spelt, context=answer_context(claimed))
    await session.flush()


def answer_context(answer_id: int) -> str:
    return f"operator_answers/{answer_id}/answer"


SEALED = (SealedColumn(OperatorAnswer, "answer_sealed", answer_context),)
