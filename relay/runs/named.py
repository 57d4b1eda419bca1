"""Files that a request names by their ids: told to be its tenant's own before a step of it begins.

Each step looks for its files as it is sent, by Kling's name of the field. By then the steps before
have been paid for, so what a request itself names is looked for as it begins, by its own names.
"""

from collections.abc import Mapping
from uuid import UUID

from relay.assets.statements import NAMED
from relay.database.driver import Pool
from relay.errors import InvalidParameter
from relay.kling.media import SCHEME


def id_in(text: str) -> UUID:
    """Read the id in `asset://{id}`, with a suffix or without.

    Raises:
        ValueError: it is none.
    """
    return UUID(text.removeprefix(SCHEME).partition(".")[0])


async def check_files(pool: Pool, tenant_id: int, named: Mapping[str, str]) -> None:
    """Find all files of a request, and keep them until its steps can have been sent.

    `named`: the field of the request by what it says, `asset://…`.

    Raises:
        InvalidParameter: the tenant has no such file.
    """
    ids = {}
    for text, field in named.items():
        try:
            ids[text] = id_in(text)
        except ValueError as error:
            raise InvalidParameter(field, "names no file that is kept") from error
    if not ids:
        return
    found = {row["public_id"] for row in await pool.fetch(NAMED, tenant_id, list(ids.values()))}
    for text, public_id in ids.items():
        if public_id not in found:
            raise InvalidParameter(named[text], f"names no file that is kept: {text}")
