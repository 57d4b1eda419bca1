"""Query strings of tenants, of a bounded number of parameters."""

from urllib.parse import parse_qs

from relay.errors import BadRequest

PARAMETERS_MAX = 100
"""Kling's have a handful; a head's worth of them would take a tenth of a second to read."""


def read_query(query_string: bytes) -> dict[str, list[str]]:
    """Read the values of each parameter that has one; `+` and escapes are undone.

    Raises:
        BadRequest: more parameters than anybody needs.
    """
    text = query_string.decode("latin-1")
    try:
        return parse_qs(text, max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        raise BadRequest(f"The query has more than {PARAMETERS_MAX} parameters") from error
