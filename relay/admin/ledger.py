"""What an operator is, and reads of the books."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.exceptions import PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromQuery, QueryParameter
from litestar.types import Guard
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.problems import WrongField, declared
from relay.database.engine import Sessions
from relay.database.ids import TaskId
from relay.desk.find import tenant_named
from relay.desk.permit import read_spent
from relay.desk.roles import ACTS, BOUNDED, ceiling_of
from relay.ledger.tables import EntryKind, TopupKind
from relay.months import Window, first_moment, month_of, read_month
from relay.operators.authenticate import KnownOperator
from relay.operators.tables import Operator, Role
from relay.settings import Settings
from relay.usage.entries import EntryFilter, ListedEntry, list_entries
from relay.usage.sums import Usage, UsageKey, read_usage

Asked = Request[KnownOperator, Any, Any]
ID_MAX = 2**63 - 1
Id = Annotated[int | None, QueryParameter(ge=1, le=ID_MAX)]


def may(act: str) -> Guard:
    """Let in whose role may do it; whoever may not is noted."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        operator: KnownOperator = connection.scope["user"]
        if operator.role not in ACTS[act]:
            scope: Any = connection.scope
            client = scope["client"]
            await scope["gate"].note(operator, client[0] if client else "", 403, scope["path"])
            raise PermissionDeniedException(f"with the role {operator.role.value} no {act}")

    return guard


class Allowed(msgspec.Struct, frozen=True):
    """What an operator may do."""

    act: str
    ceiling_micros: int | None = None
    """Of 24 hours; null is none."""
    left_micros: int | None = None
    """Of it."""


class Me(msgspec.Struct, frozen=True):
    """Whose token it is."""

    name: str
    role: Role
    token_id: int
    expires_at: datetime | None
    may: list[Allowed]


class Entries(msgspec.Struct, frozen=True):
    """A page of them, newest first."""

    entries: list[ListedEntry]
    next_cursor: str | None
    """Of the next page; null where there is none."""


class UsageLine(msgspec.Struct, frozen=True, kw_only=True):
    """What has the same keys."""

    keys: dict[str, str | int | None]
    tasks: int
    succeeded: int
    failed: int
    refused: int
    charges: int
    """Successes that were charged."""
    seconds: int
    images: int
    charged_micros: int
    cost_micros: int
    margin_micros: int
    """What is left of charges whose cost is known."""
    at_list: int
    """Tasks whose units have no purchase price."""
    uncharged: int
    """Tasks that Kling took for, and that were never charged."""
    without_cost: int
    without_cost_micros: int
    """Charged for those whose cost is not known."""


class UsageSums(msgspec.Struct, frozen=True):
    """Sums of a window."""

    since: datetime
    until: datetime
    """The first moment behind it."""
    usage: list[UsageLine]


class Own(Controller):
    path = "/admin/v1"

    @get("/me", responses=declared())
    async def me(self, request: Asked, sessions: NamedDependency[Sessions]) -> Me:
        """Say who the token's operator is, what it may do, and what is left of its ceilings."""
        known = request.user
        async with sessions.begin() as session:
            await session.execute(text("SET TRANSACTION READ ONLY"))
            operator = await session.get(Operator, known.id)
            spent = await read_spent(session, f"operator:{known.name}", BOUNDED)
        own = {} if operator is None else operator.ceilings
        allowed = []
        for act in (act for act, grants in ACTS.items() if known.role in grants):
            ceiling = ceiling_of(known.role, act, own) if act in BOUNDED else None
            left = None if ceiling is None else max(0, ceiling - spent.get(act, 0))
            allowed.append(Allowed(act, ceiling, left))
        return Me(known.name, known.role, known.token_id, known.expires_at, allowed)


class Books(Controller):
    path = "/admin/v1"

    @get("/entries", guards=[may("entry.read")], responses=declared(400, 403, 404))
    async def entries(
        self,
        sessions: NamedDependency[Sessions],
        *,
        tenant: FromQuery[str | None] = None,
        account: Id = None,
        kind: FromQuery[EntryKind | None] = None,
        topup: FromQuery[TopupKind | None] = None,
        task: Id = None,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        cursor: FromQuery[str | None] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 50,
    ) -> Entries:
        """List entries of the ledger, newest first, each with the quota of its account after it.

        `until`: the first moment that is too late. `cursor`: a page's `next_cursor`.
        """
        for name, at in (("since", since), ("until", until)):
            if at is not None and at.tzinfo is None:
                raise WrongField(name, "a moment has its offset, such as 2026-11-27T00:00:00Z")
        before_id = _read_cursor(cursor)
        async with sessions.begin() as session:
            await session.execute(text("SET TRANSACTION READ ONLY"))
            wanted = EntryFilter(
                account_id=account,
                tenant=None if tenant is None else await tenant_named(session, tenant),
                kind=None if kind is None else kind.value,
                topup_kind=None if topup is None else topup.value,
                task_id=None if task is None else TaskId(task),
                since=since,
                until=until,
                before_id=before_id,
            )
            found = await list_entries(session, wanted, limit=limit + 1)
        has_more = len(found) > limit
        return Entries(found[:limit], str(found[limit - 1].id) if has_more else None)

    @get("/usage", guards=[may("usage.read")], responses=declared(400, 403, 404))
    async def usage(
        self,
        sessions: NamedDependency[Sessions],
        settings: NamedDependency[Settings],
        *,
        by: FromQuery[list[UsageKey] | None] = None,
        month: FromQuery[str | None] = None,
        first: Annotated[date | None, QueryParameter(name="from")] = None,
        last: Annotated[date | None, QueryParameter(name="to")] = None,
        tenant: FromQuery[str | None] = None,
    ) -> UsageSums:
        """Sum up days of RELAY_TIMEZONE, from tasks and entries as they are now.

        `by`: again for more keys. A month, or `from` a day `to` another one; else this month.
        """
        zone = settings.zone
        window = _window(month, first, last, settings)
        async with sessions.begin() as session:
            await session.execute(text("SET TRANSACTION READ ONLY"))
            found = await read_usage(
                *(session, list(dict.fromkeys(by or [])), window),
                zone=zone,
                currency=settings.currency,
                tenant_id=await _tenant_id(session, tenant),
            )
        return UsageSums(window.start, window.until, [_line(one) for one in found])


def _line(one: Usage) -> UsageLine:
    return UsageLine(**msgspec.structs.asdict(one), margin_micros=one.margin_micros)


async def _tenant_id(session: AsyncSession, name: str | None) -> int | None:
    return None if name is None else (await tenant_named(session, name)).id


def _read_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and 0 < int(cursor[:20]) <= ID_MAX):
        raise WrongField("cursor", "it is no `next_cursor` of a page")
    return int(cursor)


def _window(month: str | None, first: date | None, last: date | None, settings: Settings) -> Window:
    zone, now = settings.zone, datetime.now(UTC)
    if month is not None and (first is not None or last is not None):
        raise WrongField("month", "a month, or from and to")
    if last is not None and first is None:
        raise WrongField("from", "to which day needs from which one")
    try:
        if first is None:
            return (month_of(now, zone) if month is None else read_month(month)).window(zone)
        last = now.astimezone(zone).date() if last is None else last
        behind = last + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise WrongField("to" if month is None else "month", str(error)) from error
    if last < first:
        raise WrongField("to", "it is before the first day")
    return Window(first_moment(first, zone), first_moment(behind, zone))
