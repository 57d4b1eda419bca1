"""`relay demo`: the whole business on one machine, over real sockets, checked to the last micro.

- Its database is its own, in the embedded Postgres, and dropped however the demo ends; what a
  killed demo left is dropped by the next one. The configured database is never touched.
- Sandbox and relay are the commands of this program, as processes of their own; they never outlive
  the demo, and nothing of the caller's RELAY_ variables but RELAY_DATA_DIR reaches anything.
- It exits with 0 only if every figure is what the sandbox's own log says it must be.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.examples import examples
from relay.cli.failure import Failure
from relay.cli.show import note

if TYPE_CHECKING:
    from pathlib import Path

SHELL_SIGNAL = 128
"""What a shell adds to the number of the signal that ended a command."""


@click.command()
@click.option(
    "--keep",
    is_flag=True,
    help="Leave sandbox and relay running afterwards, until Ctrl-C, and print how to call them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
@examples("relay demo", "relay demo --keep", "relay demo --json 2> /dev/null")
def demo(*, keep: bool, as_json: bool) -> None:
    """Watch the relay do its whole job, with a Kling of our own that costs nothing.

    Starts a sandbox, a relay and an empty database, plays two tenants over HTTP, and checks every
    charge. Progress is told on stderr. Exits with 1 if anything is not as it must be.
    """
    from relay.database.embedded import EmbeddedPostgresError, embedded_postgres

    try:
        note("Starting the embedded Postgres ...")
        with embedded_postgres(_data_dir()) as server:
            from relay.cli.demo.play import run_demo

            stopped_by = run_demo(server, keep=keep, as_json=as_json)
    except EmbeddedPostgresError as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(SHELL_SIGNAL + signal.SIGINT)
    if stopped_by is not None:
        note("Stopped; everything of it is gone.")
        sys.exit(SHELL_SIGNAL + stopped_by)


def _data_dir() -> Path:
    """Read the one setting that is the demo's too; the others may be as wrong as they like."""
    import os

    from relay.cli.database import data_dir
    from relay.cli.failure import WrongSettings
    from relay.settings import SettingsError, read_settings

    name = "RELAY_DATA_DIR"
    try:
        return data_dir(read_settings({name: os.environ.get(name, "")}))
    except SettingsError as error:
        raise WrongSettings(str(error)) from error
