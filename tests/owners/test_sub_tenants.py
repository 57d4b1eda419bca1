"""T4 between a parent and its sub-tenants: it sees theirs, and they nothing of it or each other."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.desk.gates import GateChanges, set_gates
from relay.desk.money import add_quota
from relay.desk.pauses import end_pause, pause_creates
from relay.desk.tenants import TenantChanges, change_tenant, issue_webhook_secret
from relay.desk.tokens import issue_token
from relay.tenants.scope import Scope
from relay.tenants.tokens import IssuedToken
from tests.clones import cloned
from tests.limits.limiting import limit, read_tokens_anew, sub_tenant
from tests.proxy.keys import asked, data, key
from tests.relay_app import ACTOR, CLIP, CLIP_MICROS, TEXT2VIDEO, Relay, bearer, fixture_relay
from tests.waiting import wait_until

PAGE = {"start_time": 1, "end_time": 4102444800000}
CLIP_PRICE, OWN_PRICE = Decimal(CLIP_MICROS) / 1_000_000, Decimal("0.546")
HOOK = "https://hooks.example.com/kling"
QUOTA = 7_654_321
"""In micros; no sum that a sub-tenant is told may have these digits."""


class House(NamedTuple):
    """A parent with two sub-tenants, each with a task that ended and keys of two scopes."""

    relay: Relay
    parent: IssuedToken
    looks: IssuedToken
    """The parent's, at everything."""
    eu: IssuedToken
    eu_reads: IssuedToken
    us: IssuedToken
    tasks: dict[str, str]
    """Of each the id that it knows."""


@pytest.fixture(scope="module")
async def house(postgres_server: EmbeddedPostgres, template: str) -> Any:
    async with cloned(postgres_server, template) as url, fixture_relay(url) as relay:
        await relay.add_channel()
        parent = await relay.add_tenant(quota_micros=QUOTA)
        eu, us = [await sub_tenant(relay, name, "1.3") for name in ("eu", "us")]
        looks, reads = await key(relay, Scope.READ), await key(relay, Scope.READ, "acme/eu")
        tokens = (parent, eu, us)
        made = await asyncio.gather(*(make(relay, token) for token in tokens))
        tasks = {token.tenant: task for token, task in zip(tokens, made, strict=True)}
        yield House(relay, parent, looks, eu, reads, us, tasks)
        assert (await relay.audit()).ok


def external_id(tenant: str) -> str:
    return f"mine-{tenant.replace('/', '-')}"


async def make(relay: Relay, token: IssuedToken) -> str:
    """Make one task and see it end."""
    body = CLIP | {"external_task_id": external_id(token.tenant), "callback_url": HOOK}
    task: str = (await data(relay, token, "POST", TEXT2VIDEO, body))["task_id"]

    async def has_ended() -> bool:
        shown = await data(relay, token, "GET", f"{TEXT2VIDEO}/{task}")
        return bool(shown["task_status"] == "succeed")

    await wait_until(has_ended)
    return task


async def test_no_path_of_klings_shows_one_the_task_of_another(house: House) -> None:
    """Neither way: on Kling's own paths a parent's keys are its own alone, as its sub-tenants'."""
    for token in (house.parent, house.eu, house.us):
        for owner, task in house.tasks.items():
            for id_ in (task, external_id(owner)):
                for path in (TEXT2VIDEO, "/v1/videos", "/videos"):
                    told = await house.relay.get(token, id_, path=path)
                    assert told.status_code == (200 if owner == token.tenant else 400)
        listed = await data(house.relay, token, "GET", TEXT2VIDEO)
        assert [one["task_id"] for one in listed] == [house.tasks[token.tenant]]


