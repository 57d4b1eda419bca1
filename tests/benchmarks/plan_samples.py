"""Every hot statement, with values that it finds something by in `plan_rows.sql`."""

from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from relay.callbacks import receive
from relay.database.ids import AccountId, TaskId, TenantId
from relay.deliveries import statements as deliveries
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import Generation
from relay.ledger import read
from relay.limits import statements as limits
from relay.metrics import snapshot
from relay.owners import learn
from relay.proxy import account, many, query
from relay.tasks import finish, flags, look, outbox, own_list, record, retries, seek
from relay.tasks import statements as tasks
from relay.tenants import authenticate, remembered
from tests.benchmarks.books import quote_of_clip
from tests.benchmarks.plans import Sample
from tests.relay_app import CLIP_MICROS
from tests.tasks.told import told_success


def batched(statement: str, row: tuple[object, ...], *writes: str, records: int = 1) -> Sample:
    """A batch of one row."""
    values = tuple([value] for value in row)
    return Sample(statement, values, frozenset(writes), records=records)


LARGE_TENANT, MIDDLE_TENANT, SMALL_TENANT = 1, 2, 1007
"""Of 100,000 tasks, of 1,000, of 100."""
LARGE = TenantId(LARGE_TENANT)
ACCOUNT = 20_000
"""What an account's id is more than its tenant's."""
LARGE_ACCOUNT = AccountId(ACCOUNT + LARGE_TENANT)
SUBMITTED, DELIVERY = 999_960, 199_992
"""A task of the large tenant, and what is still to be told of it."""
MOVE = SUBMITTED // 10 + 1
"""Of the same task, for its first follower."""
PENDING, WAITING_TENANT = 999_997, 200
KEYED = 999_950
"""Of the large tenant, within a day."""
UNHEARD, UNHEARD_TOKEN = 999_988, 191
ENDED, FAILED, REFUSED = 1_004, 1_009, 57
LEASE = UUID(int=1)
BEGIN, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
NEWEST = 2**63 - 1
NEW_NAMES = [
    endpoint.name
    for endpoint in Catalogue.with_added(()).endpoints
    if endpoint.generation is Generation.NEW
]
NAMES = sorted({endpoint.name for endpoint in Catalogue.with_added(()).endpoints})
MADE = '[{"kind":"video","id":"new-1"}]'
HELD = tasks.HoldRow(
    tenant_id=LARGE,
    account_id=LARGE_ACCOUNT,
    token_id=1,
    channel_id=1,
    endpoint="text2video",
    tenant_external_id="new",
    callback_url=None,
    request_id="r",
    model="kling-v3",
    pack="video",
    quote=quote_of_clip(),
    hold_micros=CLIP_MICROS,
    deadline_s=90.0,
    random="0123456789abcdef",
)
LIMITED_TENANT, LIMITED = 106, 999_903
"""Under limits, and a live task of its that took of them."""
HELD_LIMITED = HELD._replace(
    tenant_id=TenantId(LIMITED_TENANT),
    account_id=AccountId(ACCOUNT + LIMITED_TENANT),
    token_id=LIMITED_TENANT - 1,
)
SUB_TENANT = 117
HELD_RESOLD = HELD_LIMITED._replace(tenant_id=TenantId(SUB_TENANT), token_id=SUB_TENANT - 1)
TOLD = told_success(SUBMITTED, f"kling-{SUBMITTED}", made=MADE)._replace(delivery_body="{}")
NOTED = ("Update tasks", "Insert task_events")
CHARGED = (*NOTED, "Insert entries", "Update accounts")
TO_DELIVER = ("Update deliveries", "Insert deliveries")

