"""The statements on a task's way to Kling and back, but for those that move it (`finish.py`).

Each is one transaction. They run through a `Batcher`: every parameter is an array, row `ord` of all
arrays is one call. The parts that touch accounts come from `ledger`.
"""

from typing import NamedTuple

from relay.database.ids import AccountId, TaskId, TenantId
from relay.database.rows import unnest
from relay.ledger.holds import JUDGE_HOLDS, LOCK_ACCOUNTS, TAKE_HOLDS
from relay.limits.statements import (
    APPLY_LIMITS,
    APPLY_LIMITS_RESOLD,
    JUDGE_LIMITS,
    LOCK_LIMITS,
    LOCK_LIMITS_RESOLD,
    TAKE_OF_LIMITS,
)
from relay.money import RESOLD


class HoldRow(NamedTuple):
    """One call of HOLD."""

    tenant_id: TenantId
    account_id: AccountId
    token_id: int
    channel_id: int
    endpoint: str
    tenant_external_id: str | None
    callback_url: str | None
    request_id: str
    """One per submit: by it a hold is found whose connection broke."""
    model: str | None
    pack: str
    quote: str
    hold_micros: int
    deadline_s: float
    """How long the submitting process owns the row."""
    random: str
    """64 bits in hex, for the external id."""
    follows: str = ""
    """Names of followers, comma separated; see `outbox.py`."""
    slots: int = 1
    """Of the account's (`health/room.py`)."""
    caller_address: str | None = None
    limits_known: int = 0
    """Of the account's `limits_set`, as it was when the caller was read."""


class OnceRow(NamedTuple):
    """What a call of HOLD_ONCE has behind its HoldRow."""

    create_key: str | None
    """`Idempotency-Key`."""
    fingerprint: bytes | None
    """Of its path and bytes, with a key."""


KEYS_KEPT_FOR = "interval '24 hours'"


_FIRST_OF_KEY = f"""
LEFT JOIN LATERAL (
    SELECT o.id, o.fingerprint = j.fingerprint AS is_equal,
           o.created_at < now() - {KEYS_KEPT_FOR} AS is_old
    FROM tasks o
    WHERE i.id IS NULL AND o.token_id = j.token_id AND o.create_key = j.create_key
        AND o.state <> 'refused'
) first ON true
"""  # noqa: S608 (composed of constants)
_TOLD_BY_KEY = """WHEN first.is_old THEN 'old_key'
           WHEN first.is_equal THEN 'joined'
           WHEN first.id IS NOT NULL THEN 'other_key'"""
_TOLD_BY_ACCOUNT = "WHEN j.tenant_external_id IS NULL AND j.has_unheard THEN 'unheard'"


def _limits(lock: str, apply: str) -> str:
    return f""",
limits_locked AS MATERIALIZED ({lock.format(source="requested", accounts="accounts_locked")}),
applied AS MATERIALIZED ({apply.format(requested="requested", limits="limits_locked")}),
limited AS MATERIALIZED ({JUDGE_LIMITS.format(applied="applied")})"""


_LIMITS = _limits(LOCK_LIMITS, APPLY_LIMITS)
_LIMITS_RESOLD = _limits(LOCK_LIMITS_RESOLD, APPLY_LIMITS_RESOLD)
_LIMIT_TOLD = """now() AS judged_at, l.over_ids, l.over_kinds, b.kind AS limit_kind,
       b.token_id IS NOT NULL AS is_of_token, b.tenant_id <> j.tenant_id AS is_of_parent,
       b.allowed, b.room, b.until_at,
       coalesce(i.limit_ids, own.limit_ids) IS NOT NULL AS is_limited,"""
_RESOLD = (
    f""", n.parent_id, {RESOLD.format(micros="i.hold_micros", task="frozen")} AS resold_micros"""
)
_OF_PARENT = """
    JOIN tenants n ON n.id = i.tenant_id
    CROSS JOIN LATERAL (SELECT i.quote::jsonb AS quote) frozen"""
