"""A desk with something on it: tenants, channels, and tasks in every state that matters."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.tables import Severity
from relay.codes.edit import NewCode, add_batch, add_codes
from relay.database.engine import Sessions
from relay.database.ids import AccountId, TaskId, TenantId
from relay.deliveries.kept_url import keep_url
from relay.desk.actor import Actor, ActorKind
from relay.desk.alerts import add_place, change_rule
from relay.desk.channels import (
    ChannelChanges,
    ChannelKeys,
    WayChanges,
    add_channel,
    change_channel,
    remove_channel,
)
from relay.desk.invoices import (
    ProfileChanges,
    issue_invoice,
    request_invoice,
    set_invoice_profile,
)
from relay.desk.limits import set_limits
from relay.desk.logins import set_password, set_second_factor
from relay.desk.money import add_quota
from relay.desk.multipliers import set_multiplier
from relay.desk.notices import NewPlace, add_notice_place
from relay.desk.operators import add_operator, issue_operator_token, remove_operator
from relay.desk.owners import claim_owners
from relay.desk.pauses import end_pause, pause_creates
from relay.desk.prices import say_amounts, set_price
from relay.desk.tasks import refund
from relay.desk.tenants import issue_webhook_secret, open_tenant, remove_tenant
from relay.desk.tokens import IssuedToken, issue_token, revoke_token, rotate_token
from relay.kling.endpoint import Resource
from relay.kling.proxy import Proxy
from relay.limits.tables import LimitKind
from relay.logins.links import make_link
from relay.logins.portal import open_portal_session
from relay.logins.sessions import open_session
from relay.notices.tables import Notice, PlaceKind
from relay.operators.answers import Answer, claim, keep
from relay.operators.tables import Role
from relay.pricing.book import Multiplier, Per, PriceKind, PriceRow
from relay.runs.tables import body_context as step_context
from relay.runs.tables import input_context
from relay.secrets import KeyRing, new_secret_key
from relay.settings import Settings
from relay.tasks.finish import FINISH
from relay.tasks.queue.tables import body_context
from relay.tasks.record import RECORD
from relay.tasks.statements import HOLD, HoldRow
from tests.relay_app import CLIP_MICROS
from tests.tasks.holding import clip_quote
from tests.tasks.told import told_success

Result = TypeVar("Result")
Work = Callable[[AsyncSession, Actor], Awaitable[Result]]
ANN = Actor(ActorKind.SYSTEM, "ann", origin="terminal of here", request_id="request-7")
CURRENCY = "USD"
PLACE = "feishu://place-secret-0-of-thirty-six-characters"
NOTICE_PLACE = "feishu://notice-secret-0-of-thirty-six-charact"
GIVEN_UP: dict[str, Any] = {
    "place_id": 1,
    "event": "quota.empty",
    "key": "0/0",
    "data": "{}",
    "state": "dead",
    "ended_at": datetime(2026, 11, 1, tzinfo=UTC),
}
"""A notice."""
PROXY = Proxy("http", "proxy.test", 3128, "relay", "proxy-password-1")
CHANNEL_KEYS = ChannelKeys(
    access_key="channel-access-key-0",
    secret_key="channel-secret-key-0",
    api_key="channel-api-key-0",
    webhook_secret="whsec_Y2hhbm5lbC1ob29rLTA=",
)
PASSWORD_HASH = "$argon2id$of-sue"
SECOND_FACTOR = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STORED_ASSET = "5f0c1a2b-0000-4000-8000-00000000000a"
DELETED_ASSET = "5f0c1a2b-0000-4000-8000-00000000000b"
CODE = "SPR1N-G0001-AAAAA-BBBBB-CCCCC"
FIXED = PriceRow("text2video", kind=PriceKind.FIXED, per=Per.TASK, amount_micros=3_000_000)
FORMER_TENANT, FORMER_CHANNEL = "former (removed #4)", "former (removed #3)"
FORMER_OPERATOR = "former (removed #2)"
"""What was removed, as history calls it."""
CALLBACK_BODY = '{"task_id":"k","task_status":"processing","task_info":{}}'


class Tasks(NamedTuple):
    """Ids of acme's tasks."""

    live: TaskId
    """Kling works on it, and acme has a callback URL."""
    unsent: TaskId
    charged: TaskId
    refunded: TaskId
    flagged: TaskId
    followed: TaskId


