"""What acts upon a task are done for: one of a list, with words of the operator's own behind it."""

from relay.html.form import Form

REASONS = {
    "delivered": "Kling delivered it",
    "not-delivered": "Kling did not deliver it",
    "quality": "The result is not what was asked for",
    "mistake": "A mistake of ours",
    "asked": "Its tenant asked for it",
    "goodwill": "Goodwill",
    "late": "It takes too long",
    "not-told": "Its tenant was not told",
    "read": "Read and understood",
    "other": "Other",
}
"""As it is kept: in the operator's business language, not the reader's."""
REASONS_OF = {
    "settle": ("delivered", "mistake", "asked", "other"),
    "release": ("not-delivered", "mistake", "asked", "other"),
    "refund": ("quality", "not-delivered", "mistake", "asked", "goodwill", "other"),
    "cancel": ("asked", "mistake", "other"),
    "unflag": ("read", "other"),
    "look": ("late", "asked", "other"),
    "replay": ("not-told", "asked", "other"),
}
"""Those that an act may have."""


def read_reason(form: Form, act: str) -> str:
    """Read a reason of an act's own list; `other` is none without words."""
    chosen = form.choice("reason", REASONS_OF[act], must=True)
    words = form.text("words", must=chosen == "other")
    return ": ".join(filter(None, (REASONS.get(chosen or "") if chosen != "other" else "", words)))
