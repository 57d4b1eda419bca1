"""The queue from the command line: who waits, for how long, with which weight; and what waits."""

import re

from tests.cli.command import Command, execute


def test_who_waits_is_said_of_tenants_and_of_tokens(relay: Command) -> None:
    relay("tenant", "add", "acme", "--quota", "9")
    keys = relay.json("token", "add", "acme", "--queue", "90s")

    changed = relay.json(
        *("tenant", "set", "acme", "--queue", "8m", "--queue-weight", "3", "--room-min", "2")
    )

    assert (changed["queue_s"], changed["queue_weight"], changed["room_min"]) == (480, 3, 2)
    assert "8m, weight 3, least 2" in relay("tenant", "list").stdout
    assert relay.json("token", "list")[0]["queue_s"] == 90
    token = str(keys["id"])
    told = relay("token", "set", token, "--queue", "tenant").stdout
    assert "queue   as its tenant's" in told
    assert "queue   off" in relay("token", "set", token, "--queue", "off").stdout
    assert relay.json("token", "set", token, "--queue", "on")["queue_s"] == 480
    assert relay.json("tenant", "set", "acme", "--queue", "off")["queue_s"] is None
    assert "token.change" in relay("changes", "list").stdout


def test_what_cannot_be_a_wait_is_refused_in_one_sentence(relay: Command) -> None:
    relay("tenant", "add", "acme")
    relay("token", "add", "acme")
    for given in ("soon", "2d", "25h", "-1", "8 m"):
        said = relay.refused("tenant", "set", "acme", "--queue", given, code=2)
        assert f"'{given}' must be a time such as 8m, 30s or 1h, at most a day" in said
        assert given in relay.refused("token", "set", "1", "--queue", given, code=2)
    assert "queue-weight" in relay.refused("tenant", "set", "acme", "--queue-weight", "0", code=2)
    assert "there is no token" in relay.refused("token", "set", "99", "--queue", "on")
    relay("token", "revoke", "1")
    assert "it was revoked" in relay.refused("token", "set", "1", "--queue", "on")
    assert relay.json("tenant", "list")[0]["queue_s"] is None


def test_what_waits_is_checked_and_can_be_released(relay: Command) -> None:
    """A task of a tenant that knows it is found by that id, and said to wait for room."""
    relay("tenant", "add", "acme", "--quota", "9")
    relay("token", "add", "acme")
    execute(
        relay,
        "WITH channel AS (INSERT INTO channels (name, base_url, api_key_sealed, is_sandbox)"
        " VALUES ('main', 'http://kling.test', 'k:x', true) RETURNING id), held AS ("
        " UPDATE accounts SET held_micros = 420000, open_holds = 1), task AS ("
        " INSERT INTO tasks (tenant_id, account_id, token_id, channel_id, endpoint, state,"
        " injected_id, request_id, model, quote, hold_micros, submit_deadline_at, public_id)"
        " SELECT t.id, t.account_id, 1, c.id, 'text2video', 'queued', 'i', 'r', 'kling-v3',"
        " $1::jsonb, 420000, now(), '867283741759111202' FROM channel c, tenants t RETURNING id)"
        " INSERT INTO queue (task_id, body_sealed, channel_ids, until, created_at)"
        " SELECT id, 'k:x', '{}', now() + interval '5 minutes', now() - interval '6 minutes'"
        " FROM task",
        QUOTE,
    )

    checked = relay("check", code=1).stdout
    assert re.search(r"1 create waits for room, the longest for 3[67]\d s", checked), checked
    shown = relay("task", "show", "867283741759111202").stdout
    assert "waits for room on a channel" in " ".join(shown.split())
    assert [row["status"] for row in relay.json("task", "list", "--status", "queued")] == ["queued"]
    relay("task", "release", "1", "--reason", "no need", "--yes")
    row = relay.json("task", "show", "1")
    assert (row["status"], row["ended_via"]) == ("failed", "operator")
    assert relay.json("tenant", "list")[0]["held_micros"] == 0


QUOTE = (
    '{"row": {"endpoint": "text2video", "kind": "units", "units": "3"},'
    ' "wanted": {"endpoint": "text2video"}, "pack": "video",'
    ' "prices": {"video_micros": 140000, "image_micros": 3500}, "list_unit_micros": 140000,'
    ' "unit_micros": "140000", "seconds": 5, "is_open": false, "hold_micros": 420000}'
)