class Desk:
    """What a test of the desk needs."""

    def __init__(self, database_url: str, sessions: Sessions, pool: Any) -> None:
        self.database_url = database_url
        self.sessions = sessions
        self.secret_key = new_secret_key()
        self.keys = KeyRing.parse(self.secret_key)
        self.pool = pool
        self.account_id = 0
        """What acme draws on."""
        self.tokens: dict[str, IssuedToken] = {}
        self.revoked_id = 0
        self.tasks = Tasks(*[TaskId(0)] * len(Tasks._fields))
        self.deliveries: dict[str, int] = {}
        """One in each state, by it."""

    def take_over(self, other: "Desk") -> None:
        """Know what is on it: this database is a copy of the other one's."""
        self.secret_key, self.keys = other.secret_key, other.keys
        self.account_id, self.tokens = other.account_id, other.tokens
        self.revoked_id, self.tasks = other.revoked_id, other.tasks
        self.deliveries = other.deliveries

    async def act(self, work: Work[Result], actor: Actor = ANN) -> Result:
        async with self.sessions.begin() as session:
            return await work(session, actor)

    async def rows(self, query: str, *values: object) -> list[Any]:
        return list(await self.pool.fetch(query, *values))

    async def run(self, statements: str) -> None:
        await self.pool.execute(statements)

    async def row(self, query: str, *values: object) -> Any:
        return (await self.rows(query, *values))[0]

    async def dump(self) -> dict[str, str]:
        """Every row of every table, as text."""
        tables = await self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = await self.rows(
            " UNION ALL ".join(
                f"SELECT '{table}', string_agg(t::text, E'\\n' ORDER BY t::text) FROM {table} t"
                for (table,) in tables
            )
        )
        return {table: text or "" for table, text in rows}

    async def changes(self) -> list[Any]:
        return await self.rows("SELECT * FROM changes ORDER BY id")

    async def hold(
        self,
        *,
        callback_url: str | None = None,
        follows: str = "",
        external_id: str | None = None,
        tenant: str = "acme",
        on: Any = None,
    ) -> TaskId:
        """Hold a clip for a tenant by the statement that every submit uses; `on` a connection."""
        whose = await self.row("SELECT id, account_id FROM tenants WHERE name = $1", tenant)
        quoted = clip_quote()
        row = HoldRow(
            tenant_id=TenantId(whose["id"]),
            account_id=AccountId(whose["account_id"]),
            token_id=self.tokens[tenant].id,
            channel_id=1,
            endpoint="text2video",
            tenant_external_id=external_id,
            callback_url=callback_url,
            request_id=str(uuid.uuid4()),
            model=quoted.wanted.model,
            pack=quoted.pack.value,
            quote=msgspec.json.encode(quoted).decode(),
            hold_micros=quoted.hold_micros,
            deadline_s=90,
            random=uuid.uuid4().hex[:16],
            follows=follows,
        )
        held = await (on or self.pool).fetchrow(HOLD, *columns(row))
        assert held["outcome"] == "held"
        return TaskId(held["id"])

    async def process(self, task_id: TaskId) -> None:
        """Have Kling say that it works on it."""
        row = told_success(task_id, f"kling-{task_id}")._replace(
            state="processing", charge_micros=0, reply=CALLBACK_BODY
        )
        await self.rows(RECORD, *columns(row))

    async def succeed(self, task_id: TaskId) -> None:
        await self.rows(FINISH, *columns(told_success(task_id, f"kling-{task_id}")))


def columns(*rows: tuple[Any, ...]) -> list[list[Any]]:
    """Rows as statements over arrays take them."""
    return [list(column) for column in zip(*rows, strict=True)]


