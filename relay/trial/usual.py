"""Which fields the sandbox's replies have, to compare an account's with.

Written down in `usual.json`, so that whoever serves needs no sandbox beside him; a test holds it
to what the sandbox does.
"""

from functools import cache
from importlib.resources import files

import msgspec

Usual = dict[str, dict[str, list[str]]]


def usual_fields(endpoint: str) -> dict[str, list[str]]:
    """Say which fields the replies of an endpoint have: `create`, and a query's by status."""
    return _all()[endpoint]


@cache
def _all() -> Usual:
    return msgspec.json.decode((files(__package__) / "usual.json").read_bytes(), type=Usual)
