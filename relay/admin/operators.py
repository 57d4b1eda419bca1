"""Operators, what each may do, and their tokens."""

import msgspec
from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk, IfMatch, of_version
from relay.admin.bodies import Micros, Moment, Name, PathId, PathName
from relay.admin.lists import Listing, answer_whole
from relay.admin.routes import acts, reads
from relay.desk.actor import Actor
from relay.desk.logins import EndedSession, end_web_session
from relay.desk.office import Office
from relay.desk.operators import (
    IssuedOperatorToken,
    add_operator,
    change_operator,
    issue_operator_token,
    operator_named,
    operator_to_act_on,
    remove_operator,
    revoke_operator_token,
)
from relay.desk.roles import ACTS
from relay.desk.shown import (
    ShownOperator,
    ShownOperatorToken,
    shown_operator,
    shown_operator_token,
)
from relay.logins.sessions import OpenSession, read_sessions
from relay.operators.read import read_operator_tokens, read_operators
from relay.operators.tables import Operator, Role


class NewOperator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    role: Role
    ceilings_micros: dict[str, Micros] = {}
    """Its own, in 24 hours, by act."""


class OperatorPatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Role | None = None
    ceilings_micros: dict[str, Micros | None] = {}
    """By act; null is its role's again."""


class NewOperatorToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    expires_at: Moment | None = None
    addresses: list[Name] = []
    """And networks, that it is taken from; none is anywhere."""


class Granted(msgspec.Struct, frozen=True):
    role: Role
    ceiling_micros: int | None


class RoleTable(msgspec.Struct, frozen=True):
    acts: dict[str, list[Granted]]


class OperatorList(msgspec.Struct, frozen=True):
    operators: list[ShownOperator]


class OperatorTokenList(msgspec.Struct, frozen=True):
    tokens: list[ShownOperatorToken]


class SessionList(msgspec.Struct, frozen=True):
    sessions: list[OpenSession]