async def furnish(desk: Desk) -> None:
    """Put things on it, by acts and by what Kling and tenants do."""
    await desk.act(_open_business(desk))
    acme = await desk.row("SELECT account_id FROM tenants WHERE name = 'acme'")
    desk.account_id = acme["account_id"]
    url = keep_url("https://acme.test/hook?key=x", desk.keys, tenant_id=1)
    live = await desk.hold(callback_url=url)
    unsent = await desk.hold()
    charged, refunded, flagged = [await desk.hold() for _ in range(3)]
    followed = await desk.hold(follows="mirror")
    desk.tasks = Tasks(live, unsent, charged, refunded, flagged, followed)
    await desk.process(live)
    for task_id in (charged, refunded):
        await desk.succeed(task_id)
    await desk.act(lambda session, actor: refund(session, actor, refunded, reason="black"))
    # What the operator's first key sealed has been sealed anew; nobody has said so yet.
    await desk.run("INSERT INTO secret_keys (id, proof) VALUES ('k0', 'sealed by it')")
    await desk.rows("UPDATE tasks SET is_flagged = true WHERE id = $1", flagged)
    # One that waited, and has no verdict yet: its body is there.
    await desk.rows(
        "INSERT INTO queue (task_id, body_sealed, channel_ids, until)"
        " VALUES ($1, $2, '{1}', now())",
        *(unsent, desk.keys.seal("{}", context=body_context(unsent))),
    )
    # Something of the studio's, with what it was asked for.
    run = await desk.row(
        "INSERT INTO runs (tenant_id, token_id, kind, source, state, input_sealed, request_id,"
        " quote_micros, cap_micros, ended_at)"
        " VALUES (1, 1, 'avatar', 'api', 'completed', $1, '-', 0, 0, now()) RETURNING id",
        desk.keys.seal("{}", context=input_context(1)),
    )
    await desk.rows(
        "INSERT INTO run_steps (run_id, tenant_id, name, place, endpoint, state, body_sealed,"
        " quote_micros) SELECT id, tenant_id, 'video', 0, 'avatar', 'done', $2, 0"
        " FROM runs WHERE id = $1",
        *(run["id"], desk.keys.seal("{}", context=step_context(1))),
    )
    # A GB for all of the month before, on its first day.
    await desk.rows(
        "INSERT INTO asset_days (tenant_id, day, bytes, gb_month_micros) SELECT 1, d,"
        " extract(day FROM d + interval '1 month - 1 day') * 1000000000, 1000000"
        " FROM CAST(date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month' AS date) d"
    )
    await desk.rows(
        "INSERT INTO asset_objects (tenant_id, sha256, bytes, stored_at)"
        " VALUES (1, repeat('ab', 32), 4711, now())"
    )
    await desk.rows(
        "INSERT INTO assets (public_id, tenant_id, task_id, source, source_url, state, object_id,"
        " sha256, bytes, content_type, stored_at, kept_until)"
        " VALUES ($1, 1, $2, 'result', 'https://cdn.klingai.com/a.mp4?sign=1', 'stored', 1,"
        " repeat('ab', 32), 4711, 'video/mp4', now(), now() + interval '1 day')",
        *(STORED_ASSET, charged),
    )
    await desk.rows(
        "INSERT INTO assets (public_id, tenant_id, task_id, source, source_url, state, ended_at)"
        " VALUES ($1, 1, $2, 'result', 'https://cdn.klingai.com/b.mp4', 'deleted', now())",
        *(DELETED_ASSET, charged),
    )
    for state in ("due", "dead", "delivered"):
        inserted = await desk.row(
            "INSERT INTO deliveries (task_id, tenant_id, url, task_status, body, state)"
            " VALUES ($1, 1, $3, 'succeed', '{}', $2) RETURNING id",
            *(charged if state == "due" else refunded, state, url),
        )
        desk.deliveries[state] = inserted["id"]


