"""`relay template try` against a relay on a socket: it runs to its end, and costs nothing."""

import json
import socket
import sys
from pathlib import Path

from relay.channels.groups import TEST
from relay.desk.tokens import issue_token
from tests.relay_app import ACTOR, Relay
from tests.studio.asking import PICTURE
from tests.studio.test_examples import origin_of, run, serving

GIVEN = (f"from_image_url={PICTURE}", f"to_image_url={PICTURE}?2", "style=wild")


async def test_a_workflow_is_tried_to_its_end_and_nothing_is_charged(
    studio: Relay, tmp_path: Path
) -> None:
    """With a key for tests; with any other it is told what it would cost, and nothing is begun."""
    await studio.add_channel("tests")
    await studio.rows("UPDATE channels SET groups = ARRAY[$1] WHERE name = 'tests'", TEST)
    await studio.channels_changed()
    real = await studio.add_tenant("tries")
    async with studio.sessions.begin() as session:
        key = await issue_token(session, ACTOR, "tries", studio.keys, is_test=True)
    here = socket.create_server(("127.0.0.1", 0))
    tried = (sys.executable, "-m", "relay", "template", "try", "transition-light")
    named = ("--url", origin_of(here))

    async with serving(studio.app, here):
        said = await run(tmp_path, *tried, *named, "--json", "--key", key.api_key, *GIVEN)
        refused = await run(tmp_path, *tried, *named, "--key", real.api_key, *GIVEN, code=1)

    ended = json.loads(said)
    assert (ended["status"], ended["charged"]) == ("completed", "0")
    assert [step["state"] for step in ended["steps"]] == ["done"]
    assert ended["output_url"].startswith("http")
    assert "would cost up to" in " ".join(refused.replace("│", " ").split())
    rows = await studio.rows(
        "SELECT t.token_id, t.charged_micros FROM tasks t JOIN tenants n ON n.id = t.tenant_id"
        " WHERE n.name = 'tries'"
    )
    assert [tuple(row) for row in rows] == [(key.id, 0)]
