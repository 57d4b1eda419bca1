"""Whether somebody means what cannot be undone."""

import rich_click as click

sure_option = click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")


def ask(question: str, *, is_sure: bool) -> None:
    """Ask, unless `is_sure`; whatever is no yes ends the command with exit code 1."""
    if not is_sure:
        click.confirm(question, abort=True, err=True)
