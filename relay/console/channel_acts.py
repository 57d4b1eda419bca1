"""What is done to a channel in one step: on and off, drained, removed; and its purchase price."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.costs import Cost, CostUnit
from relay.console.access import may, may_each
from relay.console.channels import HERE
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of, status_of
from relay.console.standing import read_told
from relay.desk.actor import Actor
from relay.desk.channel_costs import set_channel_cost
from relay.desk.channels import ChannelChanges, change_channel, remove_channel
from relay.desk.errors import DeskError, NoSuch, Unusable
from relay.desk.find import channel_numbered
from relay.html.days import read_day
from relay.html.form import Form, read_form
from relay.secrets import KeyRing

Do = Callable[[AsyncSession, Actor, KeyRing, str], Awaitable[object]]
UNITS = [unit.value for unit in CostUnit]
MAY_EACH = may_each(lambda act: ACTS[act][0] if act in ACTS else None)


class ChannelActs(Controller):
    path = HERE
    guards = (may("channel.read"),)

    @get("/{channel_id:int}/cost", guards=[may("channel.set_cost")])
    async def ask_cost(
        self, page: NamedDependency[Page], channel_id: FromPath[int]
    ) -> Response[Any]:
        """Ask what a unit is bought for, and from when on."""
        return await _ask(page, channel_id, "cost", Form(page.say))

    @post("/{channel_id:int}/cost", guards=[may("channel.set_cost")])
    async def set_cost(
        self, page: NamedDependency[Page], request: Asked, channel_id: FromPath[int]
    ) -> Response[Any]:
        """Enter a purchase price; what held before stays for the tasks of then."""
        form = await read_form(request, page.say)
        currency = page.office.settings.currency
        unit = form.choice("unit", UNITS, must=True)
        price, rate = form.decimal("price", must=True), form.decimal("rate")
        paid_in = (form.text("currency") or currency).upper()
        valid_from = read_day(form, "from", page.office.settings.zone)
        if (paid_in != currency) != (rate is not None):
            form.errors["rate"] = (
                page.say("Say what it is worth.")
                if rate is None
                else page.say("Leave this empty: it is the currency of the books.")
            )
        if form.is_right and unit is not None and price is not None:
            cost = Cost(CostUnit(unit), price, paid_in, *(() if rate is None else (rate,)))
            try:
                async with page.acting(form) as session:
                    name = (await channel_numbered(session, channel_id)).name
                    await set_channel_cost(
                        *(session, page.actor_by(form), name, cost),
                        currency=currency,
                        valid_from=valid_from,
                    )
            except Unusable as error:
                form.errors[error.field] = sentence_of(error, page)
                return await _ask(page, channel_id, "cost", form, status=status_of(error))
            return page.go(f"{HERE}/{channel_id}", said="saved")
        return await _ask(page, channel_id, "cost", form, status=422)

    @get("/{channel_id:int}/{act:str}", guards=[MAY_EACH])
    async def ask(
        self, page: NamedDependency[Page], channel_id: FromPath[int], act: FromPath[str]
    ) -> Response[Any]:
        """Say what an act does to whose tasks, before it is done."""
        if act not in ACTS:
            raise NoSuch("page", act)
        return await _ask(page, channel_id, act, Form(page.say))

    @post("/{channel_id:int}/{act:str}", guards=[MAY_EACH])
    async def do(
        self, page: NamedDependency[Page], channel_id: FromPath[int], act: FromPath[str]
    ) -> Response[Any]:
        """Do it."""
        if act not in ACTS:
            raise NoSuch("page", act)
        _, do = ACTS[act]
        form = Form(page.say)
        try:
            async with page.acting() as session:
                name = (await channel_numbered(session, channel_id)).name
                await do(session, page.actor, page.office.keys, name)
        except NoSuch:
            raise
        except DeskError as error:
            form.errors[""] = sentence_of(error, page)
            return await _ask(page, channel_id, act, form, status=status_of(error))
        if act == "remove":
            return page.go(HERE, said="removed")
        return page.go(f"{HERE}/{channel_id}", said="done")


async def _ask(
    page: Page, channel_id: int, act: str, form: Form, *, status: int = 200
) -> Response[Any]:
    async with page.reading() as session:
        told = await read_told(session, page, channel_id)
    template = "channels/cost.html" if act == "cost" else "channels/act.html"
    return await page.render(template, status=status, told=told, act=act, form=form)


async def _enable(session: AsyncSession, actor: Actor, keys: KeyRing, name: str) -> object:
    return await change_channel(session, actor, keys, name, ChannelChanges(enabled=True))


async def _disable(session: AsyncSession, actor: Actor, keys: KeyRing, name: str) -> object:
    return await change_channel(session, actor, keys, name, ChannelChanges(enabled=False))


async def _drain(session: AsyncSession, actor: Actor, keys: KeyRing, name: str) -> object:
    return await change_channel(session, actor, keys, name, ChannelChanges(is_draining=True))


async def _remove(session: AsyncSession, actor: Actor, _: KeyRing, name: str) -> object:
    return await remove_channel(session, actor, name)


ACTS: dict[str, tuple[str, Do]] = {
    "drain": ("channel.change", _drain),
    "undrain": ("channel.change", _enable),
    "disable": ("channel.change", _disable),
    "enable": ("channel.change", _enable),
    "remove": ("channel.remove", _remove),
}
