"""A batched statement reads its rows as their type says, whatever the order of the fields."""

from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, NewType

import pytest

from relay.database.batch import Batcher
from relay.database.engine import dsn
from relay.database.line import Line, connector
from relay.database.rows import unnest

TaskId = NewType("TaskId", int)
Micros = NewType("Micros", TaskId)


class EveryRow(NamedTuple):
    """A field of each type that a row may have."""

    id: TaskId
    name: str
    weight: float
    is_open: bool
    body: bytes
    units: Decimal
    held: Micros | None
    note: str | None


def of(kind: Any) -> Any:
    return NamedTuple("OneRow", [("field", kind)])


def test_a_rows_type_names_casts_and_columns() -> None:
    """In the order of its fields; NewTypes, also of NewTypes, are what they are made of."""
    assert unnest(EveryRow) == (
        "unnest($1::bigint[], $2::text[], $3::float8[], $4::boolean[], $5::bytea[],"
        " $6::numeric[], $7::bigint[], $8::text[]) WITH ORDINALITY"
        " AS i (id, name, weight, is_open, body, units, held, note, ord)"
    )


def test_what_it_is_called_is_the_statements_choice() -> None:
    assert unnest(of(int), "n") == "unnest($1::bigint[]) WITH ORDINALITY AS n (field, ord)"


@pytest.mark.parametrize("kind", [date, int | str, int | str | None, list[int], Any, None])
def test_a_type_that_has_no_cast_is_refused_at_import(kind: Any) -> None:
    """By the name of the row and the field."""
    with pytest.raises(TypeError, match=r"OneRow\.field"):
        unnest(of(kind))


@pytest.mark.parametrize("row", [tuple, NamedTuple("Ordered", [("ord", int)])])
def test_a_row_has_fields_and_none_is_the_place(row: Any) -> None:
    with pytest.raises(TypeError, match="is no NamedTuple, or has a field 'ord'"):
        unnest(row)


@pytest.mark.parametrize(
    "row",
    [
        EveryRow(TaskId(1), "a", 0.5, True, b"\x00", Decimal("0.1"), Micros(TaskId(7)), "n"),  # noqa: FBT003 (a column)
        EveryRow(TaskId(2**62), "", -1e300, False, b"", Decimal("1e-30"), None, None),  # noqa: FBT003 (a column)
    ],
)
async def test_postgres_reads_back_what_was_put_in(database_url: str, row: EveryRow) -> None:
    """Each field by its own name, beside a row of others."""
    line = Line(connector(dsn(database_url)), durable=True)
    batcher = Batcher(line, f"SELECT * FROM {unnest(EveryRow)}", is_idempotent=True)

    record: Any = await batcher.run(row)
    await line.aclose()

    assert {name: record[name] for name in EveryRow._fields} == row._asdict()
