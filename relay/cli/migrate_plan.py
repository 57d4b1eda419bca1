"""`relay migrate --plan`: what the migrations that are due would lock, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.show import note, print_json, print_table

if TYPE_CHECKING:
    from relay.database.pending import Pending
    from relay.database.plan import Known, Planned, PlannedEffect, Span

LOCK_WAIT = "5 s"
"""The lock_timeout that migrations set."""
KILO = 1000


def print_sql(pending: list[Pending]) -> None:
    """Print what would be run, a transaction each, as a file for psql."""
    for one in pending:
        click.echo(f"-- {one.revision}: {one.title}")
        click.echo("\n".join(one.statements) + "\n")


def print_plan(planned: list[Planned], known: Known, *, is_new: bool, as_json: bool) -> None:
    """`is_new`: the database has no tables yet, so that nobody can wait."""
    if as_json:
        print_json({"migrations": planned, "oldest_transaction_s": known.oldest_s})
        return
    if is_new:
        click.echo(f"no tables yet: {len(planned)} migrations make them, and nobody waits")
        return
    if not planned:
        click.echo("nothing is due")
        return
    for one in planned:
        click.echo(f"{one.revision}  {one.title}")
    click.echo()
    print_table(
        ["revision", "table", ">rows", ">size", "change", "work", "lock", "takes"],
        [(one.revision, *_cells(effect)) for one in planned for effect in one.effects],
        empty="They only make tables that are new: nobody waits.",
    )
    for line in _who_waits(planned):
        click.echo(line)
    _explain(planned, known)


def _cells(planned: PlannedEffect) -> tuple[str, ...]:
    effect, size = planned.effect, planned.size
    return (
        effect.table,
        f"{size.rows:,}",
        _bytes(size.bytes),
        effect.what,
        effect.work.value,
        effect.lock.title,
        str(planned.takes),
    )


def _who_waits(planned: list[Planned]) -> list[str]:
    waits = [(one.revision, wait) for one in planned for wait in one.waits]
    lines = [
        f"{revision}: {wait.blocks} of {wait.table} wait {_long(wait.takes)}"
        for revision, wait in waits
    ]
    floors = [one.oldest_code for one in planned if one.oldest_code is not None]
    if floors:
        lines.append(
            f"Processes that know no migration {max(floors)} do not run on it: they must be newer"
            " before this is run."
        )
    return ["", *lines] if lines else []


def _explain(planned: list[Planned], known: Known) -> None:
    if any(one.effects for one in planned):
        note(
            f"\nTimes are estimates from the tables' sizes: the first if all is in memory, the"
            f" second from a slow disk. A lock that is not got within {LOCK_WAIT} fails its"
            " migration, and nothing of it is changed; until then, who comes after it waits too."
        )
        if known.oldest_s >= 1:
            note(
                f"A transaction has been open for {known.oldest_s:.0f} s: what it has touched"
                " cannot be locked before it ends."
            )
    note("Nothing was changed. `relay migrate --plan --sql` prints the statements.")


def _long(takes: Span) -> str:
    return f"for {takes}" if takes.is_felt else "for an instant"


def _bytes(number: int) -> str:
    size = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if size < KILO:
            return f"{size:.0f} {unit}"
        size /= KILO
    return f"{size:.1f} TB"
