"""Forms, each done once, though a button was pressed twice.

A form that makes something, or moves money under no name of its own, has a key (`form_keys.py`),
drawn when it was shown, under which its changes are kept as their request.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.actor import Actor
from relay.desk.errors import DoneBefore
from relay.form_keys import PREFIX

WAIT_MS = 3000
"""For the same form, which is being done."""

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"
FIND = f"""
SELECT act, subject_kind, subject, at FROM changes
WHERE request_id = :request_id AND request_id LIKE '{PREFIX}%' AND actor = :actor
    AND at > now() - interval '1 day'
ORDER BY id LIMIT 1
"""  # noqa: S608 (composed of constants)


async def refuse_again(session: AsyncSession, actor: Actor) -> None:
    """Refuse what was done within a day by the same form.

    It is the first thing of its transaction: of two at once the second waits for the first one's
    end, and then finds its change, or nothing where it was refused.

    Raises:
        DoneBefore
    """
    assert actor.request_id is not None, "the form has a key"
    await session.execute(text(f"SET LOCAL lock_timeout = {WAIT_MS}"))
    await session.execute(text(LOCK), {"key": f"{actor} {actor.request_id}"})
    asked = {"actor": str(actor), "request_id": actor.request_id}
    found = (await session.execute(text(FIND), asked)).one_or_none()
    if found is not None:
        raise DoneBefore(found.act, found.subject_kind, found.subject, found.at)
