"""What a tenant's keys, callbacks and prices look like: something of everything that pages show."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from relay.desk.gates import GateChanges, set_gates
from relay.desk.limits import raise_limit, set_limits
from relay.desk.notices import NewPlace, add_notice_place
from relay.desk.sub_tenants import open_sub_tenant
from relay.desk.tenants import issue_webhook_secret
from relay.desk.tokens import change_token, issue_token, rotate_token
from relay.limits.tables import LimitKind
from relay.notices.tables import PlaceKind
from relay.pricing.book import Multiplier
from relay.pricing.edit import set_multiplier
from relay.settings import Settings
from relay.tenants.scope import Scope
from relay.tenants.tokens import IssuedToken
from tests.console.story import MARKUP
from tests.portal.work import add_asset
from tests.relay_app import ACTOR, Relay


async def add_key(
    relay: Relay,
    name: str,
    scope: Scope = Scope.CALL,
    *,
    tenant: str = "acme",
    made_by: int | None = None,
) -> IssuedToken:
    """Issue a token that people call something."""
    async with relay.sessions.begin() as session:
        issued = await issue_token(
            session, ACTOR, tenant, relay.keys, scope=scope, made_by_id=made_by
        )
        await change_token(session, ACTOR, issued.id, name=name)
    return issued


async def add_callback(relay: Relay, text: str, *, tenant: str = "acme") -> str:
    """Have one given up, with a text in all of its places; return what it is called."""
    await relay.rows(
        "INSERT INTO deliveries"
        " (task_id, tenant_id, url, task_status, body, state, attempts, ended_at, reason)"
        " SELECT k.id, t.id, 'https://hooks.example.com/' || $1, 'succeed', $1, 'dead', 1,"
        " now(), $1 FROM tasks k JOIN tenants t ON t.id = k.tenant_id"
        " WHERE t.name = $2 ORDER BY k.id LIMIT 1",
        *(text, tenant),
    )
    row = await relay.row("SELECT id, webhook_id FROM deliveries ORDER BY id DESC LIMIT 1")
    await relay.rows(
        "INSERT INTO delivery_attempts (delivery_id, number, http_status, duration_ms, response)"
        " VALUES ($1, 1, 502, 71, $2)",
        *(row["id"], text),
    )
    return str(row["webhook_id"])


async def tell_of_keys(relay: Relay) -> list[str]:
    """Make it of acme, whose portal token is not there yet, and return all addresses."""
    team = await add_key(relay, f"team {MARKUP}", Scope.MANAGE)
    shop = await add_key(relay, "shop", made_by=team.id)
    await add_key(relay, "accountant", Scope.READ)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    async with relay.sessions.begin() as session:
        allowed = {LimitKind.MONTH: 5_000_000, LimitKind.IN_FLIGHT: 3, LimitKind.TASK: 900_000}
        for whose in ({"token_id": shop.id}, {"tenant": "acme"}):
            await set_limits(session, ACTOR, allowed, zone=UTC, **whose)
        await raise_limit(
            *(session, ACTOR, LimitKind.MONTH, 9_000_000), until=tomorrow, tenant="acme"
        )
        gates = GateChanges(
            expires_at=datetime.now(UTC) + timedelta(days=30),
            addresses=["203.0.113.0/24"],
            models=["kling-v3"],
        )
        await set_gates(session, ACTOR, gates, token_id=shop.id)
        await rotate_token(session, ACTOR, shop.id, relay.keys)
        await open_sub_tenant(session, ACTOR, "acme", "eu west", resale=Decimal("1.3"))
        await set_limits(
            *(session, ACTOR, {LimitKind.DAY: 50_000_000}), tenant="acme/eu west", zone=UTC
        )
        await issue_webhook_secret(session, ACTOR, "acme", relay.keys, may_rotate=True)
        wanted = NewPlace(kind=PlaceKind.WEBHOOK, to="https://hooks.example.com/notices")
        place = await add_notice_place(
            session, ACTOR, "acme", wanted, relay.keys, settings=Settings()
        )
        await set_multiplier(session, Multiplier(times=Decimal("1.25"), valid_from=tomorrow))
    relay.read_anew()
    await relay.rows("UPDATE tenants SET keep_results_days = 90 WHERE name = 'acme'")
    asset = await add_asset(relay, "acme")
    await add_asset(relay, "acme", "deleted")
    callback = await add_callback(relay, MARKUP)
    there = "/tokens/tenants/eu%20west"
    calculator = "/prices/calculator?endpoint=text2video&model=kling-v3&mode=std&duration=5"
    return [
        "/tokens",
        "/tokens?all=on",
        "/tokens/make",
        f"/tokens/{shop.id}/rotate",
        f"/tokens/{team.id}/revoke",
        f"/tokens/{shop.id}/limits",
        f"/tokens/{shop.id}/change",
        "/tokens/limits",
        "/tokens/sessions",
        "/tokens/tenants",
        "/tokens/tenants/open",
        *(f"{there}/{act}" for act in ("keys", "change", "close")),
        "/files",
        "/files?state=lost&wrong=kind",
        f"/files/{asset}/delete",
        "/callbacks",
        "/callbacks?state=dead&task=nothing",
        f"/callbacks/{callback}",
        f"/callbacks/{callback}/replay",
        "/callbacks/ping",
        "/callbacks/signature",
        "/callbacks/notices",
        "/callbacks/notices/add",
        f"/callbacks/notices/{place.id}/remove",
        "/prices",
        "/prices?endpoint=text2video&q=kling-v3",
        "/prices?q=nothing",
        "/prices/calculator",
        calculator,
        "/prices/calculator?endpoint=text-to-video",
        "/docs",
    ]
