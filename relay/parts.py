"""The objects of one process, built from the settings in groups; whoever needs one gets that one.

Each group is made of those before it. What has to be closed closes in the opposite order.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from relay.channels.directory import ChannelDirectory
from relay.database.driver import Pool
from relay.database.engine import Sessions, dsn, open_engine, open_pool, open_sessions
from relay.database.line import connector
from relay.database.lines import Lines, share
from relay.deliveries.deliver import Deliverer
from relay.deliveries.guard import CallbackGuard
from relay.deliveries.send import Sender
from relay.kling.catalogue import Catalogue
from relay.kling.http1_transport import Http1Transport
from relay.kling.jwt import JwtCache
from relay.kling.transport import Transport
from relay.pricing.prices import cached_book
from relay.pricing.quote import UnitPrices
from relay.secrets import KeyRing
from relay.settings import Settings
from relay.tasks.ask import Asker
from relay.tasks.callback_path import CallbackPaths
from relay.tasks.choose_channel import ChannelChooser
from relay.tasks.door import Door
from relay.tasks.flags import Flags
from relay.tasks.learn import Learner
from relay.tasks.look import Looker, LookRules
from relay.tasks.outbox import FOLLOWED_AT_ONCE, Follower, Outbox
from relay.tasks.pass_through import PassThrough
from relay.tasks.presets import Presets
from relay.tasks.quoter import Quoter
from relay.tasks.submit import SubmitRules, Submitter
from relay.tasks.upstream import Upstream
from relay.worker.chores import FORGET_EVERY_S, check_books, forget_raw, repeat
from relay.worker.sweep import sweep

log = structlog.get_logger()

LOOKS_AT_ONCE = 100


class Store(msgspec.Struct, frozen=True):
    """The database, and what seals secrets in it."""

    engine: AsyncEngine
    sessions: Sessions
    pool: Pool
    lines: Lines
    """Of batched statements."""
    keys: KeyRing


class Kling(msgspec.Struct, frozen=True):
    """Kling as it is asked: what there is, on whose account, by which wire."""

    catalogue: Catalogue
    directory: ChannelDirectory
    upstream: Upstream
    asker: Asker
    chooser: ChannelChooser
    callback_paths: CallbackPaths


class Deliveries(msgspec.Struct, frozen=True):
    """What tells tenants of their tasks: where it may go, how, and when."""

    guard: CallbackGuard
    sender: Sender
    deliverer: Deliverer


class Tasks(msgspec.Struct, frozen=True):
    """What moves a task."""

    door: Door
    learner: Learner
    looker: Looker
    flags: Flags
    submitter: Submitter
    pass_through: PassThrough


class Loops(msgspec.Struct, frozen=True):
    """What happens without a request."""

    looker: Looker
    deliverer: Deliverer
    outbox: Outbox
    sessions: Sessions
    audit_every_s: float
    keep_raw_days: int

    async def run(self) -> None:
        """Run until cancelled; should they end by a bug, it is said at once."""
        try:
            await self._run()
        except Exception:
            log.exception("worker.loops_ended")
            raise

    async def _run(self) -> None:
        looker, deliverer, sessions = self.looker, self.deliverer, self.sessions
        async with asyncio.TaskGroup() as loops:
            loops.create_task(sweep("looks", looker.claim_due, looker.look, at_once=LOOKS_AT_ONCE))
            loops.create_task(
                sweep(
                    "deliveries",
                    deliverer.claim_due,
                    deliverer.deliver,
                    at_once=deliverer.limits.in_all,
                )
            )
            for name in self.outbox.followers:
                loops.create_task(
                    sweep(
                        f"follower {name}",
                        partial(self.outbox.claim_due, name),
                        self.outbox.handle,
                        at_once=FOLLOWED_AT_ONCE,
                    )
                )
            loops.create_task(
                repeat("audit", lambda: check_books(sessions), every_s=self.audit_every_s)
            )
            loops.create_task(
                repeat(
                    "forget",
                    lambda: forget_raw(sessions, days=self.keep_raw_days),
                    every_s=FORGET_EVERY_S,
                )
            )


class Parts(msgspec.Struct, frozen=True):
    """All of it, to make faces of and for tests to look into."""

    store: Store
    kling: Kling
    deliveries: Deliveries
    tasks: Tasks
    loops: Loops


@asynccontextmanager
async def open_parts(
    settings: Settings,
    *,
    database_url: str,
    keys: KeyRing,
    catalogue: Catalogue,
    transport: Transport | None = None,
    followers: Mapping[str, Follower] | None = None,
) -> AsyncIterator[Parts]:
    """Build and connect what any process has; `transport` is closed by whoever brings one.

    `followers`: what this process does with the moves of followed tasks (`tasks/outbox.py`).
    """
    async with AsyncExitStack() as closing:
        store = await _open_store(settings, database_url, keys, closing)
        kling = _open_kling(settings, store, catalogue, transport, closing)
        deliveries = _open_deliveries(settings, store, closing)
        tasks = _open_tasks(settings, store, kling, deliveries.guard, closing)
        loops = Loops(
            tasks.looker,
            deliveries.deliverer,
            Outbox(store.pool, followers or {}),
            store.sessions,
            audit_every_s=settings.audit_every_s,
            keep_raw_days=settings.keep_raw_days,
        )
        yield Parts(store, kling, deliveries, tasks, loops)


async def _open_store(
    settings: Settings, database_url: str, keys: KeyRing, closing: AsyncExitStack
) -> Store:
    shares = share(settings.database_connections)
    engine = open_engine(database_url, connections=shares.sessions)
    closing.push_async_callback(engine.dispose)
    pool = await open_pool(database_url, connections=shares.pool)
    closing.push_async_callback(pool.close)
    lines = Lines(connector(dsn(database_url)), count=shares.lines)
    closing.push_async_callback(lines.aclose)
    return Store(engine, open_sessions(engine), pool, lines, keys)


def _open_kling(
    settings: Settings,
    store: Store,
    catalogue: Catalogue,
    given: Transport | None,
    closing: AsyncExitStack,
) -> Kling:
    transport = given or Http1Transport()
    if given is None:
        closing.push_async_callback(transport.aclose)
    directory = ChannelDirectory(store.sessions, store.keys)
    upstream = Upstream(transport, JwtCache())
    public_url = settings.public_url.rstrip("/") if settings.public_url else None
    return Kling(
        catalogue,
        directory,
        upstream,
        Asker(upstream, directory, catalogue),
        ChannelChooser(store.pool, directory, Presets(upstream, catalogue)),
        CallbackPaths(store.keys, public_url),
    )


def _open_deliveries(settings: Settings, store: Store, closing: AsyncExitStack) -> Deliveries:
    guard = CallbackGuard(settings.callback_networks)
    sender = Sender(guard)
    closing.push_async_callback(sender.aclose)
    deliverer = Deliverer(store.pool, store.sessions, sender=sender, keys=store.keys)
    return Deliveries(guard, sender, deliverer)


def _open_tasks(
    settings: Settings, store: Store, kling: Kling, guard: CallbackGuard, closing: AsyncExitStack
) -> Tasks:
    lines = store.lines
    door = Door(ends=lines.ends, refusals=lines.refusals, records=lines.records)
    closing.push_async_callback(door.aclose)
    learner = Learner(door, kling.asker, kling.catalogue)
    flags = Flags(store.pool)
    looker = Looker(
        lines.reads,
        store.pool,
        asker=kling.asker,
        door=door,
        learner=learner,
        flags=flags,
        directory=kling.directory,
        catalogue=kling.catalogue,
        rules=LookRules(
            refresh_s=settings.refresh_s,
            has_callbacks=kling.callback_paths.are_on,
            lost_looks=settings.lost_looks,
            lost_after_s=settings.lost_after_s,
        ),
    )
    closing.push_async_callback(looker.aclose)
    submitter = Submitter(
        lines.holds,
        quoter=Quoter(store.sessions, cached_book(store.sessions), unit_prices(settings)),
        chooser=kling.chooser,
        upstream=kling.upstream,
        door=door,
        learner=learner,
        looker=looker,
        callback_paths=kling.callback_paths,
        callback_guard=guard,
        rules=SubmitRules(
            currency=settings.currency,
            kling_timeout_s=settings.kling_timeout_s,
            submit_timeout_s=settings.submit_timeout_s,
        ),
    )
    closing.push_async_callback(submitter.aclose)
    pass_through = PassThrough(
        store.pool,
        chooser=kling.chooser,
        upstream=kling.upstream,
        timeout_s=settings.kling_timeout_s,
    )
    return Tasks(door, learner, looker, flags, submitter, pass_through)


def unit_prices(settings: Settings) -> UnitPrices:
    """Read the list prices of Kling's units."""
    video_micros, image_micros = settings.unit_prices_micros
    return UnitPrices(video_micros=video_micros, image_micros=image_micros)
