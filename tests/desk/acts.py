"""Every act of the desk, done once, refused in every way, and where it has nothing to do."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, cast

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.tables import Severity
from relay.backups.take import Taken
from relay.channels.costs import Cost, CostUnit
from relay.codes.edit import NewCode
from relay.database.ids import AccountId, TaskId
from relay.desk.actor import Actor
from relay.desk.alerts import add_place, change_rule, mute_rule, remove_place
from relay.desk.assets import delete_asset, mend_store
from relay.desk.backups import mark_restored, note_backup
from relay.desk.channel_costs import set_channel_cost
from relay.desk.channels import (
    NO_KEYS,
    ChannelChanges,
    ChannelKeys,
    WayChanges,
    add_channel,
    change_channel,
    end_drain,
    remove_channel,
)
from relay.desk.codes import make_codes, move_codes, redeem_code, revoke_codes
from relay.desk.deliveries import replay_delivery
from relay.desk.errors import (
    InUse,
    NameTaken,
    NoSuch,
    NotPossible,
    NotTheirs,
    ReferenceUsed,
    SameAccount,
    Unusable,
    WebhookSecretKept,
    WebhookSecretSigns,
)
from relay.desk.gates import GateChanges, set_gates
from relay.desk.invoices import (
    InvoicePaper,
    ProfileChanges,
    issue_invoice,
    reject_invoice,
    request_invoice,
    reverse_invoice,
    set_invoice_profile,
)
from relay.desk.limits import raise_limit, set_limits
from relay.desk.logins import (
    end_web_session,
    log_out,
    open_console,
    set_password,
    set_second_factor,
)
from relay.desk.money import add_quota, adjust_quota, set_credit
from relay.desk.months import close_month
from relay.desk.move_in import move_models, move_tasks, move_tenant
from relay.desk.multipliers import end_multiplier, set_multiplier
from relay.desk.notices import (
    NewPlace,
    add_notice_place,
    remove_notice_place,
    replay_notice,
    send_test_notice,
)
from relay.desk.operators import (
    add_operator,
    change_operator,
    issue_operator_token,
    remove_operator,
    revoke_operator_token,
)
from relay.desk.owners import claim_owners
from relay.desk.pauses import end_pause, pause_creates
from relay.desk.portal import end_own_session, end_sessions_of, link_tenant
from relay.desk.price_files import import_prices
from relay.desk.prices import adopt_list, remove_price, say_amounts, set_price
from relay.desk.refusals import note_refusal
from relay.desk.secret_keys import SEALED, lose_key, reseal_values, retire_keys
from relay.desk.storage import charge_storage
from relay.desk.sub_tenants import open_sub_tenant
from relay.desk.tasks import cancel, look_now, refund, release, settle, unflag
from relay.desk.tenants import (
    TenantChanges,
    change_tenant,
    issue_webhook_secret,
    open_tenant,
    remove_tenant,
)
from relay.desk.tokens import change_token, issue_token, revoke_token, rotate_token
from relay.desk.trials import begin_trial, note_trial
from relay.invoices.tables import Basis
from relay.kling.catalogue import Catalogue
from relay.kling.endpoint import Resource
from relay.kling.proxy import Proxy
from relay.ledger.read import CurrencyMismatch
from relay.ledger.tables import TopupKind
from relay.limits.tables import LimitKind
from relay.months import Month, month_of
from relay.notices.events import Event
from relay.notices.tables import PlaceKind
from relay.operators.tables import Role
from relay.pricing import edit
from relay.pricing.book import Multiplier
from relay.pricing.difference import Difference
from relay.pricing.file import read_file
from relay.pricing.official import LIST, OFFICIAL
from relay.secrets import KeyRing, new_secret_key
from relay.settings import Settings
from relay.trial.report import Finding, Outcome, TrialReport
from tests.desk.world import (
    CHANNEL_KEYS,
    CODE,
    CURRENCY,
    DELETED_ASSET,
    FIXED,
    FORMER_CHANNEL,
    FORMER_OPERATOR,
    FORMER_TENANT,
    PROXY,
    STORED_ASSET,
    Desk,
)
from tests.relay_app import CLIP_MICROS

Do = Callable[[Desk, AsyncSession, Actor], Awaitable[object]]
NEW_KEYS = ChannelKeys(
    access_key="channel-access-key-1",
    secret_key="channel-secret-key-1",
    api_key="channel-api-key-1",
    webhook_secret="whsec_Y2hhbm5lbC1ob29rLTE=",
)
BROUGHT_KEY = "sk-brought-by-the-tenant-zQ9x"
OTHER_PROXY = Proxy("socks5", "other.test", 1080, None, "proxy-password-2")
NEW_PASSWORD_HASH = "$argon2id$of-sue-by-now"
NEW_SECOND_FACTOR = "KRUGS4ZANFZSAYJAONSWG4TFOQQGCIBR"
NOBODY = TaskId(4711)
OVER = datetime(2020, 1, 1, tzinfo=UTC)
OF_TTS = "[[price]]\nendpoint = 'tts'\nunits = 1\n"
LATER, LATEST = datetime(2100, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
TRIAL = TrialReport(
    at=datetime(2026, 11, 26, tzinfo=UTC),
    host="kling.test",
    endpoint="text2video",
    model="kling-v2-5-turbo",
    lookup="query",
    is_lookup_confirmed=True,
    is_list_confirmed=None,
    cost="1.5 units",
    findings=[Finding("its end", "succeed or failed", "neither", Outcome.DIFFERS)],
    fields={},
    unlike_sandbox=[],
    callbacks=[],
)


BETAS = 5 * CLIP_MICROS
"""Beta's limit a month."""
TAKEN = Taken(
    place="/backups/one.backup",
    name="one.backup",
    made_at=datetime(2026, 11, 26, tzinfo=UTC),
    bytes=7,
    deployment="r0123456789",
    revision="0117",
    key_id="k1",
)


class Told(NamedTuple):
    """What a change is to say; a type stands for any value of it."""

    act: str
    kind: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None = None


class Case(NamedTuple):
    """One way to do an act."""

    act: Callable[..., Awaitable[object]]
    do: Do
    told: Callable[[Desk], Told]
    label: str = ""

    def __str__(self) -> str:
        return f"{getattr(self.act, '__name__', '')} {self.label}".strip()


class Refusal(NamedTuple):
    """One way in which an act is refused."""

    act: Callable[..., Awaitable[object]]
    error: type[Exception]
    do: Do
    label: str = ""

    def __str__(self) -> str:
        return f"{getattr(self.act, '__name__', '')} {self.error.__name__} {self.label}".strip()


def _open_below(
    parent: str = "acme", name: str = "eu", *, factor: str = "1.3", opened_by: int | None = None
) -> Do:
    return lambda _, session, actor: open_sub_tenant(
        session, actor, parent, name, resale=Decimal(factor), made_by_id=opened_by
    )


def _on_one_below(do: Do) -> Do:
    """Do it where acme has the sub-tenant `acme/eu`."""

    async def both(desk: Desk, session: AsyncSession, actor: Actor) -> object:
        await open_sub_tenant(session, actor, "acme", "eu", resale=Decimal("1.3"))
        return await do(desk, session, actor)

    return both


def _open(
    name: str = "gamma",
    *,
    currency: str = CURRENCY,
    multiplier: str = "1.2",
    quota_micros: int = 7,
) -> Do:
    return lambda _, session, actor: open_tenant(
        *(session, actor, name),
        quota_micros=quota_micros,
        currency=currency,
        multiplier=Decimal(multiplier),
        tasks_max=3,
    )


def _change_tenant(whose: str = "acme", **changes: Any) -> Do:
    return lambda _, session, actor: change_tenant(session, actor, whose, TenantChanges(**changes))


def _webhook_secret(name: str, *, may_rotate: bool, was: datetime | None = None) -> Do:
    return lambda desk, session, actor: issue_webhook_secret(
        session, actor, name, desk.keys, may_rotate=may_rotate, was=was
    )


def _add_quota(
    name: str = "acme",
    amount: int = 5,
    reference: str = "invoice 2",
    currency: str = CURRENCY,
    **options: Any,
) -> Do:
    return lambda _, session, actor: add_quota(
        session,
        actor,
        name,
        amount_micros=amount,
        reference=reference,
        currency=currency,
        **options,
    )


AGED = (
    "SET LOCAL session_replication_role = replica",  # past the trigger
    "UPDATE entries SET created_at = created_at - interval '40 days'",
    "SET LOCAL session_replication_role = origin",
)


def _close(account: int | None = None, *, months_ago: int = 1) -> Do:
    """Close a month of an account whose entries are forty days old."""

    async def do(desk: Desk, session: AsyncSession, actor: Actor) -> object:
        now = await session.scalar(text("SELECT now()"))
        assert isinstance(now, datetime)
        month = month_of(now, UTC)
        for _ in range(months_ago):
            month = month.previous
        if months_ago:
            for statement in AGED:
                await session.execute(text(statement))
        account_id = AccountId(desk.account_id if account is None else account)
        return await close_month(session, actor, account_id, month, zone=UTC)

    return do


def _adjust(
    name: str = "acme",
    amount: int = -5,
    currency: str = CURRENCY,
    reason: str = "twice",
    storage: Month | None = None,
) -> Do:
    return lambda _, session, actor: adjust_quota(
        *(session, actor, name),
        amount_micros=amount,
        reason=reason,
        currency=currency,
        storage=storage,
    )


def _credit(name: str = "acme", micros: int = 500, reason: str = "pays by the month") -> Do:
    return lambda _, session, actor: set_credit(
        session, actor, name, credit_micros=micros, reason=reason
    )


def _make_codes(
    name: str = "summer",
    *,
    amount: int = 9,
    count: int = 2,
    expires_at: datetime | None = None,
    kind: TopupKind = TopupKind.BONUS,
    currency: str = CURRENCY,
) -> Do:
    return lambda _, session, actor: make_codes(
        *(session, actor, name),
        amount_micros=amount,
        count=count,
        expires_at=expires_at,
        kind=kind,
        currency=currency,
    )


def _revoke_codes(name: str = "spring", code_id: int | None = None, reason: str = "posted") -> Do:
    return lambda _, session, actor: revoke_codes(
        session, actor, name, code_id=code_id, reason=reason
    )


def _redeem(name: str = "acme", given: str = CODE, *, before: str | None = None) -> Do:
    """Redeem a code; `before`: what it was made first."""

    async def do(_: Desk, session: AsyncSession, actor: Actor) -> object:
        if before is not None:
            await session.execute(text(f"UPDATE codes SET {before}"))
        return await redeem_code(session, actor, name, given, currency=CURRENCY)

    return do


def _move_codes(source: str = "new-api", *, currency: str = CURRENCY, before: str = "") -> Do:
    async def do(_: Desk, session: AsyncSession, actor: Actor) -> object:
        if before:
            await session.execute(text(before))
        codes = [NewCode("c0de" * 8, 9, None)]
        return await move_codes(session, actor, source, codes, currency=currency)

    return do


