"""What the pages say, in each language.

English is what the templates have; a language beside it is a folder of catalogues of GNU gettext, a
file for each folder of templates, and in `told/` a file for each part of the relay whose sentences
pages show (`heard.py`). They are read as they stand: nothing is compiled, so that a page can never
show an older sentence than its catalogue has.
"""

from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel.core import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent
LANGUAGES = {"en": "English", "zh": "中文"}
"""As each calls itself."""
LOCALES = {"en": Locale("en"), "zh": Locale("zh", script="Hans")}


@lru_cache
def translations(language: str) -> NullTranslations:
    """Read all catalogues of a language as one; English has none.

    What a page says goes before what it is told, whose words may mean something else there.
    """
    merged = NullTranslations()
    folder = FOLDER / language
    for file in [*sorted(folder.glob("*/*.po")), *sorted(folder.glob("*.po"))]:
        compiled = BytesIO()
        with file.open("rb") as opened:
            write_mo(compiled, read_po(opened, locale=language, abort_invalid=True))
        compiled.seek(0)
        found = GNUTranslations(compiled)
        found.add_fallback(merged)
        merged = found
    return merged


def say(text: str) -> str:
    """Mark a sentence as one that is translated where it is said."""
    return text


def choose(cookie: str | None, accepted: str, usual: str = "en") -> str:
    """Choose a language: what was chosen, else the first of ours that the browser names.

    `usual`: as the relay is set, where it names none.
    """
    if cookie in LANGUAGES:
        return cookie
    weighed = []
    for place, part in enumerate(accepted.split(",")):
        name, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((-float(weight or 1), place, name.lower().partition("-")[0]))
        except ValueError:
            continue
    return next((name for _, _, name in sorted(weighed) if name in LANGUAGES), usual)