class Operators(Controller):
    path = "/admin/v1"
    tags = ("Operators",)

    @get("/roles", **reads("operator.read"))
    async def roles(self) -> RoleTable:
        """Say what each role may do, and up to which ceiling in 24 hours."""
        return RoleTable(
            {
                act: [Granted(role, ceiling) for role, ceiling in grants.items()]
                for act, grants in ACTS.items()
            }
        )

    @get("/operators", **reads("operator.read", streams=True))
    async def list_operators(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        removed: FromQuery[bool] = False,
    ) -> Response[OperatorList]:
        """List operators, with their roles and the ceilings that are their own."""
        async with office.reading() as session:
            found = await read_operators(session, with_removed=removed)
        shown = [shown_operator(row) for row in found]
        return answer_whole(listing, OperatorList(shown), shown, ShownOperator)

    @get("/operators/{operator:str}", **reads("operator.read", 404))
    async def show(
        self, office: NamedDependency[Office], operator: PathName
    ) -> Response[ShownOperator]:
        """Show one operator."""
        async with office.reading() as session:
            return of_version(shown_operator(await operator_named(session, operator)))

    @post("/operators", **acts("operator.add"))
    async def add(
        self, desk: NamedDependency[AtDesk], data: JSONBody[NewOperator]
    ) -> Response[ShownOperator]:
        """Add an operator, who can do nothing until it has a token."""

        async def work(session: AsyncSession, actor: Actor) -> ShownOperator:
            row = await add_operator(
                *(session, actor, data.name), role=data.role, ceilings=data.ceilings_micros
            )
            return await _fresh(session, row)

        return await desk.act(work, status=201)

    @patch("/operators/{operator:str}", **acts("operator.change", 404, 412))
    async def change(
        self,
        desk: NamedDependency[AtDesk],
        operator: PathName,
        data: JSONBody[OperatorPatch],
        if_match: IfMatch = None,
    ) -> Response[ShownOperator]:
        """Change what an operator may do; its next act goes by it."""

        async def work(session: AsyncSession, actor: Actor) -> ShownOperator:
            await desk.refuse_stale(
                *(session, "operator.change", if_match), lambda s: _locked(s, operator)
            )
            row = await change_operator(
                *(session, actor, operator), role=data.role, ceilings=data.ceilings_micros
            )
            return await _fresh(session, row)

        return await desk.act(work)

    @delete("/operators/{operator:str}", **acts("operator.remove", 404, 412), status_code=200)
    async def remove(
        self, desk: NamedDependency[AtDesk], operator: PathName, if_match: IfMatch = None
    ) -> Response[ShownOperator]:
        """Shut an operator out for good, with its tokens; what it did keeps its name."""

        async def work(session: AsyncSession, actor: Actor) -> ShownOperator:
            await desk.refuse_stale(
                *(session, "operator.remove", if_match), lambda s: _locked(s, operator)
            )
            return await _fresh(session, await remove_operator(session, actor, operator))

        return await desk.act(work)

    @get("/operator-tokens", **reads("operator.read", 404, streams=True))
    async def list_tokens(
        self,
        office: NamedDependency[Office],
        listing: NamedDependency[Listing],
        *,
        operator: FromQuery[str | None] = None,
    ) -> Response[OperatorTokenList]:
        """List operators' tokens, by their last characters."""
        async with office.reading() as session:
            whose = None if operator is None else await operator_named(session, operator)
            found = await read_operator_tokens(session, whose)
        shown = [shown_operator_token(row, name) for row, name in found]
        return answer_whole(listing, OperatorTokenList(shown), shown, ShownOperatorToken)

    @post("/operators/{operator:str}/tokens", **acts("operator.issue_token", 404))
    async def issue_token(
        self, desk: NamedDependency[AtDesk], operator: PathName, data: JSONBody[NewOperatorToken]
    ) -> Response[IssuedOperatorToken]:
        """Make a token for an operator; shown this once."""

        async def work(session: AsyncSession, actor: Actor) -> IssuedOperatorToken:
            return await issue_operator_token(
                *(session, actor, operator),
                expires_at=data.expires_at,
                addresses=data.addresses,
            )

        return await desk.act(work, status=201)

    @delete(
        "/operator-tokens/{token_id:int}", **acts("operator.revoke_token", 404), status_code=200
    )
    async def revoke_token(
        self, desk: NamedDependency[AtDesk], token_id: PathId
    ) -> Response[ShownOperatorToken]:
        """End an operator's token for good, within 2 seconds."""

        async def work(session: AsyncSession, actor: Actor) -> ShownOperatorToken:
            token, _ = await revoke_operator_token(session, actor, token_id)
            whose = await session.get_one(Operator, token.operator_id)
            return shown_operator_token(token, whose.name)

        return await desk.act(work)

    @get("/operators/{operator:str}/sessions", **reads("operator.read", 404, streams=True))
    async def list_sessions(
        self, office: NamedDependency[Office], listing: NamedDependency[Listing], operator: PathName
    ) -> Response[SessionList]:
        """List the browsers that an operator is logged in with; the last used first."""
        async with office.reading() as session:
            whose = await operator_named(session, operator)
            found = await read_sessions(session, whose.id)
        return answer_whole(listing, SessionList(found), found, OpenSession)

    @delete(
        "/operators/{operator:str}/sessions/{session_id:int}",
        **acts("operator.end_session", 404),
        status_code=200,
    )
    async def end_session(
        self, desk: NamedDependency[AtDesk], operator: PathName, session_id: PathId
    ) -> Response[EndedSession]:
        """Log one browser out; one's own, or as an owner anybody's."""

        async def work(session: AsyncSession, actor: Actor) -> EndedSession:
            return await end_web_session(session, actor, session_id, of=operator)

        return await desk.act(work)


async def _fresh(session: AsyncSession, row: Operator) -> ShownOperator:
    await session.refresh(row)
    return shown_operator(row)


async def _locked(session: AsyncSession, name: str) -> ShownOperator:
    return shown_operator(await operator_to_act_on(session, name))
