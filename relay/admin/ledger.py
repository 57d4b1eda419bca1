"""What an operator is, the entries of the ledger, and whether the books are right."""

from datetime import datetime

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import Asked
from relay.admin.bodies import Cursor, Like, Limit, QueryId, read_cursor, refuse_naive
from relay.admin.lists import Listing, answer_list, cut
from relay.admin.problems import declared
from relay.admin.routes import reads
from relay.database.ids import TaskId
from relay.desk.errors import NoSuch
from relay.desk.find import tenant_named
from relay.desk.office import Office
from relay.desk.permit import read_spent
from relay.desk.roles import ACTS, BOUNDED, ceiling_of
from relay.ledger.audits import LastAudit, find_last_audit, note_audit
from relay.ledger.invariants import AuditReport
from relay.ledger.tables import EntryKind, TopupKind
from relay.operators.tables import Operator, Role
from relay.usage.audit import audit_all
from relay.usage.entries import EntryFilter, ListedEntry, list_entries


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


class Own(Controller):
    path = "/admin/v1"
    tags = ("Operators",)

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
    tags = ("Ledger",)

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
        reference: Like = None,
        actor: Like = None,
        since: FromQuery[datetime | None] = None,
        until: FromQuery[datetime | None] = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[Entries]:
        """List entries of the ledger, newest first, each with the quota of its account after it.

        `reference`: how that of a top-up begins. `actor`: as it is spelled, or its name alone.
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
                reference=reference,
                actor=actor,
                since=since,
                until=until,
            )

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ListedEntry], int | None]:
            asked = msgspec.structs.replace(wanted, before_id=before_id)
            found = await list_entries(session, asked, limit=most + 1)
            return cut(found, most)

        return await answer_list(
            *(office, listing, read, ListedEntry),
            page=Entries,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @post("/audit", **reads("audit.read", 409), status_code=200)
    async def audit(self, request: Asked, office: NamedDependency[Office]) -> AuditReport:
        """Recompute the books from their parts, in one snapshot, and keep what was found.

        It may take minutes. Nothing differs: the books are right. Amounts are micros.
        """
        async with office.long() as session:
            report = await audit_all(session)
        async with office.sessions.begin() as session:
            await note_audit(session, report, actor=f"operator:{request.user.name}")
        return report

    @get("/audit", **reads("audit.read", 404))
    async def last_audit(self, office: NamedDependency[Office]) -> LastAudit:
        """Show what the newest audit found: by whoever, or by the relay itself."""
        async with office.reading() as session:
            found = await find_last_audit(session)
        if found is None:
            raise NoSuch("audit", "newest")
        return found
