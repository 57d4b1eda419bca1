"""Programs to copy, with the reader's own address filled in; tests run them as they stand."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from relay.portal.page import Page

FOLDER = Path(__file__).parent
BASE_URL = "https://relay.example.com/kling"
"""In the files, where a page has what its reader calls."""
TITLES = {
    "curl": "curl",
    "python": "Python",
    "typescript": "TypeScript",
    "n8n": "n8n",
}


class Example(msgspec.Struct, frozen=True):
    title: str
    text: str


def example(name: str, language: str, page: Page) -> Example:
    """Read one for a visitor."""
    text = text_of(name, language).replace(BASE_URL, page.base_url)
    return Example(TITLES[language], text)


@cache
def text_of(name: str, language: str) -> str:
    """Read one as it stands, for the address that is an example's."""
    return (FOLDER / f"{name}.{language}.txt").read_text().strip("\n")


def quote_call(page: Page, path: str, body: dict[str, Any]) -> str:
    """Write the call that asks for the price of a create."""
    asked = msgspec.json.encode({"path": path, "body": body}).decode()
    quoted = asked.replace("'", "'\\''")
    return (
        f'curl -s {page.origin}/relay/quote \\\n  -H "Authorization: Bearer $KLING_API_KEY" \\\n'
        f"  -H 'Content-Type: application/json' \\\n  -d '{quoted}'"
    )
