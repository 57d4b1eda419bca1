"""Callbacks of a trial are noted by what they are like, and move nothing."""

import json
import time
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from relay.trial.callbacks import read_trial_callbacks
from relay.trial.ids import new_trial_id
from tests.relay_app import Relay, running_relay

SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
OTHER = "whsec_b3RoZXJzZWNyZXRvdGhlcnNlY3JldG90aGVyc2VjcmV0"
BODY = json.dumps(
    {"task_id": "1", "task_status": "succeed", "task_result": {"videos": [{"url": "https://x"}]}}
)


def signed_with(secret: str) -> dict[str, str]:
    at = datetime.now(UTC)
    return {
        "webhook-id": "1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("1", at, BODY),
    }


async def _post(relay: Relay, channel_id: int, injected_id: str, headers: dict[str, str]) -> int:
    url = relay.faces.receiver.paths.url(injected_id, channel_id)
    assert url is not None
    response = await relay.client.post(url, content=BODY, headers=headers)
    return response.status_code


async def test_callbacks_of_a_trial_are_noted_with_their_signature(database_url: str) -> None:
    """Unsigned, right, wrong, and not to be checked; a path that we did not make notes nothing."""
    async with running_relay(database_url, with_callbacks=True) as relay:
        signing = await relay.add_channel(webhook_secret=SECRET)
        plain = await relay.add_channel("plain")
        since, injected_id = time.time(), new_trial_id("r0")

        statuses = [
            await _post(relay, signing, injected_id, {}),
            await _post(relay, signing, injected_id, signed_with(SECRET)),
            await _post(relay, signing, injected_id, signed_with(OTHER)),
            await _post(relay, plain, injected_id, signed_with(SECRET)),
        ]
        forged = await relay.client.post(
            f"/internal/callback/a.{injected_id}~{signing}.b", content=BODY
        )

        async with relay.sessions() as session:
            noted = await read_trial_callbacks(session, injected_id, since=since)
        assert (statuses, forged.status_code) == ([200] * 4, 401)
        assert [one.signature for one in noted] == [
            *("unsigned", "signed, and right", "wrong"),
            "signed; the channel has no webhook secret to check it with",
        ]
        assert {one.status for one in noted} == {"succeed"}
        assert noted[0].fields == ["task_id", "task_result.videos[].url", "task_status"]
        assert not await relay.rows("SELECT 1 FROM tasks")
