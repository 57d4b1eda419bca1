"""A table with a head and a foot, as CSV, as an Excel file, and as a page to print."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from html import escape
from io import BytesIO

import msgspec

from relay.money import MICROS

Cell = str | int | Decimal
"""A text, a count, an amount. Ids are texts: no program is to round or add them."""
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes the rest of a cell for a formula behind."""
DIGITS_MAX = 15
"""Of a number of Excel's; what has more is written as a text."""
COLUMNS_MAX = 7
"""What fits on A4 upright; with more it lies."""

STYLE = """
@page { size: A4 PLACED; margin: 18mm 16mm }
body { font: 10pt/1.45 system-ui, "Segoe UI", Arial, sans-serif; color: #111; margin: 0 auto;
  max-width: WIDE; padding: 8mm 0 }
@media print { body { max-width: none; padding: 0 } }
h1 { font-size: 16pt; margin: 0 0 4mm }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 6mm; margin: 0 0 6mm }
dt { color: #555 } dd { margin: 0; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
thead { display: table-header-group }
tr { break-inside: avoid }
th, td { text-align: left; padding: 1.2mm 2mm 1.2mm 0; border-bottom: .2mm solid #ccc;
  vertical-align: top; overflow-wrap: anywhere }
th { border-bottom: .4mm solid #111; font-weight: 600; vertical-align: bottom;
  overflow-wrap: normal }
td { min-width: 16mm }
td.number { min-width: 0 }
.number { text-align: right; padding-right: 0; padding-left: 2mm; white-space: nowrap;
  font-variant-numeric: tabular-nums }
th.number { white-space: normal }
.wide { font-size: 8.5pt }
.sum td { font-weight: 600; border-bottom: .4mm solid #111 }
p { color: #333; margin: 4mm 0 0; font-size: 9pt }
"""


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """What one document says."""

    title: str
    facts: Sequence[tuple[str, str]]
    columns: Sequence[str]
    """One that begins with > holds numbers."""
    rows: Sequence[Sequence[Cell]]
    sums: frozenset[int] = frozenset()
    """Places of rows that stand out."""
    notes: Sequence[str] = ()
    of: Sequence[tuple[str, str]] = ()
    """What each row is of, as columns of its own in CSV, which has no head."""


def amount(micros: int) -> Decimal:
    """Make a cell of micros, exact to the last of them."""
    return Decimal(micros) / MICROS


def to_csv(sheet: Sheet) -> bytes:
    """Spell the table in UTF-8 with the mark that Excel wants; texts are quoted, numbers are not.

    A text that a spreadsheet would run is put behind an apostrophe.
    """
    of = [value for _, value in sheet.of]
    head = [name for name, _ in sheet.of] + [column.removeprefix(">") for column in sheet.columns]
    rows: list[list[Cell]] = [[*head], *([*of, *row] for row in sheet.rows)]
    return ("\ufeff" + "".join(map(csv_line, rows))).encode()


def csv_line(row: Sequence[Cell]) -> str:
    """Spell one row with its end, as `to_csv` does."""
    return ",".join(map(_csv_cell, row)) + "\r\n"


def to_xlsx(sheet: Sheet) -> bytes:
    """Make an Excel file; texts are texts, whatever they begin with."""
    from xlsxwriter import Workbook  # noqa: PLC0415 (heavy, and seldom needed)

    file = BytesIO()
    with Workbook(file, {"in_memory": True}) as book:
        page = book.add_worksheet(
            sheet.title[:31].translate({ord(char): "-" for char in "[]:*?/\\"})
        )
        page.set_paper(9)  # A4
        bold = book.add_format({"bold": True})
        money = book.add_format({"num_format": "#,##0.00####"})
        strong = book.add_format({"num_format": "#,##0.00####", "bold": True})
        line = 0
        for name, value in [(sheet.title, ""), *sheet.facts]:
            page.write_string(line, 0, name, bold if line == 0 else None)
            page.write_string(line, 1, value)
            line += 1
        for place, column in enumerate(sheet.columns):
            page.write_string(line + 1, place, column.removeprefix(">"), bold)
        for number, row in enumerate(sheet.rows):
            for place, cell in enumerate(row):
                at = (line + 2 + number, place)
                is_sum = number in sheet.sums
                if isinstance(cell, str) or _digits(cell) > DIGITS_MAX:
                    page.write_string(*at, _plain(cell), bold if is_sum else None)
                elif isinstance(cell, int):
                    page.write_number(*at, cell, bold if is_sum else None)
                else:
                    page.write_number(*at, float(cell), strong if is_sum else money)
        for number, said in enumerate(sheet.notes):
            page.write_string(line + 3 + len(sheet.rows) + number, 0, said)
        page.set_column(0, max(0, len(sheet.columns) - 1), 18)
    return file.getvalue()


def to_html(sheet: Sheet) -> bytes:
    """Make one page that needs nothing else, and prints on A4."""
    classes = [' class="number"' if column.startswith(">") else "" for column in sheet.columns]
    head = "".join(
        f"<th{of}>{escape(column.removeprefix('>'))}</th>"
        for column, of in zip(sheet.columns, classes, strict=True)
    )
    rows = "\n".join(
        ('<tr class="sum">' if number in sheet.sums else "<tr>")
        + "".join(
            f"<td{of}>{escape(shown(cell))}</td>" for cell, of in zip(row, classes, strict=True)
        )
        + "</tr>"
        for number, row in enumerate(sheet.rows)
    )
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in sheet.facts
    )
    notes = "".join(f"<p>{escape(said)}</p>\n" for said in sheet.notes)
    title = escape(sheet.title)
    is_wide = len(sheet.columns) > COLUMNS_MAX
    style = STYLE.replace("PLACED", "landscape" if is_wide else "portrait")
    kind = ' class="wide"' if is_wide else ""
    style = style.replace("WIDE", "265mm" if is_wide else "178mm")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{style}</style></head>
<body><h1>{title}</h1>
<dl>{facts}</dl>
<table{kind}><thead><tr>{head}</tr></thead><tbody>
{rows}
</tbody></table>
{notes}</body></html>
""".encode()


WRITERS: dict[str, Callable[[Sheet], bytes]] = {"csv": to_csv, "xlsx": to_xlsx, "html": to_html}


def _csv_cell(cell: Cell) -> str:
    if not isinstance(cell, str):
        return _plain(cell)
    safe = f"'{cell}" if cell.startswith(FORMULAS) else cell
    return '"' + safe.replace('"', '""') + '"'


def _digits(number: int | Decimal) -> int:
    return sum(char.isdigit() for char in _plain(number))


def _plain(cell: Cell) -> str:
    return f"{cell:f}" if isinstance(cell, Decimal) else str(cell)


def shown(cell: Cell) -> str:
    """Spell it for people: 1,234.50, and the micros where there are some."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    whole, _, places = f"{cell:,.6f}".partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"