def _remove(act: Callable[..., Awaitable[object]], name: str) -> Do:
    return lambda _, session, actor: act(session, actor, name)


def _add_channel(
    name: str = "third",
    *,
    base_url: str = "https://other.test/v1/",
    channel_keys: ChannelKeys = NEW_KEYS,
    **of: Any,
) -> Do:
    return lambda desk, session, actor: add_channel(
        *(session, actor, desk.keys),
        name=name,
        base_url=base_url,
        channel_keys=channel_keys,
        **of,
    )


def _change_channel(name: str = "main", **changes: Any) -> Do:
    return lambda desk, session, actor: change_channel(
        session, actor, desk.keys, name, ChannelChanges(**changes)
    )


def _note_trial(name: str = "main", base_url: str = "https://kling.test") -> Do:
    return lambda _, session, actor: note_trial(
        session, actor, name, TRIAL, trial_id=1, injected_id="r0-try-1", base_url=base_url
    )


def _begin_trial(
    name: str = "main", most_micros: int = 1_000_000, endpoint: str | None = None
) -> Do:
    return lambda desk, session, actor: begin_trial(
        *(session, actor, desk.keys, Settings(), name), most_micros=most_micros, endpoint=endpoint
    )


def _set_cost(
    name: str = "main", price: str = "0.11", begins: datetime | None = OVER, **of: Any
) -> Do:
    given: dict[str, Any] = {"currency": "CNY", "rate": Decimal("7.12")} | of
    cost = Cost(CostUnit.VIDEO, Decimal(price), **given)
    return lambda _, session, actor: set_channel_cost(
        session, actor, name, cost, currency=CURRENCY, valid_from=begins
    )


def _profile(account: str = "acme", **changes: Any) -> Do:
    given = ProfileChanges(**({"mail": "new@tenant.test"} | changes))
    return lambda _, session, actor: set_invoice_profile(session, actor, account, given)


def _request(account: str = "beta", **of: Any) -> Do:
    return lambda _, session, actor: request_invoice(
        session, actor, account, currency=CURRENCY, **of
    )


def _issue(invoice_id: int = 1, number: str = "26-2", paper: InvoicePaper | None = None) -> Do:
    return lambda _, session, actor: issue_invoice(
        session, actor, invoice_id, number=number, paper=paper
    )


def _end_invoice(
    act: Callable[..., Awaitable[object]], invoice_id: int, reason: str = "red letter"
) -> Do:
    return lambda _, session, actor: act(session, actor, invoice_id, reason=reason)


def _issue_token(name: str = "acme", api_key: str | None = BROUGHT_KEY, **of: Any) -> Do:
    return lambda desk, session, actor: issue_token(
        session, actor, name, desk.keys, api_key=api_key, **of
    )


def _revoke(token_id: Callable[[Desk], int], **of: Any) -> Do:
    return lambda desk, session, actor: revoke_token(session, actor, token_id(desk), **of)


def _change_token(token_id: Callable[[Desk], int], **changes: Any) -> Do:
    return lambda desk, session, actor: change_token(
        session, actor, token_id(desk), **({"queue_s": 60} | changes)
    )


def _set_price(tenant: str | None = None, **changes: Any) -> Do:
    row = msgspec.structs.replace(FIXED, **changes)
    return lambda _, session, actor: set_price(session, actor, row, tenant=tenant)


def _set_multiplier(times: str = "1.5", tenant: str | None = None, **of: Any) -> Do:
    one = Multiplier(Decimal(times), **of)
    return lambda _, session, actor: set_multiplier(session, actor, one, tenant=tenant)


def _end_multiplier(tenant: str | None = None, at: datetime | None = None, **of: Any) -> Do:
    one = Multiplier(Decimal(0), **of)
    return lambda _, session, actor: end_multiplier(session, actor, one, tenant=tenant, at=at)


def _import_prices(text: str, *, seen: Difference | None = None) -> Do:
    file = read_file(text, UTC, Catalogue())
    return lambda _, session, actor: import_prices(session, actor, file, seen=seen)


def _say_amounts(*, are_multiplied: bool) -> Do:
    return lambda _, session, actor: say_amounts(session, actor, are_multiplied=are_multiplied)


def _adopt_list(*, before: str | None) -> Do:
    """Adopt what this version brings; `before`: what was adopted till then, None is the same."""

    async def adopt(_: Desk, session: AsyncSession, actor: Actor) -> None:
        if before is not None:
            await edit.adopt_list(session, before, OFFICIAL[1:])
        await adopt_list(session, actor, instead_of="2026-01-31")

    return adopt


def _remove_price(tenant: str | None = None, at: datetime | None = None, **changes: Any) -> Do:
    row = msgspec.structs.replace(FIXED, **changes)
    return lambda _, session, actor: remove_price(session, actor, row, tenant=tenant, at=at)


def _claim(
    *ids: str, tenant: str = "acme", channel: str = "main", kind: Resource = Resource.ELEMENT
) -> Do:
    return lambda _, session, actor: claim_owners(
        session, actor, tenant=tenant, channel=channel, kind=kind, ids=list(ids)
    )


def _limit(*, tenant: str | None = None, token_id: int | None = None, **allowed: int | None) -> Do:
    wanted = {LimitKind(kind): amount for kind, amount in allowed.items()}
    return lambda _, session, actor: set_limits(
        session, actor, wanted, tenant=tenant, token_id=token_id, zone=UTC
    )


def _gates(*, tenant: str | None = None, token_id: int | None = None, **changes: Any) -> Do:
    return lambda _, session, actor: set_gates(
        session, actor, GateChanges(**changes), tenant=tenant, token_id=token_id
    )


def _rotate(token_id: int, keep_s: int = 60) -> Do:
    return lambda desk, session, actor: rotate_token(
        session, actor, token_id, desk.keys, keep_s=keep_s
    )


def _raise(kind: LimitKind, amount: int | None, until: datetime | None = LATER, **whose: Any) -> Do:
    return lambda _, session, actor: raise_limit(
        session, actor, kind, amount, until=until, reason="their launch", **whose
    )


def _pause(reason: str = "Kling is slow", **named: Any) -> Do:
    return lambda _, session, actor: pause_creates(session, actor, reason=reason, **named)


def _mark_restored(as_of: datetime) -> Do:
    return lambda _, session, actor: mark_restored(session, actor, as_of=as_of, source="a file")


def _end_pause(pause_id: int) -> Do:
    return lambda _, session, actor: end_pause(session, actor, pause_id)


def _replay(state: str, tenant_id: int | None = None) -> Do:
    return lambda desk, session, actor: replay_delivery(
        session, actor, str(desk.deliveries.get(state, 4711)), tenant_id=tenant_id
    )


def _delete_asset(key: str, tenant_id: int | None = None) -> Do:
    return lambda _, session, actor: delete_asset(session, actor, key, tenant_id=tenant_id)


def _charge_storage(name: str = "acme", *, month: Month | None = None) -> Do:
    async def do(_: Desk, session: AsyncSession, actor: Actor) -> object:
        now = await session.scalar(text("SELECT now()"))
        assert isinstance(now, datetime)
        wanted = month or month_of(now, UTC).previous
        return await charge_storage(session, actor, name, wanted, zone=UTC, currency=CURRENCY)

    return do


def _mend_store(*missing: int) -> Do:
    return lambda _, session, actor: mend_store(session, actor, missing=missing)


def _add_place(url: str = "json://place-secret-9:x@hooks.test/place-secret-9") -> Do:
    return lambda desk, session, actor: add_place(
        session, actor, url, desk.keys, least=Severity.PAGE
    )


def _add_notice(
    to: str = "https://notice-secret-9@hooks.acme.test/notice-secret-9",
    tenant: str = "beta",
    **of: Any,
) -> Do:
    wanted = NewPlace(**{"kind": PlaceKind.WEBHOOK, "to": to} | of)
    return lambda desk, session, actor: add_notice_place(
        session, actor, tenant, wanted, desk.keys, settings=Settings()
    )


def _remove_notice(place_id: int, tenant_id: int | None = None) -> Do:
    return lambda _, session, actor: remove_notice_place(
        session, actor, place_id, tenant_id=tenant_id
    )


def _test_notice(place_id: int, tenant_id: int | None = None) -> Do:
    return lambda _, session, actor: send_test_notice(session, actor, place_id, tenant_id=tenant_id)


async def _replay_notice(_: Desk, session: AsyncSession, actor: Actor) -> object:
    return await replay_notice(session, actor, 1)


async def _replay_notice_twice(_: Desk, session: AsyncSession, actor: Actor) -> object:
    await replay_notice(session, actor, 1)
    return await replay_notice(session, actor, 1)


async def _replay_no_notice(_: Desk, session: AsyncSession, actor: Actor) -> object:
    return await replay_notice(session, actor, 4711)


async def _test_notice_twice(_: Desk, session: AsyncSession, actor: Actor) -> object:
    await send_test_notice(session, actor, 1)
    return await send_test_notice(session, actor, 1)


def _remove_place(place_id: int) -> Do:
    return lambda _, session, actor: remove_place(session, actor, place_id)


def _change_rule(name: str = "units-low", **changes: Any) -> Do:
    return lambda _, session, actor: change_rule(session, actor, name, **changes)


def _mute(name: str, year: int | None) -> Do:
    until = None if year is None else datetime(year, 1, 1, tzinfo=UTC)
    return lambda _, session, actor: mute_rule(session, actor, name, until=until)


def _reseal(desk: Desk, session: AsyncSession, actor: Actor) -> Awaitable[object]:
    keys = KeyRing.parse(f"{new_secret_key('k2')},{desk.secret_key}")
    return reseal_values(session, actor, keys, SEALED[0], after_id=0)


def _lose(name: str) -> Do:
    return lambda desk, session, actor: lose_key(session, actor, desk.keys, name)


def _of_task(act: Callable[..., Awaitable[object]], which: str | None) -> Do:
    """An act on one of the desk's tasks, by the name of its field; None is one that is not."""
    return lambda desk, session, actor: act(
        session, actor, getattr(desk.tasks, which) if which else NOBODY, reason="ticket 9"
    )


def _waiting(do: Do) -> Do:
    """Do it where the unsent task was never sent: it waits for room."""

    async def both(desk: Desk, session: AsyncSession, actor: Actor) -> object:
        await session.execute(text(WAITS.format(desk.tasks.unsent)))
        return await do(desk, session, actor)

    return both


WAITS = "UPDATE tasks SET state = 'queued', public_id = '4711' WHERE id = {}"


def _refund(which: str, amount_micros: int) -> Do:
    return lambda desk, session, actor: refund(
        *(session, actor, getattr(desk.tasks, which)),
        reason="ticket 9",
        amount_micros=amount_micros,
    )


def _task(
    act: str, which: str, before: dict[str, Any], after: dict[str, Any] | None
) -> Callable[[Desk], Told]:
    return lambda desk: Told(
        f"task.{act}", "task", str(getattr(desk.tasks, which)), before, after, "ticket 9"
    )


