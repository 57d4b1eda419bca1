"""What is told of one setting; the rows stand in `setting_texts.py`."""

import msgspec


class ToldSetting(msgspec.Struct, frozen=True):
    """One setting, or two that go together."""

    names: tuple[str, ...]
    """As variables."""
    default: str
    """In Markdown, as `does`."""
    does: str
    zh: str
    """The same in Chinese."""
