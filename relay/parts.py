"""The objects of one process, built from the settings in groups; whoever needs one gets that one.

Each group is made of those before it. What has to be closed closes in the opposite order.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import structlog

from relay.assets.given import GivenAssets
from relay.assets.opened import Assets, open_assets
from relay.assets.statements import FOLLOWER as ASSETS
from relay.backups.schedule import schedule_of
from relay.body_budget import BodyBudget
from relay.channels.directory import ChannelDirectory
from relay.counts import Counts
from relay.database.cached import Cached
from relay.database.store import Store, open_store
from relay.deliveries.deliver import Deliverer
from relay.deliveries.guard import CallbackGuard
from relay.deliveries.send import Sender
from relay.health.board import Board
from relay.health.observer import Observer
from relay.health.room import Room
from relay.kling.catalogue import Catalogue
from relay.kling.codes import code_word
from relay.kling.http1_transport import Http1Transport
from relay.kling.jwt import JwtCache
from relay.kling.transport import Transport
from relay.money import micros_of
from relay.notices.outgoing import NoticeSender
from relay.pauses.in_force import cached_pauses
from relay.pricing.in_force import Prices, cached_prices
from relay.pricing.quote import UnitPrices
from relay.runs.opened import RunParts, open_runs
from relay.runs.statements import FOLLOWER as RUNS
from relay.secrets import KeyRing
from relay.settings import Settings
from relay.stopping import Stopping
from relay.tasks.ability import Ability
from relay.tasks.ask import Asker
from relay.tasks.callback_path import CallbackPaths
from relay.tasks.choose_channel import ChannelChooser
from relay.tasks.conclude import Concluder
from relay.tasks.dispatch import Dispatcher
from relay.tasks.door import Door
from relay.tasks.flags import Flags
from relay.tasks.learn import Learner
from relay.tasks.look import Looker, LookRules
from relay.tasks.outbox import Follower, Outbox
from relay.tasks.pass_through import PassThrough
from relay.tasks.presets import Presets
from relay.tasks.queue.enter import Queue
from relay.tasks.queue.send import QueueSender
from relay.tasks.quoter import Quoter
from relay.tasks.retries import Retries
from relay.tasks.seek import Seeker
from relay.tasks.submit import SubmitRules, Submitter
from relay.tasks.underquotes import Underquotes
from relay.tasks.upstream import Upstream
from relay.worker.alerts import open_alerter
from relay.worker.forget_old import Ages
from relay.worker.keep_channels import ChannelKeeper
from relay.worker.loops import Loops, Storage
from relay.worker.notices import Noticer
from relay.worker.read_units import UnitsReader

log = structlog.get_logger()


class Kling(msgspec.Struct, frozen=True):
    """Kling as it is asked: what there is, on whose account, by which wire."""

    catalogue: Catalogue
    directory: ChannelDirectory
    upstream: Upstream
    asker: Asker
    chooser: ChannelChooser
    board: Board
    observer: Observer
    callback_paths: CallbackPaths


class Deliveries(msgspec.Struct, frozen=True):
    """What tells tenants: where it may go, how, and when."""

    guard: CallbackGuard
    sender: Sender
    deliverer: Deliverer
    notices: NoticeSender


class Tasks(msgspec.Struct, frozen=True):
    """What moves a task."""

    door: Door
    learner: Learner
    looker: Looker
    seeker: Seeker
    flags: Flags
    prices: Cached[Prices]
    quoter: Quoter
    submitter: Submitter
    retries: Retries
    pass_through: PassThrough
    queue_sender: QueueSender


class Parts(msgspec.Struct, frozen=True):
    """All of it, to make faces of and for tests to look into."""

    store: Store
    kling: Kling
    deliveries: Deliveries
    tasks: Tasks
    assets: Assets
    runs: RunParts
    loops: Loops
    ability: Ability
    budget: BodyBudget
    """Of all bodies in memory, of whichever face."""
    counts: Counts


@asynccontextmanager
async def open_parts(
    settings: Settings,
    *,
    database_url: str,
    keys: KeyRing,
    catalogue: Catalogue,
    transport: Transport | None = None,
    followers: Mapping[str, Follower] | None = None,
    stopping: Stopping | None = None,
) -> AsyncIterator[Parts]:
    """Build what any process has, connected at its first use; it closes within seconds.

    `transport` is closed by whoever brings one.
    `followers`: what this process does with the moves of followed tasks (`tasks/outbox.py`).
    """
    async with AsyncExitStack() as closing:
        counts = Counts(code_word)
        store = await open_store(settings, database_url, keys, closing, counts=counts)
        kling = _open_kling(settings, store, catalogue, transport, closing, counts=counts)
        budget = BodyBudget(settings.body_budget_mb * 1024 * 1024)
        assets = open_assets(
            *(settings, store.pool, keys, kling.directory, closing), budget=budget, counts=counts
        )
        deliveries = _open_deliveries(settings, store, assets, closing, counts=counts)
        prices = cached_prices(store.sessions, settings.zone)
        units = UnitPrices.in_force(settings)
        tasks = _open_tasks(
            *(settings, store, kling, deliveries.guard, closing),
            given=assets.given,
            counts=counts,
            prices=prices,
            stopping=stopping or Stopping(settings.drain_s),
        )
        runs = open_runs(
            settings,
            store,
            closing,
            submitter=tasks.submitter,
            pass_through=tasks.pass_through,
            quoter=tasks.quoter,
            retries=tasks.retries,
            catalogue=catalogue,
        )
        ability = Ability(store.lines, store.pool, directory=kling.directory, prices=prices)
        closing.push_async_callback(ability.aclose)
        loops = Loops(
            tasks.looker,
            deliveries.deliverer,
            Outbox(
                store.pool,
                {ASSETS: assets.noter.follow, RUNS: runs.runner.follow, **(followers or {})},
            ),
            assets.copier,
            assets.remover,
            runs.sends,
            runs.looks,
            tasks.queue_sender,
            ChannelKeeper(
                store.pool,
                store.sessions,
                directory=kling.directory,
                upstream=kling.upstream,
                board=kling.board,
                observer=kling.observer,
                catalogue=kling.catalogue,
            ),
            UnitsReader(
                store.pool,
                directory=kling.directory,
                upstream=kling.upstream,
                board=kling.board,
                observer=kling.observer,
            ),
            open_alerter(settings, store.sessions, store.keys, ability=ability, counts=counts),
            store.chores,
            audit_every_s=settings.audit_every_s,
            keep_raw_days=settings.keep_raw_days,
            zone=settings.zone,
            close_after_days=settings.close_after_days,
            ages=Ages.of(settings),
            storage=Storage(
                None if settings.asset_gb_month is None else micros_of(settings.asset_gb_month),
                settings.currency,
            ),
            noticer=Noticer(store.sessions, prices, units, zone=settings.zone),
            notices=deliveries.notices,
            backups=schedule_of(settings, database_url, keys, store.sessions),
        )
        yield Parts(
            *(store, kling, deliveries, tasks, assets, runs, loops, ability, budget, counts)
        )


async def end(parts: Parts, *tasks: "asyncio.Task[None] | None") -> None:
    """Begin to close: stop what runs besides, and give the database a moment to answer."""
    for opener in parts.store.openers:
        opener.shut_after(parts.store.close_timeout_s)
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def _open_kling(
    settings: Settings,
    store: Store,
    catalogue: Catalogue,
    given: Transport | None,
    closing: AsyncExitStack,
    *,
    counts: Counts,
) -> Kling:
    transport = given or Http1Transport()
    if given is None:
        closing.push_async_callback(transport.aclose)
    directory = ChannelDirectory(store.sessions, store.keys)
    board = Board(store.pool, Room(store.pool, settings.room_scope))
    closing.push_async_callback(board.aclose)
    observer = Observer(board)
    upstream = Upstream(transport, JwtCache(), counts=counts, observer=observer)
    closing.push_async_callback(upstream.aclose)
    public_url = settings.public_url.rstrip("/") if settings.public_url else None
    callback_paths = CallbackPaths(store.keys, public_url)
    return Kling(
        catalogue,
        directory,
        upstream,
        Asker(upstream, directory, catalogue, callback_paths),
        ChannelChooser(
            store.pool, directory, Presets(upstream, catalogue), cached_pauses(store.sessions)
        ),
        board,
        observer,
        callback_paths,
    )


def _open_deliveries(
    settings: Settings, store: Store, assets: Assets, closing: AsyncExitStack, *, counts: Counts
) -> Deliveries:
    guard = CallbackGuard(settings.callback_networks)
    sender = Sender(guard)
    closing.push_async_callback(sender.aclose)
    deliverer = Deliverer(
        store.pool,
        store.sessions,
        sender=sender,
        keys=store.keys,
        counts=counts,
        show=assets.urls.for_callback,
    )
    notices = NoticeSender(store.sessions, sender, store.keys, settings, counts=counts)
    return Deliveries(guard, sender, deliverer, notices)


def _open_tasks(
    settings: Settings,
    store: Store,
    kling: Kling,
    guard: CallbackGuard,
    closing: AsyncExitStack,
    *,
    given: GivenAssets,
    counts: Counts,
    prices: Cached[Prices],
    stopping: Stopping,
) -> Tasks:
    lines = store.lines
    door = Door(ends=lines.ends, refusals=lines.refusals, records=lines.records, counts=counts)
    closing.push_async_callback(door.aclose)
    learner = Learner(door, kling.asker, kling.catalogue, Underquotes(store.sessions), store.pool)
    flags = Flags(store.pool)
    queue = Queue(lines.holds, store.pool, store.keys)
    closing.push_async_callback(queue.aclose)
    looker = Looker(
        lines.reads,
        store.pool,
        asker=kling.asker,
        door=door,
        learner=learner,
        flags=flags,
        queue=queue,
        directory=kling.directory,
        catalogue=kling.catalogue,
        rules=LookRules(
            refresh_s=settings.refresh_s,
            has_callbacks=kling.callback_paths.are_on,
            lost_looks=settings.lost_looks,
            lost_after_s=settings.lost_after_s,
            unconfirmed_lost_after_s=settings.unconfirmed_lost_after_s,
        ),
        counter=counts.looks,
    )
    closing.push_async_callback(looker.aclose)
    seeker = Seeker(
        store.pool,
        asker=kling.asker,
        learner=learner,
        looker=looker,
        catalogue=kling.catalogue,
    )
    closing.push_async_callback(seeker.aclose)
    retries = Retries(refusals=lines.refusals, reads=lines.reads, pool=store.pool)
    closing.push_async_callback(retries.aclose)
    concluder = Concluder(door, learner, looker)
    dispatcher = Dispatcher(
        lines.holds,
        directory=kling.directory,
        board=kling.board,
        upstream=kling.upstream,
        concluder=concluder,
        queue=queue,
        callback_paths=kling.callback_paths,
        given=given,
        kling_timeout_s=settings.kling_timeout_s,
    )
    closing.push_async_callback(dispatcher.aclose)
    units = UnitPrices.in_force(settings)
    quoter = Quoter(store.sessions, prices, units, underquoted=settings.underquoted)
    submitter = Submitter(
        lines.holds,
        quoter=quoter,
        chooser=kling.chooser,
        board=kling.board,
        dispatcher=dispatcher,
        retries=retries,
        callback_guard=guard,
        given=given,
        keys=store.keys,
        rules=SubmitRules(
            currency=settings.currency,
            submit_timeout_s=settings.submit_timeout_s,
            retry_s=settings.submit_retry_s,
            keeps_addresses=settings.keep_addresses_days > 0,
            zone=settings.zone,
        ),
    )
    closing.push_async_callback(submitter.aclose)
    pass_through = PassThrough(
        store.pool,
        chooser=kling.chooser,
        board=kling.board,
        upstream=kling.upstream,
        given=given,
        timeout_s=settings.kling_timeout_s,
        calls_per_s=settings.free_calls_per_s,
    )
    sender = QueueSender(
        store.pool,
        store.sessions,
        chooser=kling.chooser,
        board=kling.board,
        dispatcher=dispatcher,
        catalogue=kling.catalogue,
        keys=store.keys,
        submit_timeout_s=settings.submit_timeout_s,
        stopping=stopping,
    )
    closing.push_async_callback(sender.aclose)
    return Tasks(
        *(door, learner, looker, seeker, flags, prices, quoter, submitter, retries),
        *(pass_through, sender),
    )