def _add_operator(name: str = "eve", role: Role = Role.SUPPORT, **ceilings: int) -> Do:
    own = {name.replace("_", ".", 1): micros for name, micros in ceilings.items()}
    return lambda _, session, actor: add_operator(session, actor, name, role=role, ceilings=own)


def _change_operator(name: str = "sue", role: Role | None = None, **ceilings: int | None) -> Do:
    own = {name.replace("_", ".", 1): micros for name, micros in ceilings.items()}
    return lambda _, session, actor: change_operator(session, actor, name, role=role, ceilings=own)


def _operator_token(name: str = "sue", **of: Any) -> Do:
    return lambda _, session, actor: issue_operator_token(session, actor, name, **of)


def _set_password(name: str = "sue", password_hash: str | None = NEW_PASSWORD_HASH) -> Do:
    return lambda _, session, actor: set_password(session, actor, name, password_hash)


def _set_second_factor(name: str = "sue", secret: str | None = NEW_SECOND_FACTOR) -> Do:
    return lambda desk, session, actor: set_second_factor(
        session, actor, name, secret, desk.keys, step=7
    )


def _end_session(session_id: int) -> Do:
    return lambda _, session, actor: end_web_session(session, actor, session_id)


def _revoke_operator_token(token_id: int) -> Do:
    return lambda _, session, actor: revoke_operator_token(session, actor, token_id)


def _link(tenant: str = "idle") -> Do:
    return lambda desk, session, actor: link_tenant(session, actor, tenant, desk.keys)


def _end_portal(session_id: int, tenant_id: int = 1) -> Do:
    return lambda _, session, actor: end_own_session(session, actor, tenant_id, session_id)


OF_MAIN = CHANNEL_KEYS.api_key
TAKING_NAMES: list[tuple[Callable[..., Awaitable[object]], str, Callable[[str], Do]]] = [
    (open_tenant, "name", _open),
    (open_sub_tenant, "name", lambda text: _open_below(name=text)),
    (change_tenant, "name", lambda text: _change_tenant(name=text)),
    (add_channel, "name", _add_channel),
    (change_channel, "name", lambda text: _change_channel(rename=text)),
    (add_operator, "name", _add_operator),
    (add_quota, "reference", lambda text: _add_quota(reference=text)),
    (add_quota, "reason", lambda text: _add_quota(reason=text)),
    (adjust_quota, "reason", lambda text: _adjust(reason=text)),
    (set_credit, "reason", lambda text: _credit(reason=text)),
    (make_codes, "name", _make_codes),
    (revoke_codes, "reason", lambda text: _revoke_codes(reason=text)),
]
"""Acts that keep a word of the operator's, and which."""


def _move(user_id: int = 7, name: str = "dora", *, before: str | None = None, **given: Any) -> Do:
    """Move a user in; `before`: the tenant that it was moved as."""

    async def do(_: Desk, session: AsyncSession, actor: Actor) -> object:
        if before is not None:
            moved = text(
                "INSERT INTO moved_tenants SELECT 'new-api', 7, id, 'dora', 3, 1 FROM tenants"
                " WHERE name = :name"
            )
            await session.execute(moved, {"name": before})
        values = {"source": "new-api", "username": "dora", "quota_micros": -9}
        values |= {"currency": CURRENCY, "price_group": "vip", "groups": ["vip"], "enabled": True}
        return await move_tenant(
            session, actor, name, user_id=user_id, **cast("Any", values | given)
        )

    return do


def _move_models(source: str = "new-api") -> Do:
    return lambda _, session, actor: move_models(session, actor, source, {"clip": "kling-v3"})


def _move_tasks(source: str = "new-api") -> Do:
    async def do(_: Desk, session: AsyncSession, actor: Actor) -> object:
        row = {
            "tenant_id": 1,
            "id": "task_1",
            "endpoint": "text2video",
            "model": None,
            "has_succeeded": True,
            "message": "",
            "result_url": None,
            "shown": "{}",
            "created_at": OVER,
            "ended_at": OVER,
        }
        return await move_tasks(session, actor, source, [row])

    return do


ON_WHAT_WAS_REMOVED: list[tuple[Callable[..., Awaitable[object]], Do, str]] = [
    (change_tenant, _change_tenant(FORMER_TENANT, enabled=True), ""),
    (open_sub_tenant, _open_below(FORMER_TENANT), ""),
    (remove_tenant, _remove(remove_tenant, FORMER_TENANT), ""),
    (issue_webhook_secret, _webhook_secret(FORMER_TENANT, may_rotate=False), ""),
    (add_quota, _add_quota(FORMER_TENANT), ""),
    (set_credit, _credit(FORMER_TENANT), ""),
    (redeem_code, _redeem(FORMER_TENANT), ""),
    (move_tenant, _move(before=FORMER_TENANT), ""),
    (issue_token, _issue_token(FORMER_TENANT), ""),
    (link_tenant, _link(FORMER_TENANT), ""),
    (end_sessions_of, _remove(end_sessions_of, FORMER_TENANT), ""),
    (set_limits, _limit(tenant=FORMER_TENANT, day=1), ""),
    (set_gates, _gates(tenant=FORMER_TENANT, models=["kling-v3"]), ""),
    (raise_limit, _raise(LimitKind.DAY, 1, tenant=FORMER_TENANT), ""),
    (claim_owners, _claim("one", tenant=FORMER_TENANT), "tenant"),
    (claim_owners, _claim("one", channel=FORMER_CHANNEL), "channel"),
    (change_channel, _change_channel(FORMER_CHANNEL, enabled=True), ""),
    (remove_channel, _remove(remove_channel, FORMER_CHANNEL), ""),
    (end_drain, _remove(end_drain, FORMER_CHANNEL), ""),
    (begin_trial, _begin_trial(FORMER_CHANNEL), ""),
    (set_price, _set_price(tenant=FORMER_TENANT), ""),
    (set_multiplier, _set_multiplier(tenant=FORMER_TENANT), ""),
    (add_notice_place, _add_notice(tenant=FORMER_TENANT), ""),
    (pause_creates, _pause(tenant=FORMER_TENANT), "tenant"),
    (pause_creates, _pause(channel=FORMER_CHANNEL), "channel"),
    (change_operator, _change_operator(FORMER_OPERATOR, Role.OWNER), ""),
    (remove_operator, _remove(remove_operator, FORMER_OPERATOR), ""),
    (issue_operator_token, _operator_token(FORMER_OPERATOR), ""),
    (set_password, _set_password(FORMER_OPERATOR), ""),
    (set_second_factor, _set_second_factor(FORMER_OPERATOR), ""),
    (log_out, _remove(log_out, FORMER_OPERATOR), ""),
]
_TENANT, _CHANNEL = ("tenant", "acme"), ("channel", "main")
_CLIP = {"state": "succeed", "charged_micros": CLIP_MICROS}

