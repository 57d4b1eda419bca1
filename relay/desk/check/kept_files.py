"""Whether files that are to stay can be kept: of whoever keeps none, nothing is said."""

import asyncio
import shutil
from collections.abc import Iterator

from relay.assets.opened import open_store
from relay.assets.read import Keeping
from relay.assets.store import AssetStore, StoreFailed
from relay.desk.check.disk import judge_disk
from relay.desk.check.finding import Finding, bad, good, warning
from relay.settings import Settings

SUBJECT = "kept files"
WAITED_S = 15.0
SEE = "`relay asset list --state due` says why"


async def check_kept_files(keeping: Keeping, settings: Settings) -> list[Finding]:
    """Put something small into the store and take it out, and judge what waits to be copied."""
    if not keeping.tenants and not keeping.bytes and not keeping.waiting:
        return []
    store = open_store(settings)
    return [await _judge_store(store, keeping), *_judge(store, keeping, settings)]


async def _judge_store(store: AssetStore, keeping: Keeping) -> Finding:
    try:
        async with asyncio.timeout(WAITED_S):
            await store.check()
    except TimeoutError:
        why = f"{store.place} did not answer within {WAITED_S:.0f} s"
    except StoreFailed as error:
        why = str(error)
    else:
        return good(SUBJECT, f"{keeping.bytes:,} bytes, in {store.place}")
    return bad(SUBJECT, why, "see RELAY_ASSET_STORE; what is to be copied waits, for 30 days")


def _judge(store: AssetStore, keeping: Keeping, settings: Settings) -> Iterator[Finding]:
    if keeping.waiting:
        yield warning(SUBJECT, f"{keeping.waiting} were tried three times in vain", SEE)
    if keeping.shows_ours and not (settings.asset_url or settings.public_url):
        yield warning(
            SUBJECT,
            "tenants are to be shown links of ours, and there is no URL to begin them with",
            "set RELAY_ASSET_URL, or RELAY_PUBLIC_URL",
        )
    if store.folder is not None and store.folder.is_dir():
        usage = shutil.disk_usage(store.folder)
        yield judge_disk(usage.total, usage.free, where=f"{store.folder}, of kept files")
