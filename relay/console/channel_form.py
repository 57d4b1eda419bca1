"""The form of a channel: adding one, and changing how it is used, where it leads and its keys."""

import re
import time
from decimal import Decimal
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from relay.channels.checks import normalised_base_url
from relay.channels.probe import Found, leads_to_sandbox, probe_keys
from relay.console.access import may
from relay.console.channels import HERE
from relay.console.overtaken import told_overtaken
from relay.console.page import Asked, Page
from relay.console.problems import sentence_of, status_of
from relay.desk.channels import (
    ChannelChanges,
    ChannelKeys,
    WayChanges,
    add_channel,
    change_channel,
)
from relay.desk.errors import DeskError, NameTaken, NoSuch, Stale, Unusable
from relay.desk.find import channel_named, channel_numbered
from relay.desk.shown import ShownChannel, shown_channel
from relay.desk.versions import Look, etag_of, refuse_stale
from relay.html.form import Form, read_form
from relay.kling.endpoint import Credential
from relay.kling.proxy import read_proxy

KEYS = ("access_key", "secret_key", "api_key", "webhook_secret")
PRIORITY_MOST, WEIGHT_MOST, ROOM_MOST = 1000, 1000, 10_000
PEM_CHARS_MAX = 100_000
# Of what is typed in Chinese too.
_APART = re.compile(r"[,\uff0c\u3001\s]+")
_SIGNED = re.compile(r"-?\d{1,6}", re.ASCII)
_ROOM = re.compile(r"\s*([^=\s]+)\s*=\s*(\d{1,6})\s*", re.ASCII)


class ChannelForms(Controller):
    path = HERE

    @get("/add", guards=[may("channel.add")])
    async def ask_new(self, page: NamedDependency[Page]) -> Response[Any]:
        """Ask for a new channel's keys, and how it is to be used."""
        return await _render(page, Form(page.say), None)

    @post("/add", guards=[may("channel.add")])
    async def add(self, page: NamedDependency[Page], request: Asked) -> Response[Any]:
        """Add a Kling account, enabled."""
        form = await read_form(request, page.say)
        keys = _read_keys(form)
        if keys.access_key is None and keys.api_key is None:
            form.errors.setdefault("access_key", page.say("Give a key pair, an API key or both."))
        name, base_url = form.text("name", must=True), form.text("base_url", must=True)
        priority, weight = _read_priority(form), form.whole("weight", least=1, most=WEIGHT_MOST)
        room, way = _read_room(form), _read_way(form, None)
        is_sandbox = False
        if form.is_right and base_url is not None and not form.is_checked("unasked"):
            is_sandbox = await _ask_kling(page, form, base_url, keys, way)
        if form.is_right and name is not None and base_url is not None:
            try:
                async with page.acting() as session:
                    row = await add_channel(
                        *(session, page.actor, page.office.keys),
                        name=name,
                        base_url=base_url,
                        channel_keys=keys,
                        priority=priority or 0,
                        weight=1 if weight is None else weight,
                        room=room,
                        groups=_listed(form, "groups"),
                        models=_listed(form, "models"),
                        may_be_same=form.is_checked("may_be_same"),
                        is_sandbox=is_sandbox,
                        way=way,
                    )
                    channel_id = row.id
            except DeskError as error:
                return await _again(page, form, error, None)
            return page.go(f"{HERE}/{channel_id}", said="added")
        return await _render(page, form, None, status=422)

    @get("/{channel_id:int}/edit", guards=[may("channel.change")])
    async def ask_changes(
        self, page: NamedDependency[Page], channel_id: FromPath[int]
    ) -> Response[Any]:
        """Show what can be changed, as it is; of keys what tells them from others."""
        return await _render(page, Form(page.say), await _read(page, channel_id))

    @post("/{channel_id:int}/edit", guards=[may("channel.change")])
    async def change(
        self, page: NamedDependency[Page], request: Asked, channel_id: FromPath[int]
    ) -> Response[Any]:
        """Change a channel; a key that is left empty stays."""
        row = await _read(page, channel_id)
        form = await read_form(request, page.say)
        keys = _read_keys(form)
        name, base_url = form.text("name", must=True), form.text("base_url", must=True)
        priority = _read_priority(form)
        weight = form.whole("weight", least=1, most=WEIGHT_MOST, must=True)
        room, way = _read_room(form), _read_way(form, row)
        if form.is_right:
            changes = ChannelChanges(
                base_url=None if base_url == row.base_url else base_url,
                priority=priority,
                weight=weight,
                groups=_listed(form, "groups"),
                models=_listed(form, "models"),
                room=dict.fromkeys(row.room) | room,
                rename=None if name == row.name else name,
                keys=keys,
                way=way,
            )
            may_be_same = form.is_checked("may_be_same")
            version = form.values.get("version", "")
            try:
                async with page.acting() as session:
                    called = (await channel_numbered(session, channel_id)).name
                    await refuse_stale(
                        *(session, page.actor, "channel.change", version), _locked(called)
                    )
                    await change_channel(
                        *(session, page.actor, page.office.keys, called, changes),
                        may_be_same=may_be_same,
                    )
            except Stale:
                return await _ask_stale(page, form, channel_id)
            except DeskError as error:
                return await _again(page, form, error, row)
            return page.go(f"{HERE}/{channel_id}", said="saved")
        return await _render(page, form, row, status=422)


