"""A key is known by its tenant's name for two seconds more: nothing is done by that name."""

from relay.desk.codes import make_codes
from relay.desk.tenants import TenantChanges, change_tenant
from relay.money import decimal_of
from relay.tenants.scope import Scope
from tests.limits.limiting import read_tokens_anew
from tests.proxy.keys import asked, data, key
from tests.relay_app import ACTOR, CLIP_MICROS, running_relay


async def test_what_is_asked_while_tenants_change_names_is_done_to_who_asks(
    database_url: str,
) -> None:
    """Two tenants have each other's name by now; then one is called as nobody was."""
    async with running_relay(database_url) as relay:
        await relay.add_tenant()
        await relay.add_tenant("other")
        top, stranger = await key(relay, Scope.MANAGE), await key(relay, Scope.MANAGE, "other")
        await data(relay, top, "POST", "/relay/tenants", {"name": "eu"})
        below = await data(relay, top, "POST", "/relay/tenants/eu/tokens", {"scope": "manage"})
        await data(relay, stranger, "GET", "/relay/tokens")

        async def rename(name: str, wanted: str) -> None:
            async with relay.sessions.begin() as session:
                await change_tenant(session, ACTOR, name, TenantChanges(name=wanted))

        async with relay.sessions.begin() as session:
            code, another = await make_codes(
                *(session, ACTOR, "gifts"),
                amount_micros=CLIP_MICROS,
                count=2,
                expires_at=None,
                currency="USD",
            )
        place = {"kind": "wecom", "to": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=abc"}
        for one, wanted in (
            (code, [("acme", "third"), ("other", "acme"), ("third", "other")]),
            (another, [("other", "nobody")]),
        ):
            read_tokens_anew(relay)
            await data(relay, top, "GET", "/relay/tokens")
            for names in wanted:
                await rename(*names)
            listed = await data(relay, top, "GET", "/relay/tokens")
            assert top.id in {token["id"] for token in listed}
            assert (await data(relay, top, "POST", "/relay/redeem", {"code": one.code}))["added"]
            await data(relay, top, "POST", "/relay/tokens", {})
            await data(relay, top, "POST", "/relay/webhook-secret", {"rotate": True})
            await data(relay, top, "POST", "/relay/notices", place)
            await data(relay, top, "POST", "/relay/tenants", {"name": one.code[:5]})
            await data(relay, top, "POST", "/relay/tenants/eu", {"factor": "2"})

        whose = await relay.row("SELECT tenant_id FROM tokens WHERE id = $1", top.id)
        for table in ("webhook_secrets", "notice_places", "codes"):
            rows = await relay.rows(
                f"SELECT DISTINCT tenant_id FROM {table} WHERE tenant_id IS NOT NULL"
            )
            assert [row["tenant_id"] for row in rows] == [whose["tenant_id"]], table
        assert (await data(relay, top, "GET", "/relay/balance"))["quota"] == decimal_of(
            10_000_000 + 2 * CLIP_MICROS
        )
        assert (await asked(relay, stranger, "GET", "/relay/tenants"))[2] == []
        assert below["id"]
