"""How a run begins: quoted as a whole, written as a whole, and its first step sent by who asked."""

import uuid
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.engine import Sessions
from relay.errors import BadRequest, InsufficientQuota, InvalidParameter, OverCap, QuotaWithheld
from relay.kling.catalogue import Catalogue
from relay.kling.wire import Fields
from relay.ledger.tables import Account
from relay.money import decimal_of
from relay.pricing.quote import Quote
from relay.runs.moves import lock_run, note, settle
from relay.runs.plan import Plan, with_samples
from relay.runs.retries import RunRetries
from relay.runs.statements import LEASE_S
from relay.runs.tables import Run, RunStep, StepState, body_context, input_context
from relay.runs.turns import DueStep
from relay.secrets import KeyRing
from relay.tasks.quoter import Quoter
from relay.tasks.retries import Client
from relay.tenants.caller import Caller

BODY_BYTES_MAX = 1_000_000
"""Of all steps, as of one create in the queue: larger files are named by their ids."""
KEY_CHARS_MAX = 255
LEASE = timedelta(seconds=LEASE_S)

_fields = msgspec.json.Decoder(Fields)


class Wish(msgspec.Struct, frozen=True):
    """What somebody asks for."""

    plan: Plan
    source: str
    input: dict[str, Any]
    """As it came, for it to be read again."""
    request_id: str
    address: str = ""
    key: str | None = None
    """Its `Idempotency-Key`."""
    cap_micros: int | None = None
    """What it may cost at the most; None is what it is quoted."""

    def fingerprint(self) -> bytes:
        digest = blake2b(self.plan.kind.encode(), digest_size=32)
        digest.update(msgspec.json.encode(self.input, order="deterministic"))
        return digest.digest()


class Begun(NamedTuple):
    """A run that there is now."""

    id: int
    public_id: UUID
    due: DueStep | None
    """Its first step, leased by who began it; None if the run was there before."""


