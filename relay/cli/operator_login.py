"""`relay operator password`, `second-factor`, `sessions` and `log-out`: how people enter."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.database import open_database
from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.secret_input import read_secret
from relay.cli.show import json_option, moment, note, print_json, print_table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from relay.cli.database import Database
    from relay.desk.actor import Actor
    from relay.logins.sessions import OpenSession

REMOVED = "--remove"


@click.command()
@click.argument("name", help="The operator's name.")
@click.option(REMOVED, "is_removed", is_flag=True, help="Take it away: nobody logs in by it.")
@json_option
@examples("relay operator password ann", "pwgen -s 24 1 | relay operator password ann")
def password(name: str, *, is_removed: bool, as_json: bool) -> None:
    """Set the password by which an operator logs in to the office's pages.

    Asks for it twice; of what is not a terminal it reads one line. Whoever is logged in as this
    operator is logged out.
    """
    with open_database() as database:
        _refuse_no_such(database, name)
        password_hash = None if is_removed else _read_hash()

        async def work(session: AsyncSession, actor: Actor) -> int:
            from relay.desk.logins import set_password

            return await set_password(session, actor, name, password_hash)

        ended = database.act(work)
    if as_json:
        print_json({"name": name, "has_password": not is_removed, "sessions_ended": ended})
        return
    done = "has no password any more" if is_removed else "has a new password"
    click.echo(f"operator {name} {done}; {_counted(ended)} ended")


@click.command("second-factor")
@click.argument("name", help="The operator's name.")
@click.option(REMOVED, "is_removed", is_flag=True, help="Ask for no code any more.")
@json_option
@examples("relay operator second-factor ann", "relay operator second-factor ann --remove")
def second_factor(name: str, *, is_removed: bool, as_json: bool) -> None:
    """Ask an operator for a code of an authenticator app too when it logs in.

    Prints a secret for the app, this once, as text and as the address that apps read off a QR code.
    Then it asks for a code of that app, and sets nothing unless the code is right.
    """
    with open_database() as database:
        _refuse_no_such(database, name)
        secret, step = (None, None) if is_removed else _shown_and_confirmed(database, name, as_json)

        async def work(session: AsyncSession, actor: Actor) -> None:
            from relay.desk.logins import set_second_factor

            await set_second_factor(session, actor, name, secret, database.keys, step=step)

        database.act(work)
    if as_json:
        print_json({"name": name, "has_second_factor": not is_removed})
    elif is_removed:
        click.echo(f"operator {name} is asked for no code any more")
    else:
        click.echo(f"operator {name} is asked for a code from now on")


@click.command()
@click.argument("name", required=False, help="Only this operator's.")
@json_option
def sessions(name: str | None, *, as_json: bool) -> None:
    """List who is logged in to the office's pages, and from where; the last used first."""

    async def work(session: AsyncSession) -> list[OpenSession]:
        from relay.desk.operators import operator_named
        from relay.logins.sessions import read_sessions

        whose = None if name is None else (await operator_named(session, name)).id
        return await read_sessions(session, whose)

    with open_database() as database:
        found = database.read(work)
    if as_json:
        print_json(found)
        return
    print_table(
        [">id", "who", "from", "opened", "last seen", "browser"],
        [
            (
                str(row.id),
                f"{row.name} (of the machine)" if row.is_system else row.name,
                row.address or "-",
                moment(row.created_at),
                moment(row.seen_at),
                row.agent or "-",
            )
            for row in found
        ],
        empty="Nobody is logged in.",
    )


@click.command("log-out")
@click.argument("name", help="The operator's name.")
@json_option
def log_out(name: str, *, as_json: bool) -> None:
    """Log an operator out of every browser, at once; its tokens stay."""

    async def work(session: AsyncSession, actor: Actor) -> int:
        from relay.desk.logins import log_out

        return await log_out(session, actor, name)

    with open_database() as database:
        ended = database.act(work)
    if as_json:
        print_json({"name": name, "sessions_ended": ended})
    else:
        click.echo(f"operator {name} is logged out: {_counted(ended)} ended")


def _refuse_no_such(database: Database, name: str) -> None:
    """Say so before a person is asked for anything."""
    from relay.desk.operators import operator_named

    database.read(lambda session: operator_named(session, name))


def _read_hash() -> str:
    from relay.logins.passwords import hash_password

    given = read_secret("Password")
    if sys.stdin.isatty() and read_secret("The same again") != given:
        raise Failure("the two differ; nothing was changed")
    try:
        return hash_password(given)
    except ValueError as error:
        raise Failure(f"{error}; nothing was changed") from error


def _shown_and_confirmed(database: Database, name: str, as_json: bool) -> tuple[str, int]:  # noqa: FBT001 (from the option)
    """Show a new secret, and go on once a code proves that an app has it."""
    from relay.desk.logins import step_shown
    from relay.logins.second_factor import new_second_factor, otpauth_uri

    secret = new_second_factor()
    uri = otpauth_uri(secret, name=name)
    for line in (uri, f"secret: {secret}"):
        click.echo(line, err=as_json)
    sys.stdout.flush()  # a program that makes the code waits for it
    note("They are shown this once: put one into the app, then type the code that it shows.")
    code = read_secret("Code")
    step = database.read(lambda session: step_shown(session, secret, code))
    if step is None:
        raise Failure(
            "that is not the code of now: nothing was changed. Is the phone's clock right? Begin"
            " again, with a new secret"
        )
    return secret, step


def _counted(sessions: int) -> str:
    return "1 session" if sessions == 1 else f"{sessions} sessions"
