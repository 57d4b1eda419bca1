"""The worker's side of deliveries: claim fairly, sign, send, record."""

import time
from collections import Counter
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import msgspec
import structlog

from relay.counts import Counts
from relay.database.driver import Pool, Record
from relay.database.engine import Sessions
from relay.database.ids import TaskId
from relay.deliveries.kept_url import open_url
from relay.deliveries.names import until_looked_up
from relay.deliveries.schedule import RetrySchedule
from relay.deliveries.send import TIMEOUT_S, Outcome, Sender
from relay.deliveries.signature import read_secrets, sign
from relay.deliveries.statements import CLAIM, COMPLETE, LEASE_S, PUT_BACK, TAKE_TURN
from relay.deliveries.tables import DeliveryState
from relay.secrets import KeyRing, SecretKeyError

log = structlog.get_logger()

START = (0, "")
URL_BLANKED = Outcome(None, "its URL held a credential and is kept no longer", 0)
"""Before every lane."""
SHOWN_AGAIN_MIN_S, SHOWN_AGAIN_MAX_S = 0.5, 3.0
"""What cannot be shown yet is asked again after half of what it has waited, within these."""
DELIVERED, DEAD = DeliveryState.DELIVERED.value, DeliveryState.DEAD.value
REFUSED, UNREACHABLE, LEASE_LOST = "refused", "unreachable", "lease_lost"
RESULTS = (DELIVERED, REFUSED, UNREACHABLE, DeliveryState.SUPERSEDED.value, DEAD, LEASE_LOST)
"""Of an attempt, for the counts: answered with something else than 2xx, or not answered, and to be
tried again; or by then another worker had it."""


class AttemptLimits(msgspec.Struct, frozen=True):
    """How many attempts one worker has under way at a time."""

    in_all: int = 128
    of_tenant: int = 16
    of_host: int = 32
    """Several tenants may name one host."""
    of_lane: int = 8
    """What one tenant has for one host: its dead endpoint leaves room for its others."""
    lanes_looked_at: int = 1000
    """By one claim; where there are more, the next claim goes on after them."""


class LeasedDelivery(msgspec.Struct, frozen=True):
    """A row that this worker alone may send until its lease ends."""

    id: int
    webhook_id: str
    task_id: TaskId
    tenant_id: int
    host: str
    url: str
    body: bytes
    lease: UUID
    attempt: int
    elapsed_s: float
    """Since the first attempt."""
    claimed_at: float
    """On the monotonic clock."""
    shows_ours: bool = False
    """Its tenant wants our links in place of Kling's URLs."""


class Show(Protocol):
    """Makes of a body what its tenant is shown of it; None if it is to be asked again."""

    async def __call__(
        self, body: bytes, /, *, task_id: int, waited_s: float, now_s: float
    ) -> bytes | None: ...