DONE = [
    Case(
        note_backup,
        lambda _, session, actor: note_backup(session, actor, TAKEN),
        lambda _: Told(
            *("backup.take", "backup", "1", None), {"place": "/backups/one.backup", "bytes": 7}
        ),
    ),
    Case(
        mark_restored,
        _mark_restored(datetime(2026, 11, 26, tzinfo=UTC)),
        lambda _: Told(
            *("database.restore", "restore", "1", {"external_prefix": str}),
            {
                "external_prefix": str,
                "as_of": "2026-11-26T00:00:00+00:00",
                "source": "a file",
                "pause": 3,
            },
        ),
    ),
    Case(
        add_place,
        _add_place(),
        lambda _: Told("alert.add", "alert_place", "json://hooks.test", None, {"least": "page"}),
    ),
    Case(
        remove_place,
        _remove_place(1),
        lambda _: Told(
            "alert.remove", "alert_place", "feishu://open.feishu.cn", {"least": "ticket"}, None
        ),
    ),
    Case(
        add_notice_place,
        _add_notice(events=[Event.TASK_REFUNDED, Event.QUOTA_LOW], low_micros=12_500_000),
        lambda _: Told(
            *("notice.add", "notice_place", "https://hooks.acme.test", None),
            {
                "tenant": "beta",
                "kind": "webhook",
                "lang": "zh",
                "low": "12.5",
                "events": ["quota.low", "task.refunded"],
                "made_by": None,
            },
        ),
    ),
    Case(
        remove_notice_place,
        _remove_notice(1),
        lambda _: Told(
            *("notice.remove", "notice_place", "feishu://open.feishu.cn"),
            {
                "tenant": "beta",
                "kind": "feishu",
                "lang": "zh",
                "low": "0.000005",
                "events": None,
                "made_by": None,
            },
            None,
        ),
    ),
    Case(
        send_test_notice,
        _test_notice(1),
        lambda _: Told(
            *("notice.test", "notice_place", "feishu://open.feishu.cn", None), {"tenant": "beta"}
        ),
    ),
    Case(
        replay_notice,
        _replay_notice,
        lambda _: Told("notice.replay", "notice", "1", {"state": "dead"}, {"state": "due"}),
    ),
    Case(
        change_rule,
        _change_rule(bound=Decimal(5), pause_s=60),
        lambda _: Told(
            *("alert.set", "alert_rule", "units-low", {"bound": "7", "pause_s": None}),
            {"bound": "5", "pause_s": 60},
        ),
    ),
    Case(
        mute_rule,
        _mute("task-old", 2100),
        lambda _: Told(
            *("alert.mute", "alert_rule", "task-old", {"muted_until": None}),
            {"muted_until": "2100-01-01T00:00:00+00:00"},
        ),
    ),
    Case(
        pause_creates,
        _pause(
            tenant="acme",
            channel="main",
            endpoint="text2video",
            model="Kling-V3",
            until=datetime(2100, 1, 1, tzinfo=UTC),
        ),
        lambda _: Told(
            *("pause.add", "pause", "3", None),
            {
                "tenant": "acme",
                "channel": "main",
                "endpoint": "text2video",
                "model": "kling-v3",
                "until": "2100-01-01T00:00:00+00:00",
            },
            "Kling is slow",
        ),
    ),
    Case(
        pause_creates,
        _pause(),
        lambda _: Told("pause.add", "pause", "3", None, {}, "Kling is slow"),
        "all",
    ),
    Case(
        end_pause,
        _end_pause(1),
        lambda _: Told("pause.end", "pause", "1", {"ended_at": None}, {"ended_at": str}),
    ),
    Case(
        reseal_values,
        _reseal,
        lambda _: Told(
            *("secret_key.reseal", "secret_key", "k2", None),
            {"column": "channels.secret_key_sealed", "values": int},
        ),
    ),
    Case(
        retire_keys,
        lambda desk, session, actor: retire_keys(session, actor, desk.keys),
        lambda _: Told("secret_key.retire", "secret_key", "k0", None, {"is_lost": False}),
    ),
    Case(
        lose_key,
        _lose("k0"),
        lambda _: Told("secret_key.retire", "secret_key", "k0", None, {"is_lost": True}),
    ),
    Case(
        open_tenant,
        _open(),
        lambda _: Told(
            *("tenant.open", "tenant", "gamma", None),
            {
                "account_id": int,
                "quota_micros": 7,
                "multiplier": "1.2",
                "price_group": None,
                "tasks_max": 3,
            },
        ),
    ),
    Case(
        open_sub_tenant,
        _open_below(),
        lambda desk: Told(
            *("sub_tenant.open", "tenant", "acme/eu", None),
            {"parent": "acme", "account_id": desk.account_id, "factor": "1.3", "opened_by": None},
        ),
    ),
    Case(
        change_tenant,
        _change_tenant(
            multiplier=Decimal("0.9500"),
            price_group="vip",
            tasks_max=7,
            shows_quote=True,
            joins_retries=False,
            lints_creates=True,
            keep_results_days=90,
            asset_bytes_max=10**9,
            asset_gb_month_micros=30_000,
            result_urls="ours",
            queue_s=480,
            queue_weight=2,
            room_min=3,
            enabled=False,
        ),
        lambda _: Told(
            *("tenant.change", *_TENANT),
            {
                "queue_s": None,
                "queue_weight": 1,
                "room_min": 0,
                "multiplier": None,
                "price_group": None,
                "tasks_max": None,
                "shows_quote": False,
                "joins_retries": True,
                "lints_creates": False,
                "keep_results_days": None,
                "asset_bytes_max": None,
                "asset_gb_month_micros": None,
                "result_urls": "kling",
                "enabled": True,
            },
            {
                "queue_s": 480,
                "queue_weight": 2,
                "room_min": 3,
                "multiplier": "0.95",
                "price_group": "vip",
                "tasks_max": 7,
                "shows_quote": True,
                "joins_retries": False,
                "lints_creates": True,
                "keep_results_days": 90,
                "asset_bytes_max": 10**9,
                "asset_gb_month_micros": 30_000,
                "result_urls": "ours",
                "enabled": False,
            },
        ),
    ),
    Case(
        change_tenant,
        _change_tenant(enabled=True, tasks_max=4),
        lambda _: Told("tenant.change", *_TENANT, {"tasks_max": None}, {"tasks_max": 4}),
        "only what is new",
    ),
    Case(
        change_tenant,
        _change_tenant(enabled=False),
        lambda _: Told("tenant.change", *_TENANT, {"enabled": True}, {"enabled": False}),
        "one field",
    ),
    Case(
        change_tenant,
        _change_tenant(name="acme-europe"),
        lambda _: Told("tenant.change", *_TENANT, {"name": "acme"}, {"name": "acme-europe"}),
        "name",
    ),
    Case(
        remove_tenant,
        _remove(remove_tenant, "idle"),
        lambda desk: Told(
            *("tenant.remove", "tenant", "idle"),
            {
                "name": "idle",
                "multiplier": None,
                "price_group": None,
                "tasks_max": None,
                "shows_quote": False,
                "joins_retries": True,
                "lints_creates": False,
                "queue_s": None,
                "queue_weight": 1,
                "room_min": 0,
                "groups": None,
                "contact": None,
                "notes": None,
                "keep_results_days": None,
                "asset_bytes_max": None,
                "asset_gb_month_micros": None,
                "result_urls": "kling",
                "factor": None,
                "enabled": True,
                "tokens": [desk.tokens["idle"].id],
            },
            None,
        ),
    ),
    Case(
        remove_channel,
        _remove(remove_channel, "spare"),
        lambda _: Told(
            *("channel.remove", "channel", "spare"),
            {
                "name": "spare",
                "base_url": "https://kling.test",
                "priority": 0,
                "weight": 1,
                "enabled": True,
                "is_draining": True,
                "room": {},
                "groups": [],
                "models": [],
                "is_sandbox": False,
                "confirmed_lookups": [],
                "proxy": "http://relay@proxy.test:3128",
                "ca_sha256": None,
                "connect_timeout_s": None,
                "timeout_s": None,
            },
            None,
        ),
    ),
    Case(
        end_drain,
        _remove(end_drain, "spare"),
        lambda _: Told(
            *("channel.drained", "channel", "spare"),
            {"enabled": True, "is_draining": True},
            {"enabled": False, "is_draining": False},
        ),
    ),
    Case(
        issue_webhook_secret,
        _webhook_secret("acme", may_rotate=False),
        lambda _: Told(
            "tenant.issue_webhook_secret", *_TENANT, None, {"replaced_signs_until": None}
        ),
    ),
    Case(
        issue_webhook_secret,
        _webhook_secret("beta", may_rotate=True),
        lambda _: Told(
            *("tenant.issue_webhook_secret", "tenant", "beta", None), {"replaced_signs_until": str}
        ),
        "again",
    ),
    Case(
        add_quota,
        _add_quota(),
        lambda desk: Told(
            *("tenant.top_up", *_TENANT, None),
            {
                "account_id": desk.account_id,
                "amount_micros": 5,
                "kind": "paid",
                "reference": "invoice 2",
            },
        ),
    ),
    Case(
        add_quota,
        _add_quota(amount=-2, kind=TopupKind.CORRECTION, reason="typed twice"),
        lambda desk: Told(
            *("tenant.top_up", *_TENANT, None),
            {
                "account_id": desk.account_id,
                "amount_micros": -2,
                "kind": "correction",
                "reference": "invoice 2",
            },
            "typed twice",
        ),
        "a correction",
    ),
    Case(
        move_tenant,
        _move(),
        lambda _: Told(
            *("tenant.move_in", "tenant", "dora", None),
            {
                "source": "new-api",
                "user_id": 7,
                "username": "dora",
                "account_id": int,
                "opening_micros": -9,
                "price_group": "vip",
                "groups": ["vip"],
                "enabled": True,
            },
        ),
    ),
    Case(
        move_tenant,
        _move(before="idle"),
        lambda _: Told(
            *("tenant.move_in", "tenant", "idle"), {"opening_micros": 3}, {"opening_micros": -9}
        ),
        "again",
    ),
    Case(
        move_models,
        _move_models(),
        lambda _: Told(
            "model.move_in", "source", "new-api", None, {"models": {"clip": "kling-v3"}}
        ),
    ),
    Case(
        move_tasks,
        _move_tasks(),
        lambda _: Told("task.move_in", "source", "new-api", None, {"tasks": 1}),
    ),
    Case(
        close_month,
        _close(),
        lambda desk: Told(
            *("account.close_month", "account", str(desk.account_id), None),
            {"months": str, "closing_micros": int},
        ),
    ),
    Case(
        adjust_quota,
        _adjust(),
        lambda desk: Told(
            *("tenant.adjust", *_TENANT, None),
            {"account_id": desk.account_id, "amount_micros": -5},
            "twice",
        ),
    ),
    Case(
        make_codes,
        _make_codes(),
        lambda _: Told(
            *("code.make", "code", "summer", None),
            {"codes": 2, "amount_micros": 9, "kind": "bonus", "expires_at": None},
        ),
    ),
    Case(
        revoke_codes,
        _revoke_codes(),
        lambda _: Told(
            *("code.revoke", "code", "spring", None), {"codes": 1, "code_id": None}, "posted"
        ),
    ),
    Case(
        redeem_code,
        _redeem(),
        lambda desk: Told(
            *("code.redeem", *_TENANT, None),
            {
                "account_id": desk.account_id,
                "batch": "spring",
                "code_id": 1,
                "amount_micros": 7,
                "kind": "paid",
                "reference": "code spring 1",
            },
        ),
    ),
    Case(
        move_codes,
        _move_codes(),
        lambda _: Told(
            *("code.move_in", "source", "new-api", None), {"codes": 1, "amount_micros": 9}
        ),
    ),
    Case(
        set_credit,
        _credit(),
        lambda _: Told(
            *("tenant.set_credit", *_TENANT, {"credit_micros": 0}),
            {"credit_micros": 500},
            "pays by the month",
        ),
    ),
    Case(
        add_channel,
        _add_channel(),
        lambda _: Told(
            *("channel.add", "channel", "third", None),
            {
                "name": "third",
                "base_url": "https://other.test",
                "priority": 0,
                "weight": 1,
                "enabled": True,
                "is_draining": False,
                "room": {},
                "groups": [],
                "models": [],
                "is_sandbox": False,
                "confirmed_lookups": [],
                "proxy": None,
                "ca_sha256": None,
                "connect_timeout_s": None,
                "timeout_s": None,
                "new_keys": ["access_key", "secret_key", "api_key", "webhook_secret"],
            },
        ),
    ),
    Case(
        change_channel,
        _change_channel(
            base_url="https://other.test/",
            priority=3,
            weight=2,
            room={"video": 5, "image": None},
            is_draining=True,
            rename="first",
        ),
        lambda _: Told(
            *("channel.change", *_CHANNEL),
            {
                "name": "main",
                "base_url": "https://kling.test",
                "priority": 0,
                "weight": 1,
                "is_draining": False,
                "room": {},
            },
            {
                "name": "first",
                "base_url": "https://other.test",
                "priority": 3,
                "weight": 2,
                "is_draining": True,
                "room": {"video": 5},
            },
        ),
    ),
    Case(
        set_channel_cost,
        _set_cost(),
        lambda _: Told(
            *("channel.set_cost", *_CHANNEL, None),
            {
                "unit": "video",
                "price": "0.11",
                "rate": "7.12",
                "rate_per": "1",
                "currency": "CNY",
                "from": "2020-01-01T00:00:00Z",
            },
        ),
    ),
    Case(
        set_invoice_profile,
        _profile(),
        lambda desk: Told(
            *("invoice.set_profile", "account", str(desk.account_id)),
            *({"mail": "ap@tenant.test"}, {"mail": "new@tenant.test"}),
        ),
    ),
    Case(
        request_invoice,
        _request(),
        lambda _: Told(
            *("invoice.request", "invoice", "3", None),
            {
                "account_id": int,
                "amount_micros": 100 * CLIP_MICROS,
                "entries": [2],
                "month": None,
            },
        ),
    ),
    Case(
        issue_invoice,
        _issue(paper=InvoicePaper("a.pdf", b"%PDF")),
        lambda _: Told(
            *("invoice.issue", "invoice", "1", {"state": "requested"}),
            {"state": "issued", "number": "26-2", "file": "a.pdf"},
        ),
    ),
    Case(
        reject_invoice,
        _end_invoice(reject_invoice, 1),
        lambda _: Told(
            *("invoice.reject", "invoice", "1", {"state": "requested"}),
            *({"state": "rejected"}, "red letter"),
        ),
    ),
    Case(
        reverse_invoice,
        _end_invoice(reverse_invoice, 2),
        lambda _: Told(
            *("invoice.reverse", "invoice", "2", {"state": "issued"}),
            *({"state": "reversed"}, "red letter"),
        ),
    ),
    Case(
        begin_trial,
        _begin_trial(),
        lambda _: Told(
            *("channel.try", *_CHANNEL, None),
            {"trial": 1, "endpoint": str, "cost_micros": int, "most_micros": 1_000_000},
        ),
    ),
    Case(
        note_trial,
        _note_trial(),
        lambda _: Told(
            *("channel.try", *_CHANNEL),
            {"confirmed_lookups": []},
            {"confirmed_lookups": ["query"], "endpoint": "text2video", "differing": 1},
        ),
    ),
    Case(
        change_channel,
        _change_channel(keys=NEW_KEYS, priority=0, rename="main"),
        lambda _: Told(
            *("channel.change", *_CHANNEL, {}),
            {"new_keys": ["access_key", "secret_key", "api_key", "webhook_secret"]},
        ),
        "keys",
    ),
    Case(
        change_channel,
        _change_channel(way=WayChanges(proxy=OTHER_PROXY, timeout_s=90.0)),
        lambda _: Told(
            *("channel.change", *_CHANNEL),
            {"proxy": str(PROXY), "timeout_s": None},
            {
                "proxy": "socks5://other.test:1080",
                "timeout_s": 90.0,
                "new_keys": ["proxy_password"],
            },
        ),
        "way out",
    ),
    Case(
        issue_token,
        _issue_token(groups=["spare", "eu", "eu"]),
        lambda _: Told(
            *("token.issue", "token", "6", None),
            {
                "tenant": "acme",
                "access_key": str,
                "is_brought": True,
                "groups": ["eu", "spare"],
                "is_test": False,
                "queue_s": None,
                "scope": "call",
                "made_by": None,
            },
        ),
    ),
    Case(
        issue_token,
        _issue_token(api_key=None, is_test=True, queue_s=60),
        lambda _: Told(
            *("token.issue", "token", "6", None),
            {
                "tenant": "acme",
                "access_key": str,
                "is_brought": False,
                "groups": None,
                "is_test": True,
                "queue_s": 60,
                "scope": "call",
                "made_by": None,
            },
        ),
        "of our own",
    ),
    Case(
        change_token,
        _change_token(lambda desk: desk.tokens["acme"].id),
        lambda _: Told(
            *("token.change", "token", "1"), {"tenant": "acme", "queue_s": None}, {"queue_s": 60}
        ),
    ),
    Case(
        set_limits,
        _limit(tenant="acme", day=7, in_flight=None),
        lambda _: Told(*("limit.set", *_TENANT, {"day_micros": None}), {"day_micros": 7}),
    ),
    Case(
        set_limits,
        _limit(token_id=1, month=7, rate=2),
        lambda _: Told(
            *("limit.set", "token", "1", {"month_micros": None, "rate": None}),
            {"tenant": "acme", "month_micros": 7, "rate": 2},
        ),
        "of a token",
    ),
    Case(
        set_limits,
        _limit(tenant="beta", month=None),
        lambda _: Told(
            *("limit.set", "tenant", "beta", {"month_micros": BETAS}), {"month_micros": None}
        ),
        "taken away",
    ),
    Case(
        set_gates,
        _gates(tenant="acme", models=["Kling-V3", "kling-v2-6"], expires_at=None),
        lambda _: Told(
            *("gate.set", *_TENANT, {"models": None}), {"models": ["kling-v2-6", "kling-v3"]}
        ),
    ),
    Case(
        set_gates,
        _gates(token_id=1, expires_at=LATER, addresses=["10.1.2.3/8"], endpoints=["tts"]),
        lambda _: Told(
            *("gate.set", "token", "1"),
            {"expires_at": None, "addresses": None, "endpoints": None},
            {
                "tenant": "acme",
                "expires_at": LATER.isoformat(),
                "addresses": ["10.0.0.0/8"],
                "endpoints": ["tts"],
            },
        ),
        "of a token",
    ),
    Case(
        rotate_token,
        _rotate(1),
        lambda _: Told(
            *("token.rotate", "token", "1", {"tenant": "acme", "access_key": str}),
            {"access_key": str, "old_until": str},
        ),
    ),
    Case(
        raise_limit,
        _raise(LimitKind.MONTH, BETAS + 1, tenant="beta"),
        lambda _: Told(
            *(
                "limit.raise",
                "tenant",
                "beta",
                {"kind": "month", "raised_micros": None, "until": None},
            ),
            {"kind": "month", "raised_micros": BETAS + 1, "until": LATER.isoformat()},
            "their launch",
        ),
    ),
    Case(
        change_token,
        _change_token(lambda desk: desk.tokens["acme"].id, queue_s=None, name="ci"),
        lambda _: Told(
            "token.change", "token", "1", {"tenant": "acme", "name": None}, {"name": "ci"}
        ),
        "name",
    ),
    Case(
        change_token,
        _change_token(lambda desk: desk.tokens["acme"].id, queue_s=None, groups=["spare", "eu"]),
        lambda _: Told(
            *("token.change", "token", "1"),
            {"tenant": "acme", "groups": None},
            {"groups": ["eu", "spare"]},
        ),
        "groups",
    ),
    Case(
        revoke_token,
        _revoke(lambda desk: desk.tokens["acme"].id),
        lambda _: Told("token.revoke", "token", "1", None, {"tenant": "acme"}),
    ),
    Case(
        revoke_token,
        _revoke(lambda desk: desk.tokens["acme"].id, is_leaked=True),
        lambda _: Told("token.revoke", "token", "1", None, {"tenant": "acme"}, "leaked"),
        "leaked",
    ),
    Case(
        set_price,
        _set_price(model="kling-v3", amount_micros=4),
        lambda _: Told(
            *("price.set", "price", "text2video model=kling-v3", None),
            {
                "kind": "fixed",
                "per": "task",
                "amount_micros": 4,
                "pack": "video",
                "multiplier": "1",
            },
        ),
    ),
    Case(
        set_price,
        _set_price(amount_micros=4),
        lambda _: Told(
            *("price.set", "price", "text2video"),
            {"amount_micros": 3_000_000},
            {"amount_micros": 4},
        ),
        "again",
    ),
    Case(
        remove_price,
        _remove_price(),
        lambda _: Told(
            *("price.remove", "price", "text2video"),
            {
                "kind": "fixed",
                "per": "task",
                "amount_micros": 3_000_000,
                "pack": "video",
                "multiplier": "1",
            },
            None,
        ),
    ),
    Case(
        set_price,
        _set_price(
            amount_micros=4, tenant="acme", hours=(22, 6), valid_from=LATER, valid_to=LATEST
        ),
        lambda _: Told(
            *("price.set", "price", "text2video tenant=acme hours=22-6", None),
            {
                "kind": "fixed",
                "per": "task",
                "amount_micros": 4,
                "pack": "video",
                "multiplier": "1",
                "valid_from": LATER.isoformat(),
                "valid_to": LATEST.isoformat(),
            },
        ),
        "to come",
    ),
    Case(
        remove_price,
        _remove_price(at=LATER),
        lambda _: Told(
            *("price.remove", "price", "text2video"),
            {
                "kind": "fixed",
                "per": "task",
                "amount_micros": 3_000_000,
                "pack": "video",
                "multiplier": "1",
            },
            {"valid_to": LATER.isoformat()},
        ),
        "later",
    ),
    Case(
        set_multiplier,
        _set_multiplier(tenant="acme"),
        lambda _: Told(
            *("multiplier.set", "multiplier", "tenant=acme", None), {"multiplier": "1.5"}
        ),
    ),
    Case(
        set_multiplier,
        _set_multiplier(price_group="vip", valid_from=LATER),
        lambda _: Told(
            *("multiplier.set", "multiplier", "price_group=vip", {"multiplier": "0.9"}),
            {"multiplier": "1.5", "valid_from": LATER.isoformat()},
        ),
        "to come",
    ),
    Case(
        end_multiplier,
        _end_multiplier(price_group="vip"),
        lambda _: Told(
            *("multiplier.end", "multiplier", "price_group=vip", {"multiplier": "0.9"}), None
        ),
    ),
    Case(
        say_amounts,
        _say_amounts(are_multiplied=True),
        lambda _: Told(
            *("price.amounts", "price", "amounts", {"are_multiplied": False}),
            {"are_multiplied": True},
        ),
    ),
    Case(
        import_prices,
        _import_prices("[[price]]\nendpoint = 'tts'\nunits = 1\ntenant = 'acme'"),
        lambda _: Told(
            *("price.import", "price", "file"),
            {"rows": 2, "named": list},
            {
                "rows": 1,
                "named": ["tts tenant=acme 1 units a task"],
                "amounts_are_multiplied": None,
            },
        ),
    ),
    Case(
        adopt_list,
        _adopt_list(before="2026-01-31"),
        lambda _: Told(
            *("price.adopt", "price_list", LIST),
            {"in_force": "2026-01-31"},
            {"in_force": LIST, "changed_rows": 1},
        ),
    ),
    Case(
        claim_owners,
        _claim("one", "two", "one"),
        lambda _: Told(
            *("owner.claim", *_TENANT, None),
            {"channel": "main", "kind": "element", "ids": ["one", "two"], "count": 2, "new": 2},
        ),
    ),
    Case(
        delete_asset,
        _delete_asset(STORED_ASSET),
        lambda _: Told(
            *("asset.delete", "asset", STORED_ASSET),
            {"state": "stored", "tenant": "acme", "bytes": 4711},
            {"state": "deleted"},
        ),
    ),
    Case(
        charge_storage,
        _charge_storage(),
        lambda _: Told(
            *("storage.charge", "tenant", "acme", None),
            {
                "month": str(month_of(datetime.now(UTC), UTC).previous),
                "gb_months": "1",
                "amount_micros": 1_000_000,
            },
        ),
    ),
    Case(
        mend_store,
        _mend_store(1),
        lambda _: Told(
            *("asset.mend", "asset_store", "store", None),
            {"missing": 1, "anew": 1, "lost": 0, "removed": 0},
        ),
    ),
    Case(
        replay_delivery,
        _replay("dead", tenant_id=None),
        lambda desk: Told(
            *("delivery.replay", "delivery", str(desk.deliveries["dead"])),
            {"state": "dead"},
            {"state": "due"},
        ),
    ),
    Case(
        settle,
        _of_task(settle, "live"),
        _task("settle", "live", {"state": "processing", "charged_micros": None}, _CLIP),
    ),
    Case(
        settle,
        _of_task(settle, "followed"),
        _task("settle", "followed", {"state": "pending", "charged_micros": None}, _CLIP),
        "followed",
    ),
    Case(
        release,
        _of_task(release, "live"),
        _task(
            *("release", "live", {"state": "processing", "held_micros": CLIP_MICROS}),
            {"state": "failed", "held_micros": 0},
        ),
    ),
    Case(
        release,
        _of_task(release, "unsent"),
        _task(
            *("release", "unsent", {"state": "pending", "held_micros": CLIP_MICROS}),
            {"state": "refused", "held_micros": 0},
        ),
        "unsent",
    ),
    Case(
        refund,
        _of_task(refund, "charged"),
        _task("refund", "charged", {"refunded_micros": 0}, {"refunded_micros": CLIP_MICROS}),
    ),
    Case(
        refund,
        _refund("charged", 20_000),
        _task("refund", "charged", {"refunded_micros": 0}, {"refunded_micros": 20_000}),
        "a part",
    ),
    Case(
        note_refusal,
        lambda _, session, actor: note_refusal(
            session, actor, operator=(1, "sue"), status=403, path="/admin/v1/usage"
        ),
        lambda _: Told(
            *("office.refuse", "operator", "sue", None), {"status": 403, "path": "/admin/v1/usage"}
        ),
    ),
    Case(
        add_operator,
        _add_operator(task_refund=7),
        lambda _: Told(
            *("operator.add", "operator", "eve", None),
            {"role": "support", "ceilings": {"task.refund": 7}},
        ),
    ),
    Case(
        change_operator,
        _change_operator(role=Role.FINANCE, task_refund=None, tenant_top_up=9),
        lambda _: Told(
            *("operator.change", "operator", "sue"),
            {"role": "support", "ceilings": {"task.refund": 5, "task.release": 6}},
            {"role": "finance", "ceilings": {"task.release": 6, "tenant.top_up": 9}},
        ),
    ),
    Case(
        change_operator,
        _change_operator(role=Role.VIEWER),
        lambda _: Told(
            *("operator.change", "operator", "sue"),
            {"role": "support", "ceilings": {"task.refund": 5, "task.release": 6}},
            {"role": "viewer", "ceilings": {}},
        ),
        "to one that may not",
    ),
    Case(
        remove_operator,
        _remove(remove_operator, "sue"),
        lambda _: Told(
            *("operator.remove", "operator", "sue"),
            {
                "role": "support",
                "ceilings": {"task.refund": 5, "task.release": 6},
                "tokens": [1],
                "sessions": 1,
            },
            None,
        ),
    ),
    Case(
        set_password,
        _set_password(),
        lambda _: Told(
            *("operator.set_password", "operator", "sue"),
            {"has_password": True},
            {"has_password": True, "sessions_ended": 1},
        ),
    ),
    Case(
        set_password,
        _set_password(password_hash=None),
        lambda _: Told(
            *("operator.set_password", "operator", "sue"),
            {"has_password": True},
            {"has_password": False, "sessions_ended": 1},
        ),
        "taken away",
    ),
    Case(
        set_second_factor,
        _set_second_factor(),
        lambda _: Told(
            *("operator.set_second_factor", "operator", "sue"),
            {"has_second_factor": True},
            {"has_second_factor": True},
        ),
    ),
    Case(
        set_second_factor,
        _set_second_factor(secret=None),
        lambda _: Told(
            *("operator.set_second_factor", "operator", "sue"),
            {"has_second_factor": True},
            {"has_second_factor": False},
        ),
        "taken away",
    ),
    Case(
        end_web_session,
        _end_session(1),
        lambda _: Told("operator.end_session", "session", "1", None, {"of": "sue"}),
    ),
    Case(
        log_out,
        _remove(log_out, "sue"),
        lambda _: Told("operator.end_session", "operator", "sue", None, {"sessions_ended": 1}),
        "of all",
    ),
    Case(
        open_console,
        lambda _, session, actor: open_console(session, actor),
        lambda _: Told("console.open", "system_user", "ann", None, {}),
    ),
    Case(
        link_tenant,
        _link(),
        lambda _: Told(
            *("tenant.link", "tenant", "idle", None),
            {"token": int, "is_made": True, "expires_at": str, "is_for_support": False},
        ),
    ),
    Case(
        end_own_session,
        _end_portal(1),
        lambda _: Told("portal.end_session", "token", "1", None, {"session": 1}),
    ),
    Case(
        end_sessions_of,
        _remove(end_sessions_of, "acme"),
        lambda _: Told("portal.end_session", "tenant", "acme", None, {"sessions_ended": 1}),
    ),
    Case(
        issue_operator_token,
        _operator_token(expires_at=LATER, addresses=["10.1.2.3/8", "::1"]),
        lambda _: Told(
            *("operator.issue_token", "operator_token", "2", None),
            {
                "operator": "sue",
                "expires_at": LATER.isoformat(),
                "addresses": ["10.0.0.0/8", "::1/128"],
            },
        ),
    ),
    Case(
        revoke_operator_token,
        _revoke_operator_token(1),
        lambda _: Told("operator.revoke_token", "operator_token", "1", None, {"operator": "sue"}),
    ),
    Case(
        cancel,
        _waiting(_of_task(cancel, "unsent")),
        _task(
            *("cancel", "unsent", {"state": "queued", "held_micros": CLIP_MICROS}),
            {"state": "failed", "held_micros": 0},
        ),
    ),
    Case(
        unflag,
        _of_task(unflag, "flagged"),
        _task("unflag", "flagged", {"is_flagged": True}, {"is_flagged": False}),
    ),
    Case(look_now, _of_task(look_now, "live"), _task("look", "live", {"next_look_at": str}, None)),
]

