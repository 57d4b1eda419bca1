"""A group whose commands are imported when they are wanted, and whose failures are sentences."""

import sys
from importlib import import_module
from typing import Any

import rich_click as click
from click import Command, Group

from relay.cli.failure import Failure


class LazyGroup(click.RichGroup):
    """`modules` says of each command where it is, as `module:attribute`, and what it does.

    Listing the commands imports none of them: `relay --help` is for people who wait.
    """

    def __init__(
        self, *args: Any, modules: dict[str, tuple[str, str]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._modules = modules or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List them in the order they were written: what one starts with stands first."""
        return [*self._modules, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a stand-in with the short help; `resolve_command` returns the command."""
        if cmd_name not in self._modules:
            return super().get_command(ctx, cmd_name)
        return click.RichCommand(name=cmd_name, help=self._modules[cmd_name][1])

    def get_help(self, ctx: click.Context) -> str:
        """Show boxes on a terminal; a pipe gets plain text, and waits for no package of boxes."""
        if sys.stdout.isatty():
            return super().get_help(ctx)
        plain = click.HelpFormatter(max_width=ctx.max_content_width)
        Command.format_usage(self, ctx, plain)
        Command.format_help_text(self, ctx, plain)
        Command.format_options(self, ctx, plain)
        Group.format_commands(self, ctx, plain)
        return plain.getvalue().rstrip("\n")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name in self._modules:
            module, _, attribute = self._modules[name][0].partition(":")
            command = getattr(import_module(module), attribute)
            assert isinstance(command, click.Command)
        return name, command, rest

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse bytes that are no text before a command passes them on to a database."""
        for arg in args:
            if not arg.isascii() and arg.encode(errors="replace").decode() != arg:
                raise click.UsageError(f"{arg!r} is not UTF-8.")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; say a failure on stderr in its own words, without a box around it."""
        try:
            return super().invoke(ctx)
        except Failure as failure:
            click.echo(f"{click.style('error:', fg='red')} {failure}", err=True)
            ctx.exit(failure.exit_code)
