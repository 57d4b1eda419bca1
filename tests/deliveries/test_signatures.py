"""Callbacks signed by Standard Webhooks, as a tenant verifies them with the public library."""

import asyncio
import io
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from relay.deliveries.signature import read_secrets, sign
from relay.deliveries.webhook_secrets import issue_secret
from relay.secrets import KeyRing, SecretKeyError, new_secret_key
from tests.deliveries.bench import Bench
from tests.deliveries.tenant_server import Post, TenantServer

SIGNED = {"webhook-id", "webhook-timestamp", "webhook-signature"}


def is_verified(secret: str, post: Post) -> bool:
    try:
        Webhook(secret).verify(post.body, post.headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


async def send_one(bench: Bench, tenant: int, server: TenantServer) -> Post:
    await bench.tell(await bench.add_task(tenant, server.url()), body='{"é":"\\u00e9"}')
    async with bench.worker() as worker:
        await worker.once()
    return server.posts[-1]


async def test_without_a_secret_nothing_is_signed(bench: Bench, server: TenantServer) -> None:
    """As Kling sends none of the headers to an account without a secret."""
    post = await send_one(bench, await bench.add_tenant(), server)

    assert not SIGNED & set(post.headers)


async def test_a_callback_is_signed_with_its_tenants_secret(
    bench: Bench, server: TenantServer
) -> None:
    """The library verifies it, and not with another tenant's secret."""
    acme, beta = await bench.add_tenant(), await bench.add_tenant("beta")
    secret, other = await bench.add_secret(acme), await bench.add_secret(beta)

    post = await send_one(bench, acme, server)

    assert set(post.headers) >= SIGNED
    assert (is_verified(secret, post), is_verified(other, post)) == (True, False)
    assert secret.startswith("whsec_")


async def test_a_rotation_signs_with_both_secrets(bench: Bench, server: TenantServer) -> None:
    """Whoever verifies with the old or the new one is content, for 7 days."""
    tenant = await bench.add_tenant()
    old, new = await bench.add_secret(tenant), await bench.add_secret(tenant)

    post = await send_one(bench, tenant, server)

    assert (is_verified(old, post), is_verified(new, post)) == (True, True)
    assert len(post.headers["webhook-signature"].split()) == 2
    left = await bench.pool.fetchval("SELECT max(expires_at) - now() FROM webhook_secrets")
    assert 6.99 < left.total_seconds() / 86400 <= 7


async def test_an_old_secret_signs_no_more_after_its_time(
    bench: Bench, server: TenantServer
) -> None:
    """Once `expires_at` is past, the new one signs alone."""
    tenant = await bench.add_tenant()
    old, new = await bench.add_secret(tenant), await bench.add_secret(tenant)
    await bench.pool.execute(
        "UPDATE webhook_secrets SET expires_at = now() - interval '1 s'"
        " WHERE expires_at IS NOT NULL"
    )

    post = await send_one(bench, tenant, server)

    assert (is_verified(old, post), is_verified(new, post)) == (False, True)


async def test_a_second_rotation_ends_the_oldest(bench: Bench, server: TenantServer) -> None:
    """There are at most two: a leaked secret is gone after two rotations."""
    tenant = await bench.add_tenant()
    secrets = [await bench.add_secret(tenant) for _ in range(3)]

    post = await send_one(bench, tenant, server)

    assert [is_verified(secret, post) for secret in secrets] == [False, True, True]


async def test_rotations_at_the_same_time_leave_two(bench: Bench) -> None:
    """Five at once: one current secret, one that expires."""
    tenant = await bench.add_tenant()

    await asyncio.gather(*(bench.add_secret(tenant) for _ in range(5)))

    rows = await bench.pool.fetch("SELECT expires_at IS NULL AS is_current FROM webhook_secrets")
    assert sorted(row["is_current"] for row in rows) == [False, True]


async def test_a_secret_is_not_made_twice_by_accident(bench: Bench) -> None:
    """Without leave to rotate, the one there is stays alone."""
    tenant = await bench.add_tenant()
    secret = await bench.add_secret(tenant)

    async with bench.sessions.begin() as session:
        again = await issue_secret(session, tenant, bench.keys, may_rotate=False)
        known = await read_secrets(session, tenant, bench.keys)

    assert (again, known) == (None, [secret])


async def test_a_secret_is_sealed_where_it_is_kept(bench: Bench) -> None:
    """The row has neither the secret nor its key; another key does not open it."""
    tenant = await bench.add_tenant()
    secret = await bench.add_secret(tenant)

    sealed = await bench.pool.fetchval("SELECT secret_sealed FROM webhook_secrets")

    assert secret.removeprefix("whsec_") not in sealed
    async with bench.sessions() as session:
        with pytest.raises(SecretKeyError):
            await read_secrets(session, tenant, KeyRing.parse(new_secret_key()))


async def test_an_old_secret_that_cannot_be_opened_is_passed_over(
    bench: Bench, logged: io.StringIO
) -> None:
    """While both would sign, its key is gone: the new one signs alone, and the log says so."""
    tenant = await bench.add_tenant()
    bench.keys, keys = KeyRing.parse(new_secret_key("k0")), bench.keys
    await bench.add_secret(tenant)
    bench.keys = keys
    secret = await bench.add_secret(tenant)

    async with bench.sessions() as session:
        known = await read_secrets(session, tenant, bench.keys)

    assert known == [secret]
    assert "webhook_secret.unreadable" in logged.getvalue()


async def test_what_cannot_be_signed_is_not_sent(bench: Bench, server: TenantServer) -> None:
    """The operator's key is missing: unsigned it would be a downgrade, so it waits."""
    tenant = await bench.add_tenant()
    await bench.add_secret(tenant)
    bench.keys = KeyRing.parse(new_secret_key())
    told = await bench.tell(await bench.add_task(tenant, server.url()))

    async with bench.worker() as worker:
        await worker.once()

    row = await bench.delivery(told)
    assert (row["state"], row["reason"], server.connections) == ("due", "it cannot be signed", 0)


def test_the_vendors_vector_is_signed_as_the_vendor_signs_it() -> None:
    """Kling's own example (docs/kling-api.md 6) by the same function."""
    body = (
        b'{"id":"1234567890","status":"succeeded","message":"",'
        b'"create_time":1781080778802,"update_time":1781080794151}'
    )
    secret = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
    at = datetime.fromtimestamp(1781080794, UTC)

    headers = sign([secret], webhook_id="9876543210", at=at, body=body)

    assert headers["webhook-timestamp"] == "1781080794"
    assert headers["webhook-signature"] == "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4="
