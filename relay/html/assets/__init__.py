"""What the pages are made of besides text: styles and scripts, none of them from anywhere else.

An address has the content's hash in it, so that browsers keep what they have for good, and ask for
what a new release changed.

`htmx.min.js` is htmx 4.0.1, and `uplot.min.*` uPlot 1.6.32, as npm has them; their licences stand
beside them.
"""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

FOLDER = Path(__file__).parent
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
HASH_CHARS = 12


@lru_cache
def content_of(name: str) -> bytes | None:
    """Read one; None if there is none of that name."""
    file = FOLDER / name
    if file.parent != FOLDER or file.suffix not in TYPES or not file.is_file():
        return None
    return file.read_bytes()


@lru_cache
def address_in(root: str, name: str) -> str:
    """Spell where one is found below a site's folder of them."""
    content = content_of(name)
    assert content is not None, f"templates name {name}"
    return f"{root}/{sha256(content).hexdigest()[:HASH_CHARS]}/{name}"


def assets_below(root: str) -> HTTPRouteHandler:
    """Make the route that serves them."""

    @get(root + "/{version:str}/{name:str}", sync_to_thread=False)
    def show_asset(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
        """Serve a style or a script, for good: another content has another address."""
        content = content_of(name)
        if content is None:
            raise NotFoundException
        return Response(
            content,
            media_type=TYPES[(FOLDER / name).suffix],
            headers={
                "cache-control": "public, max-age=31536000, immutable",
                "x-version": version,
            },
        )

    return show_asset