async def test_a_sub_tenant_is_told_of_its_own_alone_at_its_own_price(house: House) -> None:
    """Of every path that tells of money or tasks, by keys of both scopes."""
    relay = house.relay
    for token in (house.eu, house.eu_reads):
        balance = await data(relay, token, "GET", "/relay/balance")
        used = await data(relay, token, "GET", "/relay/usage?by=tenant&by=day")
        entries = await data(relay, token, "GET", "/relay/entries")
        costs = await data(relay, token, "GET", "/account/costs?start_time=1&end_time=9")
        lines = [
            await data(relay, token, "POST", f"/account/billing/{page}", PAGE)
            for page in ("package", "balance")
        ]
        limits = await data(relay, token, "GET", "/relay/limits")
        prices = await data(relay, token, "GET", "/relay/prices?endpoint=text2video")
        quoted = await data(
            relay, token, "POST", "/relay/quote", {"path": TEXT2VIDEO, "body": CLIP}
        )
        task = await data(relay, token, "GET", f"/relay/tasks/{house.tasks['acme/eu']}")
        shown = await data(relay, token, "GET", f"{TEXT2VIDEO}/{house.tasks['acme/eu']}")
        moved = (await relay.client.get("/api/usage/token/", headers=bearer(token))).json()["data"]

        assert balance.pop("currency") == "USD"
        assert balance.pop("held") == "0"
        assert set(balance.values()) == {None}
        assert [(one["tenant"], one["charged"]) for one in used["usage"]] == [(None, "0.546")]
        assert [(one["amount"], one["quota_after"]) for one in entries["entries"]] == [
            ("-0.546", None)
        ]
        assert "resource_pack_subscribe_infos" not in costs
        assert [page["result"]["detail"][0]["deduction_amount"] for page in lines] == [3.9, 0.546]
        assert [len(page["result"]["detail"]) for page in lines] == [1, 1]
        assert "before" not in str(lines)
        assert (limits["limits"], limits["let_in"]) == ([], [])
        paid = next(one for one in prices["prices"] if one["model"] is None or "v3" in str(one))
        assert paid["per"] == "second"
        assert (quoted["hold"], quoted["final_unit_deduction"]) == ("0.546", "3.9")
        assert (quoted["price"]["unit_price"], quoted["whose"]) == ("0.182", "your provider's")
        assert (task["charged"], task["tenant"]) == ("0.546", None)
        assert shown["final_unit_deduction"] == "3.9"
        assert (moved["total_used"], moved["unlimited_quota"]) == (273_000, True)
        everything = str((balance, used, entries, costs, lines, limits, prices, quoted, moved))
        assert "7.65" not in everything
        for other in ("acme", "acme/us"):
            assert (await asked(relay, token, "GET", f"/relay/tasks/{house.tasks[other]}"))[1] == (
                1201
            )
    assert (await asked(relay, house.eu_reads, "GET", "/relay/statement"))[:2] == (403, 1103)


async def test_a_parent_is_told_of_its_sub_tenants_by_name_at_what_it_pays(house: House) -> None:
    """By keys that look at everything alone; its usage, entries, lines and statement add up."""
    relay, looks = house.relay, house.looks
    used = await data(relay, looks, "GET", "/relay/usage?by=tenant")
    entries = await data(relay, looks, "GET", "/relay/entries")
    balance = await data(relay, looks, "GET", "/relay/balance")
    stated = await data(relay, looks, "GET", "/relay/statement")
    lines = await data(relay, looks, "POST", "/account/billing/balance", PAGE)
    own = await data(relay, house.parent, "GET", "/relay/entries")

    told = {one["tenant"]: (one["charged"], one.get("resold")) for one in used["usage"]}
    assert told == {None: ("0.42", None), "eu": ("0.42", "0.546"), "us": ("0.42", "0.546")}
    assert {one["tenant"] for one in entries["entries"]} == {None, "eu", "us"}
    assert sum(Decimal(one["amount"]) for one in entries["entries"]) == Decimal(balance["quota"])
    assert {one["tenant"]: one["amount"] for one in stated["charges"]} == dict.fromkeys(
        (None, "eu", "us"), "-0.42"
    )
    assert len(lines["result"]["detail"]) == 4
    assert [one["kind"] for one in own["entries"]] == ["charge", "topup"]
    for name in ("eu", "us"):
        task = house.tasks[f"acme/{name}"]
        shown = await data(relay, looks, "GET", f"/relay/tasks/{task}")
        assert (shown["tenant"], shown["charged"]) == (name, "0.42")
        theirs = external_id(f"acme/{name}")
        assert (await asked(relay, looks, "GET", f"/relay/tasks/{theirs}"))[1] == 1201
        assert (await asked(relay, house.parent, "GET", f"/relay/tasks/{task}"))[1] == 1201


