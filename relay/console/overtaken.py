"""A form that somebody else's has overtaken: who changed what since it was opened."""

from collections.abc import Set as AbstractSet

from relay.console.change_words import spell_change
from relay.console.page import Page
from relay.desk.changes import list_changes
from relay.desk.shown import shown_change

NEWEST = 10
"""Changes of a thing, among which the one is that overtook a form."""


async def told_overtaken(
    page: Page,
    subject: str,
    kind: str,
    *,
    but: AbstractSet[str] = frozenset(),
    of: AbstractSet[str] | None = None,
) -> str:
    """Word what overtook a form that is shown again with what was typed in it.

    `kind`: of the acts that its fields are changed by, such as `channel`; `but`: those of them that
    change none. `of`: the fields that are meant, as changes name them; None is any.
    """
    async with page.reading() as session:
        changes = await list_changes(session, subject=subject, act=kind, limit=NEWEST)
    last = next(
        (
            one
            for one in changes
            if one.act not in but and (of is None or of & (one.after or {}).keys())
        ),
        None,
    )
    if last is None:
        return page.say(
            "Somebody changed it since this form was opened, and nothing was saved. It shows what"
            " is so now."
        )
    return page.say(
        "Nothing was saved: %(who)s changed it since this form was opened (%(what)s). What you"
        " typed is still here; saved again it stands in place of that.",
        who=last.actor,
        what=spell_change(shown_change(last), page) or page.hear(last.act),
    )