_JOIN_LIMIT = """
LEFT JOIN limited l ON l.ord = j.ord
LEFT JOIN applied b ON b.ord = j.ord AND b.limit_id = l.broken_id"""
_TAKEN_OF_LIMITS = f""",
counted AS ({TAKE_OF_LIMITS.format(inserted="inserted", judged="judged", applied="applied")})"""
_TOLD_BY_LIMITS = """WHEN l.over_ids IS NOT NULL THEN 'over'
           WHEN NOT l.is_within THEN 'limited'"""


def _hold(*, once: bool, limited: bool, resold: bool = False) -> str:
    """Spell it; `once`: with a key, or after it was seen to be no retry.

    `limited`: for who is under limits, which all others pay nothing for. Whether there are any is
    read before the account is locked: it says how many were ever set, and another number than was
    known has it judged again. `resold`: of sub-tenants, which are under their parent's limits as
    well, and under their own by what it costs them.
    """
    keys = ", create_key, fingerprint" if once else ""
    limits = (_LIMITS_RESOLD if resold else _LIMITS) if limited else ""
    # In a statement's own snapshot, which has the limits that it finds.
    known = (
        "(SELECT limits_set FROM accounts WHERE id = j.account_id)" if limited else "j.limits_known"
    )
    kept = ", limit_ids, limit_starts" if limited else ""
    within = """
        AND over_ids IS NULL AND is_within IS NOT FALSE AND is_within_with_others IS NOT FALSE"""
    # An equal create may be waiting to be joined, which its bytes tell; nobody has hashed them.
    heard = "" if once else "AND (tenant_external_id IS NOT NULL OR NOT has_unheard)"
    return f"""
WITH requested AS MATERIALIZED (
    SELECT i.*, nextval('tasks_id_seq') AS id{_RESOLD if resold else ""}
    FROM {unnest(HoldRow, then=OnceRow if once else None)}{_OF_PARENT if resold else ""}
),
accounts_locked AS MATERIALIZED ({LOCK_ACCOUNTS.format(source="requested")}),
judged AS MATERIALIZED (
    {JUDGE_HOLDS.format(requested="requested", accounts="accounts_locked")}
){limits},
inserted AS (
    INSERT INTO tasks (
        id, tenant_id, account_id, token_id, channel_id, endpoint, state, injected_id,
        tenant_external_id, callback_url, request_id, model, pack, quote, hold_micros,
        submit_deadline_at, next_look_at, slots, caller_address, follows{keys}{kept}
    )
    SELECT id, tenant_id, account_id, token_id, channel_id, endpoint, 'pending',
           (SELECT external_prefix FROM deployment) || '-' || id || '-' || random,
           tenant_external_id, callback_url, request_id, model, pack, quote::jsonb, hold_micros,
           now() + deadline_s * interval '1 second', now() + deadline_s * interval '1 second',
           slots, caller_address,
           CASE follows WHEN '' THEN '{{}}' ELSE string_to_array(follows, ',') END{keys}{kept}
    FROM judged j {"LEFT JOIN limited USING (ord)" if limited else ""}
    WHERE has_quota AND has_tasks_left AND fits_with_others AND limits_set = {known} {heard}
        {within if limited else ""}
    -- Conflicts there are with the tenant's own external id, with its key, and with the submit
    -- itself, held by a try whose connection broke. All other keys are fresh.
    ON CONFLICT DO NOTHING
    RETURNING id, account_id, hold_micros, injected_id{", limit_ids" if limited else ""}
),
held AS ({TAKE_HOLDS.format(inserted="inserted")}){_TAKEN_OF_LIMITS if limited else ""}
SELECT j.ord, coalesce(i.id, own.id) AS id, coalesce(i.injected_id, own.injected_id) AS injected_id,
       j.available_micros, j.tasks_left, {"first.id" if once else "NULL::bigint"} AS first_id,
       {_LIMIT_TOLD if limited else "false AS is_limited,"}
       CASE
           WHEN i.id IS NOT NULL OR own.is_pending THEN 'held'
           WHEN own.id IS NOT NULL THEN 'lost'
           -- These also without quota: who repeats a submit learns that the first one landed.
           {_TOLD_BY_KEY if once else _TOLD_BY_ACCOUNT}
           -- Not EXISTS, which a plan made while there are few tasks reads all of them for.
           WHEN j.tenant_external_id IS NOT NULL AND (
               SELECT true FROM tasks o
               WHERE o.tenant_id = j.tenant_id AND o.tenant_external_id = j.tenant_external_id
                   AND o.state <> 'refused'
               LIMIT 1
           ) THEN 'duplicate'
           WHEN j.limits_set <> {known} THEN '{"again" if limited else "unknown_limits"}'
           WHEN NOT j.has_quota THEN 'no_quota'
           WHEN NOT j.has_tasks_left THEN 'too_many_tasks'
           {_TOLD_BY_LIMITS if limited else ""}
           -- It does not fit with the others; or it conflicts with a row that this statement does
           -- not see yet: of its own batch, or committed while the account was waited for.
           ELSE 'again'
       END AS outcome
FROM judged j LEFT JOIN inserted i USING (id)
LEFT JOIN LATERAL (
    SELECT o.id, o.injected_id, o.state = 'pending' AS is_pending, o.limit_ids
    FROM tasks o
    WHERE i.id IS NULL AND o.request_id = j.request_id
) own ON true{_FIRST_OF_KEY if once else ""}{_JOIN_LIMIT if limited else ""}
"""  # noqa: S608 (composed of constants)


