"""Money that a form moves: once, though a button was pressed twice.

A form has a key of its own, drawn when it was shown, under which its act's change is kept as its
request. What moves money by a name of its own, such as a top-up by its reference, needs none.
"""

import secrets

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.actor import Actor

WAIT_MS = 3000
"""For the same form, which is being done."""
CHARS_MAX = 64

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"
FIND = """
SELECT EXISTS (
    SELECT FROM changes WHERE actor = :actor AND request_id = :request_id
        AND amount_micros IS NOT NULL AND at > now() - interval '1 day'
)
"""


def new_key() -> str:
    """Draw the key of a form."""
    return f"form-{secrets.token_urlsafe(18)}"


def is_key(given: str) -> bool:
    return given.startswith("form-") and given.isprintable() and len(given) <= CHARS_MAX


async def was_done(session: AsyncSession, actor: Actor) -> bool:
    """Tell whether money was moved within a day by the same form.

    It is the first thing of its transaction: of two at once the second waits for the first one's
    end, and then finds its change, or nothing where it was refused.
    """
    assert actor.request_id is not None, "the form has a key"
    await session.execute(text(f"SET LOCAL lock_timeout = {WAIT_MS}"))
    await session.execute(text(LOCK), {"key": f"{actor} {actor.request_id}"})
    asked = {"actor": str(actor), "request_id": actor.request_id}
    return bool(await session.scalar(text(FIND), asked))
