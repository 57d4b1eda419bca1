"""A plan, done: the pieces of it, each for a transaction of its own."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import UTC
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.codes.edit import NewCode
from relay.desk.actor import Actor
from relay.desk.channels import ChannelChanges, WayChanges, add_channel, change_channel
from relay.desk.codes import move_codes
from relay.desk.gates import set_gates
from relay.desk.limits import set_limits
from relay.desk.move_in import move_models, move_tasks, move_tenant
from relay.desk.moving.make import gates_of
from relay.desk.moving.plan import ChannelLine, Choices, KeyLine, Plan, TenantLine, Verdict
from relay.desk.prices import set_price
from relay.desk.tokens import issue_token
from relay.limits.tables import LimitKind
from relay.new_api.moved import shown
from relay.new_api.rows import OldTask
from relay.new_api.tables import MovedTenant
from relay.secrets import KeyRing

Work = Callable[[AsyncSession, Actor], Awaitable[object]]
ROWS_AT_ONCE = 500
FROM_IMAGES = frozenset({"generate", "firstTailGenerate", "referenceGenerate", "image_to_video"})
"""Of tasks there: what is `image2video` here."""


class Step(NamedTuple):
    """One transaction."""

    what: str
    """For people."""
    work: Work


def channel_step(line: ChannelLine, keys: KeyRing, base_url: str) -> Step:
    """Add an account, switched off if it is there."""
    assert line.keys is not None, "a line to be done has keys"
    channel_keys = line.keys

    async def work(session: AsyncSession, actor: Actor) -> None:
        await add_channel(
            session,
            actor,
            keys,
            name=line.name,
            base_url=base_url,
            channel_keys=channel_keys,
            priority=line.priority,
            weight=line.weight,
            groups=line.groups,
            models=line.models,
            way=WayChanges() if line.proxy is None else WayChanges(proxy=line.proxy),
        )
        if not line.is_enabled:
            await change_channel(session, actor, keys, line.name, ChannelChanges(enabled=False))

    return Step(f"channel {line.name}", work)


def model_steps(plan: Plan) -> Iterator[Step]:
    """Have names of models known on new-api's paths."""
    moved = (Verdict.NEW, Verdict.CORRECTED)
    names = {line.name: line.model for line in plan.models if line.verdict in moved}

    async def work(session: AsyncSession, actor: Actor) -> None:
        await move_models(session, actor, plan.choices.source, names)

    if names:
        yield Step("names of models", work)


def price_steps(plan: Plan) -> Iterator[Step]:
    """Set all prices at once, so that nobody is sold at half of them."""
    rows = [line.row for line in plan.prices if line.verdict is Verdict.NEW]

    async def work(session: AsyncSession, actor: Actor) -> None:
        for row in rows:
            await set_price(session, actor, row)

    if rows:
        yield Step("prices", work)


def tenant_steps(plan: Plan, keys: KeyRing) -> Iterator[Step]:
    """Open tenants with their keys, or correct their openings; each with its keys at once."""
    for line in plan.tenants:
        has_keys = any(one.verdict is Verdict.NEW for one in line.keys)
        is_moved = line.verdict in (Verdict.NEW, Verdict.CORRECTED)
        if is_moved or has_keys:
            yield Step(f"tenant {line.name}", _tenant(line, keys, plan.choices, is_moved=is_moved))


def _tenant(line: TenantLine, keys: KeyRing, choices: Choices, *, is_moved: bool) -> Work:
    async def work(session: AsyncSession, actor: Actor) -> None:
        if is_moved:
            await move_tenant(
                session,
                actor,
                line.name,
                source=choices.source,
                user_id=line.user_id,
                username=line.username,
                quota_micros=line.micros,
                currency=choices.currency,
                price_group=line.price_group,
                groups=list(line.groups),
                enabled=line.is_enabled,
            )
        for one in line.keys:
            if one.verdict is Verdict.NEW:
                await _issue(session, actor, line.name, keys, one)

    return work


async def _issue(
    session: AsyncSession, actor: Actor, name: str, keys: KeyRing, line: KeyLine
) -> None:
    """Take a key over with all that limits it, at once: it is never without."""
    issued = await issue_token(
        *(session, actor, name, keys), api_key=line.key.api_key, groups=line.groups
    )
    await set_gates(session, actor, gates_of(line.key), token_id=issued.id)
    if line.total_micros is not None:
        total = {LimitKind.TOTAL: line.total_micros}
        # A total has no days, in whichever zone.
        await set_limits(session, actor, total, token_id=issued.id, zone=UTC)


def code_steps(plan: Plan) -> Iterator[Step]:
    """Let codes be redeemed here, some at a time."""
    codes = iter([line.code for line in plan.codes if line.verdict is Verdict.NEW])
    while some := list(islice(codes, ROWS_AT_ONCE)):
        yield Step(f"{len(some)} redeem codes", _codes(some, plan.choices))


def _codes(codes: list[NewCode], choices: Choices) -> Work:
    async def work(session: AsyncSession, actor: Actor) -> int:
        return await move_codes(session, actor, choices.source, codes, currency=choices.currency)

    return work


async def tenants_by_user(session: AsyncSession, source: str) -> dict[int, int]:
    """Find our ids of tenants that were users of a source."""
    query = select(MovedTenant.user_id, MovedTenant.tenant_id).where(MovedTenant.source == source)
    return {row.user_id: row.tenant_id for row in await session.execute(query)}


def task_steps(tasks: Iterable[OldTask], tenants: Mapping[int, int], source: str) -> Iterator[Step]:
    """Keep tasks that ended, some at a time."""
    rows = (_row(task, tenants[task.user_id]) for task in tasks if task.user_id in tenants)
    while some := list(islice(rows, ROWS_AT_ONCE)):
        yield Step(f"{len(some)} tasks", _tasks(some, source))


def _tasks(rows: list[dict[str, Any]], source: str) -> Work:
    async def work(session: AsyncSession, actor: Actor) -> int:
        return await move_tasks(session, actor, source, rows)

    return work


def _row(task: OldTask, tenant_id: int) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "id": task.id,
        "endpoint": "image2video" if task.action in FROM_IMAGES else "text2video",
        "model": task.model,
        "has_succeeded": task.has_succeeded,
        "message": task.message,
        "result_url": task.result_url,
        "shown": shown(task),
        "created_at": task.created_at,
        "ended_at": task.ended_at,
    }