class Beginner:
    """Begins runs."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        quoter: Quoter,
        catalogue: Catalogue,
        keys: KeyRing,
        currency: str,
        retries: RunRetries,
    ) -> None:
        self.retries = retries
        self._sessions = sessions
        self._quoter = quoter
        self._catalogue = catalogue
        self._keys = keys
        self._currency = currency

    async def price(self, caller: Caller, plan: Plan) -> Plan:
        """Say by whose rows each step is priced.

        A run with a price of its own is charged that with its last step, or each of several such,
        and those before are free.
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
        return msgspec.structs.replace(plan, steps=steps)

    async def quote(self, caller: Caller, plan: Plan) -> list[int]:
        """Say what each step may cost, in micros; in the order of a plan that was priced.

        Raises:
            RelayError: a step is not this caller's to ask for, or has no price.
        """
        return [quote.hold_micros for quote in await self.quotes(caller, plan)]

    async def quotes(self, caller: Caller, plan: Plan, *, notes_misses: bool = True) -> list[Quote]:
        """Quote each step, in the plan's order.

        `notes_misses`: what has no price was wanted in earnest, and is for the operator to see.

        Raises:
            RelayError: as `quote`.
        """
        quoted = []
        for step in plan.steps:
            endpoint = self._catalogue.of(step.endpoint)
            caller.check_endpoint(endpoint.name)
            fields = _fields.decode(msgspec.json.encode(with_samples(step.body)))
            found = await self._quoter.quote(
                *(caller, endpoint, fields, step.model),
                notes_misses=notes_misses,
                priced_as=step.price_name,
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
        if wish.key is not None and not 0 < len(wish.key) <= KEY_CHARS_MAX:
            raise InvalidParameter(
                "Idempotency-Key", f"must have at most {KEY_CHARS_MAX} characters"
            )
        async with self._sessions() as session:
            before = await _find_by_key(session, caller, wish)
        if before is not None:
            return before
        wish = msgspec.structs.replace(wish, plan=await self.price(caller, wish.plan))
        quoted = await self.quote(caller, wish.plan)
        bodies = [msgspec.json.encode(step.body).decode() for step in wish.plan.steps]
        if sum(len(body.encode()) for body in bodies) > BODY_BYTES_MAX:
            raise BadRequest("The inputs are too long: send files to /api/assets, and name them")
        cap_micros = sum(quoted) if wish.cap_micros is None else wish.cap_micros
        if sum(quoted) > cap_micros:
            raise OverCap
        async with self._sessions.begin() as session:
            account = await session.get_one(Account, caller.account_id)
            begun = await self._join(session, caller, account, client)
            if begun is None:
                self._check_quota(account, caller, sum(quoted))
                begun = await self._write(
                    session, caller, wish, quoted, bodies, cap_micros=cap_micros
                )
            if begun is None:  # another one with its key was faster
                begun = await _find_by_key(session, caller, wish)
                assert begun is not None, "it was in the way"
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
        return None if joined is None else Begun(*joined, None)

    async def _write(
        self,
        session: AsyncSession,
        caller: Caller,
        wish: Wish,
        quoted: list[int],
        bodies: list[str],
        *,
        cap_micros: int,
    ) -> Begun | None:
        run = (
            await session.execute(
                insert(Run)
                .values(
                    tenant_id=caller.tenant_id,
                    token_id=caller.token_id,
                    kind=wish.plan.kind,
                    source=wish.source,
                    key=wish.key,
                    fingerprint=None if wish.key is None else wish.fingerprint(),
                    caller_address=wish.address or None,
                    request_id=wish.request_id,
                    quote_micros=sum(quoted),
                    cap_micros=cap_micros,
                )
                .on_conflict_do_nothing(
                    index_elements=[Run.token_id, Run.key], index_where=Run.key.is_not(None)
                )
                .returning(Run.id, Run.public_id)
            )
        ).one_or_none()
        if run is None:
            return None
        for place, (step, micros) in enumerate(zip(wish.plan.steps, quoted, strict=True)):
            needs = step.all_needs
            session.add(
                RunStep(
                    run_id=run.id,
                    tenant_id=caller.tenant_id,
                    name=step.name,
                    place=place,
                    needs=list(needs),
                    endpoint=step.endpoint,
                    model=step.model,
                    price_name=step.price_name,
                    is_result=step.is_result,
                    state=StepState.WAITING if needs else StepState.READY,
                    quote_micros=micros,
                )
            )
        await session.flush()
        moving = await lock_run(session, run.id)
        for row, body in zip(moving.steps, bodies, strict=True):
            row.body_sealed = self._keys.seal(body, context=body_context(row.id))
        moving.run.input_sealed = self._keys.seal(
            msgspec.json.encode(wish.input).decode(), context=input_context(run.id)
        )
        settle(moving)
        first = moving.steps[0]
        first.lease = uuid.uuid4()
        first.next_attempt_at = moving.now + LEASE
        note(session, moving)
        return Begun(run.id, run.public_id, DueStep(first.id, first.lease))

    def _check_quota(self, account: Account, caller: Caller, micros: int) -> None:
        """Refuse what could not be held as a whole now; each step is held by itself all the same.

        Raises:
            InsufficientQuota, QuotaWithheld
        """
        available = account.available_micros
        if micros <= available or caller.is_test:
            return
        if caller.resale is not None:
            raise QuotaWithheld
        raise InsufficientQuota(
            needed=f"{decimal_of(micros)} {self._currency}",
            available=f"{decimal_of(available)} {self._currency}",
            needed_micros=micros,
            available_micros=available,
        )


async def _find_by_key(session: AsyncSession, caller: Caller, wish: Wish) -> Begun | None:
    if wish.key is None:
        return None
    query = select(Run.id, Run.public_id, Run.fingerprint).where(
        Run.token_id == caller.token_id, Run.key == wish.key
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    if found.fingerprint != wish.fingerprint():
        raise InvalidParameter("Idempotency-Key", "was used for another request")
    return Begun(found.id, found.public_id, None)
