"""What the templates and the code of pages say, read as gettext's own tools read it.

`uv run python -m tests.html.words` prints what a language has not translated yet.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from relay.html.words import FOLDER, LANGUAGES
from tests.html.told import told

RELAY = FOLDER.parents[1]
SITES = ("html", "console", "portal", "studio")
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "say": None}
OPTIONS = {"extensions": "jinja2.ext.i18n", "trim_blocks": "true", "lstrip_blocks": "true"}

Said = str | tuple[str, ...]


def said() -> dict[Said, str]:
    """Find every sentence, and a file that has it."""
    found: dict[Said, str] = {}
    for file, method in _files():
        messages = extract_from_file(method, file, keywords=KEYWORDS, options=OPTIONS)
        for _, message, _, _ in messages:
            found[message] = str(file.relative_to(RELAY))
    return found


def translated(language: str) -> list[tuple[str, Message]]:
    """Read every message of a language's catalogues, with the name of its file."""
    found = []
    folder = FOLDER / language
    for file in sorted(folder.rglob("*.po")):
        with file.open("rb") as opened:
            catalog = read_po(opened, locale=language, abort_invalid=True)
        name = str(file.relative_to(folder))
        found += [(name, message) for message in catalog if message.id]
    return found


def _files() -> Iterator[tuple[Path, str]]:
    for site in SITES:
        for file in sorted((RELAY / site / "templates").rglob("*.html")):
            yield file, "jinja2"
        for file in sorted((RELAY / site).glob("*.py")):
            yield file, "python"


def main() -> None:
    for language in [one for one in LANGUAGES if one != "en"]:
        have = translated(language)
        others = {message.id for file, message in have if file.startswith("told/")}
        known = {message.id for _, message in have}
        missing = Catalog(locale=language)
        for message, file in said().items():
            if message not in known:
                missing.add(message, auto_comments=[file])
        for one, file in told().items():
            if one not in others:
                missing.add(one, auto_comments=[f"told/, {file}"])
        write_po(sys.stdout.buffer, missing, omit_header=True)


if __name__ == "__main__":
    main()