BATCHED = {
    "HOLD": batched(tasks.HOLD, HELD, "Insert tasks", "Update accounts"),
    "HOLD of a duplicate": batched(
        tasks.HOLD, HELD._replace(tenant_external_id="mine-1020"), "Insert tasks"
    ),
    "HOLD_ONCE": batched(
        tasks.HOLD_ONCE, (*HELD, "new", b"new"), "Insert tasks", "Update accounts"
    ),
    "HOLD_ONCE of a known key": batched(
        tasks.HOLD_ONCE, (*HELD, f"key-{KEYED}", b"other"), "Insert tasks"
    ),
    "HOLD_LIMITED": batched(
        *(tasks.HOLD_LIMITED, HELD_LIMITED, "Insert tasks", "Update accounts", "Update limits")
    ),
    "HOLD_ONCE_LIMITED": batched(
        tasks.HOLD_ONCE_LIMITED,
        (*HELD_LIMITED, "new", b"new"),
        *("Insert tasks", "Update accounts", "Update limits"),
    ),
    "HOLD_RESOLD": batched(
        *(tasks.HOLD_RESOLD, HELD_RESOLD, "Insert tasks", "Update accounts", "Update limits")
    ),
    "HOLD_ONCE_RESOLD": batched(
        tasks.HOLD_ONCE_RESOLD,
        (*HELD_RESOLD, "new", b"new"),
        *("Insert tasks", "Update accounts", "Update limits"),
    ),
    "ROLL": batched(limits.ROLL, limits.RollRow(1, BEGIN, END), "Update limits"),
    "FREE_KEY": batched(tasks.FREE_KEY, tasks.KeyRow(1, "key-70"), "Update tasks"),
    "MARK_UNHEARD": batched(
        retries.MARK_UNHEARD,
        retries.UnheardRow(TaskId(PENDING), f"request-{PENDING}", b"bytes"),
        *("Update tasks", "Update accounts"),
    ),
    "JOIN_UNHEARD": batched(
        retries.JOIN_UNHEARD,
        retries.RetryRow(UNHEARD_TOKEN, sha256(f"body-{UNHEARD}".encode()).digest(), "r"),
        "Update tasks",
    ),
    "READ_ROW": batched(retries.READ_ROW, retries.IdRow(TaskId(SUBMITTED))),
    "HOLD run again": batched(
        tasks.HOLD, HELD._replace(request_id=f"request-{PENDING}"), "Insert tasks"
    ),
    "FINISH": batched(
        finish.FINISH,
        TOLD,
        *CHARGED,
        *TO_DELIVER,
        "Insert owners",
    ),
    "FINISH late": batched(
        finish.FINISH,
        told_success(REFUSED, "new", made=MADE),
        *CHARGED,
        "Insert owners",
    ),
    "FINISH by a full reply": batched(
        finish.FINISH,
        told_success(FAILED, f"kling-{FAILED}")._replace(state="failed", is_reply_full=True),
        *NOTED,
    ),
    "FINISH that learns an id": batched(
        finish.FINISH, told_success(REFUSED, "new")._replace(state="failed"), *NOTED
    ),
    "RECORD": batched(
        record.RECORD,
        TOLD._replace(state="processing"),
        *NOTED,
        *TO_DELIVER,
        "Insert owners",
    ),
    "FINISH_FOLLOWED": batched(
        finish.FINISH_FOLLOWED, TOLD, *CHARGED, *TO_DELIVER, "Insert owners", "Insert outbox"
    ),
    "FINISH_LIMITED": batched(
        finish.FINISH_LIMITED,
        told_success(LIMITED, f"kling-{LIMITED}"),
        *CHARGED,
        "Update limits",
    ),
    "RECORD_FOLLOWED": batched(
        record.RECORD_FOLLOWED,
        TOLD._replace(state="processing"),
        *NOTED,
        *TO_DELIVER,
        "Insert owners",
        "Insert outbox",
    ),
    "RECORD that learns an id": batched(
        record.RECORD, told_success(REFUSED, "new")._replace(state="processing"), *NOTED
    ),
    "MOVE_CHANNEL": batched(
        tasks.MOVE_CHANNEL, tasks.ChannelRow(TaskId(PENDING), 2, "full"), *NOTED
    ),
    "READ by Kling's id": batched(tasks.READ, tasks.ReadRow(LARGE, "kling-1000")),
    "READ by the tenant's": batched(tasks.READ, tasks.ReadRow(LARGE, "mine-1020")),
    "READ in vain": batched(tasks.READ, tasks.ReadRow(LARGE, "nothing"), records=0),
    "CLAIM_REFRESH": batched(
        tasks.CLAIM_REFRESH, tasks.ClaimRow(TaskId(SUBMITTED), 3.0), "Update tasks"
    ),
    "FIND by our id": batched(receive.FIND, ("relay-1000-0123456789abcdef", 1, None)),
    "FIND by Kling's": batched(receive.FIND, (None, 1, "kling-1000")),
    "FIND_TOKENS by access key": batched(authenticate.FIND_TOKENS, ("access-1000", None)),
    "FIND_TOKENS by API key": batched(
        authenticate.FIND_TOKENS, (None, sha256(b"key-1000").digest())
    ),
    "FIND_TOKENS in vain": batched(authenticate.FIND_TOKENS, ("nobody", None), records=0),
    "COUNT_CHANGES": batched(remembered.COUNT_CHANGES, (0,)),
}
"""On the batchers' own connections, whose plans are made once, for any values."""


