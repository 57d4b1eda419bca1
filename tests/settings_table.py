"""The table of settings in docs/operate.md, as `relay/desk/setting_texts.py` has it.

`uv run python -m tests.settings_table` writes it anew.
"""

import re
from pathlib import Path

from relay.desk.setting_texts import TOLD

PAGE = Path(__file__).parents[1] / "docs" / "operate.md"
TABLE = re.compile(r"(?<=\|---\|---\|---\|\n)(\| `RELAY_[^\n]*\n)+")


def spelt() -> str:
    return "".join(
        f"| {', '.join(f'`{name}`' for name in told.names)} |{_cell(told.default)} {told.does} |\n"
        for told in TOLD
    )


def _cell(text: str) -> str:
    return f" {text} |" if text else " |"


def written() -> str:
    found = TABLE.search(PAGE.read_text())
    assert found is not None, "the page has the table"
    return found[0]


def main() -> None:
    text = PAGE.read_text()
    PAGE.write_text(text.replace(written(), spelt()))


if __name__ == "__main__":
    main()
