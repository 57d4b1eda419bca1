"""Items of a batch while they are written, some of them at once, each answered by itself."""

from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import msgspec
import structlog
from msgspec import UNSET, UnsetType

from relay.database.faults import log_failure
from relay.errors import BadRequest, InvalidParameter, RelayError, Unavailable
from relay.runs.batches import InBatch, OpenedBatch
from relay.runs.begin import KEY_CHARS_MAX
from relay.runs.wish import Prepared
from relay.runs.write import Begun
from relay.studio.behind import Visit
from relay.studio.creates import Asked, notes_of_reuse, wish_of
from relay.studio.items import KEY, read_item
from relay.studio.refusals import refusal_of_failure

log = structlog.get_logger()

AT_ONCE, BYTES_AT_ONCE = 20, 2_000_000
"""Of one transaction: who follows runs hears of nothing that is newer until it is over."""


class ItemAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one item is answered, as its own path would."""

    success: bool
    task_id: UUID | UnsetType = UNSET
    status: str | UnsetType = UNSET
    notes: list[str] | UnsetType = UNSET
    """What of it was taken, and does nothing."""
    is_reused: bool = False
    """Nothing is made: it has the results of a task before, at no charge (`reuse_days`)."""
    error_code: int | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    idempotency_key: str | UnsetType = UNSET
    """Its own, if it had one."""


class _Wanted(msgspec.Struct):
    """An item that can be written."""

    place: int
    prepared: Prepared
    notes: list[str]
    closing: AsyncExitStack
    """Ended with it: what is kept of one that is refused is kept no more."""


class Writing:
    """A batch while its items are written."""

    def __init__(self, visit: Visit, batch: OpenedBatch, cap_micros: int | None) -> None:
        """`cap_micros`: what all of it may cost at the most, in the caller's own money."""
        self._visit = visit
        self._batch = batch
        self._room_micros = batch.room_micros
        self._cap_micros = cap_micros
        self._wanted: list[_Wanted] = []
        self._answers: list[ItemAnswer] = []
        self._fault: RelayError | None = None
        """The database is away: nothing more is tried."""

    async def take(self, place: int, given: Any) -> None:
        """Read the next item, and write it with some others."""
        before = self._batch.made.get(place)
        key = given.get(KEY) if isinstance(given, dict) else None
        self._answers.append(
            ItemAnswer(success=False, idempotency_key=key)
            if isinstance(key, str) and key
            else ItemAnswer(success=False)
        )
        if before is not None:
            self._tell(place, before)
            return
        try:
            if self._fault is None:
                await self._take(place, given)
        except RelayError as error:
            self._refuse(place, error)
        except Exception as error:  # noqa: BLE001 (told in the log)
            self._refuse(place, self._failed(error))
        if self._fault is not None:
            self._refuse(place, self._fault)

    async def end(self) -> list[ItemAnswer]:
        """Write what is left; says of each item what became of it."""
        await self._write()
        return self._answers

    async def _take(self, place: int, given: Any) -> None:
        """Read and price an item.

        Raises:
            RelayError: it was refused.
        """
        visit = self._visit
        if not isinstance(given, dict):
            raise InvalidParameter(f"items.{place}", "must be an object")
        key = read_key(KEY, given.pop(KEY, None))
        async with AsyncExitStack() as closing:
            asked = await closing.enter_async_context(read_item(visit, given))
            await self._price(place, asked, key, closing)
        size = sum(len(body) for one in self._wanted for body in one.prepared.bodies)
        if len(self._wanted) == AT_ONCE or size > BYTES_AT_ONCE:
            await self._write()

    async def _price(
        self, place: int, asked: Asked, key: str | None, closing: AsyncExitStack
    ) -> None:
        """Price an item that was read, for it to be written; or find that it was before.

        Raises:
            RelayError: it was refused.
        """
        visit, beginner = self._visit, self._visit.behind.runs.beginner
        notes = [*asked.notes, *notes_of_reuse(visit, asked)]
        wish = wish_of(visit, asked, key=key, batch=(self._batch.id, place))
        if key is not None:
            found = await beginner.find(visit.caller, wish)
            if found is not None:
                self._tell(place, found, notes)
                return
        prepared = await beginner.prepare(visit.caller, wish)
        given = await beginner.give_again(visit.caller, prepared.wish)
        if given is not None:
            self._tell(place, given, notes)
            return
        self._wanted.append(_Wanted(place, prepared, notes, closing.pop_all()))

    async def _write(self) -> None:
        """Write what was read, in one transaction."""
        wanted, self._wanted = self._wanted, []
        if not wanted:
            return
        try:
            outcomes = await self._visit.behind.runs.beginner.write_many(
                self._visit.caller,
                [one.prepared for one in wanted],
                batch_id=self._batch.id,
                room_micros=self._room_micros,
                cap_micros=self._cap_micros,
            )
        except Exception as error:  # noqa: BLE001 (told in the log)
            failure = self._failed(error)
            for one in wanted:
                # Nobody knows whether it was written: what it kept stays.
                await one.closing.aclose()
                self._refuse(one.place, failure)
            return
        for one, outcome in zip(wanted, outcomes, strict=True):
            if isinstance(outcome, RelayError):
                await one.closing.__aexit__(type(outcome), outcome, None)
                self._refuse(one.place, outcome)
            else:
                await one.closing.aclose()
                self._tell(one.place, outcome, one.notes)
            if isinstance(outcome, Begun) and outcome.is_new:
                self._room_micros -= one.prepared.quote_micros

    def _failed(self, error: Exception) -> RelayError:
        told = refusal_of_failure(error)
        if not isinstance(told, BadRequest):
            log_failure(log, "batch.not_written", error, request_id=self._visit.request_id)
        if isinstance(told, Unavailable):
            self._fault = told
        return told

    def _tell(self, place: int, run: Begun | InBatch, notes: list[str] | UnsetType = UNSET) -> None:
        self._answer(
            place,
            success=True,
            task_id=run.public_id,
            status=run.state.value,
            notes=notes,
            is_reused=run.is_reused,
        )

    def _refuse(self, place: int, error: RelayError) -> None:
        self._answer(place, error_code=int(error.code), error_message=error.message)

    def _answer(self, place: int, **told: Any) -> None:
        self._answers[place] = msgspec.structs.replace(self._answers[place], **told)


def read_key(name: str, value: Any) -> str | None:
    """Read a key; an empty one is none.

    Raises:
        InvalidParameter: it is too long, or no text.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > KEY_CHARS_MAX:
        raise InvalidParameter(name, f"must be a text of at most {KEY_CHARS_MAX} characters")
    return value