async def test_a_sub_tenant_is_bounded_by_its_parent_and_not_told_by_what(house: House) -> None:
    """Its gates, its being let in, its channels: refused as it would be by its own, without a word.

    Its own limits are told at its own price, and what is left of them is what it may spend.
    """
    relay = house.relay

    async def code() -> tuple[int, int, Any]:
        read_tokens_anew(relay)
        return await asked(relay, house.eu, "POST", TEXT2VIDEO, CLIP)

    async def bound(**changes: Any) -> None:
        async with relay.sessions.begin() as session:
            await set_gates(session, ACTOR, GateChanges(**changes), tenant="acme")

    await bound(models=["kling-v2-5-turbo"], expires_at=datetime.now(UTC) + timedelta(days=3))
    assert (await code())[:2] == (403, 1103)
    assert (await data(relay, house.eu, "GET", "/relay/limits"))["let_in"] == []
    await bound(models=None)
    await relay.rows("UPDATE tenants SET expires_at = now() WHERE name = 'acme'")
    assert await code() == (401, 1000, "Authentication failed")
    await bound(expires_at=None)
    for enabled in (False, True):
        async with relay.sessions.begin() as session:
            await change_tenant(session, ACTOR, "acme", TenantChanges(enabled=enabled))
        assert (await code())[1] == (0 if enabled else 1000)
    async with relay.sessions.begin() as session:
        await change_tenant(session, ACTOR, "acme/eu", TenantChanges(shows_quote=True))
    read_tokens_anew(relay)
    assert (await relay.submit(house.eu)).headers["x-relay-quote"] == "0.546"
    async with relay.sessions.begin() as session:
        paused = await pause_creates(session, ACTOR, reason="it moves", tenant="acme")
    relay.parts.tasks.submitter._chooser._pauses.forget()  # noqa: SLF001 (instead of 2 s)
    assert (await code())[:2] == (503, 5001)
    async with relay.sessions.begin() as session:
        await end_pause(session, ACTOR, paused.id)
    relay.parts.tasks.submitter._chooser._pauses.forget()  # noqa: SLF001
    await limit(relay, tenant="acme/eu", month=3_000_000)
    await limit(relay, tenant="acme", total=1_000_000_000)
    told = await data(relay, house.eu_reads, "GET", "/relay/limits")
    assert [(one["kind"], one["taken"], one["left"]) for one in told["limits"]] == [
        ("month", "1.638", "1.362")
    ]
    assert (await data(relay, house.eu, "GET", "/relay/balance"))["available"] == "1.362"
    await limit(relay, tenant="acme/eu", month=None)
    await limit(relay, tenant="acme", total=None)


async def test_callbacks_and_keys_are_each_ones_own(house: House) -> None:
    """Deliveries, secrets and numbers of keys: another's do not exist."""
    relay = house.relay
    async with relay.sessions.begin() as session:
        await issue_webhook_secret(session, ACTOR, "acme/us", relay.keys, may_rotate=False)
        manage = await issue_token(session, ACTOR, "acme/eu", relay.keys, scope=Scope.MANAGE)
        await add_quota(
            *(session, ACTOR, "acme"), amount_micros=1, currency="USD", reference="more"
        )
    told = await relay.rows(
        "SELECT d.tenant_id, t.name, d.body FROM deliveries d JOIN tenants t ON t.id = d.tenant_id"
        " WHERE d.task_status = 'succeed'"
    )
    assert {row["name"]: '"final_unit_deduction":"3.9"' in row["body"] for row in told} == {
        "acme": False,
        "acme/eu": True,
        "acme/us": True,
    }
    for token in (house.eu, house.us, house.parent, house.looks):
        seen = await data(relay, token, "GET", "/relay/deliveries")
        assert {one["task_id"] for one in seen} == {house.tasks[token.tenant]}
    for other in (house.parent, house.us, house.looks):
        revoked = await asked(relay, manage, "POST", f"/relay/tokens/{other.id}/revoke")
        assert revoked[1] == 1201
    listed = await data(relay, manage, "GET", "/relay/tokens")
    assert {one["id"] for one in listed} == {house.eu.id, house.eu_reads.id, manage.id}
    await asyncio.gather(*(data(relay, t, "GET", "/relay/queue") for t in (house.eu, house.us)))
