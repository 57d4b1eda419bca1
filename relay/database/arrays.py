"""Arrays of Postgres' own types, known to a connection before a statement of its has one.

asyncpg asks the server about each array type at its first use on a connection. The query is
recursive: to plan it takes Postgres longer than all that a create does. What it answers is the same
everywhere: the numbers stand in Postgres' source, in pg_type.dat, and never change.
"""

from typing import Any

_OF_PG_TYPE = """
bool 1000 16
bytea 1001 17
date 1182 1082
float8 1022 701
int2 1005 21
int4 1007 23
int8 1016 20
interval 1187 1186
numeric 1231 1700
text 1009 25
timestamptz 1185 1184
uuid 2951 2950
varchar 1015 1043
xid8 271 5069
"""
ARRAYS = {
    name: (int(array), int(element))
    for name, array, element in map(str.split, _OF_PG_TYPE.strip().splitlines())
}
"""The array's oid and its element's, by the element's name. No json: whoever sets how that is read
has asyncpg forget all arrays, and they would be of the other kind."""
_INTROSPECTED = [
    {
        "oid": oid,
        "ns": "pg_catalog",
        "name": f"_{name}",
        "kind": b"b",
        "basetype": None,
        "elemtype": element,
        "elemdelim": ",",
        "range_subtype": None,
        "attrtypoids": None,
        "attrnames": None,
    }
    for name, (oid, element) in ARRAYS.items()
]


def know_arrays(connection: Any) -> None:
    """Tell a connection of asyncpg's what it would ask for."""
    connection.get_settings().register_data_types(_INTROSPECTED)
