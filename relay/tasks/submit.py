"""A submit, from the tenant's body to what became of it (docs/paths.md, "Path of a submit").

Hold, commit, call Kling, record. No transaction is open while Kling is awaited, and the row is
committed before the first byte goes out: a crash leaves a hold to look up, never a video that
nobody pays for. How the outcome is told is for the face that took the submit.
"""

import asyncio
import secrets as entropy
import time
from datetime import UTC, tzinfo
from functools import partial
from typing import NamedTuple

import msgspec
import structlog

from relay.assets.given import GivenAssets
from relay.assets.statements import FOLLOWER as ASSETS
from relay.channels.opened import OpenedChannel
from relay.database.ids import TaskId
from relay.database.line import Line
from relay.deliveries.guard import CallbackGuard
from relay.deliveries.kept_url import keep_url
from relay.errors import InvalidParameter, NoRoom, OverCap, Paused, Unavailable
from relay.health.board import Board
from relay.health.condition import Need
from relay.kling.body import (
    CALLBACK_URL_CHARS_MAX,
    EXTERNAL_ID_CHARS_MAX,
    take_text,
)
from relay.kling.endpoint import Endpoint, EndpointKind
from relay.kling.lint.judge import check
from relay.kling.strays import drop_ours, read_things
from relay.kling.verdicts import Refused, Unknown
from relay.kling.wire import Fields
from relay.pricing.book import Pack
from relay.pricing.quote import Quote
from relay.secrets import KeyRing
from relay.tasks.choose_channel import ChannelChooser
from relay.tasks.conclude import NotTaken, Replayed, Submitted
from relay.tasks.dispatch import PAUSE_MIN_S, Dispatcher, Submission
from relay.tasks.hold import First, Holder
from relay.tasks.outbox import spell_follows
from relay.tasks.queue.enter import may_wait
from relay.tasks.queue.wait import wait_of
from relay.tasks.quoter import Quoter
from relay.tasks.retries import Client, Retries, is_made
from relay.tasks.statements import HoldRow, OnceRow
from relay.tasks.task import TaskRow
from relay.tenants.caller import Caller

log = structlog.get_logger()

SLOTS_MAX = 1000
ADDRESS_CHARS_MAX = 64
"""IPv6 with a zone and a port; a proxy that is believed may say anything."""


class SubmitRules(msgspec.Struct, frozen=True):
    """The settings a submit goes by."""

    currency: str
    submit_timeout_s: float = 90.0
    """All channels together; afterwards the row belongs to the looks."""
    retry_s: float = 20.0
    """How long what surely made nothing is tried again."""
    keeps_addresses: bool = True
    zone: tzinfo = UTC
    """In which limits have their days."""


class _Chosen(NamedTuple):
    """Where a submit goes."""

    channels: list[OpenedChannel]
    """In the order to try them; at least one."""
    refusal: NoRoom | Paused | Unavailable | None = None
    """Why none of them has it now, if it waits for one."""