REFUSED = [
    Refusal(mark_restored, Unusable, _mark_restored(datetime(2100, 1, 1, tzinfo=UTC))),
    Refusal(pause_creates, NoSuch, _pause(tenant="acmee"), "tenant"),
    Refusal(pause_creates, NoSuch, _pause(channel="mian"), "channel"),
    Refusal(pause_creates, Unusable, _pause(" "), "no reason"),
    Refusal(pause_creates, Unusable, _pause(until=datetime(2026, 1, 1, tzinfo=UTC)), "past"),
    Refusal(end_drain, NoSuch, _remove(end_drain, "mian")),
    Refusal(set_channel_cost, NoSuch, _set_cost("mian")),
    Refusal(set_invoice_profile, NoSuch, _profile("acmee")),
    Refusal(set_invoice_profile, Unusable, _profile("idle"), "no title"),
    Refusal(set_invoice_profile, Unusable, _profile(title=""), "title taken out"),
    Refusal(set_invoice_profile, Unusable, _profile(tax_id=" 1"), "tax id"),
    Refusal(set_invoice_profile, NotPossible, _profile(basis=Basis.STATEMENTS), "basis"),
    Refusal(request_invoice, NoSuch, _request("acmee")),
    Refusal(request_invoice, NotPossible, _request("idle"), "no profile"),
    Refusal(request_invoice, NotPossible, _request("acme"), "nothing left"),
    Refusal(request_invoice, NotPossible, _request(entries=[1]), "another account's"),
    Refusal(request_invoice, NotPossible, _request(month="2026-10"), "by top-ups"),
    Refusal(issue_invoice, NoSuch, _issue(4711)),
    Refusal(issue_invoice, NotPossible, _issue(2), "issued"),
    Refusal(issue_invoice, NotPossible, _issue(number="26-1"), "number used"),
    Refusal(issue_invoice, Unusable, _issue(number=" "), "number"),
    Refusal(issue_invoice, Unusable, _issue(paper=InvoicePaper("a", b"")), "empty file"),
    Refusal(reject_invoice, NoSuch, _end_invoice(reject_invoice, 4711)),
    Refusal(reject_invoice, NotPossible, _end_invoice(reject_invoice, 2), "issued"),
    Refusal(reject_invoice, Unusable, _end_invoice(reject_invoice, 1, " "), "reason"),
    Refusal(reverse_invoice, NoSuch, _end_invoice(reverse_invoice, 4711)),
    Refusal(reverse_invoice, NotPossible, _end_invoice(reverse_invoice, 1), "requested"),
    Refusal(reverse_invoice, Unusable, _end_invoice(reverse_invoice, 2, " "), "reason"),
    Refusal(set_channel_cost, Unusable, _set_cost(price="-1"), "price"),
    Refusal(set_channel_cost, Unusable, _set_cost(price="NaN"), "no number"),
    Refusal(set_channel_cost, Unusable, _set_cost(price="0.0000000000001"), "places"),
    Refusal(set_channel_cost, Unusable, _set_cost(rate=Decimal(0)), "rate"),
    Refusal(set_channel_cost, Unusable, _set_cost(currency="yuan"), "currency"),
    Refusal(set_channel_cost, Unusable, _set_cost(currency="USD"), "the books' own"),
    Refusal(end_drain, NotPossible, _remove(end_drain, "main"), "not draining"),
    Refusal(change_channel, Unusable, _change_channel(room={"vidoe": 5}), "no pack"),
    Refusal(change_channel, Unusable, _change_channel(room={"video/": 5}), "no model"),
    Refusal(change_channel, Unusable, _change_channel(room={"video": -1}), "room below zero"),
    Refusal(end_pause, NoSuch, _end_pause(4711)),
    Refusal(delete_asset, NoSuch, _delete_asset("00000000-0000-4000-8000-000000000000")),
    Refusal(delete_asset, NoSuch, _delete_asset("no uuid"), "no uuid"),
    Refusal(delete_asset, NoSuch, _delete_asset(STORED_ASSET, tenant_id=2), "of another tenant"),
    Refusal(delete_asset, NotPossible, _delete_asset(DELETED_ASSET)),
    Refusal(charge_storage, NoSuch, _charge_storage("acmee")),
    Refusal(charge_storage, NotPossible, _charge_storage(month=Month(2100, 1)), "not over"),
    Refusal(charge_storage, NotPossible, _charge_storage("beta"), "without a price"),
    Refusal(mend_store, NotPossible, _mend_store(4711)),
    Refusal(add_place, Unusable, _add_place("syslog://place-secret-9@localhost")),
    Refusal(remove_place, NoSuch, _remove_place(4711)),
    Refusal(add_notice_place, NoSuch, _add_notice(tenant="bete")),
    Refusal(add_notice_place, NotPossible, _add_notice(tenant="acme"), "without a secret"),
    Refusal(add_notice_place, Unusable, _add_notice("ftp://notice-secret-9@x.test/"), "scheme"),
    Refusal(add_notice_place, Unusable, _add_notice("http://10.0.0.1/notice-secret-9"), "private"),
    Refusal(add_notice_place, Unusable, _add_notice(kind=PlaceKind.MAIL), "mail"),
    Refusal(add_notice_place, Unusable, _add_notice(kind=PlaceKind.WECOM), "host"),
    Refusal(add_notice_place, Unusable, _add_notice(events=[]), "no event"),
    Refusal(add_notice_place, Unusable, _add_notice(events=[Event.TEST]), "test"),
    Refusal(add_notice_place, Unusable, _add_notice(low_micros=-1), "low"),
    Refusal(remove_notice_place, NoSuch, _remove_notice(4711)),
    Refusal(remove_notice_place, NoSuch, _remove_notice(1, tenant_id=1), "another's"),
    Refusal(send_test_notice, NoSuch, _test_notice(4711)),
    Refusal(send_test_notice, NoSuch, _test_notice(1, tenant_id=1), "another's"),
    Refusal(replay_notice, NoSuch, _replay_no_notice),
    Refusal(replay_notice, NotPossible, _replay_notice_twice),
    Refusal(send_test_notice, NotPossible, _test_notice_twice, "within a minute"),
    Refusal(change_rule, NoSuch, _change_rule("unit-low")),
    Refusal(change_rule, Unusable, _change_rule("disk-low", bound=Decimal(1)), "no bound"),
    Refusal(change_rule, Unusable, _change_rule(bound=Decimal(-1)), "bound"),
    Refusal(change_rule, Unusable, _change_rule(pause_s=-1), "pause"),
    Refusal(mute_rule, NoSuch, _mute("unit-low", 2100)),
    Refusal(mute_rule, Unusable, _mute("units-low", 2020)),
    Refusal(end_pause, NotPossible, _end_pause(2)),
    Refusal(lose_key, NoSuch, _lose("k9")),
    Refusal(lose_key, Unusable, _lose("k1")),
    Refusal(open_tenant, NameTaken, _open("acme")),
    Refusal(open_tenant, CurrencyMismatch, _open(currency="CNY")),
    Refusal(open_tenant, Unusable, _open(multiplier="-1"), "multiplier"),
    Refusal(open_tenant, Unusable, _open(quota_micros=-1), "quota"),
    Refusal(open_tenant, Unusable, _open("acme/eu"), "a sub-tenant's name"),
    Refusal(open_sub_tenant, NoSuch, _open_below("acmee")),
    Refusal(open_sub_tenant, NameTaken, _on_one_below(_open_below())),
    Refusal(open_sub_tenant, NotPossible, _on_one_below(_open_below("acme/eu", "b")), "below"),
    Refusal(open_sub_tenant, NotPossible, _open_below(opened_by=9), "token"),
    Refusal(open_sub_tenant, Unusable, _open_below(factor="0.999999"), "factor"),
    Refusal(open_sub_tenant, Unusable, _open_below(factor="1.0000001"), "places"),
    Refusal(open_sub_tenant, Unusable, _open_below(name="a/b"), "slash"),
    Refusal(
        *(change_tenant, Unusable, _on_one_below(_change_tenant("acme/eu", tasks_max=3))),
        "of its parent",
    ),
    Refusal(
        *(change_tenant, Unusable, _on_one_below(_change_tenant("acme/eu", name="eu"))),
        "name of one below",
    ),
    Refusal(
        *(change_tenant, Unusable),
        _on_one_below(_change_tenant("acme/eu", asset_gb_month_micros=1)),
        "price of its parent",
    ),
    Refusal(change_tenant, Unusable, _change_tenant(resale=Decimal(2)), "factor"),
    Refusal(
        *(change_tenant, Unusable, _on_one_below(_change_tenant(name="a" * 63))),
        "names of those below",
    ),
    Refusal(
        *(remove_tenant, NotPossible, _on_one_below(_remove(remove_tenant, "acme"))),
        "with one below",
    ),
    Refusal(add_quota, NotPossible, _on_one_below(_add_quota("acme/eu")), "below"),
    *(Refusal(act, Unusable, do(" x"), what) for act, what, do in TAKING_NAMES),
    *(
        Refusal(act, NotPossible, do, f"removed {label}".strip())
        for act, do, label in ON_WHAT_WAS_REMOVED
    ),
    Refusal(change_tenant, NoSuch, _change_tenant("acmee", enabled=False)),
    Refusal(change_tenant, NameTaken, _change_tenant(name="beta")),
    Refusal(change_tenant, Unusable, _change_tenant(name="acme/eu"), "a sub-tenant's name"),
    Refusal(move_tenant, Unusable, _move(name="acme/eu"), "a sub-tenant's name"),
    Refusal(move_tenant, NameTaken, _move(name="beta")),
    Refusal(move_tenant, NotPossible, _move(before="acme"), "with tasks"),
    Refusal(move_tenant, Unusable, _move(source=" "), "source"),
    Refusal(move_tenant, Unusable, _move(groups=["test"]), "group"),
    Refusal(move_tenant, CurrencyMismatch, _move(currency="CNY")),
    Refusal(move_models, Unusable, _move_models(source=" "), "source"),
    Refusal(move_tasks, Unusable, _move_tasks(source=" "), "source"),
    Refusal(remove_tenant, NoSuch, _remove(remove_tenant, "acmee")),
    Refusal(remove_tenant, InUse, _remove(remove_tenant, "acme"), "all of it"),
    Refusal(remove_tenant, InUse, _remove(remove_tenant, "beta"), "quota"),
    Refusal(remove_channel, NoSuch, _remove(remove_channel, "mainn")),
    Refusal(remove_channel, InUse, _remove(remove_channel, "main")),
    Refusal(add_channel, SameAccount, _add_channel(channel_keys=CHANNEL_KEYS)),
    Refusal(
        *(add_channel, SameAccount),
        _add_channel(
            base_url="https://another.test",
            channel_keys=ChannelKeys(access_key=CHANNEL_KEYS.access_key, secret_key="another-1"),
        ),
        "its pair, at another host",
    ),
    Refusal(
        *(add_channel, SameAccount, _add_channel(channel_keys=ChannelKeys(api_key=OF_MAIN))),
        "its API key",
    ),
    Refusal(
        *(change_channel, SameAccount, _change_channel(keys=ChannelKeys(api_key=OF_MAIN))),
        "another one's API key",
    ),
    Refusal(change_tenant, Unusable, _change_tenant(multiplier=Decimal(-1)), "multiplier"),
    Refusal(change_tenant, Unusable, _change_tenant(tasks_max=-1), "limit"),
    Refusal(issue_webhook_secret, NoSuch, _webhook_secret("acmee", may_rotate=False)),
    Refusal(issue_webhook_secret, WebhookSecretKept, _webhook_secret("beta", may_rotate=False)),
    Refusal(
        *(issue_webhook_secret, WebhookSecretSigns),
        _webhook_secret("beta", may_rotate=True, was=LATER),
    ),
    Refusal(add_quota, NoSuch, _add_quota("acmee")),
    Refusal(add_quota, ReferenceUsed, _add_quota(amount=6, reference="invoice 1")),
    Refusal(
        add_quota, ReferenceUsed, _add_quota(reference="invoice 1", kind=TopupKind.BONUS), "kind"
    ),
    Refusal(add_quota, Unusable, _add_quota(amount=0)),
    Refusal(add_quota, Unusable, _add_quota(amount=-5, kind=TopupKind.BONUS), "below 0"),
    Refusal(add_quota, CurrencyMismatch, _add_quota(currency="CNY")),
    Refusal(close_month, NoSuch, _close(4711)),
    Refusal(close_month, NotPossible, _close(months_ago=0)),
    Refusal(adjust_quota, NoSuch, _adjust("acmee")),
    Refusal(adjust_quota, Unusable, _adjust(amount=0)),
    Refusal(adjust_quota, NotPossible, _adjust(amount=5, storage=Month(2026, 1)), "storage"),
    Refusal(adjust_quota, CurrencyMismatch, _adjust(currency="CNY")),
    Refusal(make_codes, NameTaken, _make_codes("spring")),
    Refusal(make_codes, Unusable, _make_codes(amount=0), "amount"),
    Refusal(make_codes, Unusable, _make_codes(count=0), "count"),
    Refusal(make_codes, Unusable, _make_codes(amount=10**12, count=1001), "all of them"),
    Refusal(make_codes, Unusable, _make_codes(expires_at=OVER), "over already"),
    Refusal(make_codes, Unusable, _make_codes(kind=TopupKind.CORRECTION), "kind"),
    Refusal(make_codes, CurrencyMismatch, _make_codes(currency="CNY")),
    Refusal(revoke_codes, NoSuch, _revoke_codes("autumn"), "batch"),
    Refusal(revoke_codes, NoSuch, _revoke_codes(code_id=2), "code"),
    Refusal(redeem_code, NoSuch, _redeem("acmee")),
    Refusal(redeem_code, NoSuch, _redeem(given="no code"), "short"),
    Refusal(redeem_code, NoSuch, _redeem(given="7" * 25), "unknown"),
    Refusal(redeem_code, NotPossible, _redeem(before="revoked_at = now()"), "revoked"),
    Refusal(redeem_code, NotPossible, _redeem(before="expires_at = now()"), "expired"),
    Refusal(
        *(redeem_code, NotPossible),
        _redeem(before="redeemed_at = now(), tenant_id = 2, entry_id = 2"),
        "another's",
    ),
    Refusal(
        *(move_codes, NameTaken),
        _move_codes(before="UPDATE code_batches SET name = 'new-api codes'"),
    ),
    Refusal(move_codes, Unusable, _move_codes(" ")),
    Refusal(move_codes, CurrencyMismatch, _move_codes(currency="CNY")),
    Refusal(set_credit, NoSuch, _credit("acmee")),
    Refusal(set_credit, Unusable, _credit(micros=-1)),
    Refusal(add_channel, NameTaken, _add_channel("main")),
    Refusal(
        *(add_channel, Unusable, _add_channel(base_url="https://ann:url-password-1@other.test")),
        "password in the URL",
    ),
    Refusal(add_channel, Unusable, _add_channel(channel_keys=NO_KEYS), "no keys"),
    Refusal(
        *(add_channel, Unusable, _add_channel(channel_keys=ChannelKeys(access_key="AK"))),
        "half a pair",
    ),
    Refusal(
        add_channel,
        Unusable,
        _add_channel(channel_keys=msgspec.structs.replace(NEW_KEYS, webhook_secret="not base64 1")),
        "webhook secret",
    ),
    Refusal(begin_trial, NoSuch, _begin_trial("mainn")),
    Refusal(begin_trial, Unusable, _begin_trial(most_micros=1), "too dear"),
    Refusal(begin_trial, Unusable, _begin_trial(endpoint="tts"), "endpoint"),
    Refusal(note_trial, NoSuch, _note_trial("mainn")),
    Refusal(note_trial, Unusable, _note_trial(base_url="https://elsewhere.test"), "elsewhere"),
    Refusal(change_channel, NoSuch, _change_channel("mainn", enabled=False)),
    Refusal(change_channel, NameTaken, _change_channel(rename="spare")),
    Refusal(change_channel, Unusable, _change_channel(weight=0), "weight"),
    Refusal(
        *(change_channel, Unusable, _change_channel(way=WayChanges(ca_pem="no certificate"))),
        "no certificate",
    ),
    Refusal(
        *(change_channel, Unusable, _change_channel(way=WayChanges(timeout_s=0.01))), "no time"
    ),
    Refusal(
        *(change_channel, Unusable, _change_channel(base_url="https://other.test?key=url-query-1")),
        "query in the URL",
    ),
    Refusal(
        *(change_channel, Unusable, _change_channel(keys=ChannelKeys(secret_key="half-a-pair-1"))),
        "half a pair",
    ),
    Refusal(issue_token, NoSuch, _issue_token("acmee")),
    Refusal(issue_token, Unusable, _issue_token(groups=["test"]), "group of tests"),
    Refusal(issue_token, Unusable, _issue_token(groups=["eu"], is_test=True), "test in a group"),
    Refusal(change_tenant, Unusable, _change_tenant(groups=["test"]), "group of tests"),
    Refusal(change_tenant, Unusable, _change_tenant(groups=[]), "no group"),
    Refusal(change_channel, Unusable, _change_channel(groups=["test"]), "real one for tests"),
    Refusal(change_channel, Unusable, _change_channel(models=[" "]), "model"),
    Refusal(add_channel, Unusable, _add_channel(groups=["test"]), "real one for tests"),
    Refusal(
        *(add_channel, Unusable, _add_channel(groups=["eu", "test"], is_sandbox=True)),
        "tests and others",
    ),
    Refusal(issue_token, Unusable, _issue_token(api_key="short-key-1")),
    Refusal(
        issue_token,
        Unusable,
        lambda desk, session, actor: issue_token(
            session, actor, "acme", desk.keys, api_key=desk.tokens["beta"].api_key
        ),
        "in use",
    ),
    Refusal(set_limits, NoSuch, _limit(tenant="acmee", day=1), "tenant"),
    Refusal(set_limits, NoSuch, _limit(token_id=4711, day=1), "token"),
    Refusal(set_limits, NoSuch, _limit(tenant="beta", token_id=1, day=1), "of another tenant"),
    Refusal(set_limits, NotPossible, _limit(token_id=3, day=1), "revoked"),
    Refusal(set_limits, Unusable, _limit(tenant="acme", day=-1), "below 0"),
    Refusal(set_limits, Unusable, _limit(tenant="acme", rate=100_001), "too many"),
    Refusal(set_gates, NoSuch, _gates(tenant="acmee", models=["a"]), "tenant"),
    Refusal(set_gates, NoSuch, _gates(token_id=4711, models=["a"]), "token"),
    Refusal(set_gates, NoSuch, _gates(tenant="beta", token_id=1, models=["a"]), "of another"),
    Refusal(set_gates, NotPossible, _gates(token_id=3, models=["a"]), "revoked"),
    Refusal(set_gates, Unusable, _gates(tenant="acme", expires_at=OVER), "expired"),
    Refusal(set_gates, Unusable, _gates(tenant="acme", addresses=["10.0.0.0/33"]), "network"),
    Refusal(set_gates, Unusable, _gates(tenant="acme", models=["a\nb"]), "model"),
    Refusal(set_gates, Unusable, _gates(tenant="acme", endpoints=[]), "nothing"),
    Refusal(raise_limit, NoSuch, _raise(LimitKind.DAY, 1, tenant="acmee")),
    Refusal(raise_limit, NotPossible, _raise(LimitKind.DAY, 1, tenant="acme"), "no limit"),
    Refusal(raise_limit, Unusable, _raise(LimitKind.MONTH, BETAS, tenant="beta"), "no more"),
    Refusal(
        *(raise_limit, Unusable, _raise(LimitKind.MONTH, BETAS + 1, OVER, tenant="beta")), "over"
    ),
    Refusal(revoke_token, NoSuch, _revoke(lambda _: 4711)),
    Refusal(change_token, NoSuch, _change_token(lambda _: 4711)),
    Refusal(change_token, NotPossible, _change_token(lambda desk: desk.revoked_id), "revoked"),
    Refusal(change_token, Unusable, _change_token(lambda _: 1, queue_s=86_401), "too long"),
    Refusal(change_token, Unusable, _change_token(lambda _: 1, name=" ci"), "name"),
    Refusal(change_token, Unusable, _change_token(lambda _: 1, groups=["all"]), "groups"),
    Refusal(rotate_token, NoSuch, _rotate(4711)),
    Refusal(rotate_token, NotPossible, _rotate(3), "revoked"),
    Refusal(rotate_token, Unusable, _rotate(1, keep_s=-1), "for less than nothing"),
    Refusal(change_tenant, Unusable, _change_tenant(queue_s=-1), "wait"),
    Refusal(change_tenant, Unusable, _change_tenant(queue_weight=0), "weight"),
    Refusal(change_tenant, Unusable, _change_tenant(room_min=-1), "least"),
    Refusal(change_tenant, Unusable, _change_tenant(keep_results_days=0), "days"),
    Refusal(change_tenant, Unusable, _change_tenant(asset_bytes_max=-1), "bytes"),
    Refusal(change_tenant, Unusable, _change_tenant(asset_gb_month_micros=-1), "GB-month"),
    Refusal(change_tenant, Unusable, _change_tenant(result_urls="mine"), "URLs"),
    Refusal(remove_price, NoSuch, _remove_price(mode="std")),
    Refusal(remove_price, NoSuch, _remove_price(tenant="acme"), "of a tenant"),
    Refusal(remove_price, Unusable, _remove_price(at=OVER), "in the past"),
    Refusal(set_price, NoSuch, _set_price(tenant="acmee"), "tenant"),
    Refusal(set_price, Unusable, _set_price(tenant="acme", price_group="vip"), "for both"),
    Refusal(set_price, Unusable, _set_price(price_group="a\nb"), "price group"),
    Refusal(set_price, Unusable, _set_price(valid_from=OVER), "in the past"),
    Refusal(set_price, Unusable, _set_price(valid_to=OVER), "over already"),
    Refusal(set_price, Unusable, _set_price(valid_from=LATEST, valid_to=LATER), "ends before"),
    *(
        Refusal(set_price, Unusable, _set_price(hours=hours), f"hours {hours}")
        for hours in ((3, 3), (24, 3), (0, 25), (-1, 3))
    ),
    Refusal(import_prices, Unusable, _import_prices(f"{OF_TTS}tenant = 'acmee'"), "tenant"),
    Refusal(import_prices, Unusable, _import_prices(f"{OF_TTS}price_group = ''"), "price group"),
    Refusal(import_prices, Unusable, _import_prices(f"{OF_TTS}until = 2020-01-01"), "is over"),
    Refusal(
        *(import_prices, NotPossible, _import_prices(OF_TTS, seen=Difference([], []))),
        "other than it was seen",
    ),
    Refusal(set_multiplier, Unusable, _set_multiplier("-1")),
    Refusal(set_multiplier, Unusable, _set_multiplier(valid_from=OVER), "in the past"),
    Refusal(set_multiplier, NoSuch, _set_multiplier(tenant="acmee"), "tenant"),
    Refusal(end_multiplier, NoSuch, _end_multiplier()),
    Refusal(end_multiplier, Unusable, _end_multiplier(price_group="vip", at=OVER), "in the past"),
    Refusal(adopt_list, NotPossible, _adopt_list(before=None), "in force already"),
    Refusal(adopt_list, NotPossible, _adopt_list(before="2026-02-28"), "another one meanwhile"),
    Refusal(claim_owners, NoSuch, _claim("one", tenant="acmee"), "tenant"),
    Refusal(claim_owners, NoSuch, _claim("one", channel="mainn"), "channel"),
    Refusal(claim_owners, NotTheirs, _claim("one", "betas")),
    Refusal(replay_delivery, NoSuch, _replay("none")),
    Refusal(
        replay_delivery,
        NoSuch,
        lambda _, session, actor: replay_delivery(session, actor, "msg_of_others", tenant_id=2),
        "another tenant's",
    ),
    Refusal(replay_delivery, NotPossible, _replay("due")),
    *(
        Refusal(act, NoSuch, _of_task(act, None))
        for act in (settle, release, refund, cancel, unflag, look_now)
    ),
    *(
        Refusal(
            act,
            Unusable,
            _of_task(partial(act, tell="x" * 301), "live"),
        )
        for act in (settle, release)
    ),
    Refusal(settle, NotPossible, _of_task(settle, "charged")),
    Refusal(release, NotPossible, _of_task(release, "charged")),
    Refusal(refund, NotPossible, _of_task(refund, "live"), "not charged"),
    Refusal(refund, NotPossible, _of_task(refund, "refunded"), "twice"),
    Refusal(refund, NotPossible, _refund("charged", CLIP_MICROS + 1), "more than there is"),
    Refusal(refund, Unusable, _refund("charged", 0)),
    Refusal(cancel, NotPossible, _of_task(cancel, "live")),
    Refusal(unflag, NotPossible, _of_task(unflag, "live")),
    Refusal(add_operator, NameTaken, _add_operator("sue")),
    Refusal(add_operator, Unusable, _add_operator("x" * 41), "long"),
    Refusal(add_operator, Unusable, _add_operator(task_unflag=1), "without a ceiling"),
    Refusal(add_operator, Unusable, _add_operator(tenant_adjust=1), "not its role's"),
    Refusal(add_operator, Unusable, _add_operator(task_refund=-1), "below zero"),
    Refusal(change_operator, NoSuch, _change_operator("sui", Role.OWNER)),
    Refusal(change_operator, Unusable, _change_operator(role=Role.VIEWER, task_refund=1)),
    Refusal(remove_operator, NoSuch, _remove(remove_operator, "sui")),
    Refusal(issue_operator_token, NoSuch, _operator_token("sui")),
    Refusal(issue_operator_token, Unusable, _operator_token(expires_at=OVER), "over"),
    Refusal(issue_operator_token, Unusable, _operator_token(addresses=["10.0.0.0/33"])),
    Refusal(set_password, NoSuch, _set_password("sui")),
    Refusal(set_second_factor, NoSuch, _set_second_factor("sui")),
    Refusal(end_web_session, NoSuch, _end_session(4711)),
    Refusal(log_out, NoSuch, _remove(log_out, "sui")),
    Refusal(revoke_operator_token, NoSuch, _revoke_operator_token(4711)),
    Refusal(link_tenant, NoSuch, _link("acmee")),
    Refusal(end_sessions_of, NoSuch, _remove(end_sessions_of, "acmee")),
    Refusal(end_own_session, NoSuch, _end_portal(4711)),
    Refusal(end_own_session, NoSuch, _end_portal(1, tenant_id=2), "another tenant's"),
]

