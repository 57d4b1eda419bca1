"""What steps made, for those behind them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.assets.schedule import KLING_KEEPS_S
from relay.assets.tables import Asset, AssetState
from relay.kling.media import SCHEME
from relay.kling.transport import Reply
from relay.kling.wire import read_any, read_envelope, rewrite_texts
from relay.runs.tables import RunStep

FRESH = timedelta(seconds=KLING_KEEPS_S) - timedelta(days=1)
"""For how long a step is given Kling's own URL of what one before it made.

Kling reads that without us, wherever the relay stands and whatever its store does, so while it is
good it is the better one. It ends 30 days after; then our copy is named where one is kept, and put
before Kling as whatever else a create names by its id.
"""


async def outputs_of(session: AsyncSession, run_id: int, names: Sequence[str]) -> dict[str, Any]:
    """Read what steps of a run made; of what is old, files are named as we keep them."""
    if not names:
        return {}
    rows = await session.execute(
        select(
            RunStep.name, RunStep.output, RunStep.task_id, RunStep.made_at < func.now() - FRESH
        ).where(RunStep.run_id == run_id, RunStep.name.in_(names))
    )
    outputs = {}
    for name, output, task_id, is_old in rows.all():
        if output is not None:
            body = output.encode()
            kept = await _kept(session, task_id) if is_old and task_id is not None else {}
            outputs[name] = read_any(_with_ours(body, kept) if kept else body)
    return outputs


async def _kept(session: AsyncSession, task_id: int) -> dict[str, str]:
    """Find by what name each file of a task is kept; by its URL, and by that before its query."""
    query = select(Asset.source_url, Asset.public_id).where(
        Asset.task_id == task_id, Asset.state == AssetState.STORED
    )
    kept = {}
    for url, public_id in await session.execute(query):
        assert url is not None, "a result has one, by a constraint"
        kept[url] = kept[url.partition("?")[0]] = f"{SCHEME}{public_id}"
    return kept


def _with_ours(body: bytes, kept: dict[str, str]) -> bytes:
    return rewrite_texts(
        body, lambda text: kept.get(text) or kept.get(text.partition("?")[0], text)
    )


def data_of(reply: bytes | None) -> str | None:
    """Take what a call made out of the reply that was kept of it."""
    if reply is None:
        return None
    envelope = read_envelope(Reply(200, "application/json", reply))
    if envelope is None or not isinstance(envelope.data, msgspec.Raw):
        return None
    return bytes(envelope.data).decode()
