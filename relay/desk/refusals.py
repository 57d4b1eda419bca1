"""Who was refused in the office: a note beside what was done."""

from sqlalchemy.ext.asyncio import AsyncSession

from relay.desk.act import act
from relay.desk.actor import Actor
from relay.desk.changes import note_change

PATH_CHARS_MAX = 200


@act("office.refuse")
async def note_refusal(
    session: AsyncSession,
    actor: Actor,
    *,
    operator: tuple[int, str] | None,
    status: int,
    path: str,
) -> None:
    """Note that somebody was refused; `operator`: id and name, None where no token told."""
    printable = "".join(char if char.isprintable() else "?" for char in path[:PATH_CHARS_MAX])
    await note_change(
        *(session, actor, "office.refuse"),
        kind="address" if operator is None else "operator",
        id=None if operator is None else operator[0],
        name=actor.origin if operator is None else operator[1],
        after={"status": status, "path": printable},
    )
