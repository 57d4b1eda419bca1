"""What an item of a batch asks for: any create of the studio's, by its name."""

from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import msgspec

from relay.errors import InvalidParameter
from relay.studio.behind import Visit
from relay.studio.capabilities import BY_NAME
from relay.studio.creates import Asked, ask
from relay.studio.misfits import misfit_of
from relay.studio.variants import KIND, VariantsBody, ask_variants
from relay.studio.workflows import ask_workflow

TYPE, KEY = "task_type", "idempotency_key"
"""What an item has beside the fields of its own path's body."""

Read = TypeVar("Read", bound=msgspec.Struct)


def read_item(visit: Visit, given: dict[str, Any]) -> AbstractAsyncContextManager[Asked]:
    """Read an item as its own path would its body; what it keeps is kept no more if it is refused.

    Raises:
        RelayError: it cannot be made; the field is named.
    """
    name = given.get(TYPE)
    if not isinstance(name, str) or not name:
        raise InvalidParameter(TYPE, "must be given")
    fields = {field: value for field, value in given.items() if field != TYPE}
    kind = name.replace("-", "_")
    capability = BY_NAME.get(kind)
    if capability is not None:
        return ask(visit, capability, _read(fields, capability.body))
    if kind == KIND:
        return ask_variants(visit, _read(fields, VariantsBody))
    templates = visit.behind.templates
    template = templates.named(name) or templates.named(name.replace("_", "-"))
    if template is None:
        known = [*BY_NAME, KIND, *(one.kind for one in templates.by_name.values())]
        raise InvalidParameter(TYPE, f"must be one of {', '.join(known)}")
    return ask_workflow(visit, template, fields)


def _read(given: dict[str, Any], body: type[Read]) -> Read:
    """Read a body as its own path would.

    Raises:
        InvalidParameter: it names the field.
    """
    try:
        return msgspec.convert(given, body)
    except msgspec.ValidationError as error:
        raise misfit_of(str(error)) from error
