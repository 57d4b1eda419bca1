"""Redeem codes: batches, what became of them, and turning one into quota."""

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk
from relay.admin.bodies import (
    Count,
    Cursor,
    Limit,
    Micros,
    Moment,
    Name,
    PathId,
    PathName,
    Words,
    read_cursor,
    tenant_of,
)
from relay.admin.lists import Listing, answer_list, answer_whole, cut
from relay.admin.routes import acts, reads
from relay.codes.read import ListedBatch, ListedCode, list_batches, list_codes
from relay.desk.actor import Actor
from relay.desk.codes import (
    MadeCode,
    Redeemed,
    batch_named,
    make_codes,
    redeem_code,
    revoke_codes,
)
from relay.desk.office import Office
from relay.ledger.tables import TopupKind


class NewBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    amount_micros: Micros
    """Of each."""
    expires_at: Moment | None
    """Not redeemed from then on; null is never."""
    count: Count = 1
    is_bonus: bool = False
    """They are given; else they are sold."""


class MadeCodes(msgspec.Struct, frozen=True):
    """Shown this once."""

    batch: str
    codes: list[MadeCode]


class BatchList(msgspec.Struct, frozen=True):
    batches: list[ListedBatch]


class CodePage(msgspec.Struct, frozen=True):
    """A page of them, the newest first."""

    codes: list[ListedCode]
    next_cursor: str | None
    """Of the next page; null where there is none."""


class RevokedCodes(msgspec.Struct, frozen=True):
    batch: str
    revoked: list[int]
    """By number; none that was revoked before."""


class ShownCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: Words


class Codes(Controller):
    path = "/admin/v1"
    tags = ("Codes",)

    @get("/codes", **reads("code.read", streams=True))
    async def list_batches(
        self, office: NamedDependency[Office], listing: NamedDependency[Listing]
    ) -> Response[BatchList]:
        """List batches, the newest first, with what became of their codes."""
        async with office.reading() as session:
            found = await list_batches(session)
        return answer_whole(listing, BatchList(found), found, ListedBatch)

    @get("/codes/{batch:str}", **reads("code.read", 404, streams=True))
    async def show(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        batch: PathName,
        *,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Response[CodePage]:
        """List a batch's codes, by number and last characters, and who redeemed them."""
        async with office.reading() as session:
            batch_id = (await batch_named(session, batch)).id

        async def read(
            session: AsyncSession, before_id: int | None, most: int
        ) -> tuple[list[ListedCode], int | None]:
            found = await list_codes(session, batch_id, before_id=before_id, limit=most + 1)
            return cut(found, most)

        return await answer_list(
            *(office, listing, read, ListedCode),
            page=CodePage,
            before_id=read_cursor(cursor),
            limit=limit,
        )

    @post("/codes", **acts("code.make", 409))
    async def make(
        self, desk: NamedDependency[AtDesk], data: JSONBody[NewBatch]
    ) -> Response[MadeCodes]:
        """Make a batch of codes, and show them this once."""

        async def work(session: AsyncSession, actor: Actor) -> MadeCodes:
            made = await make_codes(
                *(session, actor, data.name),
                amount_micros=data.amount_micros,
                count=data.count,
                expires_at=data.expires_at,
                kind=TopupKind.BONUS if data.is_bonus else TopupKind.PAID,
                currency=desk.settings.currency,
            )
            return MadeCodes(data.name, made)

        return await desk.act(work, status=201)

    @delete("/codes/{batch:str}", **acts("code.revoke", 404), status_code=200)
    async def revoke(
        self,
        desk: NamedDependency[AtDesk],
        batch: PathName,
        *,
        reason: FromQuery[str | None] = None,
    ) -> Response[RevokedCodes]:
        """Revoke what nobody has redeemed of a batch, for good."""
        return await _revoke(desk, batch, None, reason)

    @delete("/codes/{batch:str}/{code_id:int}", **acts("code.revoke", 404), status_code=200)
    async def revoke_one(
        self,
        desk: NamedDependency[AtDesk],
        batch: PathName,
        code_id: PathId,
        *,
        reason: FromQuery[str | None] = None,
    ) -> Response[RevokedCodes]:
        """Revoke one code that nobody has redeemed, for good."""
        return await _revoke(desk, batch, code_id, reason)

    @post("/tenants/{tenant:str}/redeem", **acts("code.redeem", 404))
    async def redeem(
        self, desk: NamedDependency[AtDesk], tenant: PathName, data: JSONBody[ShownCode]
    ) -> Response[Redeemed]:
        """Redeem a code for a tenant, once; again for the same account changes nothing."""

        async def work(session: AsyncSession, actor: Actor) -> Redeemed:
            name = await tenant_of(session, tenant)
            currency = desk.settings.currency
            return await redeem_code(session, actor, name, data.code, currency=currency)

        return await desk.act(work, status=201)


async def _revoke(
    desk: AtDesk, batch: str, code_id: int | None, reason: str | None
) -> Response[RevokedCodes]:
    async def work(session: AsyncSession, actor: Actor) -> RevokedCodes:
        revoked = await revoke_codes(session, actor, batch, code_id=code_id, reason=reason)
        return RevokedCodes(batch, revoked)

    return await desk.act(work)
