"""Backup: what was made, what is kept and where; one more now. Back from one leads a command."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.backups.listed import Listing, list_backups
from relay.backups.places import PlaceFailed
from relay.backups.read import (
    LastBackups,
    RecordedBackup,
    list_recorded,
    old_after_s,
    read_last_backups,
)
from relay.backups.schedule import FAILURES, UnderWay, reason_of
from relay.console.access import may
from relay.console.gate import ROOT
from relay.console.lists import RowList
from relay.console.page import Page
from relay.desk.actor import Actor
from relay.desk.backups import back_up
from relay.desk.errors import NotAllowed, NotPossible
from relay.desk.office import Office
from relay.html.form import Form
from relay.pages.rows import Read, cut
from relay.settings import SettingsError

log = structlog.get_logger()

HERE = f"{ROOT}/backup"
LISTED_IN_S = 5.0
"""A bucket that does not answer is given up, so that the page is still one."""


class Making(msgspec.Struct, frozen=True):
    """One that is being made by this process."""

    actor: Actor
    began_at: datetime


class Copier:
    """Makes one backup at a time beside the pages, for who asked for it."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._task: asyncio.Task[None] | None = None
        self.making: Making | None = None

    def begin(self, actor: Actor) -> bool:
        """Begin one; False if one is being made here, or there is no place for it."""
        if self.making is not None or self._office.backups is None:
            return False
        self.making = Making(actor, datetime.now(UTC))
        self._task = asyncio.create_task(self._make(actor))
        return True

    async def _make(self, actor: Actor) -> None:
        assert self._office.backups is not None, "asked before"
        try:
            # What failed is written down, and the page shows it.
            with suppress(*FAILURES, NotAllowed, UnderWay, SettingsError):
                await back_up(self._office.sessions, self._office.backups, actor)
        except Exception:
            log.exception("console.backup_ended")
        finally:
            self.making = None


class Backups(Controller):
    path = HERE
    guards = (may("check.read"),)

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """Show the last one, what is kept, and what became of each."""
        return await _show(page)

    @get("/list/{file_form:str}")
    async def list_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give what became of each as a file, all of it."""
        return await RECORDED.file(page, file_form, back=HERE)

    @post(guards=[may("backup.take")])
    async def take(self, page: NamedDependency[Page]) -> Response[Any]:
        """Begin one; it may take minutes, and the page shows what becomes of it."""
        scope: Any = page.request.scope
        copier: Copier = scope["copier"]
        if not copier.begin(page.actor):
            why = page.say("one is being made, or no setting names a place")
            raise NotPossible("backup", page.office.settings.backup_to or "", why)
        return page.go(HERE, said="backup-begun")


async def _show(page: Page) -> Response[Any]:
    scope: Any = page.request.scope
    copier: Copier = scope["copier"]
    settings = page.office.settings
    async with page.reading() as session:
        last: LastBackups = await read_last_backups(session)
        found = await RECORDED.page(page, session)
    listing, why_not = await _list(page)
    every_s = None if settings.backup_to is None else settings.backup_every_s
    return await page.render(
        "backup/backup.html",
        last=last,
        is_old=last.age_s is None or last.age_s > old_after_s(every_s),
        recorded=found.rows,
        next_cursor=found.next_cursor,
        listing=listing,
        why_not=why_not,
        making=copier.making,
        key_id=page.office.keys.current,
    )


async def _read_of(_: AsyncSession, __: Page, ___: Form) -> Read[RecordedBackup]:
    async def read(
        session: AsyncSession, before_id: int | None, most: int
    ) -> tuple[list[RecordedBackup], int | None]:
        return cut(await list_recorded(session, before_id=before_id, limit=most + 1), most)

    return read


RECORDED = RowList(_read_of, RecordedBackup, name="backups", title=lambda page: page.say("Backup"))


async def _list(page: Page) -> tuple[Listing | None, str | None]:
    """Read what is in the place; beside it, why it could not be read."""
    schedule = page.office.backups
    if schedule is None:
        return None, None
    try:
        async with asyncio.timeout(LISTED_IN_S):
            return await list_backups(schedule.open_place().folder), None
    except TimeoutError:
        return None, page.say("It did not answer in %(s)s seconds.", s=int(LISTED_IN_S))
    except (PlaceFailed, SettingsError, OSError) as error:
        return None, page.hear(reason_of(error))
