"""How a run begins: quoted as a whole, written as a whole, and its first step sent by who asked."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.driver import Pool
from relay.database.engine import Sessions
from relay.errors import (
    BadRequest,
    InsufficientQuota,
    InvalidParameter,
    OverCap,
    QuotaWithheld,
    RelayError,
    Unavailable,
    Unpriced,
)
from relay.kling.catalogue import Catalogue
from relay.kling.wire import Fields
from relay.ledger.tables import Account
from relay.money import decimal_of
from relay.pricing.quote import Quote, needs_deduction
from relay.runs.batches import lock_batch
from relay.runs.named import check_files
from relay.runs.plan import Plan, PlannedStep, with_samples
from relay.runs.retries import RunRetries
from relay.runs.reuse import Reuse
from relay.runs.shares import share
from relay.runs.tables import Run, RunState
from relay.runs.wish import Prepared, Wish, own_micros
from relay.runs.write import Begun, write_reused, write_runs
from relay.secrets import KeyRing
from relay.tasks.quoter import Quoter
from relay.tasks.retries import Client
from relay.tenants.caller import Caller

log = structlog.get_logger()

BODY_BYTES_MAX = 1_000_000
"""Of all steps, as of one create in the queue: larger files are named by their ids."""
KEY_CHARS_MAX = 255
OVER_CAP_OF_BATCH = "No permission: it would cost more than is left of what the batch may cost"

_fields = msgspec.json.Decoder(Fields)


class Beginner:
    """Begins runs."""

    def __init__(
        self,
        sessions: Sessions,
        pool: Pool,
        *,
        quoter: Quoter,
        catalogue: Catalogue,
        keys: KeyRing,
        reuse: Reuse,
        currency: str,
        retries: RunRetries,
    ) -> None:
        self.retries = retries
        self.reuse = reuse
        self._sessions = sessions
        self._pool = pool
        self._quoter = quoter
        self._catalogue = catalogue
        self._keys = keys
        self._currency = currency

    async def price(self, caller: Caller, plan: Plan) -> Plan:
        """Say by whose rows each step is priced, or what it is charged of its run's own price.

        Where Kling decides at the end what such a price comes to, the last step is charged it, or
        each of several such, and those before are free. Elsewhere each has a share of it.
        """
        # What has an endpoint's own name has that one's price.
        is_own = plan.kind not in self._catalogue.names
        if not (is_own and await self._quoter.has_price(caller, plan.kind)):
            return plan
        needed = {name for step in plan.steps for name in step.all_needs}
        names = ["" if step.name in needed else plan.kind for step in plan.steps]
        steps = tuple(
            msgspec.structs.replace(step, price_name=name)
            for step, name in zip(plan.steps, names, strict=True)
        )
        plan = msgspec.structs.replace(plan, steps=steps)
        if not needed or caller.is_test:
            return plan
        try:
            quotes = await self.quotes(caller, plan, notes_misses=False)
        except RelayError:
            return plan  # it is refused when it is quoted in earnest
        if any(needs_deduction(one) or one.quoted_micros is not None for one in quotes):
            return plan
        own = [await self._own_micros(caller, step) for step in plan.steps]
        if not any(cost for cost, name in zip(own, names, strict=True) if not name):
            return plan  # what is before costs nothing
        whole = [one.hold_micros for one in quotes]
        shares = zip(plan.steps, share(own, whole), strict=True)
        steps = tuple(msgspec.structs.replace(step, share_micros=part) for step, part in shares)
        return msgspec.structs.replace(plan, steps=steps)

    async def _own_micros(self, caller: Caller, step: PlannedStep) -> int:
        """Say what a step would cost if its run had no price; 0 if nobody could say."""
        endpoint = self._catalogue.of(step.endpoint)
        try:
            found = await self._quoter.quote(
                *(caller, endpoint, _fields_of(step), step.model), notes_misses=False
            )
        except (Unavailable, Unpriced):
            return 0
        return found.quote.hold_micros

    async def quotes(self, caller: Caller, plan: Plan, *, notes_misses: bool = True) -> list[Quote]:
        """Quote each step of a plan that was priced, in its order.

        `notes_misses`: what has no price was wanted in earnest, and is for the operator to see.

        Raises:
            RelayError: a step is not this caller's to ask for, or has no price.
        """
        quoted = []
        for step in plan.steps:
            endpoint = self._catalogue.of(step.endpoint)
            caller.check_endpoint(endpoint.name)
            found = await self._quoter.quote(
                *(caller, endpoint, _fields_of(step), step.model),
                notes_misses=notes_misses,
                priced_as=step.price_name,
                share_micros=step.share_micros,
            )
            caller.check_model(found.quote.wanted.model)
            quoted.append(found.quote)
        return quoted

    async def begin(
        self, caller: Caller, wish: Wish, *, client: Client[int] | None = None
    ) -> Begun:
        """Write a run, or find the one that came with the same key, or that `client` asks for anew.

        Raises:
            RelayError: refused; nothing was written.
        """
        before = await self.find(caller, wish)
        if before is not None:
            return before
        prepared = await self.prepare(caller, wish)
        given = await self.give_again(caller, prepared.wish)
        return given or await self._write_one(caller, prepared, client)

    async def find(self, caller: Caller, wish: Wish) -> Begun | None:
        """Find the run that came at the same place of a batch, or with the same key.

        Raises:
            InvalidParameter: the key is too long, or was another request's.
        """
        if wish.key is not None and not 0 < len(wish.key) <= KEY_CHARS_MAX:
            raise InvalidParameter(
                "Idempotency-Key", f"must have at most {KEY_CHARS_MAX} characters"
            )
        async with self._sessions() as session:
            return await _find_before(session, caller, wish)

    async def prepare(self, caller: Caller, wish: Wish) -> Prepared:
        """Price a wish; nothing is written.

        Raises:
            RelayError: it cannot be granted.
        """
        self.reuse.days_of(wish.input)
        await check_files(self._pool, caller.tenant_id, wish.files)
        wish = msgspec.structs.replace(wish, plan=await self.price(caller, wish.plan))
        quotes = await self.quotes(caller, wish.plan)
        bodies = [msgspec.json.encode(step.body).decode() for step in wish.plan.steps]
        sent = sum(len(body.encode()) for body in bodies)
        # Also what is kept and has no effect: a page of a hundred is read at once.
        if max(sent, len(msgspec.json.encode(wish.input))) > BODY_BYTES_MAX:
            raise BadRequest("The inputs are too long: send files to /api/assets, and name them")
        mac = await self.reuse.mac_of(caller, wish.plan)
        return Prepared(msgspec.structs.replace(wish, inputs_mac=mac), quotes, bodies)

    async def give_again(self, caller: Caller, wish: Wish) -> Begun | None:
        """Give a prepared wish the results of before, if it wants and there are such.

        Raises:
            TooManyCalls, InvalidParameter
        """
        days = self.reuse.days_of(wish.input)
        if wish.inputs_mac is None or not days:
            return None
        async with self._sessions.begin() as session:
            source = await self.reuse.find(session, caller, wish.inputs_mac, days=days)
            if source is None:
                return None
            self.reuse.take(caller)
            begun = await write_reused(session, self._keys, caller, wish, source)
            if begun is None:  # another one with its key was faster
                return await _find_before(session, caller, wish)
        log.info("run.reused", tenant_id=caller.tenant_id, run=begun.id, of=source.id)
        return begun

    async def _write_one(
        self, caller: Caller, prepared: Prepared, client: Client[int] | None
    ) -> Begun:
        """Write a run, or find the one that was faster.

        Raises:
            RelayError: there is too little to spend; nothing was written.
        """
        async with self._sessions.begin() as session:
            account = await session.get_one(Account, caller.account_id)
            begun = await self._join(session, caller, account, client)
            if begun is None:
                self._check_room(caller, prepared, account.available_micros)
                begun = _begun((await self._write(session, caller, [prepared]))[0])
            if client is not None:
                client.task_id = begun.id
        if client is not None:
            client.await_task(begun.id)  # it may have gone before there was what nobody awaits
        return begun

    async def _join(
        self, session: AsyncSession, caller: Caller, account: Account, client: Client[int] | None
    ) -> Begun | None:
        """Find what this create may be sent again for, where somebody did not hear an answer."""
        may_be = client is not None and client.key is None and caller.joins_retries
        until = account.unheard_until
        if client is None or not may_be or until is None or until < datetime.now(UTC):
            return None
        joined = await self.retries.join(session, caller, client)
        return None if joined is None else Begun(*joined, None, is_new=False)

    async def write_many(
        self,
        caller: Caller,
        prepared: Sequence[Prepared],
        *,
        batch_id: UUID,
        room_micros: int,
        cap_micros: int | None,
    ) -> list[Begun | RelayError]:
        """Write runs of a batch in one transaction, each by itself; says what became of each.

        `room_micros`: what is left of the account for them, where others wait to be held before.
        `cap_micros`: what all of the batch may cost at the most, in the caller's own money. Who
        else writes to it is awaited: the cap is one for all, and behind its end nothing is written.
        """
        outcomes: dict[int, Begun | RelayError] = {}
        async with self._sessions.begin() as session:
            batch = await lock_batch(session, batch_id)
            own_left = None
            if cap_micros is not None:
                own_left = cap_micros - own_micros(caller, batch.quoted_micros)
            for number, one in enumerate(prepared):
                assert one.wish.batch is not None, "it is of this batch"
                if one.wish.batch[1] in batch.places:
                    continue  # it is there, and counted
                try:
                    if batch.is_cancelled:
                        raise InvalidParameter("items", "their batch was cancelled")
                    if own_left is not None and one.own_micros > own_left:
                        raise OverCap(OVER_CAP_OF_BATCH)
                    self._check_room(caller, one, room_micros)
                except RelayError as error:
                    outcomes[number] = error
                else:
                    room_micros -= one.quote_micros
                    own_left = None if own_left is None else own_left - one.own_micros
            # In the order of their keys: two that write the same ones never await each other.
            numbers = [number for number in range(len(prepared)) if number not in outcomes]
            numbers.sort(key=lambda number: prepared[number].wish.key or "")
            written = await self._write(session, caller, [prepared[number] for number in numbers])
        outcomes |= zip(numbers, written, strict=True)
        return [outcomes[number] for number in range(len(prepared))]

    async def _write(
        self, session: AsyncSession, caller: Caller, prepared: Sequence[Prepared]
    ) -> list[Begun | RelayError]:
        """Write those that are not there, and find the others."""
        outcomes: list[Begun | RelayError] = []
        written = await write_runs(session, self._keys, caller, prepared)
        for one, run in zip(prepared, written, strict=True):
            try:
                found = run or await _find_before(session, caller, one.wish)
            except InvalidParameter as error:
                outcomes.append(error)
            else:
                assert found is not None, "it was in the way"
                outcomes.append(found)
        return outcomes

    def _check_room(self, caller: Caller, prepared: Prepared, available_micros: int) -> None:
        """Refuse what could not be held as a whole now; each step is held by itself all the same.

        Raises:
            OverCap, InsufficientQuota, QuotaWithheld
        """
        micros = prepared.quote_micros
        if micros > prepared.cap_micros:
            raise OverCap
        if micros <= available_micros or caller.is_test:
            return
        if caller.resale is not None:
            raise QuotaWithheld
        raise InsufficientQuota(
            needed=f"{decimal_of(micros)} {self._currency}",
            available=f"{decimal_of(available_micros)} {self._currency}",
            needed_micros=micros,
            available_micros=available_micros,
        )


def _fields_of(step: PlannedStep) -> Fields:
    return _fields.decode(msgspec.json.encode(with_samples(step.body)))


async def _find_before(session: AsyncSession, caller: Caller, wish: Wish) -> Begun | None:
    for which in _whereabouts(caller, wish):
        query = select(*(Run.id, Run.public_id, Run.fingerprint, Run.state, Run.reused_from)).where(
            *which
        )
        found = (await session.execute(query)).one_or_none()
        if found is None:
            continue
        if wish.key is not None and found.fingerprint != wish.fingerprint():
            raise InvalidParameter("Idempotency-Key", "was used for another request")
        return Begun(
            *(found.id, found.public_id, None, RunState(found.state)),
            is_new=False,
            is_reused=found.reused_from is not None,
        )
    return None


def _begun(outcome: Begun | RelayError) -> Begun:
    if isinstance(outcome, RelayError):
        raise outcome
    return outcome


def _whereabouts(caller: Caller, wish: Wish) -> list[tuple[ColumnElement[bool], ...]]:
    """Say where a run would be that is the same: at its place of a batch, or under its key."""
    places: list[tuple[ColumnElement[bool], ...]] = []
    if wish.batch is not None:
        batch_id, place = wish.batch
        places.append((Run.batch_id == batch_id, Run.batch_place == place))
    if wish.key is not None:
        places.append((Run.token_id == caller.token_id, Run.key == wish.key))
    return places
