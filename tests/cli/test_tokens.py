import json

import pytest

from tests.cli.command import Command

BROUGHT = "old-key-of-a-tenant-who-moves-here"


def test_a_token_is_printed_as_json_with_its_secrets(relay: Command) -> None:
    """Exactly these fields, with and without --json; each token is another one."""
    relay("tenant", "add", "acme")

    first = json.loads(relay("token", "add", "acme").stdout)
    second = relay.json("token", "add", "acme")

    assert list(first) == [
        *("id", "tenant", "access_key", "secret_key", "api_key", "is_test", "scope")
    ]
    assert list(second) == list(first)
    assert first["tenant"] == "acme"
    assert first["api_key"].startswith("sk-")
    assert first["api_key"] != second["api_key"]


def test_secrets_are_shown_once(relay: Command) -> None:
    """No list has the secret key or more of the API key than its end."""
    relay("tenant", "add", "acme")
    issued = json.loads(relay("token", "add", "acme").stdout)

    shown = relay("token", "list").stdout + json.dumps(relay.json("token", "list", "acme"))

    assert issued["access_key"] in shown
    assert issued["secret_key"] not in shown
    assert issued["api_key"] not in shown
    assert issued["api_key"][-4:] in shown


def test_an_existing_api_key_is_taken_from_stdin(relay: Command) -> None:
    """A tenant who moves here keeps its key; the same one a second time is refused."""
    relay("tenant", "add", "acme")

    issued = json.loads(
        relay("token", "add", "acme", "--api-key", "-", stdin=f"{BROUGHT}\n").stdout
    )
    message = relay.refused("token", "add", "acme", "--api-key", "-", stdin=BROUGHT)

    assert issued["api_key"] == BROUGHT
    assert "already in use" in message
    assert len(relay.json("token", "list")) == 1


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("short", "20 characters at least"),
        ("has a space in the middle of it", "no white space"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhayJ9.c2lnbmF0dXJl", "looks like a JWT"),
    ],
)
def test_an_api_key_that_cannot_be_taken_is_a_sentence(relay: Command, key: str, said: str) -> None:
    """Exit code 1, nothing written, and the key is not repeated."""
    relay("tenant", "add", "acme")

    message = relay.refused("token", "add", "acme", "--api-key", "-", stdin=key)

    assert said in message
    assert key not in message
    assert relay.json("token", "list") == []


def test_nothing_on_stdin_is_wrong_usage(relay: Command) -> None:
    """Exit code 2: an empty pipe is a mistake, not an empty key."""
    assert "Nothing was given" in relay.refused("token", "add", "acme", "--api-key", "-", code=2)


def test_a_token_is_revoked_once(relay: Command) -> None:
    """The second time says so; one that does not exist is refused."""
    relay("tenant", "add", "acme")
    token_id = str(json.loads(relay("token", "add", "acme").stdout)["id"])

    first = relay.json("token", "revoke", token_id)
    again = relay("token", "revoke", token_id)

    assert first["revoked_at"] is not None
    assert "was revoked before" in again.stderr
    assert relay.json("token", "list")[0]["revoked_at"] == first["revoked_at"]
    assert "there is no token 999" in relay.refused("token", "revoke", "999")
