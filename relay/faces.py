"""What answers requests in a process that serves, made of its parts."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from relay.callbacks.receive import CallbackReceiver
from relay.callbacks.surface import CallbackSurface
from relay.pages.later import Later
from relay.parts import Parts
from relay.portal.app import Portal
from relay.portal.behind import open_behind
from relay.pricing.quote import UnitPrices
from relay.proxy.account import Accounts
from relay.proxy.asset_surface import AssetSurface
from relay.proxy.many import ManyQueries
from relay.proxy.new_api_usage import NewApiUsage
from relay.proxy.openapi.document import KlingDocument
from relay.proxy.own_assets import OwnAssets
from relay.proxy.own_books import OwnBooks
from relay.proxy.own_codes import OwnCodes
from relay.proxy.own_deliveries import OwnDeliveries
from relay.proxy.own_files import OwnFiles
from relay.proxy.own_invoices import OwnInvoices
from relay.proxy.own_limits import OwnLimits
from relay.proxy.own_notices import OwnNotices
from relay.proxy.own_prices import OwnPrices
from relay.proxy.own_queue import OwnQueue
from relay.proxy.own_sessions import OwnSessions
from relay.proxy.own_surface import OwnSurface
from relay.proxy.own_tasks import OwnTasks
from relay.proxy.own_tenants import OwnTenants
from relay.proxy.own_tokens import OwnTokens
from relay.proxy.paths import Router
from relay.proxy.query import Queries
from relay.proxy.surface import KlingSurface, TenantSurface
from relay.proxy.unified import UnifiedSurface
from relay.proxy.unified_content import ContentSurface
from relay.proxy.upload_surface import UploadSurface
from relay.settings import Settings
from relay.stopping import Stopping
from relay.studio.app import studio_app
from relay.studio.behind import Behind as StudioBehind
from relay.studio.gate import Studio
from relay.studio.media import Files
from relay.studio.rules import read_rules
from relay.studio.workflows import open_templates
from relay.tasks.queue.place import Places
from relay.tenants.authenticate import Authenticator
from relay.trial.callbacks import TrialCallbacks


class Faces(msgspec.Struct, frozen=True):
    """The applications of `front.py` that are not Litestar's."""

    kling: KlingSurface
    content: TenantSurface
    """Kling's surface too, where new-api's paths are not served."""
    own: OwnSurface
    portal: Portal | None
    """None where it is not switched on."""
    studio: Studio | None
    """None where it is not switched on."""
    callbacks: CallbackSurface
    assets: AssetSurface
    uploads: UploadSurface
    receiver: CallbackReceiver


