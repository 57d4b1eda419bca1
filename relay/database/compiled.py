"""What SQLAlchemy has compiled: once for a process, whichever of its engines asks first.

To turn a statement into SQL takes a millisecond or two, more than to run most of them. A relay has
two engines, and whoever runs commands in one process, as our tests do, has one for each.
"""

from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.util import LRUCache

URL = "postgresql+relay://"
"""Of an engine that has connections made for it."""
STATEMENTS_MAX = 1000
"""That are kept, by their shapes: those of the whole relay are a few hundred."""


class Dialect(PGDialect_asyncpg):
    """As asyncpg's. An engine's is equal to another's, as nothing in it is of one server alone."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


registry.register("postgresql.relay", __name__, Dialect.__name__)
COMPILED: LRUCache[Any, Any] = LRUCache(STATEMENTS_MAX)