class Submitter:
    """Takes submits."""

    def __init__(
        self,
        line: Line,
        *,
        quoter: Quoter,
        chooser: ChannelChooser,
        board: Board,
        dispatcher: Dispatcher,
        retries: Retries,
        callback_guard: CallbackGuard,
        given: GivenAssets,
        keys: KeyRing,
        rules: SubmitRules,
    ) -> None:
        self._holds = Holder(line, currency=rules.currency, zone=rules.zone)
        self._quoter = quoter
        self._chooser = chooser
        self._board = board
        self._dispatcher = dispatcher
        self._retries = retries
        self._callback_guard = callback_guard
        self._given = given
        self._keys = keys
        self._rules = rules

    async def submit(
        self,
        caller: Caller,
        endpoint: Endpoint,
        fields: Fields,
        *,
        request_id: str,
        model: str | None = None,
        address: str = "",
        follows: tuple[str, ...] = (),
        client: Client[TaskId] | None = None,
        queue: str | None = None,
        hold_max_micros: int | None = None,
        priced_as: str | None = None,
        share_micros: int | None = None,
    ) -> Submitted:
        """Hold, send and record one task or one paid call, or find that an earlier create did.

        `model`: as it stands in the path of a 2.0 create. `address`: the caller's, behind proxies
        that are believed. `follows`: who is told of every move of the task (`outbox.py`). `client`:
        who awaits the answer, if it may be sent again. `queue`: the header that says for how long
        it may wait for room. `hold_max_micros`: what a run has left for it. `priced_as`,
        `share_micros`: as `Quoter.quote` has them.

        Raises:
            RelayError: refused before the hold; nothing was written.
            ValueError: `follows` are no names of followers; nothing was written.
        """
        followed_by = spell_follows((*follows, *_followers_of(caller)))
        tenant_external_id, callback_url = _take_ours(endpoint, fields)
        if caller.lints_creates:
            check(endpoint, fields, model)
        _check_callback_url(endpoint, callback_url, self._callback_guard)
        if callback_url is not None:
            callback_url = keep_url(callback_url, self._keys, tenant_id=caller.tenant_id)
        with_files = await self._given.check(caller.tenant_id, endpoint.name, fields)
        names_files, fields = with_files is not fields, with_files
        named = read_things(endpoint, fields)
        quoted = await self._quoter.quote(
            *(caller, endpoint, fields, model), priced_as=priced_as, share_micros=share_micros
        )
        _check_cap(quoted.quote, hold_max_micros)
        need = _need_of(caller, endpoint, quoted.quote)
        model_asked = quoted.quote.wanted.model
        caller.check_model(model_asked)
        wait_s = wait_of(caller, queue)
        if wait_s and not (need.slots and may_wait(fields)):
            wait_s = 0
        now = time.monotonic()
        deadline = now + self._rules.submit_timeout_s
        # What may wait longer than a request is not tried again meanwhile, but takes its place.
        retry_until = now if wait_s else now + self._rules.retry_s
        found = await self._chooser.find(caller, endpoint, named, model=model_asked)
        chosen = await self._choose(
            found, caller, endpoint, need, model=model_asked, until=retry_until, waits=wait_s > 0
        )
        row = HoldRow(
            tenant_id=caller.tenant_id,
            account_id=caller.account_id,
            token_id=caller.token_id,
            channel_id=chosen.channels[0].id,
            endpoint=endpoint.name,
            tenant_external_id=tenant_external_id,
            callback_url=callback_url,
            request_id=request_id,
            model=model_asked,
            pack=quoted.quote.pack.value,
            quote=quoted.json,
            hold_micros=quoted.quote.hold_micros,
            deadline_s=self._rules.submit_timeout_s,
            random=entropy.token_hex(8),
            follows=followed_by,
            slots=need.slots,
            caller_address=_kept(address) if self._rules.keeps_addresses else None,
            limits_known=caller.limits_known,
        )
        while True:
            task = await self._hold(row, quoted.quote, client, caller)
            if isinstance(task, TaskRow):
                break
            submitted = await self._follow(task, client, deadline)
            if submitted is not None:
                return submitted
        if client is not None:
            client.await_task(task.id)
        submission = Submission(
            *(task, endpoint, fields, need, deadline, retry_until, model, names_files),
            body=None if client is None else client.share,
            wait_s=wait_s,
        )
        if chosen.refusal is None:
            submitted = await self._dispatcher.send(submission, chosen.channels)
        else:
            submitted = await self._dispatcher.wait(submission, chosen.channels, chosen.refusal)
        is_call = endpoint.kind is EndpointKind.CALL
        if client is not None and _comes_to_nothing(submitted.verdict, is_call=is_call):
            client.await_task(None)
        return submitted

    async def aclose(self) -> None:
        await self._holds.aclose()

    async def _choose(
        self,
        found: list[OpenedChannel],
        caller: Caller,
        endpoint: Endpoint,
        need: Need,
        *,
        model: str | None,
        until: float,
        waits: bool,
    ) -> _Chosen:
        """Order those that were found, and say what keeps it from all of them if it `waits`.

        Raises:
            NoRoom, Paused, Unavailable: if it does not.
        """
        try:
            unpaused = await self._chooser.left_of(found, caller, endpoint, model=model)
            able = await self._able(unpaused, need, until=until)
        except (NoRoom, Paused, Unavailable) as error:
            if not waits:
                raise
            return _Chosen(found, error)
        # The others too: what is full now may have a slot when these have refused it.
        return _Chosen([*able, *(channel for channel in unpaused if channel not in able)])

    async def _able(
        self, chosen: list[OpenedChannel], need: Need, *, until: float
    ) -> list[OpenedChannel]:
        """Find those that may take it now, or soon; at least one.

        Raises:
            NoRoom, Unavailable: see `Board.sift`.
        """
        while True:
            try:
                return await self._board.sift(chosen, need)
            except (NoRoom, Unavailable):
                wait_s = max(PAUSE_MIN_S, self._board.wait_s(chosen, need))
                if time.monotonic() + wait_s > until:
                    raise
                await asyncio.sleep(wait_s)

    async def _hold(
        self, row: HoldRow, quote: Quote, client: Client[TaskId] | None, caller: Caller
    ) -> TaskRow | TaskId:
        """Hold, or find the task of the create that this one repeats."""
        take = partial(
            self._holds.take,
            is_limited=caller.is_limited,
            resold_micros=None if caller.resale is None else quote.resold(quote.hold_micros),
        )
        once = None
        if client is not None and client.key is not None:
            once = OnceRow(client.key, await client.fingerprint())
        held = await take(row, once=once)
        if isinstance(held, First) and held.id is None:
            if caller.joins_retries and client is not None:
                first = await self._retries.join(client, token_id=row.token_id)
                if first is not None:
                    return first
            held = await take(row, once=OnceRow(None, None))
        if isinstance(held, TaskRow):
            return held
        assert held.id is not None, "it was looked for"
        return held.id

    async def _follow(
        self, first: TaskId, client: Client[TaskId] | None, deadline: float
    ) -> Submitted | None:
        """Answer as the create did that this one repeats; None if that made nothing."""
        assert client is not None, "whoever repeats has a key, or bytes"
        client.await_task(first)
        task = await self._retries.follow(first, deadline=deadline)
        if task is None:
            client.await_task(None)
            return None
        log.info("submit.joined", id=first, state=task.state.value, has_key=client.key is not None)
        if not is_made(task):
            return Submitted(task, Unknown("the create that it repeats has no verdict"))
        return Submitted(
            task,
            Replayed(),
            await self._retries.first_reply(task),
            charged_micros=task.charged_micros or 0,
        )


