"""From where a task was created."""

from tests.relay_app import running_relay

HERE = "127.0.0.1"
"""Whose requests httpx's transport says that they are."""


async def test_a_task_keeps_the_address_that_its_request_came_from(database_url: str) -> None:
    """A refused one too; with 0 days of keeping none is ever written."""
    async with running_relay(database_url) as relay:
        token = await relay.add_tenant()
        await relay.add_channel()
        assert (await relay.submit(token)).status_code == 200
        await relay.submit(token, {"prompt": "a fox [error 1301]", "model_name": "kling-v3"})
        async with running_relay(database_url, beside=relay, keep_addresses_days=0) as other:
            assert (await other.submit(token)).status_code == 200

        kept = await relay.rows("SELECT state, caller_address AS at FROM tasks ORDER BY id")

    assert [(row["state"] == "refused", row["at"]) for row in kept] == [
        *((False, HERE), (True, HERE), (False, None))
    ]
