"""Secrets from a prompt or from stdin: what stands on a command line, others can read."""

import sys

import rich_click as click


def read_secret(label: str) -> str:
    """Ask on a terminal without showing what is typed, or else read one line of stdin."""
    if sys.stdin.isatty():
        text = str(click.prompt(label, hide_input=True, err=True))
    else:
        text = sys.stdin.readline()
    text = text.strip()
    if not text:
        raise click.UsageError(f"Nothing was given for {label}.")
    return text


def read_key(value: str | None, label: str) -> str | None:
    """Take an option's value, or read it if it is `-`."""
    return read_secret(label) if value == "-" else value
