"""Alerts: what fires, the rules with their bounds and pauses, and the places that are told."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.places import PlaceUnusable, open_places, read_place
from relay.alerts.read import ListedPlace, ListedRule, list_places, read_rules
from relay.alerts.rules import BY_NAME
from relay.alerts.send import CannotSend, check_sender, send_test
from relay.alerts.tables import Severity
from relay.console.access import may
from relay.console.gate import ROOT
from relay.console.lists import RowList
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of, status_of
from relay.desk.alerts import add_place, change_rule, mute_rule, remove_place
from relay.desk.errors import DeskError, DoneBefore, NoSuch
from relay.desk.voice import voice_of
from relay.html.form import Form, read_form
from relay.pages.rows import Read, at_once

HERE = f"{ROOT}/alerts"
STATES = ("firing", "resolved", "unjudged")
MUTES = {"1h": 1, "4h": 4, "1d": 24, "7d": 24 * 7}
"""Hours of silence that are offered."""
MINUTE_S = 60
PAUSE_MAX_MINUTES = 7 * 24 * 60


class Alerts(Controller):
    path = HERE
    guards = (may("alert.read"),)

    @get()
    async def show(self, page: NamedDependency[Page]) -> Response[Any]:
        """List the rules, those that fire first, and the places."""
        return await _show(page)

    @get("/rules/list/{file_form:str}")
    async def rules_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the rules as a file, as they stand."""
        return await RULES.file(page, file_form, back=HERE)

    @get("/places/list/{file_form:str}")
    async def places_as_file(
        self, page: NamedDependency[Page], file_form: FromPath[str]
    ) -> Response[Any]:
        """Give the places as a file; what of their addresses is secret is in none."""
        return await PLACES.file(page, file_form, back=HERE)

    @post("/test", guards=[may("alert.add")])
    async def test(self, page: NamedDependency[Page]) -> Response[Any]:
        """Send a message to each place, now and from here, and say which arrived."""
        async with page.reading() as session:
            places = await open_places(session, page.office.keys)
        reasons = await send_test(places, voice_of(page.office.settings))
        arrived = {place.id: why for place, why in zip(places, reasons, strict=True)}
        return await _show(page, tested=arrived)

    @get("/rules/{rule:str}", guards=[may("alert.set")])
    async def ask_rule(self, page: NamedDependency[Page], rule: FromPath[str]) -> Response[Any]:
        """Ask for a rule's bound and pause, and for how long it is to be silent."""
        return await _ask_rule(page, rule, Form(page.say))

    @post("/rules/{rule:str}", guards=[may("alert.set")])
    async def change(
        self, page: NamedDependency[Page], request: Asked, rule: FromPath[str]
    ) -> Response[Any]:
        """Change what a rule compares with, and how long it is silent after a message."""
        form = await read_form(request, page.say)
        is_default = form.is_checked("default")
        pause = form.whole("pause", most=PAUSE_MAX_MINUTES, must=not is_default)
        compares = rule in BY_NAME and BY_NAME[rule].bound is not None
        bound = form.decimal("bound", must=not is_default) if compares else None
        if not form.is_right:
            return await _ask_rule(page, rule, form, status=422)
        values: dict[str, Any] = {"is_default": True}
        if not is_default:
            values = {"bound": bound, "pause_s": None if pause is None else MINUTE_S * pause}
        try:
            async with page.acting() as session:
                await change_rule(session, page.actor, rule, **values)
        except NoSuch:
            raise
        except DeskError as error:
            form.errors[""] = sentence_of(error, page)
            return await _ask_rule(page, rule, form, status=status_of(error))
        return page.go(HERE, said="saved")

    @post("/rules/{rule:str}/mute", guards=[may("alert.mute")])
    async def mute(
        self, page: NamedDependency[Page], request: Asked, rule: FromPath[str]
    ) -> Response[Any]:
        """Send nothing of a rule for a while; of none, let it speak again."""
        form = await read_form(request, page.say)
        chosen = form.choice("for", MUTES)
        if not form.is_right:
            return await _ask_rule(page, rule, form, status=422)
        until = None if chosen is None else datetime.now(UTC) + timedelta(hours=MUTES[chosen])
        async with page.acting() as session:
            await mute_rule(session, page.actor, rule, until=until)
        return page.go(HERE, said="saved")

    @get("/places/add", guards=[may("alert.add")])
    async def ask_place(self, page: NamedDependency[Page]) -> Response[Any]:
        """Ask for the address of one more place."""
        return await page.render("alerts/place.html", form=Form(page.say))

    @post("/places/add", guards=[may("alert.add")])
    async def add(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Have messages sent to one more place; its address is never shown again."""
        form = await read_form(request, page.say)
        url = form.text("url", must=True, most=2000)
        least = form.choice("least", {one.value for one in Severity}, must=True)
        if form.is_right and url is not None and least is not None:
            why = await asyncio.to_thread(_why_unusable, url)
            if why is not None:
                form.errors["url"] = page.say(
                    "Nothing can be sent there: %(why)s.", why=page.hear(why)
                )
        if not form.is_right or url is None or least is None:
            return await page.render("alerts/place.html", status=422, form=form)
        try:
            async with page.acting(form) as session:
                await add_place(
                    session, page.actor_by(form), url, page.office.keys, least=Severity(least)
                )
        except DoneBefore:
            raise
        except DeskError as error:
            form.errors[""] = sentence_of(error, page)
            return await page.render("alerts/place.html", status=status_of(error), form=form)
        return page.go(HERE, said="added")

    @get("/places/{place_id:int}/remove", guards=[may("alert.remove")])
    async def ask_removal(
        self, page: NamedDependency[Page], place_id: FromPath[int]
    ) -> Response[Any]:
        """Ask whether nothing is to be sent there any more."""
        async with page.reading() as session:
            place = await _place(session, place_id)
        return await page.render("alerts/remove.html", place=place)

    @post("/places/{place_id:int}/remove", guards=[may("alert.remove")])
    async def remove(self, page: NamedDependency[Page], place_id: FromPath[int]) -> Response[Any]:
        """Send nothing there any more; what waits for it is dropped."""
        async with page.acting() as session:
            await remove_place(session, page.actor, place_id)
        return page.go(HERE, said="removed")


async def _show(page: Page, *, tested: dict[int, str | None] | None = None) -> Response[Any]:
    async with page.reading() as session:
        rules = await RULES.page(page, session)
        places = await PLACES.page(page, session)
    return await page.render(
        "alerts/list.html",
        form=rules.form,
        rules=rules.rows,
        places=places.rows,
        to_do={name: rule.to_do for name, rule in BY_NAME.items()},
        tested=tested,
    )


async def _rules_of(session: AsyncSession, _: Page, form: Form) -> Read[ListedRule]:
    state = form.choice("state", STATES)
    rules = sorted(await read_rules(session), key=lambda rule: rule.state != "firing")
    return at_once([rule for rule in rules if state in (None, rule.state)])


RULES = RowList(_rules_of, ListedRule, name="rules", title=lambda page: page.say("Rules"))


async def _places_of(session: AsyncSession, _: Page, __: Form) -> Read[ListedPlace]:
    return at_once(await list_places(session))


PLACES = RowList(_places_of, ListedPlace, name="places", title=lambda page: page.say("Who is told"))


async def _ask_rule(page: Page, name: str, form: Form, *, status: int = 200) -> Response[Any]:
    async with page.reading() as session:
        rule = await _rule(session, name)
    given = BY_NAME[name]
    return await page.render(
        "alerts/rule.html",
        status=status,
        form=form,
        rule=rule,
        bound="" if rule.bound is None else _plain(rule.bound),
        default="" if given.bound is None else _plain(given.bound.at),
        default_pause=given.pause_s // MINUTE_S,
        mutes=list(MUTES),
    )


async def _rule(session: AsyncSession, name: str) -> ListedRule:
    for rule in await read_rules(session):
        if rule.name == name:
            return rule
    raise NoSuch("alert rule", name)


async def _place(session: AsyncSession, place_id: int) -> ListedPlace:
    for place in await list_places(session, place_id=place_id):
        return place
    raise NoSuch("alert place", place_id)


def _why_unusable(url: str) -> str | None:
    """Say why nothing could be sent there; in a thread, since the library is large."""
    try:
        check_sender(read_place(url))
    except (PlaceUnusable, CannotSend) as error:
        return str(error)
    return None


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
