"""Files that a page hands out: kept by whoever asked, and never shown as a page of ours."""

from typing import Any

from litestar import Response


def as_file(content: bytes, content_type: str, *, name: str) -> Response[Any]:
    """`name`: ASCII, without quotes. Of a text the framework says itself that it is UTF-8."""
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=content_type.partition(";")[0], headers=headers)
