"""What a process does with files that stay, made of its settings."""

from contextlib import AsyncExitStack

import msgspec

from relay.assets.copier import Copier, Noter
from relay.assets.given import GivenAssets
from relay.assets.links import AssetLinks, ResultUrls
from relay.assets.remover import Remover
from relay.assets.store import AssetStore
from relay.assets.uploader import Uploader
from relay.body_budget import BodyBudget
from relay.buckets.reach import read_reach
from relay.channels.directory import ChannelDirectory
from relay.counts import Counts
from relay.database.driver import Pool
from relay.database.embedded import default_data_dir
from relay.machine import Machine
from relay.results.files import Files
from relay.results.passing import Passing
from relay.secrets import KeyRing
from relay.settings import Settings

GB = 10**9


class Assets(msgspec.Struct, frozen=True):
    """Files that stay."""

    store: AssetStore
    files: Files
    """Of Kling's."""
    passing: Passing
    """The same, for whoever they are passed on to."""
    noter: Noter
    copier: Copier
    remover: Remover
    links: AssetLinks
    urls: ResultUrls
    given: GivenAssets
    uploader: Uploader


def open_assets(
    settings: Settings,
    pool: Pool,
    keys: KeyRing,
    directory: ChannelDirectory,
    closing: AsyncExitStack,
    *,
    budget: BodyBudget,
    counts: Counts,
) -> Assets:
    """Make them; what they hold open closes with `closing`."""
    files = Files()
    closing.push_async_callback(files.aclose)
    store = open_store(settings)
    copier = Copier(pool, files=files, store=store, directory=directory, counts=counts)
    links = links_of(settings, keys)
    urls = ResultUrls(pool, links)
    return Assets(
        *(store, files, Passing(files), Noter(pool), copier, Remover(pool, store), links, urls),
        GivenAssets(pool, store, links, budget),
        Uploader(
            *(pool, store),
            days=settings.asset_upload_days,
            bytes_max=settings.asset_upload_gb * GB,
            counts=counts,
        ),
    )


def links_of(settings: Settings, keys: KeyRing) -> AssetLinks:
    """Make what makes links, and reads them."""
    base_url = settings.asset_url or settings.public_url
    return AssetLinks(keys, base_url, days=settings.asset_link_days)


def open_store(settings: Settings) -> AssetStore:
    """Find where files lie that stay; nothing is opened yet."""
    folder = (settings.data_dir or default_data_dir()) / "assets"
    return AssetStore(settings.asset_store or str(folder), lambda: read_reach(machine=Machine()))