def _open_business(desk: Desk) -> Work[None]:
    async def work(session: AsyncSession, actor: Actor) -> None:
        for name in ("acme", "beta"):
            await open_tenant(
                session, actor, name, quota_micros=100 * CLIP_MICROS, currency=CURRENCY
            )
            desk.tokens[name] = await issue_token(session, actor, name, desk.keys)
        revoked = await issue_token(session, actor, "beta", desk.keys)
        desk.revoked_id = revoked.id
        await revoke_token(session, actor, revoked.id)
        await issue_webhook_secret(session, actor, "beta", desk.keys, may_rotate=False)
        await add_quota(
            session, actor, "acme", amount_micros=5, reference="invoice 1", currency=CURRENCY
        )
        month = {LimitKind.MONTH: 5 * CLIP_MICROS}
        await set_limits(session, actor, month, tenant="beta", zone=UTC)
        for name in ("main", "spare", "former"):
            await add_channel(
                *(session, actor, desk.keys),
                name=name,
                base_url="https://kling.test",
                channel_keys=CHANNEL_KEYS,
                may_be_same=True,
                way=WayChanges(proxy=PROXY),
            )
        for name in ("idle", "former"):
            await open_tenant(session, actor, name, quota_micros=0, currency=CURRENCY)
            desk.tokens[name] = await issue_token(session, actor, name, desk.keys)
        desk.tokens["idle"] = await rotate_token(session, actor, desk.tokens["idle"].id, desk.keys)
        draining = ChannelChanges(is_draining=True)
        await change_channel(session, actor, desk.keys, "spare", draining)
        await remove_channel(session, actor, "former")
        await remove_tenant(session, actor, "former")
        await set_price(session, actor, FIXED)
        await set_multiplier(session, actor, Multiplier(Decimal("0.9"), price_group="vip"))
        await say_amounts(session, actor, are_multiplied=False)
        await change_rule(session, actor, "units-low", bound=Decimal(7))
        await add_place(session, actor, PLACE, desk.keys, least=Severity.TICKET)
        told = NewPlace(kind=PlaceKind.FEISHU, to=NOTICE_PLACE, low_micros=5)
        await add_notice_place(session, actor, "beta", told, desk.keys, settings=Settings())
        session.add(Notice(**GIVEN_UP))
        for _ in range(2):
            await pause_creates(session, actor, reason="black", tenant="beta", channel="spare")
        await end_pause(session, actor, 2)
        ceilings = {"task.refund": 5, "task.release": 6}
        await add_operator(session, actor, "sue", role=Role.SUPPORT, ceilings=ceilings)
        of_sue = await issue_operator_token(session, actor, "sue")
        claimed = await claim(session, of_sue.id, "k", asked_hash=b"", keys=desk.keys)
        assert isinstance(claimed, int), "nobody had it"
        await keep(session, claimed, Answer(201, "{}", None), desk.keys)
        await set_password(session, actor, "sue", PASSWORD_HASH)
        await set_second_factor(session, actor, "sue", SECOND_FACTOR, desk.keys)
        await open_session(session, operator_id=1, address="10.1.2.3", agent="a browser")
        await open_portal_session(session, 1, address="10.1.2.3", agent="a browser")
        await make_link(session, system_user="ann")
        await add_operator(session, actor, "former", role=Role.OWNER)
        await remove_operator(session, actor, "former")
        await claim_owners(
            *(session, actor),
            tenant="beta",
            channel="main",
            kind=Resource.ELEMENT,
            ids=["betas"],
        )
        for name in ("acme", "beta"):
            profile = ProfileChanges(title=name.title(), mail="ap@tenant.test")
            await set_invoice_profile(session, actor, name, profile)
        # One that is requested, and one that was issued; beta's top-up is on none.
        for entry_id in (1, 3):
            await request_invoice(session, actor, "acme", currency=CURRENCY, entries=[entry_id])
        await issue_invoice(session, actor, 2, number="26-1")
        batch = await add_batch(session, "spring", topup_kind="paid")
        assert batch is not None, "nobody had the name"
        await add_codes(session, batch, [NewCode(CODE, 7, None)])

    return work