class Deliverer:
    """Sends due deliveries; one of them per worker."""

    def __init__(
        self,
        pool: Pool,
        sessions: Sessions,
        *,
        sender: Sender,
        keys: KeyRing,
        schedule: RetrySchedule | None = None,
        limits: AttemptLimits | None = None,
        lease_s: float = LEASE_S,
        timeout_s: float = TIMEOUT_S,
        counts: Counts | None = None,
        show: Show | None = None,
    ) -> None:
        """`timeout_s`: the sender's. `pool`: asyncpg's. `show`: of whom our links are wanted."""
        self._pool = pool
        self._sessions = sessions
        self._sender = sender
        self._keys = keys
        self._schedule = schedule or RetrySchedule()
        self.limits = limits or AttemptLimits()
        self._lease_s = lease_s
        self._send_within_s = lease_s - timeout_s
        self._show = show
        self._counts = counts or Counts()
        for result in RESULTS:
            self._counts.deliveries.begin(result)
        self._in_hand: Counter[tuple[int, str]] = Counter()
        self._after: tuple[int, str] = START

    async def claim_due(self, limit: int) -> list[LeasedDelivery]:
        """Lease rows that are due, by turns among tenants and hosts."""
        limits = self.limits
        in_hand = list(self._in_hand.elements())
        claimed_at = time.monotonic()
        async with self._pool.begin() as connection:
            await connection.execute(TAKE_TURN)
            records = await connection.fetch(
                CLAIM,
                limit,
                [tenant_id for tenant_id, _ in in_hand],
                [host for _, host in in_hand],
                *self._after,
                limits.lanes_looked_at,
                limits.of_lane,
                limits.of_tenant,
                limits.of_host,
                self._lease_s,
            )
        seen = next(record for record in records if record["id"] is None)
        has_more = seen["lanes"] == limits.lanes_looked_at
        self._after = (seen["last_tenant_id"], seen["last_host"]) if has_more else START
        leased = [_leased(record, claimed_at) for record in records if record is not seen]
        self._in_hand.update((one.tenant_id, one.host) for one in leased)
        return leased

    async def deliver(self, leased: LeasedDelivery) -> None:
        """Make one attempt and record what came of it; its place is taken until all of it ended."""
        try:
            async with until_looked_up():
                await self._deliver(leased)
        finally:
            lane = (leased.tenant_id, leased.host)
            self._in_hand[lane] -= 1
            if not self._in_hand[lane]:
                del self._in_hand[lane]

    async def _deliver(self, leased: LeasedDelivery) -> None:
        try:
            async with self._sessions() as session:
                secrets = await read_secrets(session, leased.tenant_id, self._keys)
            url = open_url(leased.url, self._keys, tenant_id=leased.tenant_id)
        except SecretKeyError as error:
            # Unsigned it would be refused, or worse, believed: it waits for the operator's key.
            log.error("delivery.not_signed", id=leased.id, reason=str(error))  # noqa: TRY400 (a sentence)
            await self._record(leased, Outcome(None, "it cannot be signed", 0))
            return
        if url is None:
            await self._record(leased, URL_BLANKED)
            return
        if time.monotonic() - leased.claimed_at > self._send_within_s:
            # This process slept: the lease may end before the attempt, and another has the row.
            log.warning("delivery.lease_nearly_over", id=leased.id)
            return
        body = await self._shown(leased)
        if body is None:
            rests_s = min(max(SHOWN_AGAIN_MIN_S, leased.elapsed_s / 2), SHOWN_AGAIN_MAX_S)
            await self._pool.execute(PUT_BACK, leased.id, leased.lease, leased.attempt, rests_s)
            return
        headers = sign(secrets, webhook_id=leased.webhook_id, at=datetime.now(UTC), body=body)
        outcome = await self._sender.post(url, body=body, headers=headers)
        await self._record(leased, outcome)

    async def _shown(self, leased: LeasedDelivery) -> bytes | None:
        """Say what is sent; None if that is known only in a moment."""
        if self._show is None or not leased.shows_ours:
            return leased.body
        return await self._show(
            leased.body,
            task_id=leased.task_id,
            waited_s=leased.elapsed_s,
            now_s=time.time(),
        )

    async def _record(self, leased: LeasedDelivery, outcome: Outcome) -> None:
        elapsed_s = leased.elapsed_s + time.monotonic() - leased.claimed_at
        pause_s = self._schedule.pause_s(elapsed_s)
        reason: str | None = outcome.summary
        if outcome.is_delivered:
            state, reason = DeliveryState.DELIVERED, None
        elif outcome.is_gone:
            state, reason = DeliveryState.DEAD, "HTTP 410: its server wants no more of it"
        elif outcome is URL_BLANKED:
            state = DeliveryState.DEAD
        elif pause_s is None:
            state = DeliveryState.DEAD
            reason = f"given up after {self._schedule.window}; at last: {outcome.summary}"
        else:
            state = DeliveryState.DUE
        record = await self._pool.fetchrow(
            COMPLETE,
            leased.id,
            leased.lease,
            leased.attempt,
            outcome.http_status,
            outcome.error,
            outcome.duration_ms,
            outcome.response,
            state.value,
            reason,
            pause_s,
        )
        self._counts.deliveries.add(_result(record, outcome))
        self._counts.delivery_seconds.add(outcome.duration_ms / 1000)
        log.info(
            "delivery.attempted",
            delivery_id=leased.id,
            id=leased.task_id,
            tenant_id=leased.tenant_id,
            host=leased.host,
            attempt=leased.attempt,
            http_status=outcome.http_status,
            error=outcome.error,
            ms=outcome.duration_ms,
            state=record["state"] if record else "another worker's",
        )


def _result(record: Record | None, outcome: Outcome) -> str:
    """Say in a word what became of a delivery by one attempt."""
    if record is None:
        return LEASE_LOST
    if record["state"] != DeliveryState.DUE:
        return str(record["state"])
    return UNREACHABLE if outcome.http_status is None else REFUSED


def _leased(row: Record, claimed_at: float) -> LeasedDelivery:
    return LeasedDelivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        task_id=row["task_id"],
        tenant_id=row["tenant_id"],
        host=row["host"],
        url=row["url"],
        body=row["body"].encode(),
        lease=row["lease"],
        attempt=row["attempts"],
        elapsed_s=row["elapsed_s"],
        claimed_at=claimed_at,
        shows_ours=row["shows_ours"],
    )
