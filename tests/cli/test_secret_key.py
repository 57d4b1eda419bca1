"""The operator's secret key: made, noticed when it is another one, and changed for the next."""

from relay.desk.secret_keys import VALUES_AT_ONCE
from relay.secrets import new_secret_key
from tests.cli.command import Command, execute
from tests.cli.test_tasks import put_task


def test_a_key_is_rotated_by_what_the_commands_say(relay: Command) -> None:
    """In front, rotate, drop: then the new one alone opens all, and the old one is a stranger."""
    old, fresh = str(relay.environ["RELAY_SECRET_KEY"]), new_secret_key("k2")
    relay("tenant", "add", "acme")
    relay("token", "add", "acme")
    relay("tenant", "webhook-secret", "acme")
    relay(
        "channel", "add", "main", "--api-key", "x", "--base-url", "http://127.0.0.1:1", "--no-check"
    )
    put_task(relay, 1)

    said = relay("secret-key", "rotate", RELAY_SECRET_KEY=f"{fresh},{old}").stdout
    execute(relay, "UPDATE tasks SET created_at = now()")
    later = relay("secret-key", "rotate", RELAY_SECRET_KEY=f"{fresh},{old}").stdout
    again = relay.json("secret-key", "rotate", RELAY_SECRET_KEY=fresh)
    refused = relay.refused("token", "add", "acme", code=2)
    changes = relay.json("changes", "list", "--act", "secret_key")

    assert said == (
        "sealed anew with 'k2': 3\n"
        "'k1' seals nothing any more; keep it while 1 tasks live that began before\n"
    )
    assert later == "sealed anew with 'k2': 0\n'k1' can be dropped from RELAY_SECRET_KEY\n"
    assert (again["resealed"], again["unreadable"]) == (0, [])
    assert "sealed by 'k2', and no such key is in it" in refused
    assert {change["act"] for change in changes} == {"secret_key.reseal", "secret_key.retire"}


def test_a_wrong_key_stops_every_process_at_its_start(relay: Command) -> None:
    """Exit code 2 and a sentence, before it listens; and no command seals with it."""
    relay("tenant", "add", "acme")
    relay("token", "add", "acme")
    wrong = new_secret_key("k1")

    for command in (("serve", "--port", "0"), ("worker",), ("token", "add", "acme")):
        said = relay.refused(*command, code=2, RELAY_SECRET_KEY=wrong)
        assert "RELAY_SECRET_KEY: key 'k1' is not the one that sealed" in said


def test_a_lost_key_is_given_up_by_name(relay: Command) -> None:
    """What it sealed is named (exit code 1), and may be entered anew with the next one.

    Also of more rows than one transaction has; of the many, some are named.
    """
    relay("tenant", "add", "acme")
    relay("token", "add", "acme")
    execute(
        relay,
        "INSERT INTO webhook_secrets (tenant_id, secret_sealed, expires_at)"
        f" SELECT 1, 'k1:x', now() FROM generate_series(1, {VALUES_AT_ONCE + 1})",
    )
    relay = Command({**relay.environ, "RELAY_SECRET_KEY": new_secret_key("k2")})

    before = relay.refused("token", "add", "acme", code=2)
    rotated = relay("secret-key", "rotate", "--lost", "k1", code=1)
    said = " ".join(rotated.stderr.replace("│", " ").split())
    relay("token", "add", "acme")

    assert "relay secret-key rotate --lost k1" in before
    assert f"'k1' still seals {VALUES_AT_ONCE + 2} values\n" in rotated.stdout
    assert f"no key opens {VALUES_AT_ONCE + 2} values (tokens.secret_key_sealed of 1, " in said
    assert "webhook_secrets.secret_sealed of 4, …): enter them anew" in said