IDLE: list[tuple[str, Do]] = [
    ("a limit that is so", _limit(tenant="beta", month=BETAS)),
    ("a raise that there is none of", _raise(LimitKind.MONTH, None, tenant="beta")),
    ("a reference with its amount again", _add_quota(reference="invoice 1")),
    ("a token that was revoked", _revoke(lambda desk: desk.revoked_id)),
    ("a tenant as it is", _change_tenant(enabled=True, tasks_max=None, multiplier=None)),
    ("a credit as it is", _credit(micros=0)),
    (
        "a channel as it is",
        _change_channel(base_url="https://kling.test/", weight=1, rename="main"),
    ),
    ("the price that is in force", _set_price()),
    ("the multiplier that is in force", _set_multiplier("0.90", price_group="vip")),
    (
        "a file of what there is",
        _import_prices(
            "[[price]]\nendpoint = 'text2video'\namount = 3\n"
            "[[multiplier]]\nprice_group = 'vip'\ntimes = 0.9"
        ),
    ),
    ("what was said of amounts", _say_amounts(are_multiplied=False)),
    ("a rule as it is", _change_rule(bound=Decimal(7))),
    ("a rule that speaks", _mute("units-low", None)),
    ("an operator as it is", _change_operator(role=Role.SUPPORT, task_refund=5)),
]
"""What is so already: nothing is written, and nothing noted."""

CANNOT_REFUSE = {say_amounts, reseal_values, retire_keys, note_backup, note_refusal, open_console}
"""They do what there is to do, or note what was said or done."""