@asynccontextmanager
async def open_faces(
    settings: Settings, parts: Parts, document: KlingDocument, stopping: Stopping
) -> AsyncIterator[Faces]:
    """Build them; `document` is of what they serve. What they hold open they close."""
    store, kling, tasks = parts.store, parts.kling, parts.tasks
    async with AsyncExitStack() as closing:
        authenticator = Authenticator(store.lines.reads, store.keys)
        closing.push_async_callback(authenticator.aclose)
        assets = parts.assets
        queries = Queries(store.lines.reads, store.pool, tasks.looker, tasks.seeker, assets.urls)
        closing.push_async_callback(queries.aclose)
        receiver = CallbackReceiver(
            store.lines.reads,
            paths=kling.callback_paths,
            directory=kling.directory,
            learner=tasks.learner,
            looker=tasks.looker,
            flags=tasks.flags,
            trials=TrialCallbacks(store.pool),
            delays=parts.counts.callback_seconds,
        )
        closing.push_async_callback(receiver.aclose)
        budget = parts.budget
        body_limit_bytes = settings.body_limit_mb * 1024 * 1024
        router = Router(kling.catalogue, settings.native_prefixes)
        units = UnitPrices.in_force(settings)
        accounts = Accounts(store.pool, prices=units, currency=settings.currency)
        surface_of = UnifiedSurface if settings.new_api_paths else KlingSurface
        surface = surface_of(
            authenticator=authenticator,
            submitter=tasks.submitter,
            retries=tasks.retries,
            pass_through=tasks.pass_through,
            queries=queries,
            many=ManyQueries(queries, store.pool, kling.catalogue),
            accounts=accounts,
            router=router,
            budget=budget,
            body_limit_bytes=body_limit_bytes,
            counts=parts.counts,
        )
        content: TenantSurface = surface
        if settings.new_api_paths:
            content = ContentSurface(
                queries=queries,
                directory=kling.directory,
                passing=assets.passing,
                authenticator=authenticator,
                budget=budget,
                body_limit_bytes=body_limit_bytes,
                counts=parts.counts,
            )
        places = Places(store.pool, kling.board)
        own_assets = OwnAssets(store.sessions, assets.links)
        own_tokens = OwnTokens(store.sessions, store.keys, kling.catalogue)
        own = OwnSurface(
            authenticator=authenticator,
            deliveries=OwnDeliveries(
                store.sessions,
                sender=parts.deliveries.sender,
                guard=parts.deliveries.guard,
                keys=store.keys,
            ),
            assets=own_assets,
            prices=OwnPrices(
                tasks.prices,
                tasks.quoter,
                router=router,
                unit_prices=units,
                currency=settings.currency,
                timezone=settings.timezone,
            ),
            queue=OwnQueue(store.sessions, places),
            tokens=own_tokens,
            tenants=OwnTenants(store.sessions, own_tokens, zone=settings.zone),
            tasks=OwnTasks(
                store.sessions,
                store.pool,
                places=places,
                accounts=accounts,
                catalogue=kling.catalogue,
                settings=settings,
                urls=assets.urls,
            ),
            books=OwnBooks(store.sessions, accounts, settings),
            codes=OwnCodes(store.sessions, settings),
            invoices=OwnInvoices(store.sessions, settings),
            limits=OwnLimits(store.sessions, currency=settings.currency, zone=settings.zone),
            portal_sessions=OwnSessions(store.sessions),
            notices=OwnNotices(store.sessions, store.keys, settings),
            new_api=NewApiUsage(store.sessions),
            document=document,
            sessions=store.sessions,
            budget=budget,
            body_limit_bytes=body_limit_bytes,
            counts=parts.counts,
        )
        callbacks = CallbackSurface(receiver, parts.counts.callbacks)
        uploads = UploadSurface(
            authenticator=authenticator,
            uploader=assets.uploader,
            own=own_assets,
            budget=budget,
            body_limit_bytes=body_limit_bytes,
            counts=parts.counts,
        )
        studio = None
        if settings.studio:
            studio = Studio(
                Later(studio_app),
                StudioBehind(
                    store.sessions,
                    parts.runs,
                    Files(assets.uploader),
                    surface,
                    assets.urls,
                    tasks.quoter,
                    kling.catalogue,
                    settings,
                    read_rules(settings.studio_prompts),
                    open_templates(settings, kling.catalogue),
                    stopping,
                ),
                authenticator=authenticator,
                budget=budget,
                body_limit_bytes=body_limit_bytes,
                counts=parts.counts,
            )
        portal = None
        if settings.portal:
            behind = open_behind(
                settings,
                store.sessions,
                authenticator=authenticator,
                own=own,
                kling=surface,
                files=OwnFiles(store.sessions, kling.directory, assets.passing),
                uploads=uploads,
                studio=studio,
                catalogue=kling.catalogue,
                stopping=stopping,
            )
            portal = Portal(behind)
        asset_surface = AssetSurface(
            store.pool,
            store=assets.store,
            links=assets.links,
            own_origin=settings.asset_url,
            is_led=settings.asset_redirects,
            counts=parts.counts,
        )
        yield Faces(
            surface, content, own, portal, studio, callbacks, asset_surface, uploads, receiver
        )
