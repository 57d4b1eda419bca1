"""Where alerts go, and what is set of their rules, as a file has it."""

from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.places import OpenedPlace, PlaceUnusable, open_places, read_place
from relay.alerts.rules import BY_NAME
from relay.alerts.tables import AlertRule
from relay.desk.actor import Actor
from relay.desk.alerts import add_place, change_rule, remove_place
from relay.desk.errors import Unusable
from relay.desk.setup.entries import PlaceEntry, RuleEntry
from relay.desk.setup.file import Labelled
from relay.desk.setup.plan import With, labelled


async def put_places(
    session: AsyncSession,
    actor: Actor,
    entries: Labelled[PlaceEntry],
    given: With,
    notes: list[str],
) -> None:
    """Add, change and remove places: each is known by its URL, or by what of it may be seen."""
    if not entries:
        return
    there = await open_places(session, given.keys)
    for label, entry in entries:
        with labelled(label):
            url = _url(entry, given)
            found = [one for one in there if one.url == url]
            if url is None:
                found = _shown_so(there, entry)
                if found and not entry.remove:
                    notes.append(f"{label}: {entry.url} is not there: the place stays as it is.")
                    there.remove(found[0])  # one that looks alike is for the next entry
                    continue
            if entry.remove:
                for one in found:
                    await remove_place(session, actor, one.id)
            elif url is None:
                raise Unusable(f"{entry.url} is not there, and a new place needs its URL")
            elif not found or found[0].least != entry.least:
                for one in found:
                    await remove_place(session, actor, one.id)
                await add_place(session, actor, url, given.keys, least=entry.least)


async def put_rules(session: AsyncSession, actor: Actor, entries: Labelled[RuleEntry]) -> None:
    """Set what differs; when a rule is muted is no matter of a file."""
    rows = {row.name: row for row in await session.scalars(select(AlertRule))}
    for label, entry in entries:
        row = rows.get(entry.name)
        had = (None, None) if row is None else (row.bound, row.pause_s)
        said = entry.given("bound", "pause_s")
        bound = said.get("bound", had[0])
        wanted = (None if bound is None else Decimal(bound), said.get("pause_s", had[1]))
        if wanted != had or entry.name not in BY_NAME:
            with labelled(label):
                await change_rule(
                    *(session, actor, entry.name),
                    bound=wanted[0],
                    pause_s=wanted[1],
                    is_default=True,
                )


def _url(entry: PlaceEntry, given: With) -> str | None:
    url = given.read_secret(entry.url)
    try:
        return None if url is None else read_place(url)
    except PlaceUnusable as error:
        raise Unusable(str(error)) from error


def _shown_so(there: list[OpenedPlace], entry: PlaceEntry) -> list[OpenedPlace]:
    """Find the place that looks as the entry says; of several the first stands for it."""
    found = [
        one
        for one in there
        if one.shown == entry.shown and (entry.remove or one.least == entry.least)
    ]
    if entry.remove and len(found) > 1:
        raise Unusable(f"{len(found)} places look like {entry.shown}: {entry.url} would tell which")
    return found[:1]
