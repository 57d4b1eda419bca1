"""A file that a visitor sends with a form."""

from pathlib import PurePosixPath
from typing import Any, NamedTuple

from litestar.datastructures import UploadFile


class Uploaded(NamedTuple):
    name: str
    """Without folders."""
    data: bytes


async def read_upload(request: Any, name: str) -> Uploaded | None:
    """Read a file of a form; None where none was chosen. How large it may be, the handler says."""
    given = (await request.form()).get(name)
    if not isinstance(given, UploadFile) or not given.filename:
        return None
    called = PurePosixPath(given.filename.replace("\\", "/")).name
    return Uploaded(called, await given.read())
