"""A page of text, facts, tables and code, as Markdown and as HTML that needs nothing else."""

import re
from collections.abc import Sequence
from html import escape

import msgspec

LONG = 12
"""Rows from which on a table is set small."""
STYLE = """
@page { size: A4; margin: 18mm 16mm }
body { font: 10.5pt/1.5 system-ui, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC",
  sans-serif; color: #111; margin: 0 auto; max-width: 178mm; padding: 8mm 4mm }
@media print { body { padding: 0; max-width: none } }
h1 { font-size: 17pt; margin: 0 0 4mm } h2 { font-size: 12.5pt; margin: 8mm 0 2mm }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 1mm 6mm; margin: 0 }
dt { color: #555 } dd { margin: 0; overflow-wrap: anywhere }
code, pre { font-family: ui-monospace, Consolas, monospace; font-size: 9pt }
pre { background: #f4f4f4; padding: 3mm; white-space: pre-wrap; overflow-wrap: anywhere;
  break-inside: avoid }
table { border-collapse: collapse; width: 100% } thead { display: table-header-group }
tr { break-inside: avoid }
th, td { text-align: left; padding: 1mm 3mm 1mm 0; border-bottom: .2mm solid #ccc;
  vertical-align: top }
th { border-bottom: .4mm solid #111 }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
.long { font-size: 8.5pt }
"""
_CODE = re.compile(r"`([^`]+)`")


class Head(msgspec.Struct, frozen=True):
    text: str


class Says(msgspec.Struct, frozen=True):
    """A paragraph; what stands between ` is code."""

    text: str


class Facts(msgspec.Struct, frozen=True):
    """Names with values."""

    pairs: Sequence[tuple[str, str]]
    are_copied: bool = True
    """The values are set as code, to be copied as they are."""


class Grid(msgspec.Struct, frozen=True):
    columns: Sequence[str]
    """One that begins with > holds numbers."""
    rows: Sequence[Sequence[str]]


class Code(msgspec.Struct, frozen=True):
    language: str
    text: str


Part = Head | Says | Facts | Grid | Code


class Paper(msgspec.Struct, frozen=True):
    """One document."""

    language: str
    """As HTML names it: en, zh-CN."""
    title: str
    parts: Sequence[Part]


def to_markdown(paper: Paper) -> str:
    """Spell it so that it reads well unrendered, too."""
    found = [f"# {paper.title}"]
    for part in paper.parts:
        match part:
            case Head():
                found.append(f"## {part.text}")
            case Says():
                found.append(part.text)
            case Facts():
                spell = _ticked if part.are_copied else str
                found.append("\n".join(f"- {name}: {spell(value)}" for name, value in part.pairs))
            case Grid():
                rule = ["---:" if name.startswith(">") else "---" for name in part.columns]
                head = [name.removeprefix(">") for name in part.columns]
                found.append("\n".join(map(_line, [head, rule, *part.rows])))
            case Code():
                found.append(f"```{part.language}\n{part.text}\n```")
    return "\n\n".join(found) + "\n"


def to_html(paper: Paper) -> str:
    """Make one page, which prints on A4."""
    parts = "\n".join(map(_html, paper.parts))
    title = escape(paper.title)
    return (
        f'<!doctype html>\n<html lang="{paper.language}"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{title}</h1>\n{parts}\n</body></html>\n"
    )


def _html(part: Part) -> str:
    match part:
        case Head():
            return f"<h2>{escape(part.text)}</h2>"
        case Says():
            said = _CODE.sub(r"<code>\1</code>", escape(part.text))
            return f"<p>{said}</p>"
        case Facts():
            before, behind = ("<code>", "</code>") if part.are_copied else ("", "")
            pairs = "".join(
                f"<dt>{escape(name)}</dt><dd>{before}{escape(value)}{behind}</dd>"
                for name, value in part.pairs
            )
            return f"<dl>{pairs}</dl>"
        case Code():
            return f"<pre><code>{escape(part.text)}</code></pre>"
        case Grid():
            return _html_grid(part)


def _html_grid(grid: Grid) -> str:
    of = [' class="number"' if name.startswith(">") else "" for name in grid.columns]
    head = "".join(
        f"<th{kind}>{escape(name.removeprefix('>'))}</th>"
        for kind, name in zip(of, grid.columns, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(of, row, strict=True))
        + "</tr>"
        for row in grid.rows
    )
    kind = ' class="long"' if len(grid.rows) > LONG else ""
    return f"<table{kind}><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _ticked(value: str) -> str:
    """Put a value between as many ticks as it takes to keep it as it is."""
    ticks = "`" * (max(map(len, re.findall("`+", value)), default=0) + 1)
    pad = " " if "`" in value else ""
    return f"{ticks}{pad}{value}{pad}{ticks}"
