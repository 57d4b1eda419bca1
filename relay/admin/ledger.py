"""What an operator is, and reads of the books."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import msgspec
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import Asked, Office
from relay.admin.bodies import Cursor, Limit, QueryId, read_cursor, refuse_naive
from relay.admin.lists import Listing, answer_list
from relay.admin.problems import WrongField, declared
from relay.admin.routes import reads
from relay.database.ids import TaskId
from relay.desk.find import tenant_named
from relay.desk.permit import read_spent
from relay.desk.roles import ACTS, BOUNDED, ceiling_of
from relay.ledger.tables import EntryKind, TopupKind
from relay.months import Window, first_moment, month_of, read_month
from relay.operators.tables import Operator, Role
from relay.settings import Settings
from relay.usage.entries import EntryFilter, ListedEntry, list_entries
from relay.usage.sums import Usage, UsageKey, read_usage


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
    async def me(self, request: Asked, office: NamedDependency[Office]) -> Me:
        """Say who the token's operator is, what it may do, and what is left of its ceilings."""
        known = request.user
        async with office.reading() as session:
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

    @get("/entries", **reads("entry.read", 404, streams=True))
    async def entries(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        tenant: FromQuery[str | None] = None,
        account: QueryId = None,
        kind: FromQuery[EntryKind | None] = None,
        topup: FromQuery[TopupKind | None] = None,
        task: QueryId = None,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[Entries]:
        """List entries of the ledger, newest first, each with the quota of its account after it.

        `until`: the first moment that is too late. `cursor`: a page's `next_cursor`.
        """
        refuse_naive(since=since, until=until)
        async with office.reading() as session:
            wanted = EntryFilter(
                account_id=account,
                tenant=None if tenant is None else await tenant_named(session, tenant),
                kind=None if kind is None else kind.value,
                topup_kind=None if topup is None else topup.value,
                task_id=None if task is None else TaskId(task),
                since=since,
                until=until,
            )

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ListedEntry], int | None]:
            asked = msgspec.structs.replace(wanted, before_id=before_id)
            found = await list_entries(session, asked, limit=most + 1)
            return found[:most], found[most - 1].id if len(found) > most else None

        return await answer_list(
            *(office, listing, read, ListedEntry),
            page=Entries,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @get("/usage", **reads("usage.read", 404))
    async def usage(
        self,
        office: NamedDependency[Office],
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
        settings = office.settings
        zone = settings.zone
        window = _window(month, first, last, settings)
        async with office.reading() as session:
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
