"""A page on which a person reads the document; `relay/office.py` mounts it on its own listener.

Swagger UI, which stands in `assets/`: the page asks nobody but its own listener for anything, and
is told so by its policy. It needs no credential, so it must never stand on Kling's port.
"""

from collections.abc import Callable
from pathlib import Path

from litestar import MediaType, Response, Router, get
from litestar.handlers import HTTPRouteHandler
from litestar.static_files import create_static_files_router

from relay.proxy.openapi.document import KlingDocument

ASSETS = Path(__file__).with_name("assets")
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def page_of(document: str, title: str) -> bytes:
    """Write the page that shows the document at a path of the office."""
    page = (ASSETS / "index.html").read_text()
    return page.replace("DOCUMENT", document).replace("TITLE", title).encode()


def admin_pages(document: Callable[[], bytes]) -> list[HTTPRouteHandler]:
    """Build `/openapi/admin` and its document, which is the same on every relay."""

    @get("/openapi/admin", include_in_schema=False, sync_to_thread=False)
    def show_admin_page() -> Response[bytes]:
        """What operators' programs may ask, to read and to search."""
        page = page_of("/openapi/admin.json", "The office, for operators' programs")
        return Response(page, media_type=MediaType.HTML, headers=HEADERS)

    @get("/openapi/admin.json", include_in_schema=False, sync_to_thread=True)
    def show_admin_document() -> Response[bytes]:
        """The same as an OpenAPI 3.1 document."""
        return Response(document(), media_type=MediaType.JSON, headers=HEADERS)

    return [show_admin_page, show_admin_document]


def openapi_pages(document: KlingDocument) -> list[HTTPRouteHandler | Router]:
    """Build `/openapi`, `/openapi/kling.json` and what the page is made of."""

    @get("/openapi", include_in_schema=False, sync_to_thread=False)
    def show_page() -> Response[bytes]:
        """Kling's surface as this relay serves it, to read and to search."""
        return Response(
            page_of("/openapi/kling.json", "Kling, as this relay serves it"),
            media_type=MediaType.HTML,
            headers=HEADERS,
        )

    @get("/openapi/kling.json", include_in_schema=False, sync_to_thread=True)
    def show_document() -> Response[bytes]:
        """The same as an OpenAPI 3.1 document; tenants get it under /relay/openapi.json."""
        return Response(document.content, media_type=MediaType.JSON, headers=HEADERS)

    def guard(response: Response[bytes]) -> Response[bytes]:
        response.headers.update(HEADERS)
        return response

    assets = create_static_files_router(
        path="/openapi/assets", directories=[ASSETS], name="openapi", after_request=guard
    )
    return [show_page, show_document, assets]
