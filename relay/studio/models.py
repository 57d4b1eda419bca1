"""Which models can be asked for: those that Kling has at an endpoint, by `kling/models.py`."""

from relay.errors import InvalidParameter
from relay.kling.models import models_at, said_of_ended


def default_at(endpoint: str) -> str | None:
    """Say which model it is if none is named; None where Kling takes none."""
    return next(iter(models_at(endpoint)), None)


def check_model(endpoint: str, named: str, *, field: str) -> None:
    """Let a model pass that Kling has there, and any where nobody knows which it has.

    Raises:
        InvalidParameter: it has ended, or is another endpoint's. What can be asked for is named.
    """
    models = models_at(endpoint)
    if named in models:
        return
    ended = said_of_ended(endpoint, named)
    if ended is not None:
        raise InvalidParameter(field, ended)
    if models:
        raise InvalidParameter(field, f"must be one of {', '.join(models)}")
