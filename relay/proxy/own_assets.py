"""A tenant's view of the files that are kept for it, under `/relay/assets`.

    GET  /relay/assets?task_id=…&state=…&pageSize=…&before=…     newest first, and how much it is
    GET  /relay/assets/{id}
    POST /relay/assets/{id}/delete

Each has a `url` of ours while it is kept. Another tenant's asset does not exist.
"""

import time
from datetime import datetime
from typing import Any

import structlog

from relay.assets.links import AssetLinks
from relay.assets.read import AssetFilter, ListedAsset, find_asset, list_assets, read_kept_sum
from relay.assets.tables import AssetState
from relay.database.engine import Sessions
from relay.desk.assets import delete_asset
from relay.desk.errors import Busy, NoSuch, NotPossible
from relay.errors import AssetNotFound, InvalidParameter, Unavailable
from relay.moments import ms_of
from relay.proxy.asked import Asked, tenant_actor
from relay.proxy.query import read_number
from relay.proxy.query_string import read_query
from relay.tasks.own import find_own
from relay.tenants.caller import Caller
from relay.tenants.tables import Tenant

log = structlog.get_logger()

SIZE_DEFAULT, SIZE_MAX = 50, 500
ID_MAX = 2**63 - 1


class OwnAssets:
    """Answers a tenant about its files, each with what is to stand in `data`."""

    def __init__(self, sessions: Sessions, links: AssetLinks) -> None:
        self._sessions = sessions
        self._links = links

    async def list(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """List them, with the bytes that they have in all, and may have."""
        given = read_query(asked.query.replace(b"%00", b"%EF%BF%BD"))
        values = {name: texts[-1] for name, texts in given.items()}
        state = values.get("state")
        if state is not None and state not in set(AssetState):
            raise InvalidParameter("state", f"must be one of {', '.join(AssetState)}")
        size = read_number(given, "pageSize", default=SIZE_DEFAULT, largest=SIZE_MAX)
        before = read_number(given, "before", default=ID_MAX, largest=ID_MAX)
        async with self._sessions() as session:
            task_id = None
            if "task_id" in values:
                task_id = await find_own(session, caller.tenant_id, values["task_id"])
            rows: list[ListedAsset] = []
            if "task_id" not in values or task_id is not None:
                wanted = AssetFilter(
                    caller.tenant_id, None if state is None else AssetState(state), task_id, before
                )
                rows = await list_assets(session, wanted, limit=size + 1)
            kept = await read_kept_sum(session, caller.tenant_id)
            tenant = await session.get_one(Tenant, caller.tenant_id)
        return {
            "assets": [self._shown(row) for row in rows[:size]],
            "next_before": rows[size - 1].id if len(rows) > size else None,
            "bytes": kept.bytes,
            "bytes_max": tenant.asset_bytes_max,
            "keep_days": tenant.keep_results_days,
        }

    async def show(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Show one.

        Raises:
            AssetNotFound
        """
        async with self._sessions() as session:
            found = await find_asset(session, asked.key, tenant_id=caller.tenant_id)
        if found is None:
            raise AssetNotFound
        return self._shown(found)

    async def delete(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """End one before its time.

        Raises:
            AssetNotFound
            InvalidParameter: it is over already.
        """
        actor = tenant_actor(caller, asked)
        try:
            async with self._sessions.begin() as session:
                ended = await delete_asset(session, actor, asked.key, tenant_id=caller.tenant_id)
        except NoSuch as error:
            raise AssetNotFound from error
        except Busy as error:
            raise Unavailable from error
        except NotPossible as error:
            raise InvalidParameter("id", f"{error.why}; nothing was changed") from error
        return self._shown(ended)

    def _shown(self, row: ListedAsset) -> dict[str, Any]:
        url = None
        if row.state is AssetState.STORED and row.content_type is not None:
            url = self._links.url(row.asset, row.content_type, now_s=time.time())
        return {
            "asset_id": str(row.asset),
            "state": row.state.value,
            "source": row.source.value,
            "content_type": row.content_type,
            "bytes": row.bytes,
            "sha256": row.sha256,
            "url": url,
            "created_at": ms_of(row.created_at),
            "stored_at": _ms(row.stored_at),
            "kept_until": _ms(row.kept_until),
            "ended_at": _ms(row.ended_at),
        }


def _ms(at: datetime | None) -> int | None:
    return None if at is None else ms_of(at)