HOLD = _hold(once=False, limited=False)
"""Take the hold and insert the task, or neither. `outcome` says which.

Run again for the same submit it takes nothing more, and returns what was held; `lost` if that is
no longer the submit's to send. `unheard`: it may be the retry of a create whose answer nobody
heard. `unknown_limits`: limits were set since the caller was read. An account that does not exist
returns no record.
"""

HOLD_LIMITED = _hold(once=False, limited=True)
"""HOLD for who is under limits: `limited` by one of them; `over`: windows of some are."""

HOLD_ONCE = _hold(once=True, limited=False)
"""HOLD for creates with a key, and for those that were seen to be no retries.

With a key that a task has: `joined` to that one, `first_id`; `other_key` if it was of another
create; `old_key` if it is to be freed first.
"""

HOLD_ONCE_LIMITED = _hold(once=True, limited=True)

HOLD_RESOLD = _hold(once=False, limited=True, resold=True)
"""HOLD_LIMITED for sub-tenants."""

HOLD_ONCE_RESOLD = _hold(once=True, limited=True, resold=True)


class KeyRow(NamedTuple):
    """One call of FREE_KEY."""

    token_id: int
    create_key: str


FREE_KEY = f"""
UPDATE tasks t SET create_key = NULL
FROM {unnest(KeyRow, "n")}
WHERE t.token_id = n.token_id AND t.create_key = n.create_key AND t.state <> 'refused'
    AND t.created_at < now() - {KEYS_KEPT_FOR}
RETURNING n.ord
"""  # noqa: S608 (composed of constants)
"""Free keys that were kept for long enough."""


class ChannelRow(NamedTuple):
    """One call of MOVE_CHANNEL."""

    id: TaskId
    channel_id: int
    reason: str


