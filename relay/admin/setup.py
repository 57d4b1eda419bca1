"""What a relay is as one file, put in force by a plan; and whole tables for who keeps them."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from sqlalchemy.ext.asyncio import AsyncSession

from relay.admin.acting import AtDesk, encoded
from relay.admin.lists import JSONL
from relay.admin.prices import FILE_CHARS_MAX
from relay.admin.problems import WrongField
from relay.admin.routes import acts, reads
from relay.desk.actor import Actor
from relay.desk.errors import NoSuch, NotAllowed, OverCeiling
from relay.desk.exported import TABLES, Of, read_table_page
from relay.desk.office import Office
from relay.desk.setup.apply import apply_setup
from relay.desk.setup.dump import dump_setup
from relay.desk.setup.entries import Ref
from relay.desk.setup.file import SetupFile, read_setup
from relay.desk.setup.plan import EntryRefused, Planned, With
from relay.pricing.file import FileError

Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class SetupText(msgspec.Struct, frozen=True):
    toml: str


class SetupWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of what is to be so; what it leaves out stays."""

    toml: Annotated[str, msgspec.Meta(max_length=FILE_CHARS_MAX)]
    """As `GET /setup` has it."""
    secrets: dict[str, Secret] = {}
    """Keys, passwords of proxies, certificates and URLs of alerts, by the variable or the file that
    the TOML names them by: nothing is read from the relay's own machine. What is there keeps what
    is not here; what is new needs it."""

    def __repr__(self) -> str:
        return "SetupWanted(...)"


class SetupDecided(SetupWanted, frozen=True, forbid_unknown_fields=True):
    plan: str | None = None
    """That was shown: refused (409) if by now it would be another one. Null does not care."""

    def __repr__(self) -> str:
        return "SetupDecided(...)"


class ShownPlan(msgspec.Struct, frozen=True):
    """What applying a file does, act by act, as `changes` has them then."""

    plan: str
    """Tells it from another plan."""
    acts: list[Planned]
    """None: all is as the file says."""
    notes: list[str]
    """What of the file is left alone and why: secrets that were not given."""


class Setup(Controller):
    path = "/admin/v1/setup"
    tags = ("Setup",)

    @get(**reads("setup.read"))
    async def dump(self, office: NamedDependency[Office]) -> SetupText:
        """Write channels, tenants, prices, alerts and operators as TOML, without any secret."""
        settings = office.settings
        async with office.long() as session:
            text = await dump_setup(session, zone=settings.zone, currency=settings.currency)
        return SetupText(text)

    @post("/plan", **acts("setup.read"), status_code=200)
    async def plan(
        self, desk: NamedDependency[AtDesk], data: JSONBody[SetupWanted]
    ) -> Response[ShownPlan]:
        """Show what putting a file in force would do; nothing is changed.

        It is done and taken back, so that whatever would refuse it refuses it now.
        """
        file = _read(data, desk)

        async def work(session: AsyncSession, actor: Actor) -> ShownPlan:
            return await _apply(session, actor, file, data, desk)

        async with desk.office.alone():
            return await desk.preview(work)

    @post(**acts("setup.read"), status_code=200)
    async def apply(
        self, desk: NamedDependency[AtDesk], data: JSONBody[SetupDecided]
    ) -> Response[ShownPlan]:
        """Put a file in force, all or nothing; what it leaves out stays, and twice is nothing.

        Each act in it needs the role that it needs alone.
        """
        file = _read(data, desk)

        async def work(session: AsyncSession, actor: Actor) -> ShownPlan:
            return await _apply(session, actor, file, data, desk, seen=data.plan)

        async with desk.office.alone():
            return await desk.act(work)


class Exports(Controller):
    path = "/admin/v1/exports"
    tags = ("Setup",)

    @get("/{table:str}", **reads("export.read", 404), media_type=JSONL)
    async def export(self, office: NamedDependency[Office], table: FromPath[str]) -> Response[Any]:
        """Stream a table as JSON lines, newest first where it grows, without secrets and hashes.

        Money is in the currency, as decimals in text. The tables are those of `relay export`.
        """
        if table not in TABLES:
            raise NoSuch("table", table, TABLES)
        return Stream(_lines(office, table), media_type=JSONL)


async def _lines(office: Office, table: str) -> AsyncIterator[bytes]:
    """Read page by page, each in a transaction of its own: a slow reader holds nothing."""
    of = Of(office.settings.zone, office.settings.currency)
    before_id: int | None = None
    while True:
        async with office.reading() as session:
            rows, before_id = await read_table_page(session, table, of, before_id)
        if rows:
            yield b"".join(encoded(row) + b"\n" for row in rows)
        if before_id is None:
            return


def _read(data: SetupWanted, desk: AtDesk) -> SetupFile:
    try:
        return read_setup(data.toml, desk.settings.zone, desk.office.catalogue)
    except FileError as error:
        raise WrongField("toml", str(error)) from error


async def _apply(
    session: AsyncSession,
    actor: Actor,
    file: SetupFile,
    data: SetupWanted,
    desk: AtDesk,
    *,
    seen: str | None = None,
) -> ShownPlan:
    def given_secret(ref: Ref) -> str | None:
        """Never from here: whoever has a token could read the relay's own environment and files."""
        return data.secrets.get(str(ref.env if ref.file is None else ref.file))

    settings = desk.settings
    given = With(desk.keys, settings.zone, settings.currency, desk.office.catalogue, given_secret)
    try:
        plan = await apply_setup(session, actor, file, given, seen=seen)
    except EntryRefused as error:
        if isinstance(error.error, NotAllowed | OverCeiling):
            raise error.error from error
        raise
    return ShownPlan(plan.digest, plan.acts, plan.notes)
