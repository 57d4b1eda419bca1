"""What steps made, for those behind them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.kling.transport import Reply
from relay.kling.wire import read_any, read_envelope
from relay.runs.tables import RunStep


async def outputs_of(session: AsyncSession, run_id: int, names: Sequence[str]) -> dict[str, Any]:
    """Read what steps of a run made."""
    if not names:
        return {}
    rows = await session.execute(
        select(RunStep.name, RunStep.output).where(
            RunStep.run_id == run_id, RunStep.name.in_(names)
        )
    )
    return {name: read_any(output.encode()) for name, output in rows if output is not None}


def data_of(reply: bytes | None) -> str | None:
    """Take what a call made out of the reply that was kept of it."""
    if reply is None:
        return None
    envelope = read_envelope(Reply(200, "application/json", reply))
    if envelope is None or not isinstance(envelope.data, msgspec.Raw):
        return None
    return bytes(envelope.data).decode()