MOVE_CHANNEL = f"""
WITH told AS MATERIALIZED (
    SELECT * FROM {unnest(ChannelRow)}
),
tasks_locked AS MATERIALIZED (
    SELECT id, channel_id AS old_channel_id
    FROM tasks
    WHERE id = ANY (ARRAY(SELECT id FROM told)) AND state = 'pending' AND kling_id IS NULL
        AND submit_deadline_at > now()
    ORDER BY id
    FOR NO KEY UPDATE
),
moved AS (
    UPDATE tasks t
    SET channels_tried = t.channels_tried || t.channel_id, channel_id = n.channel_id
    FROM told n JOIN tasks_locked l USING (id)
    WHERE t.id = n.id AND n.channel_id <> l.old_channel_id
    RETURNING t.id
),
noted AS (
    INSERT INTO task_events (task_id, kind, detail)
    SELECT id, 'task.channel_changed', reason FROM told JOIN moved USING (id)
)
SELECT n.ord FROM told n JOIN tasks_locked USING (id)
"""  # noqa: S608 (composed of constants)
"""Name the next channel in the row before it is tried (D1). Run again, it changes nothing more.

Returns no record if the task is no longer ours to send: past its deadline, or known to Kling.
"""


class ReadRow(NamedTuple):
    """One call of READ."""

    tenant_id: TenantId
    key: str


TASK_COLUMNS = """t.id, t.tenant_id, t.account_id, t.channel_id, t.endpoint, t.state, t.kling_id,
    t.injected_id, t.tenant_external_id, t.callback_url, t.quote, t.hold_micros, t.charged_micros,
    t.refunded_micros, t.reply, t.follows <> '{}' AS is_followed, t.is_reply_full, t.fail_message,
    t.created_at, t.ended_via, t.submit_deadline_at, t.request_id, t.public_id,
    t.limit_ids IS NOT NULL AS is_limited,
    t.refresh_at = t.ended_at AS is_unasked,
    extract(epoch FROM now() - t.refresh_at)::float8 AS refreshed_s_ago"""
"""What `TaskRow.of` reads by position: in the order of its fields, and first in each statement."""

READ = f"""
SELECT * FROM (
    SELECT DISTINCT ON (n.ord) {TASK_COLUMNS}, n.ord
    FROM {unnest(ReadRow, "n")}
    JOIN LATERAL (
        -- Fenced: a planner without statistics would rather walk all tasks of the tenant.
        SELECT 0 AS preference, a.* FROM (SELECT * FROM tasks WHERE kling_id = n.key OFFSET 0) a
        WHERE a.tenant_id = n.tenant_id AND a.state <> 'refused' AND a.public_id IS NULL
        UNION ALL
        SELECT 0, p.* FROM tasks p WHERE p.public_id = n.key AND p.tenant_id = n.tenant_id
        UNION ALL
        SELECT 1, b.* FROM tasks b
        WHERE b.tenant_external_id = n.key AND b.tenant_id = n.tenant_id AND b.state <> 'refused'
    ) t ON true
    ORDER BY n.ord, t.preference
) found
"""  # noqa: S608 (composed of constants)
"""Find a tenant's task by the id that it was given, or else by the tenant's external id.

Given is Kling's id, and ours in its place where it was queued (`tables.py`).
"""


class ClaimRow(NamedTuple):
    """One call of CLAIM_REFRESH."""

    id: TaskId
    older_than_s: float


CLAIM_REFRESH = f"""
WITH told AS (
    SELECT * FROM {unnest(ClaimRow)}
),
due AS MATERIALIZED (
    SELECT t.id, n.ord, n.older_than_s
    FROM told n JOIN tasks t USING (id)
    WHERE t.refresh_at <= now() - n.older_than_s * interval '1 second'
    -- Rows stand here in the order of pollers. Whoever holds one claims it or writes what it
    -- learned of it, so nobody waits: not for long, nor in a circle.
    FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE tasks t
SET refresh_at = now(),
    -- The worker need not ask as well, as long as tenants do, each second or two; what Kling is not
    -- known to have, is looked for by the worker alone.
    next_look_at = CASE WHEN t.state IN ('submitted', 'processing')
        THEN greatest(t.next_look_at, now() + interval '1 second' * (
            due.older_than_s + least(due.older_than_s, 1.5)
        ))
        ELSE t.next_look_at END
FROM due
WHERE t.id = due.id
RETURNING due.ord
"""  # noqa: S608 (composed of constants)
"""Claim the flight that asks Kling about a task: one at a time across replicas."""
