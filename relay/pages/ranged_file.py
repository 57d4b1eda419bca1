"""A file of which a client may ask for a part: to go on with a download, to seek in a video.

Litestar's own `File` answers every request with the whole, and leaves the file open where a client
hangs up in the middle, as players do whenever their user seeks. Here it is as RFC 9110, 14 has it,
for one range of bytes; what cannot be read as one, or names several, gets the whole too.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from email.utils import formatdate
from os import stat_result
from pathlib import Path
from typing import Any

from litestar import Request, Response
from litestar.response import Stream
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_206_PARTIAL_CONTENT,
    HTTP_416_REQUESTED_RANGE_NOT_SATISFIABLE,
)

from relay.pages.streams import Pieces

PIECE_BYTES = 256 * 1024
"""Read at a time."""
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


async def ranged_file(
    request: Request[Any, Any, Any], path: Path, *, media_type: str
) -> Response[bytes] | Stream:
    """Answer a GET with the file, or with the part that it asks for.

    Raises:
        FileNotFoundError: there is none.
    """
    found = await asyncio.to_thread(path.stat)
    size, tag = found.st_size, etag(found)
    headers = {
        "accept-ranges": "bytes",
        "etag": tag,
        "last-modified": formatdate(found.st_mtime, usegmt=True),
    }
    is_of_this_version = request.headers.get("if-range", tag) == tag
    part = find_part(request.headers.get("range", ""), size=size) if is_of_this_version else None
    if part is None:
        part, status = range(size), HTTP_200_OK
    elif part:
        status = HTTP_206_PARTIAL_CONTENT
        headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    else:
        status = HTTP_416_REQUESTED_RANGE_NOT_SATISFIABLE
        headers["content-range"] = f"bytes */{size}"
        return Response(b"", status_code=status, headers=headers, media_type=media_type)
    headers["content-length"] = str(len(part))
    return Stream(
        Pieces(read(path, part)), status_code=status, headers=headers, media_type=media_type
    )


def etag(found: stat_result) -> str:
    """Name this version of a file; a strong tag, as a range needs one."""
    return f'"{found.st_mtime_ns:x}-{found.st_size:x}"'


def find_part(asked: str, *, size: int) -> range | None:
    """Find the bytes that a `Range` header asks for, empty behind the end; None: no one range."""
    match = RANGE.fullmatch(asked)
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1 if last else size, size))


async def read(path: Path, part: range) -> AsyncGenerator[bytes, None]:
    """Read a part of a file, piece by piece, in threads."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        await asyncio.to_thread(file.seek, part.start)
        left = len(part)
        while left and (piece := await asyncio.to_thread(file.read, min(left, PIECE_BYTES))):
            left -= len(piece)
            yield piece
    finally:
        file.close()
