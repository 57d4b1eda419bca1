"""Runs the command as a person would, in this process, and checks its exit code."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import asyncpg
from click.testing import CliRunner, Result

from relay.cli import cli
from relay.database.engine import dsn
from relay.machine import Machine

NOTHING_INSTALLED = Machine(env_file=Path("/nowhere/relay.env"), units=Path("/nowhere"))


class Command:
    """`relay` with these RELAY_ variables and no others, by default where nothing is installed."""

    def __init__(self, environ: dict[str, str], *, machine: Machine = NOTHING_INSTALLED) -> None:
        self.environ = environ
        self.machine = machine

    def __call__(self, *args: str, code: int = 0, stdin: str = "", **changed: str | None) -> Result:
        """Run it; `changed` sets or (None) unsets variables for this run."""
        inherited = {name: None for name in os.environ if name.startswith("RELAY_")}
        result = CliRunner().invoke(
            cli,
            list(args),
            input=stdin,
            env={**inherited, **self.environ, **changed},
            prog_name="relay",
            obj=self.machine,
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"{result.exit_code}\n{result.stdout}\n{result.stderr}"
        return result

    def json(self, *args: str, **options: Any) -> Any:
        """Run it with --json and read all of stdout as one document."""
        return json.loads(self(*args, "--json", **options).stdout)

    def refused(self, *args: str, code: int = 1, **options: Any) -> str:
        """Run what fails; return its message in one line, without the box around it."""
        result = self(*args, code=code, **options)
        return " ".join(result.stderr.replace("│", " ").split())


def execute(relay: Command, statement: str, *arguments: object) -> None:
    """Run one statement on the command's database, behind its back."""

    async def run() -> None:
        connection = await asyncpg.connect(dsn(relay.environ["RELAY_DATABASE_URL"]))
        try:
            await connection.execute(statement, *arguments)
        finally:
            await connection.close()

    asyncio.run(run())
