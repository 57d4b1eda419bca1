"""What a file is, by its content: whoever sent it may say what he likes."""

from typing import Final

import filetype

HEAD_BYTES = 8192
"""Enough of a file to tell."""

SUFFIXES: Final = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/x-m4v": "m4v",
    "video/webm": "webm",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "audio/mpeg": "mp3",
    "audio/x-wav": "wav",
    "audio/mp4": "m4a",
    "audio/aac": "aac",
}
"""What is kept: nothing that a browser would run (SVG, HTML), and no archives."""


def kind_of(head: bytes) -> str | None:
    """Tell the content type of what begins so; None of what is not kept."""
    found: str | None = filetype.guess_mime(head)
    return found if found in SUFFIXES else None
