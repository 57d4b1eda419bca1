"""The books' currency: no command works on them in another one."""

import pytest
import rich_click as click

from relay.cli.parameters import ID, Amount, Number
from tests.cli.command import Command, execute
from tests.cli.test_help import ALL

WITHOUT_DATABASE = {("demo",), ("sandbox",), ("secret-key",), ("check",), ("backup", "list")}
WITHOUT_DATABASE |= {("backup", "verify"), ("restore",), ("operator", "roles")}
WITHOUT_DATABASE |= {("template", "list"), ("template", "try")}
"""Or that say what is wrong instead of doing anything."""
COMMANDS = [
    path
    for path, command in ALL.items()
    if not isinstance(command, click.Group) and path not in WITHOUT_DATABASE
]
GIVEN = {
    ("channel", "add"): ("main", "--key", "A|S", "--base-url", "http://127.0.0.1:1"),
    ("channel", "set"): ("main", "--priority", "1"),
    ("tenant", "set"): ("acme", "--tasks-max", "1"),
    ("channel", "remove"): ("main", "--yes"),
    ("alert", "add"): ("json://alerts.test",),
    ("notify", "add"): ("acme", "--webhook", "https://hooks.test"),
    ("alert", "mute"): ("disk-low", "--until", "2h"),
    ("alert", "unmute"): ("disk-low",),
    ("alert", "set"): ("disk-low", "--above", "1"),
    ("tenant", "remove"): ("acme", "--yes"),
    ("asset", "delete"): ("0192f0c1-0000-7000-8000-000000000000", "--yes"),
    ("operator", "remove"): ("ann", "--yes"),
    ("operator", "set"): ("ann", "--role", "viewer"),
    ("operator", "password"): ("ann", "--remove"),
    ("operator", "second-factor"): ("ann", "--remove"),
    ("limit", "set"): ("acme", "--month", "1"),
    ("code", "revoke"): ("spring", "--yes"),
    ("code", "make"): ("--name", "spring", "--amount", "1", "--expires", "90d"),
    ("limit", "raise"): ("acme", "--month", "1", "--until", "2h"),
    ("token", "set"): ("1", "--queue", "off"),
    ("statement", "close"): ("2026-01", "--yes"),
    ("statement", "show"): ("acme", "2026-01"),
    ("channel", "bill"): ("main", "2026-01"),
    ("invoice", "reject"): ("1", "--reason", "why", "--yes"),
    ("invoice", "reverse"): ("1", "--reason", "why", "--yes"),
    ("month",): ("2026-01", "--out", "nowhere"),
    ("import", "new-api"): ("nowhere.db",),
    ("apply",): ("-",),
    ("export",): ("tasks",),
    ("price", "set"): ("text2video", "--amount", "1"),
    ("price", "unset"): ("text2video",),
    ("price", "quote"): ("text2video",),
    ("price", "why"): ("text2video",),
    ("price", "simulate"): ("-", "--month", "2026-10"),
    ("owner", "add"): ("acme", "main", "voice", "id"),
    ("owner", "import"): ("acme", "main", "voice", "-"),
    ("delivery", "ping"): ("acme", "http://acme.test"),
    ("template", "show"): ("digital-human",),
    ("serve",): ("--port", "0", "--office-port", "0"),
}
"""What commands are given that check more than the types of their words."""


def words(path: tuple[str, ...]) -> list[str]:
    """Spell a command with what it requires."""
    if path in GIVEN:
        return [*path, *GIVEN[path]]
    spelt = [*path]
    for parameter in ALL[path].params:
        if parameter.required:
            spelt += [parameter.opts[0]] if isinstance(parameter, click.Option) else []
            spelt.append(value_of(parameter))
    return spelt


def value_of(parameter: click.Parameter) -> str:
    if isinstance(parameter.type, click.Choice):
        return str(parameter.type.choices[0])
    is_number = isinstance(parameter.type, (Amount, Number)) or parameter.type is ID
    return "1" if is_number else "word"


def test_every_command_refuses_another_currency(relay: Command) -> None:
    """Readers too, which would show one currency's amounts as another's; exit code 2, one sentence.

    In which direction makes no difference, nor whether the schema is this version's.
    """
    for books, configured in (("CNY", "USD"), ("USD", "CNY")):
        execute(relay, "DELETE FROM books")
        execute(relay, "INSERT INTO books (currency) VALUES ($1)", books)
        said = (
            f"error: the books of this database are in {books}, and RELAY_CURRENCY is {configured}:"
            f" set it to {books}"
        )
        for path in COMMANDS:
            result = relay(*words(path), code=2, stdin="id\n", RELAY_CURRENCY=configured)

            assert result.stderr.splitlines() == [said], path
            assert result.stdout == "", path


def test_the_books_own_currency_is_taken(relay: Command) -> None:
    """The same commands go on to what they do."""
    execute(relay, "INSERT INTO books (currency) VALUES ('CNY')")

    for command in (("tenant", "list"), ("audit",), ("migrate",), ("price", "list")):
        relay(*command, RELAY_CURRENCY="CNY")


@pytest.mark.parametrize("path", [("tenant", "list"), ("migrate",)])
def test_an_older_schema_does_not_hide_the_currency(relay: Command, path: tuple[str, ...]) -> None:
    """Nothing is migrated first."""
    execute(relay, "INSERT INTO books (currency) VALUES ('CNY')")
    execute(relay, "UPDATE alembic_version SET version_num = '0101'")

    assert "are in CNY" in relay.refused(*path, code=2)
