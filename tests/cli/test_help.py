import subprocess
import sys
from collections.abc import Iterator

import pytest
import rich_click as click

from relay.cli import COMMANDS, cli
from relay.cli.task_list import STATUSES
from relay.tasks.tables import TaskState
from tests.cli.command import Command
from tests.waiting import PATIENCE_S

HEAVY = "sqlalchemy litestar asyncpg aiohttp cryptography httpx alembic msgspec structlog uvicorn"


def _all_commands(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            _, found, _ = command.resolve_command(context, [name])
            assert found is not None
            yield from _all_commands(found, (*path, name))


ALL = dict(_all_commands(cli, ()))


def test_help_imports_nothing_heavy() -> None:
    """`relay --help` lists every command without importing a database, web or crypto package."""
    script = (
        "import sys\n"
        "from relay.cli import main\n"
        "sys.argv = ['relay', '--help']\n"
        "try:\n    main()\n"
        "finally:\n"
        f"    print([name for name in {HEAVY!r}.split() if name in sys.modules])\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )

    assert run.stdout.splitlines()[-1] == "[]"
    for name in COMMANDS:
        assert f" {name} " in run.stdout


def test_defining_every_command_imports_nothing_heavy() -> None:
    """`relay tenant --help` is as quick: heavy imports stand inside the command functions."""
    modules = {place.partition(":")[0] for place, _ in COMMANDS.values()}
    script = (
        f"import sys\nimport {', '.join(sorted(modules))}\n"
        f"print([name for name in {HEAVY!r}.split() if name in sys.modules])\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )

    assert run.stdout == "[]\n"


@pytest.mark.parametrize("path", ALL, ids=lambda path: "relay " + " ".join(path))
def test_every_command_explains_itself_and_its_options(path: tuple[str, ...]) -> None:
    """`--help` exits with 0; the command and each option and argument has a text."""
    relay = Command({})

    shown = relay(*path, "--help").stdout

    assert "Usage:" in shown
    assert ALL[path].help
    for parameter in ALL[path].params:
        assert getattr(parameter, "help", None), f"{parameter.name} is not explained"


def test_the_version_is_printed() -> None:
    """On stdout, with exit code 0."""
    assert Command({})("--version").stdout.startswith("kling-relay ")


def test_an_unknown_command_is_wrong_usage() -> None:
    """Exit code 2 and its name."""
    assert "No such command 'tenants'" in Command({}).refused("tenants", code=2)


def test_an_argument_that_is_no_text_is_wrong_usage() -> None:
    """A stray byte in a name reaches no database: exit code 2."""
    assert "is not UTF-8" in Command({}).refused("task", "show", "order-\udcff", code=2)


def test_a_task_can_be_listed_by_every_state() -> None:
    """The choices of --status, spelled out so that help imports nothing, are the states."""
    assert [state.value for state in TaskState] == STATUSES
