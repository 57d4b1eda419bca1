"""Through a relay: a callback URL with credentials, from the submit until it is forgotten."""

from relay.desk.deliveries import replay_delivery
from relay.worker.forget_old import forget_old
from tests.deliveries.bench import AGES
from tests.deliveries.tenant_server import TenantServer
from tests.relay_app import ACTOR, CLIP, bearer, running_relay
from tests.waiting import wait_until

SECRETS = ("s3cret", "t0ken")
LONG_AGO = "now() - interval '31 days'"


async def test_a_credential_in_a_callback_url_is_used_and_kept_from_everybody(
    database_url: str, server: TenantServer
) -> None:
    """The tenant's server gets it whole; rows, lists and the operator's views have stars.

    31 days after its last delivery it is gone: a replay ends at once, and sends nothing.
    """
    url = server.url().replace("http://", "http://me:s3cret@") + "?key=t0ken"
    shown = server.url().replace("http://", "http://***@") + "?***"
    async with running_relay(
        database_url, with_worker=True, callback_allow="127.0.0.0/8", refresh_s=0.2
    ) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        assert (await relay.submit(token, CLIP | {"callback_url": url})).status_code == 200

        async def is_over() -> bool:
            rows = await relay.rows("SELECT state FROM deliveries WHERE task_status = 'succeed'")
            return [row["state"] for row in rows] == ["delivered"]

        await wait_until(is_over)
        kept = await relay.rows(
            "SELECT callback_url AS url FROM tasks UNION ALL SELECT url FROM deliveries"
        )
        listed = await relay.client.get("/relay/deliveries", headers=bearer(token))
        told = len(server.posts)

        await forget_old(relay.sessions, AGES)
        still = await relay.rows("SELECT url FROM deliveries")
        await relay.rows(f"UPDATE tasks SET hold_ended_at = {LONG_AGO}")
        await relay.rows(f"UPDATE deliveries SET ended_at = {LONG_AGO}")
        await forget_old(relay.sessions, AGES)
        blanked = await relay.rows(
            "SELECT callback_url AS url FROM tasks UNION ALL SELECT url FROM deliveries"
        )
        row = await relay.row("SELECT max(id) AS id FROM deliveries")
        async with relay.sessions.begin() as session:
            await replay_delivery(session, ACTOR, str(row["id"]))

        async def is_given_up() -> bool:
            found = await relay.row("SELECT state FROM deliveries WHERE id = $1", row["id"])
            return bool(found["state"] == "dead")

        await wait_until(is_given_up)

    assert server.posts[-1].headers["authorization"].startswith("Basic ")
    assert server.posts[-1].path.endswith("?key=t0ken")
    assert len(kept) > 1
    assert {one["url"].partition(" ")[0] for one in kept} == {shown}
    assert not any(secret in one["url"] for one in kept for secret in SECRETS)
    assert {one["url"] for one in listed.json()["data"]} == {shown}
    assert all(" " in one["url"] for one in still)
    assert {one["url"] for one in blanked} == {shown}
    assert len(server.posts) == told
