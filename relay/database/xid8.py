"""Numbers of transactions as a column's type, which SQLAlchemy has no name for."""

from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType


class Xid8(UserDefinedType[int]):
    """Postgres' number of a transaction, 64 bits wide: it never comes again."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


ischema_names["xid8"] = Xid8  # so that a schema that is read back is known
