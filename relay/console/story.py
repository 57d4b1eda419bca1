"""One task as its page tells it: what happened, where it is, and why it costs what it does."""

import re
import time
from decimal import Decimal

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.assets.links import kept_links
from relay.assets.opened import links_of
from relay.assets.read import read_task_files
from relay.console.page import Page
from relay.database.ids import TaskId
from relay.deliveries.kept_url import show_url
from relay.deliveries.read import list_deliveries
from relay.deliveries.tables import DeliveryState
from relay.desk.errors import NoSuch
from relay.html.results import Result, files_origin, result_of
from relay.money import plain, rounded
from relay.pricing.book import Per
from relay.pricing.quote import Quote
from relay.tasks.inspect import ListedTask, Story, find_tasks, read_story
from relay.tasks.kin import Kin, read_kin
from relay.tasks.tables import Task, TaskState
from relay.tasks.timeline import Happening

DELIVERIES_MAX = 20
"""Of one task: one for each state that it was in."""
CHANGES_NOTHING = ", changes nothing"
"""As `relay/tasks/told.py` notes what was known already."""
MICROS = re.compile(r"(-?\d+) micros\b", re.ASCII)


class Moved(msgspec.Struct, frozen=True):
    """One line of the timeline."""

    happening: Happening
    detail: str
    tone: str
    """good, bad or nothing."""


class Why(msgspec.Struct, frozen=True):
    """Why it costs what it does, of the quote that was frozen with it."""

    quote: Quote
    unit: str
    """What a unit costs this tenant, in the currency."""
    tenant_times: str | None
    """What Kling's list price and the row's own factor are multiplied by; None: an amount is."""
    adds_up: bool
    """The row's price, by as many as there are, is what was quoted: then the sum is shown."""
    is_capped: bool
    """What Kling took comes to more than the hold, and the hold was charged."""


class Told(msgspec.Struct, frozen=True):
    """All that the page shows."""

    listed: ListedTask
    story: Story
    timeline: list[Moved]
    flags: list[Moved]
    results: list[Result]
    why: Why
    callback_url: str | None
    kin: Kin
    tells: int | None
    """The newest delivery of it, if that may be sent once more."""
    acts: list[str]
    """What the visitor may do to it as it is."""


async def read_told(session: AsyncSession, page: Page, task_id: TaskId) -> Told:
    """Read one task.

    Raises:
        NoSuch
    """
    listed = next(
        (one for one in await find_tasks(session, str(task_id)) if one.id == task_id), None
    )
    if listed is None:
        raise NoSuch("task", task_id)
    story = await read_story(session, task_id)
    task, currency = story.task, page.office.settings.currency
    return Told(
        listed=listed,
        story=story,
        timeline=[_moved(one, page) for one in story.timeline],
        flags=[_moved(one, page) for one in story.flags],
        results=await _results(session, page, story),
        why=_why(task, currency),
        callback_url=task.callback_url and show_url(task.callback_url),
        kin=await read_kin(session, task),
        tells=await _tells(session, page, task_id),
        acts=_acts(
            listed,
            page,
            is_open=task.hold_ended_at is None,
            is_waiting=task.state == TaskState.QUEUED,
            is_looked_at=task.next_look_at is not None and task.state != TaskState.QUEUED,
        ),
    )


async def _results(session: AsyncSession, page: Page, story: Story) -> list[Result]:
    """Say where its files lie: with us, of what is kept."""
    task, settings = story.task, page.office.settings
    files = await read_task_files(session, task.id)
    links = links_of(settings, page.office.keys)
    kept = kept_links(files, links, now_s=time.time())
    ours_at = files_origin(settings)
    return [
        result_of(kept.shown(url), ours_at=ours_at, sandbox_url=story.sandbox_url)
        for url in task.result_urls
    ]


async def _tells(session: AsyncSession, page: Page, task_id: TaskId) -> int | None:
    """Find what can be told once more: nothing while something is still to be told."""
    if not (page.may("delivery.replay") and page.may("delivery.read")):
        return None
    found = await list_deliveries(session, task_id=task_id, limit=DELIVERIES_MAX)
    is_due = any(one.state == DeliveryState.DUE for one in found)
    return found[0].id if found and not is_due else None


def _moved(one: Happening, page: Page) -> Moved:
    told, changed_nothing, _ = one.detail.partition(CHANGES_NOTHING)
    detail = MICROS.sub(lambda found: page.spell.money(int(found[1])), page.hear(told))
    if changed_nothing:
        detail = page.say("%(said)s, which changed nothing", said=detail)
    tone = ""
    if one.what == "charged" or (one.what == "ended" and one.detail.startswith("succeed")):
        tone = "good"
    elif one.what == "ended" or "not_applied" in one.what:
        tone = "bad"
    return Moved(one, detail, tone)


def _why(task: Task, currency: str) -> Why:
    quote = msgspec.convert(task.quote, Quote)
    row, times = quote.row, None
    if quote.list_unit_micros and row.multiplier and row.amount_micros is None:
        times = plain(quote.unit_micros / quote.list_unit_micros / row.multiplier)
    count = {Per.SECOND: quote.seconds, Per.IMAGE: quote.wanted.count, Per.TASK: 1}[row.per]
    if row.units is not None:
        each = row.units * quote.unit_micros
    else:
        each = Decimal(row.amount_micros or 0) * (quote.amount_times or 1)
    taken = task.cost_units
    return Why(
        quote=quote,
        unit=f"{plain(quote.unit_micros / 1_000_000)} {currency}",
        tenant_times=times,
        adds_up=rounded(each * count) == quote.price_micros,
        is_capped=(
            row.units is not None
            and task.charged_micros == quote.hold_micros
            and taken is not None
            and rounded(taken * quote.unit_micros) > quote.hold_micros
        ),
    )


def _acts(
    task: ListedTask, page: Page, *, is_open: bool, is_waiting: bool, is_looked_at: bool
) -> list[str]:
    left = (task.charged_micros or 0) - task.refunded_micros
    possible = {
        "cancel": is_waiting,
        "settle": task.charged_micros is None,
        "release": is_open and not is_waiting,
        "refund": left > 0,
        "unflag": task.is_flagged,
        "look": is_looked_at,
    }
    return [act for act, is_possible in possible.items() if is_possible and page.may(f"task.{act}")]