async def _ask_kling(
    page: Page, form: Form, base_url: str, keys: ChannelKeys, way: WayChanges
) -> bool:
    """Ask with the keys for a task that does not exist, and tell whether a sandbox answers.

    Free, and before anything is written. Through a proxy of the channel's own nothing is asked:
    the way there is opened with the channel.
    """
    if way.after(None) is not None:
        return False
    try:
        url = normalised_base_url(base_url)
    except ValueError as error:
        form.errors["base_url"] = f"{error}."
        return False
    transport = page.office.transport
    probes = await probe_keys(
        transport,
        base_url=url,
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        api_key=keys.api_key,
        now_s=int(time.time()),
    )
    for one in probes:
        if one.found is not Found.GOOD:
            field = "access_key" if one.credential is Credential.KEY_PAIR else "api_key"
            form.errors[field] = f"{one.message}."
    return form.is_right and await leads_to_sandbox(transport, url)


async def _read(page: Page, channel_id: int) -> ShownChannel:
    async with page.reading() as session:
        return shown_channel(await channel_numbered(session, channel_id))


async def _again(
    page: Page, form: Form, error: DeskError, row: ShownChannel | None
) -> Response[Any]:
    """Show the form again, with what the desk said beside what it is about."""
    if isinstance(error, NoSuch):
        raise error
    field = ""
    if isinstance(error, NameTaken):
        field = "name"
    elif isinstance(error, Unusable):
        field = error.field
    form.errors[field] = sentence_of(error, page)
    return await _render(page, form, row, status=status_of(error))


def _locked(name: str) -> Look[ShownChannel]:
    """Lock a channel, so that it stays as it is compared."""

    async def look(session: AsyncSession) -> ShownChannel:
        return shown_channel(await channel_named(session, name, is_locked=True))

    return look


async def _ask_stale(page: Page, form: Form, channel_id: int) -> Response[Any]:
    """Say who changed what since the form was opened; what was typed stays, and was not saved."""
    async with page.reading() as session:
        row = shown_channel(await channel_numbered(session, channel_id))
    del form.values["version"]
    form.errors[""] = await told_overtaken(
        page, row.name, "channel", but=frozenset(("channel.set_cost",))
    )
    return await _render(page, form, row, status=status_of(Stale()))


async def _render(
    page: Page, form: Form, row: ShownChannel | None, *, status: int = 200
) -> Response[Any]:
    """`row`: the channel that is changed; None is a new one."""
    version = None if row is None else etag_of(row)
    return await page.render(
        "channels/form.html", status=status, form=form, row=row, version=version
    )


def _read_keys(form: Form) -> ChannelKeys:
    """Read what was typed of keys; none of it is ever shown again."""
    given = {name: form.text(name) for name in KEYS}
    for name, value in given.items():
        if value is not None and not (value.isascii() and value.isprintable()):
            form.errors[name] = form.say("It has printable ASCII characters only.")
    if (given["access_key"] is None) != (given["secret_key"] is None):
        missing = "secret_key" if given["secret_key"] is None else "access_key"
        form.errors[missing] = form.say("An access key goes with its secret key.")
    return ChannelKeys(**given)


def _read_priority(form: Form) -> int | None:
    given = form.text("priority")
    if given is None:
        return None
    if not _SIGNED.fullmatch(given) or abs(int(given)) > PRIORITY_MOST:
        form.errors["priority"] = form.say(
            "A whole number from %(least)s to %(most)s.", least=-PRIORITY_MOST, most=PRIORITY_MOST
        )
        return None
    return int(given)


def _listed(form: Form, name: str) -> list[str]:
    return [one for one in _APART.split(form.values.get(name, "")) if one]


def _read_room(form: Form) -> dict[str, int]:
    """Read `video=5`, a line each; what is not there is learned."""
    room: dict[str, int] = {}
    for line in form.values.get("room", "").splitlines():
        if not line.strip():
            continue
        found = _ROOM.fullmatch(line)
        if found is None or int(found[2]) > ROOM_MOST:
            form.errors["room"] = form.say("A line each, such as video=5 or video/kling-v3=3.")
            return {}
        room[found[1].lower()] = int(found[2])
    return room


def _read_way(form: Form, row: ShownChannel | None) -> WayChanges:
    """Read how its calls go out; what was left empty of what is never shown stays."""
    proxy: Any = UNSET
    if form.is_checked("no_proxy"):
        proxy = None
    elif given := form.text("proxy"):
        try:
            proxy = read_proxy(given)
        except ValueError as error:
            form.errors["proxy"] = f"{error}."
    ca_pem: str | UnsetType | None = UNSET
    if form.is_checked("no_ca"):
        ca_pem = None
    elif pem := form.text("ca_pem", most=PEM_CHARS_MAX):
        ca_pem = pem
    return WayChanges(
        proxy=proxy,
        ca_pem=ca_pem,
        connect_timeout_s=_seconds(
            form, "connect_timeout_s", row.connect_timeout_s if row else None
        ),
        timeout_s=_seconds(form, "timeout_s", row.timeout_s if row else None),
    )


def _seconds(form: Form, name: str, before: float | None) -> float | UnsetType | None:
    given: Decimal | None = form.decimal(name)
    seconds = None if given is None else float(given)
    return UNSET if seconds == before else seconds