def _kept(address: str) -> str | None:
    """Spell an address for its row; None if there is none, or it can be none."""
    is_one = 0 < len(address) <= ADDRESS_CHARS_MAX and address.isprintable()
    return address if is_one else None


def _followers_of(caller: Caller) -> tuple[str, ...]:
    """Name who follows all tasks of a caller's."""
    return (ASSETS,) if caller.keeps_results else ()


def _check_cap(quote: Quote, hold_max_micros: int | None) -> None:
    if hold_max_micros is not None and quote.hold_micros > hold_max_micros:
        raise OverCap


def _need_of(caller: Caller, endpoint: Endpoint, quote: Quote) -> Need:
    """Say what a create asks of a channel; what is free takes no units, and so no slot."""
    if endpoint.is_free:
        return Need(caller.tenant_id)
    wanted = quote.wanted
    count = wanted.count if quote.pack is Pack.IMAGE else 1
    return Need(
        caller.tenant_id,
        quote.pack.value,
        (wanted.model or endpoint.name).lower(),
        0 if endpoint.kind is EndpointKind.CALL else min(count, SLOTS_MAX),
        caller.room_min,
    )


def _comes_to_nothing(verdict: object, *, is_call: bool) -> bool:
    """Tell whether there is no task to await: refused; or a call whose result nobody will have."""
    return isinstance(verdict, Refused | NotTaken) or (is_call and isinstance(verdict, Unknown))


def _take_ours(endpoint: Endpoint, fields: Fields) -> tuple[str | None, str | None]:
    """Take out the tenant's external id and callback URL, in any spelling."""
    external_id = take_text(fields, endpoint.external_id_field, chars_max=EXTERNAL_ID_CHARS_MAX)
    callback_url = take_text(fields, endpoint.callback_field, chars_max=CALLBACK_URL_CHARS_MAX)
    drop_ours(fields)
    if endpoint.kind is EndpointKind.CALL:
        # Neither is a field of a call; what would be the tenant's id among all tenants' is not
        # sent, nor is a URL that Kling should not know.
        return None, None
    return external_id, callback_url


def _check_callback_url(endpoint: Endpoint, callback_url: str | None, guard: CallbackGuard) -> None:
    """Refuse what cannot be a URL, or names a private address; names are judged when dialled."""
    if callback_url is None:
        return
    why = guard.why_unusable(callback_url)
    if why is not None:
        raise InvalidParameter(".".join(endpoint.callback_field), why)