def listed(tenant: int, endpoint: str, *, is_call: bool = False) -> Sample:
    """The first page of a list, by the size that Kling has."""
    values = (tenant, endpoint, query.SIZE_DEFAULT, 0, is_call)
    return Sample(query.LIST, values, records=30, rows_max=30, sorted_max=0, pages_max=200)


def listed_new(
    tenant: int, *, limit: int, states: list[str] | None = None, records: int | None = None
) -> Sample:
    """A page of 2.0's list: so many of each endpoint are read and merged."""
    read = limit * len(NEW_NAMES)
    return Sample(
        many.LIST,
        (tenant, NEW_NAMES, NEWEST, BEGIN, END, states, limit),
        records=limit if records is None else records,
        rows_max=read,
        sorted_max=read,
        pages_max=2 * read,
    )


def near(tenant: int, *, step: int, records: int | None = None) -> Sample:
    """The newest of all endpoints: so many ids of each are read in the index, and merged."""
    return Sample(
        own_list.NEAR,
        (tenant, NAMES, NEWEST, 1, step),
        records=step if records is None else records,
        rows_max=4 * step,
        sorted_max=4 * step,
        pages_max=6 * step + 10 * len(NAMES),
    )


NO_FILTER = (None,) * 8

POOLED = {
    "own_list.NEAR": near(LARGE_TENANT, step=51),
    "own_list.NEAR of a filter's last step": near(LARGE_TENANT, step=own_list.STEP_MAX),
    "own_list.NEAR of a small tenant": near(SMALL_TENANT, step=51, records=-1),
    # A tenth of all tasks that have not ended, of which there are two in a hundred.
    "own_list.NEAR_OPEN": Sample(
        own_list.NEAR_OPEN,
        (LARGE_ACCOUNT, LARGE_TENANT, ["submitted"], NEWEST, 1, 51),
        records=51,
        rows_max=10_500,
        sorted_max=10_500,
        pages_max=11_000,
    ),
    "own_list.NEAR_KNOWN": Sample(
        own_list.NEAR_KNOWN, (LARGE_TENANT, "mine-1020", "request-1000", NEWEST), records=2
    ),
    "own_list.FITTING": Sample(
        own_list.FITTING,
        (list(range(999_000, 1_000_000, 10)), *NO_FILTER, 51),
        records=51,
        rows_max=110,
        sorted_max=110,
        pages_max=1_000,
    ),
    "LIST": listed(LARGE_TENANT, "text2video"),
    "LIST of a tenant of a thousand": listed(MIDDLE_TENANT, "text-to-video"),
    "LIST of calls": listed(LARGE_TENANT, "identify-face", is_call=True),
    # Passed by in the index; of a task itself there is a page or more.
    "LIST deep": Sample(
        query.LIST,
        (LARGE_TENANT, "text2video", 500, 30_000, False),
        records=500,
        rows_max=30_500,
        sorted_max=0,
        pages_max=3_000,
    ),
    "many.LIST": listed_new(LARGE_TENANT, limit=31),
    "many.LIST of a tenant of a thousand": listed_new(MIDDLE_TENANT, limit=31),
    "many.LIST of a small tenant": listed_new(SMALL_TENANT, limit=31, records=-1),
    "many.LIST by state": listed_new(LARGE_TENANT, limit=501, states=["succeed"]),
    "CLAIM_DUE": Sample(
        look.CLAIM_DUE,
        (20,),
        frozenset({"Update tasks"}),
        records=20,
        rows_max=20,
        sorted_max=0,
        pages_max=1_000,
    ),
    "retries.FIRST_REPLY": Sample(retries.FIRST_REPLY, (ENDED,), records=0),
    # Of one whose task waits, and of whoever has a tenth of all open holds, of which none does.
    "seek.FIND_PENDING": Sample(
        seek.FIND_PENDING,
        (ACCOUNT + WAITING_TENANT, WAITING_TENANT, 4.0, seek.ROWS_MAX),
        sorted_max=0,
    ),
    "seek.FIND_PENDING in vain": Sample(
        seek.FIND_PENDING, (LARGE_ACCOUNT, LARGE_TENANT, 4.0, seek.ROWS_MAX), records=0
    ),
    "PUT_OFF": Sample(
        look.PUT_OFF, (SUBMITTED, LEASE, 3.0, True, True), frozenset({"Update tasks"})
    ),
    "COUNT_UNREAD": Sample(look.COUNT_UNREAD, (SUBMITTED,), frozenset({"Update tasks"})),
    "END_LOOKS": Sample(look.END_LOOKS, (SUBMITTED, LEASE), frozenset({"Update tasks"}), records=1),
    "flags.KEEP": Sample(
        flags.KEEP,
        (SUBMITTED, "kind", "detail", b"", True, True),
        frozenset({"Update tasks", "Insert task_events"}),
        records=0,
    ),
    # Eight of each of a thousand lanes are looked at, and each for what else its task has.
    "deliveries.CLAIM": Sample(
        deliveries.CLAIM,
        (128, [], [], 0, "", 1_000, 8, 16, 32, 30.0),
        frozenset({"Update deliveries", "Insert delivery_attempts"}),
        records=129,
        rows_max=1_100,
        sorted_max=1_100,
        pages_max=15_000,
        before=deliveries.TAKE_TURN,
    ),
    "deliveries.COMPLETE": Sample(
        deliveries.COMPLETE,
        (DELIVERY, LEASE, 1, 200, None, 12, "ok", "delivered", None, None),
        frozenset({"Update deliveries", "Update delivery_attempts"}),
    ),
    "deliveries.COMPLETE to be tried again": Sample(
        deliveries.COMPLETE,
        (DELIVERY, LEASE, 1, None, "no answer", 12, None, "due", "no answer", 5.0),
        frozenset({"Update deliveries", "Update delivery_attempts"}),
    ),
    "outbox.CLAIM": Sample(
        outbox.CLAIM,
        (20, "one", 20),
        frozenset({"Update outbox"}),
        records=20,
        rows_max=20,
        sorted_max=20,
        pages_max=1_000,
    ),
    "outbox.COMPLETE": Sample(
        outbox.COMPLETE, (MOVE, LEASE), frozenset({"Update outbox"}), records=0
    ),
    "outbox.PUT_OFF": Sample(
        outbox.PUT_OFF, (MOVE, LEASE, 2.0), frozenset({"Update outbox"}), records=0
    ),
    # Also of a follower whose rows nobody claims.
    "outbox.READ": Sample(
        outbox.READ, ("100", 0, "two", 100), records=100, rows_max=100, sorted_max=0, pages_max=200
    ),
    "outbox.NEWEST": Sample(outbox.NEWEST, ()),
    "owners.FIND": Sample(learn.FIND, ([f"video-{ENDED}", "nothing"],)),
    "owners.LEARN_ONE": Sample(
        learn.LEARN_ONE, (1, LARGE_TENANT, MADE), frozenset({"Insert owners"}), records=0
    ),
    "owners.DELETE": Sample(
        learn.DELETE,
        (1, SMALL_TENANT, "video", [f"video-{ENDED}"]),
        frozenset({"Update owners", "Update tasks"}),
        records=0,
    ),
    # Of whoever has a tenth of all entries: of ten that are read, one is its own.
    "account.LINES": Sample(
        account.LINES,
        (LARGE_ACCOUNT, NEWEST, BEGIN, END, None, 101, [LARGE_TENANT], None, None),
        records=101,
        rows_max=1_500,
        sorted_max=0,
        pages_max=1_000,
    ),
    "account.LINES of a small tenant": Sample(
        account.LINES,
        (ACCOUNT + SMALL_TENANT, NEWEST, BEGIN, END, None, 101, [SMALL_TENANT], None, None),
        records=-1,
        rows_max=110,
        sorted_max=110,
        pages_max=1_000,
    ),
    # What it says of all of an account is said of the sub-tenants there.
    "account.LINES_RESOLD": Sample(
        account.LINES_RESOLD,
        (ACCOUNT + SMALL_TENANT, NEWEST, BEGIN, END, None, 101, [SMALL_TENANT], None, None),
        records=-1,
        rows_max=110,
        sorted_max=110,
        pages_max=1_000,
    ),
    "account.FAMILY": Sample(account.FAMILY, (LIMITED_TENANT,), records=2),
    # Every ten seconds at the most. What is open, due or was entered by hand: 21,000 tasks, 2,000
    # deliveries and a top-up for each of ten thousand accounts.
    "snapshot.OPEN": Sample(
        snapshot.OPEN,
        (),
        records=3,
        rows_max=22_000,
        sorted_max=22_000,
        pages_max=25_000,
        before=snapshot.LIMITS,
    ),
    "snapshot.LATE_LOOKS": Sample(
        snapshot.LATE_LOOKS, (60.0,), rows_max=1_100, pages_max=100, before=snapshot.LIMITS
    ),
    "snapshot.FLAGGED": Sample(snapshot.FLAGGED, (), before=snapshot.LIMITS),
    "snapshot.DUE": Sample(snapshot.DUE, (), rows_max=2_100, pages_max=400, before=snapshot.LIMITS),
    "snapshot.DEAD": Sample(snapshot.DEAD, (), before=snapshot.LIMITS),
    "snapshot.BUT_CHARGES": Sample(
        snapshot.BUT_CHARGES,
        (),
        rows_max=10_000,
        sorted_max=10_000,
        pages_max=200,
        before=snapshot.LIMITS,
    ),
    # These two sum up what a tenant ever did.
    "account.TOTALS": Sample(
        account.TOTALS, (ACCOUNT + MIDDLE_TENANT, MIDDLE_TENANT), rows_max=1_100, pages_max=1_200
    ),
    "read.QUOTAS_AFTER": Sample(
        read.QUOTAS_AFTER,
        (ACCOUNT + MIDDLE_TENANT, [MIDDLE_TENANT], MIDDLE_TENANT, NEWEST),
        rows_max=1_100,
        sorted_max=1_100,
        pages_max=1_200,
    ),
}
"""On the pool, which plans for the values."""
