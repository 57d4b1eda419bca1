"""The demo from its first process to its last check."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import msgspec
import rich_click as click

from relay.cli.demo.books import Books, read_books, wait_for_callbacks
from relay.cli.demo.checks import Expectations, check
from relay.cli.demo.database import demo_database
from relay.cli.demo.keep import how_to_call
from relay.cli.demo.processes import Child, running_relay, running_sandbox
from relay.cli.demo.progress import Progress
from relay.cli.demo.report import print_document, print_tables
from relay.cli.demo.stop import Stopper
from relay.cli.demo.story import Story, Tenants
from relay.cli.demo.tenants import CURRENCY, DemoTenant, add_sandbox_channel, add_tenants
from relay.cli.failure import Failure
from relay.cli.show import note
from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import Sessions, open_engine, open_sessions
from relay.money import money
from relay.secrets import KeyRing, new_secret_key

TASK_SECONDS = 2.0
HTTP_TIMEOUT_S = 15.0
WATCH_S = 0.5


class Stage(msgspec.Struct, frozen=True):
    """All that runs, and who plays on it."""

    sessions: Sessions
    tenants: dict[str, DemoTenant]
    sandbox: Child
    relay: Child
    database_url: str
    secret_key: str
    log_file: Path


async def play(server: EmbeddedPostgres, stopper: Stopper, *, keep: bool, as_json: bool) -> None:
    """Set up, play, check, report, and clean up.

    Raises:
        Failure: something did not run, or a figure is not what it must be. The logs are kept.
    """
    progress = Progress()
    progress.title("Setting up: a database, a Kling of our own, a relay before it, two tenants")
    with _log_directory() as directory:
        async with _stage(server, directory, progress, stopper) as stage:
            progress.title("Two tenants send what their Kling clients send")
            began = progress.seconds
            story, books, expect = await _played(stage, progress)
            took = f"{progress.seconds - began:.1f} s after set-up"
            if as_json:
                print_document(books, story.refused)
            else:
                print_tables(books, story.refused, stage.tenants)
            for sentence in expect.failed:
                note(f"wrong: {sentence}")
            verdict = f"{expect.count - len(expect.failed)} of {expect.count} checks hold"
            click.echo(f"Checks:    {verdict}, {took}", err=as_json)
            if keep:
                await _keep(stage, as_json=as_json)
        if expect.failed:
            raise Failure(f"{len(expect.failed)} of {expect.count} checks failed, see above")


@contextlib.contextmanager
def _log_directory() -> Iterator[Path]:
    """Yield a directory for logs that is removed at the end, unless something failed."""
    path = Path(tempfile.mkdtemp(prefix="relay-demo-"))
    try:
        yield path
    except Exception:
        note(f"The logs of sandbox and relay are in {path}")
        raise
    except BaseException:  # somebody stopped us
        shutil.rmtree(path)
        raise
    shutil.rmtree(path)


@contextlib.asynccontextmanager
async def _stage(
    server: EmbeddedPostgres, directory: Path, progress: Progress, stopper: Stopper
) -> AsyncIterator[Stage]:
    """Start everything, one after the other; stop it in the opposite order."""
    log_file, secret_key = directory / "kling.jsonl", new_secret_key()
    log_file.touch()
    async with contextlib.AsyncExitStack() as stack:
        try:
            sandbox = await stack.enter_async_context(
                running_sandbox(directory, log_file=log_file, task_seconds=TASK_SECONDS)
            )
            database = await stack.enter_async_context(demo_database(server))
            url = server.url(database)
            progress.tell("", "database", "ready", f"{database}, dropped at the end")
            await sandbox.wait_until_started()
            progress.tell("", "relay sandbox", "ready", sandbox.url)
            engine = open_engine(url, connections=1)
            stack.push_async_callback(engine.dispose)
            sessions, keys = open_sessions(engine), KeyRing.parse(secret_key)
            await add_sandbox_channel(sessions, keys, base_url=sandbox.url)
            tenants = await add_tenants(sessions, keys)
            relay = await stack.enter_async_context(
                running_relay(directory, database_url=url, secret_key=secret_key)
            )
            progress.tell("", "relay serve", "ready", relay.url)
            for tenant in tenants.values():
                credential = "signs JWTs" if tenant.signs_jwts else "has an API key"
                opening = money(tenant.opening_micros, CURRENCY)
                progress.tell(tenant.name, "quota", "ready", f"{opening}, {credential}")
            yield Stage(
                sessions=sessions,
                tenants=tenants,
                sandbox=sandbox,
                relay=relay,
                database_url=url,
                secret_key=secret_key,
                log_file=log_file,
            )
        finally:
            stopper.begin_clean_up()


async def _played(stage: Stage, progress: Progress) -> tuple[Story, Books, Expectations]:
    # Proxies of the environment are for other hosts than this one.
    async with httpx.AsyncClient(
        base_url=stage.relay.url, timeout=HTTP_TIMEOUT_S, trust_env=False
    ) as http:
        try:
            story = await Tenants(http, stage.tenants, progress).play()
        except Failure as failure:
            _raise_if_ended(stage, failure)
            raise
    await wait_for_callbacks(stage.log_file, story.played)
    books = await read_books(stage.sessions, stage.log_file)
    expect = Expectations()
    check(expect, story=story, tenants=stage.tenants, books=books)
    return story, books, expect


async def _keep(stage: Stage, *, as_json: bool) -> None:
    """Say how to call what runs, and return when a signal comes: that is its ordinary end.

    Raises:
        Failure: one of the two ended by itself.
    """
    text = how_to_call(
        stage.tenants,
        relay_url=stage.relay.url,
        sandbox_url=stage.sandbox.url,
        database_url=stage.database_url,
        secret_key=stage.secret_key,
    )
    click.echo(text, err=as_json)
    note("Sandbox and relay keep running here. Ctrl-C ends them and drops their database.")
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            _raise_if_ended(stage)
            await asyncio.sleep(WATCH_S)
    note("Ending sandbox and relay, and dropping their database.")


def _raise_if_ended(stage: Stage, cause: Failure | None = None) -> None:
    for child in (stage.relay, stage.sandbox):
        if child.has_ended:
            raise child.failure("ended by itself") from cause
