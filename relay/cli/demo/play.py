"""The demo from its first process to its last check, or to the signal that cuts it."""

import asyncio
import contextlib
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import rich_click as click

from relay.cli.demo.checks import check, read_books, wait_for_callbacks
from relay.cli.demo.progress import Progress
from relay.cli.demo.report import how_to_call, print_document, print_tables
from relay.cli.demo.stage import Stage, set_up
from relay.cli.demo.story import tell_story
from relay.cli.demo.trade import trade
from relay.cli.failure import Failure
from relay.cli.show import note
from relay.database.embedded import EmbeddedPostgres
from relay.desk.actor import system_user
from relay.desk.logins import open_console
from relay.desk.portal import link_tenant
from relay.secrets import KeyRing

SIGNALS = [number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGHUP")]
"""Those of them that the system has."""
WATCH_S = 0.5


def run_demo(server: EmbeddedPostgres, *, keep: bool, as_json: bool) -> int | None:
    """Play until done or told to stop, and clean up, which no further signal cuts.

    Returns the number of the signal that cut the play, None if it came to its end.

    Raises:
        Failure: something did not run, or a figure is not what it must be. The logs are kept.
    """
    came: list[int] = []

    async def stoppable() -> int | None:
        playing = asyncio.ensure_future(_play(server, keep=keep, as_json=as_json))

        def stop(number: int) -> None:
            _ignore_signals()
            came.append(number)
            playing.cancel()

        _on_signals(stop)
        try:
            await playing
        except asyncio.CancelledError:
            return came[0]
        return None

    return asyncio.run(stoppable())


async def _play(server: EmbeddedPostgres, *, keep: bool, as_json: bool) -> None:
    progress = Progress()
    with _log_directory() as directory:
        async with contextlib.AsyncExitStack() as stack:
            try:
                progress.title(
                    "Setting up: a database, a Kling of our own, a relay before it, two tenants"
                )
                stage = await set_up(stack, server, directory, progress)
                progress.title("Two tenants send what their Kling clients send")
                failed = await _tell_and_check(stage, progress, as_json=as_json)
                if keep:
                    await _keep(stage, as_json=as_json)
            finally:
                _ignore_signals()
        if failed:
            raise Failure(f"{failed}, see above")


@contextlib.contextmanager
def _log_directory() -> Iterator[Path]:
    """Yield a directory for logs that is removed at the end, unless something failed."""
    path = Path(tempfile.mkdtemp(prefix="relay-demo-"))
    with contextlib.ExitStack() as at_end:
        at_end.callback(shutil.rmtree, path)
        try:
            yield path
        except Exception:  # and not because somebody stopped us
            note(f"The logs of sandbox and relay are in {path}")
            at_end.pop_all()
            raise


async def _tell_and_check(stage: Stage, progress: Progress, *, as_json: bool) -> str | None:
    """Play the tenants' part and report on it; returns what failed."""
    began = progress.seconds
    try:
        story = await tell_story(stage.relay.url, stage.tenants, progress)
    except Failure as failure:
        stage.raise_if_ended(failure)
        raise
    await wait_for_callbacks(stage.kling_log, story.played)
    books = await read_books(stage.sessions, stage.kling_log)
    expect = check(story, stage.tenants, books)
    took = f"{progress.seconds - began:.1f} s after set-up"
    if as_json:
        print_document(books, story.refused)
    else:
        print_tables(books, story.refused, stage.tenants)
    for sentence in expect.failed:
        note(f"wrong: {sentence}")
    verdict = f"{expect.count - len(expect.failed)} of {expect.count} checks hold"
    click.echo(f"Checks:    {verdict}, {took}", err=as_json)
    return f"{len(expect.failed)} of {expect.count} checks failed" if expect.failed else None


async def _keep(stage: Stage, *, as_json: bool) -> None:
    """Say how to call what runs, and return when a signal comes: that is its ordinary end.

    Raises:
        Failure: one of the two ended by itself.
    """
    async with stage.sessions.begin() as session:
        await trade(session, system_user())
        console_key = await open_console(session, system_user())
        keys = KeyRing.parse(stage.secret_key)
        portal = await link_tenant(session, system_user(), "acme", keys)
    told = how_to_call(stage, console_key=console_key, portal_key=portal.key)
    click.echo(told, err=as_json)
    note("Sandbox and relay keep running here. Ctrl-C ends them and drops their database.")
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            stage.raise_if_ended()
            await asyncio.sleep(WATCH_S)
    note("Ending sandbox and relay, and dropping their database.")


def _on_signals(act: Callable[[int], object]) -> None:
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, act, number)


def _ignore_signals() -> None:
    """Let no signal cut the clean-up: from here on the work ends by itself."""
    _on_signals(lambda _number: None)
