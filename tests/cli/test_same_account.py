"""One Kling account is one channel, whichever of its keys are given."""

import re

import httpx

from relay.sandbox.settings import DEFAULT_ACCOUNT, Account, SandboxSettings
from tests.cli.command import Command
from tests.cli.test_tasks import put_task
from tests.relay_app import CLIP
from tests.sandbox.conftest import serve_sandbox
from tests.waiting import PATIENCE_S

PAIR = f"{DEFAULT_ACCOUNT.access_key}|{DEFAULT_ACCOUNT.secret_key}"
OTHER = Account("AK-of-another", "SK-of-another", "the-api-key-of-another")


def test_other_keys_of_the_same_account_see_its_tasks(relay: Command) -> None:
    """For `add` and `set`; keys that see no task of a channel are another account's."""
    with serve_sandbox(SandboxSettings(accounts=(DEFAULT_ACCOUNT, OTHER), task_seconds=60)) as url:
        base = ("--base-url", url)
        relay("tenant", "add", "acme", "--quota", "10")
        relay("token", "add", "acme")
        relay("channel", "add", "main", "--key", PAIR, *base)
        relay("channel", "add", "other", "--api-key", OTHER.api_key, *base)
        put_task(relay, 1, kling_id=made_at(url))
        again = ("--api-key", DEFAULT_ACCOUNT.api_key)

        added = relay.refused("channel", "add", "again", *again, *base)
        changed = relay.refused("channel", "set", "other", *again)
        relay("channel", "set", "main", *again)  # its own
        relay("channel", "set", "other", "--key", f"{OTHER.access_key}|{OTHER.secret_key}")
        relay("channel", "set", "main", "--key", PAIR)
        names = [row["name"] for row in relay.json("channel", "list")]

    for said in (added, changed):
        assert re.search("'main' is this Kling account already.*--same-account takes it", said)
    assert names == ["main", "other"]


def made_at(url: str) -> str:
    """Make a task at the sandbox with the account's API key."""
    reply = httpx.post(
        f"{url}/v1/videos/text2video",
        json=CLIP,
        headers={"Authorization": f"Bearer {DEFAULT_ACCOUNT.api_key}"},
        timeout=PATIENCE_S,
    )
    return str(reply.json()["data"]["task_id"])
