"""`relay apply`: make a relay as a file says; the plan first."""

from __future__ import annotations

import os
import re
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from relay.cli.database import open_database
from relay.cli.endpoints import catalogue
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.show import json_option, note, print_json, printable
from relay.cli.sure import ask, sure_option
from relay.cli.words import worded
from relay.money import money

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.database import Database
    from relay.desk.actor import Actor
    from relay.desk.setup.entries import Ref
    from relay.desk.setup.file import SetupFile
    from relay.desk.setup.plan import Plan, Planned, With

FILE_BYTES_MAX = 10_000_000
_MICROS = re.compile(r"(\d+) micros")
NOTHING = "; nothing was changed"
SIGNS = {"add": "+", "open": "+", "remove": "-", "revoke": "-"}
"""By how the act is called; all others change something."""


class _Shown(Exception):
    """Rolls back what a plan was read from."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan


@click.command()
@click.argument("file", help="TOML, as `relay export setup` writes it; - reads stdin.")
@sure_option
@json_option
@examples(
    "relay export setup > relay.toml      # what stands now; then edit it",
    "relay apply relay.toml               # the plan, and asks",
    "relay apply relay.toml --json        # the plan alone, for a program",
)
def apply(file: str, *, is_sure: bool, as_json: bool) -> None:
    """Make channels, tenants, prices, alerts and operators as a file says; the plan is shown first.

    What the file leaves out stays. Nothing is removed but what says `remove = true`, and prices
    that a file with `prices_are_whole = true` has not. All of it is one transaction: if one entry
    is refused nothing is changed. Twice is nothing. With --json it only shows, unless --yes.
    """
    with open_database() as database:
        read = _read(file, database)
        given = _with(file, database)
        plan = _plan(database, read, given, file)
        is_done = not plan.is_nothing and (is_sure or not as_json)
        if not as_json:
            _show(plan, database.settings.currency)
            if is_done:
                ask("Apply that?", is_sure=is_sure)
        if is_done:
            database.act(
                lambda session, actor: _apply(session, actor, read, given, plan.digest, file)
            )
    if as_json:
        print_json({"acts": plan.acts, "notes": plan.notes, "is_applied": is_done})
    elif is_done:
        number = len(plan.acts)
        click.echo(f"applied: {number} {'change' if number == 1 else 'changes'}")


async def _apply(
    session: AsyncSession,
    actor: Actor,
    read: SetupFile,
    given: With,
    seen: str | None,
    file: str,
) -> Plan:
    from relay.desk.errors import NotPossible
    from relay.desk.setup.apply import apply_setup
    from relay.desk.setup.plan import EntryRefused

    try:
        return await apply_setup(session, actor, read, given, seen=seen)
    except EntryRefused as error:
        why = worded(error.error, given.currency).partition("; nothing was")[0]
        raise Failure(f"{file}: {error.label}: {why}{NOTHING}") from error
    except NotPossible as error:  # of all of it: else an entry would be named
        raise Failure(f"{file}: {error.why}{NOTHING}") from error


def _plan(database: Database, read: SetupFile, given: With, file: str) -> Plan:
    """Do it, and take it back: what it would change is what it changes."""

    async def work(session: AsyncSession, actor: Actor) -> None:
        raise _Shown(await _apply(session, actor, read, given, None, file))

    try:
        database.act(work)
    except _Shown as shown:
        return shown.plan
    raise AssertionError("it always shows a plan")


def _read(file: str, database: Database) -> SetupFile:
    from relay.desk.setup.file import read_setup
    from relay.pricing.file import FileError

    text = read_text(file)
    try:
        return read_setup(text, database.settings.zone, catalogue())
    except FileError as error:
        raise Failure(f"{file}: {error}{NOTHING}") from error


def read_text(file: str) -> str:
    """Read a file, or stdin of `-`.

    Raises:
        Failure: it cannot be read, is too large, or is no text.
    """
    try:
        if file == "-":
            content = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise Failure(f"{file} is larger than {FILE_BYTES_MAX // 1_000_000} MB")
    try:
        return content.decode("utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError as error:
        raise Failure(f"{file} is not UTF-8") from error


def _with(file: str, database: Database) -> With:
    from relay.desk.setup.plan import With

    beside = Path() if file == "-" else Path(file).parent

    def read_secret(ref: Ref) -> str | None:
        if ref.env is not None:
            return os.environ.get(ref.env, "").strip() or None
        try:
            return (beside / str(ref.file)).read_text().strip() or None
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise Failure(f"{ref} cannot be read: {why}{NOTHING}") from error

    settings = database.settings
    return With(database.keys, settings.zone, settings.currency, catalogue(), read_secret)


def _show(plan: Plan, currency: str) -> None:
    for (sign, subject), acts in groupby(plan.acts, key=_subject):
        if subject == "prices":
            lines = [line for one in acts for line in _priced(one, currency)]
        else:
            said = ", ".join(filter(None, (_said(one, sign, currency) for one in acts)))
            lines = [f"{sign} {subject}: {said}" if said else f"{sign} {subject}"]
        for line in lines:
            click.echo(printable(line))
    for said in plan.notes:
        note(said)
    if plan.is_nothing:
        note("Nothing to do: all is as the file says.")


def _subject(one: Planned) -> tuple[str, str]:
    """Say what an act is on: + what is new, ~ what is changed, - what goes."""
    if one.act == "price.import":
        return "~", "prices"
    return SIGNS.get(one.act.partition(".")[2], "~"), f"{one.kind.replace('_', ' ')} {one.name}"


def _said(one: Planned, sign: str, currency: str) -> str | None:
    """Spell what an act changes; of what is new what it is, and of what goes that it goes."""
    from relay.desk.spelt_changes import spelt_change

    before, after = one.before, one.after
    if sign == "-":
        return None
    if one.act == "limit.set":
        before, after = (_limits(state) for state in (before, after))
    if one.kind == "operator":
        before, after = (_ceilings(state) for state in (before, after))
    if sign == "+" and after is not None:
        skipped: tuple[Any, ...] = (None, [], {}, False, one.name)
        after = {name: value for name, value in after.items() if value not in skipped}
    return spelt_change(before, after, currency)


def _limits(state: dict[str, Any] | None) -> dict[str, Any] | None:
    """Say that they are limits, beside what else is said of a tenant."""
    return None if state is None else {f"limit {name}": amount for name, amount in state.items()}


def _ceilings(state: dict[str, Any] | None) -> dict[str, Any] | None:
    """Say each ceiling by itself, as money."""
    if state is None or "ceilings" not in state:
        return state
    own = {f"ceiling {act}_micros": amount for act, amount in state["ceilings"].items()}
    return {name: value for name, value in state.items() if name != "ceilings"} | own


def _priced(one: Planned, currency: str) -> list[str]:
    before, after = one.before or {}, one.after or {}
    lines = [*_rows("-", before, currency), *_rows("+", after, currency)]
    said = after.get("amounts_are_multiplied")
    if said is not None:
        lines.append(f"~ multipliers {'apply' if said else 'do not apply'} to amounts")
    return lines


def _rows(sign: str, state: dict[str, Any], currency: str) -> list[str]:
    def spelt(row: str) -> str:
        row = _MICROS.sub(lambda found: money(int(found[1]), currency), row)
        return row if row.startswith("multiplier") else f"price {row}"

    named = [f"{sign} {spelt(row)}" for row in state.get("named", [])]
    more = state.get("rows", 0) - len(named)
    return [*named, f"{sign} {more} more prices"] if more > 0 else named
