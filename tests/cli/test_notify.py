"""`relay notify`, as an operator types it."""

import json
import re

from standardwebhooks.webhooks import Webhook

from tests.cli.command import Command, execute
from tests.cli.hooks import hook_answering

TOKEN = "hush-0123456789abcdef0123456789abcdef"[:36]


def test_a_tenant_is_told_where_an_operator_says(relay: Command) -> None:
    """Refused in a sentence until it can be; signed; what did not arrive says why, exit code 1."""
    relay.environ["RELAY_CALLBACK_ALLOW"] = "127.0.0.1"
    assert "No tenant is told anything" in relay("notify", "list").stderr
    relay("tenant", "add", "acme", "--quota", "5")
    with hook_answering(200, 500) as hook:
        given = ("--webhook", f"{hook.url}?key=hush-1", "--lang", "en")
        refusals = [
            relay.refused("notify", "add", "acme", *given),
            relay.refused("notify", "add", "acmee", *given),
            relay.refused("notify", "add", "acme", code=2),
            relay.refused("notify", "add", "acme", *given, "--mail", "a@b.test", code=2),
            relay.refused("notify", "add", "acme", "--mail", "a@b.test", code=2),
            relay.refused("notify", "add", "acme", "--feishu", f"https://x.test/{TOKEN}", code=2),
            relay.refused("notify", "add", "acme", "--dingtalk", "dingtalk://-", code=2),
            relay.refused("notify", "add", "acme", *given, "--events", "quota.lo", code=2),
            relay.refused("notify", "add", "acme", *given, "--low", "-1", code=2),
            relay.refused("notify", "test", "acme"),
            relay.refused("notify", "remove", "7"),
        ]
        secret = relay.json("tenant", "webhook-secret", "acme")["secret"]
        added = relay("notify", "add", "acme", *given, "--low", "12.5").stdout
        tried = relay("notify", "test", "acme").stdout
        failed = relay("notify", "test", "acme", code=1)
    relay(
        "notify", "add", "acme", "--feishu", "-", "--events", "quota.low", stdin=f"feishu://{TOKEN}"
    )
    relay("notify", "add", "acme", "--mail", "ops@acme.test", RELAY_MAIL_URL="mailto://a:b@h.test")
    execute(
        relay,
        "INSERT INTO notices (place_id, event, key, data, state, attempts, error, ended_at)"
        " VALUES (1, 'quota.low', '1', '{}', 'dead', 30, 'HTTP 500', now())",
    )
    listed = relay("notify", "list", "acme").stdout
    shown = relay.json("notify", "list")

    for words, said in zip(
        (
            "no webhook secret: make one first",
            "no tenant 'acmee'",
            "Say one place",
            "Say one place",
            "RELAY_MAIL_URL names no mail server",
            "no address of a bot such as https://open.feishu.cn",
            "no address of DingTalk",
            "Events are quota.low, quota.empty, limit.near",
            "--low",
            "acme has no place to send to",
            "no notice place 7; `relay notify list` shows them",
        ),
        refusals,
        strict=True,
    ):
        assert words in said
    where = re.escape(hook.url.removesuffix("/hook"))
    assert re.fullmatch(
        rf"place 1: acme is told by webhook at {where}; `relay notify test acme` tries it\n", added
    )
    assert tried == f"1  {hook.url.removesuffix('/hook')}  arrived\n"
    assert "HTTP 500" in failed.stdout
    assert "1 of 1 did not arrive" in failed.stderr
    post = hook.posts[0]
    Webhook(secret).verify(post.body, post.headers)
    assert (post.json["type"], post.json["title"]) == ("test", "A test")
    assert re.search(rf"1 +acme +webhook +{where} +en +all +12.5 +- +0 +1 +HTTP 500", listed)
    assert re.search(r"2 +acme +feishu +feishu://open.feishu.cn +zh +quota.low +24 h", listed)
    assert re.search(r"acme +1 +quota.low +dead +30", listed)
    assert shown["places"][0]["shown"] == "o***@acme.test"
    said = json.dumps(shown) + relay("changes", "list", "--json").stdout + listed + added
    assert "hush" not in said + " ".join(refusals)
    (dead,) = (str(row["id"]) for row in shown["notices"])
    assert relay("notify", "replay", dead).stdout == f"notice {dead}: it is due again\n"
    assert "it is due already" in relay.refused("notify", "replay", dead)
    assert "no notice 77" in relay.refused("notify", "replay", "77")
    assert relay("notify", "remove", "2").stdout == (
        "nothing is told at place 2, feishu://open.feishu.cn, any more\n"
    )
