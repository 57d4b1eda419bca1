"""`relay sandbox`: a faithful Kling that runs here, for trying and testing."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from relay.cli.examples import examples
from relay.cli.failure import Failure, reason
from relay.cli.show import note

if TYPE_CHECKING:
    from relay.sandbox.settings import Account


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8701,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="'AK|SK|API_KEY'",
    help="A Kling account of the sandbox, in quotes; repeat it for more. A fourth part is its"
    " webhook secret, and its callbacks are then signed. Without any there is one default account.",
)
@click.option(
    "--task-seconds",
    type=click.FloatRange(0),
    default=2.0,
    show_default=True,
    help="How long a task takes.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Running tasks per account; more are refused with 429/1303.",
)
@click.option(
    "--video-units",
    type=click.IntRange(0),
    help="What each account's video pack holds; used up, creates are refused with 429/1102.",
)
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append one JSON line for all it accepts and ends: the truth to compare with.",
)
@examples(
    "relay sandbox",
    "relay sandbox --port 8701 --account 'AK|SK|API_KEY' --task-seconds 2",
)
def sandbox(
    host: str,
    port: int,
    accounts: tuple[str, ...],
    task_seconds: float,
    concurrency: int,
    video_units: int | None,
    log_file: Path | None,
) -> None:
    """Run a Kling of our own on this machine: nothing is sent to Kling and nothing costs money.

    Says on stderr what to put into `relay channel add`.
    """
    from relay.sandbox.serve import run_sandbox
    from relay.sandbox.settings import DEFAULT_ACCOUNT, Account, SandboxSettings

    try:
        settings = SandboxSettings(
            accounts=tuple(Account.parse(text) for text in accounts) or (DEFAULT_ACCOUNT,),
            task_seconds=task_seconds,
            concurrency=concurrency,
            video_units=video_units,
            log_path=log_file,
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--account'") from error
    url = f"http://{f'[{host}]' if ':' in host else host}:{port or 'PORT'}"
    note("Give the relay this Kling with:")
    for place, account in enumerate(settings.accounts, start=1):
        name = "sandbox" if place == 1 else f"sandbox{place}"
        is_public = account == DEFAULT_ACCOUNT
        note(f"  relay channel add {name} --base-url {url} {_keys(account, is_public=is_public)}")
    note("and keys that use it, free of charge, with: relay token add TENANT --test")
    note("With `--group none` at its end the channel serves, and charges, as any other.")
    try:
        run_sandbox(settings, host=host, port=port)
    except OSError as error:
        raise Failure(f"cannot listen on {host}:{port}: {reason(error)}") from error


def _keys(account: Account, *, is_public: bool) -> str:
    """Spell an account as options; of one that is not the public default, only the access key."""
    if is_public:
        pair = shlex.quote(f"{account.access_key}|{account.secret_key}")
        return f"--key {pair} --api-key {shlex.quote(account.api_key)}"
    return f"--key {shlex.quote(f'{account.access_key}|…')} --api-key …"
