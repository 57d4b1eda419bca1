"""What a process does with runs, made of its settings."""

from contextlib import AsyncExitStack

import msgspec

from relay.database.gated import GatedSessions
from relay.database.lines import share
from relay.database.store import Store
from relay.kling.catalogue import Catalogue
from relay.runs.batches import Batches
from relay.runs.begin import Beginner
from relay.runs.callers import Callers
from relay.runs.feed import Feed
from relay.runs.read import Runs
from relay.runs.retries import RunRetries
from relay.runs.reuse import Reuse
from relay.runs.runner import Runner
from relay.runs.statements import CLAIM_LOOKS, CLAIM_SENDS
from relay.runs.turns import LOOKS_OF_TENANT, SENDS_OF_TENANT, Turns
from relay.settings import Settings
from relay.tasks.pass_through import PassThrough
from relay.tasks.quoter import Quoter
from relay.tasks.retries import Retries
from relay.tasks.submit import Submitter
from relay.tasks.usual import Usuals
from relay.tenants.authenticate import Authenticator


class RunParts(msgspec.Struct, frozen=True):
    """Runs."""

    beginner: Beginner
    batches: Batches
    runner: Runner
    sends: Turns
    looks: Turns
    runs: Runs
    feed: Feed


def open_runs(
    settings: Settings,
    store: Store,
    closing: AsyncExitStack,
    *,
    submitter: Submitter,
    pass_through: PassThrough,
    quoter: Quoter,
    retries: Retries,
    catalogue: Catalogue,
) -> RunParts:
    """Make them; what they hold open closes with `closing`."""
    # Of its own: runs are sent by a worker too, which has no face.
    authenticator = Authenticator(store.lines.reads, store.keys)
    closing.push_async_callback(authenticator.aclose)
    unheard = RunRetries(store.pool)
    closing.push_async_callback(unheard.aclose)
    runs = Runs(store.sessions, store.keys)
    feed = Feed(store.pool, runs, kept_days=settings.keep_events_days)
    closing.push_async_callback(feed.aclose)
    runner = Runner(
        # Dozens are moved at once, and each is a few short transactions.
        GatedSessions(store.sessions, at_once=share(settings.database_connections).sessions),
        store.pool,
        callers=Callers(store.pool, authenticator),
        submitter=submitter,
        pass_through=pass_through,
        quoter=quoter,
        retries=retries,
        catalogue=catalogue,
        keys=store.keys,
        usuals=Usuals(store.sessions),
    )
    return RunParts(
        Beginner(
            store.sessions,
            store.pool,
            quoter=quoter,
            catalogue=catalogue,
            keys=store.keys,
            reuse=Reuse(
                store.sessions,
                store.keys,
                days_max=settings.studio_reuse_days,
                calls_per_s=settings.free_calls_per_s,
            ),
            currency=settings.currency,
            retries=unheard,
        ),
        Batches(store.sessions),
        runner,
        Turns(store.pool, CLAIM_SENDS, runner.advance, of_tenant=SENDS_OF_TENANT),
        Turns(store.pool, CLAIM_LOOKS, runner.advance, of_tenant=LOOKS_OF_TENANT),
        runs,
        feed,
    )
