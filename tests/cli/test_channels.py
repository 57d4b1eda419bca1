import json
import os
import pty
import subprocess
import sys
import termios

import pytest

from relay.channels.checks import normalised_base_url
from relay.sandbox.settings import DEFAULT_ACCOUNT
from tests.cli.command import Command
from tests.waiting import PATIENCE_S, block_until

PAIR = f"{DEFAULT_ACCOUNT.access_key}|{DEFAULT_ACCOUNT.secret_key}"
NOWHERE = "http://127.0.0.1:1"


def test_a_channel_whose_keys_work_is_added(relay: Command, sandbox_url: str) -> None:
    """Both credentials are tried; what is stored shows no key."""
    result = relay(
        *("channel", "add", "main", "--key", PAIR, "--api-key", DEFAULT_ACCOUNT.api_key),
        *("--base-url", f"{sandbox_url}/v1/", "--priority", "5", "--weight", "2"),
    )

    (shown,) = relay.json("channel", "list")
    assert shown["base_url"] == sandbox_url
    assert (shown["has_key_pair"], shown["has_api_key"]) == (True, True)
    assert (shown["priority"], shown["weight"], shown["enabled"]) == (5, 2, True)
    assert f"key pair: {sandbox_url} takes this key" in result.stderr
    assert f"API key: {sandbox_url} takes this key" in result.stderr
    assert "plain http" in result.stderr


def test_no_list_shows_a_secret(relay: Command) -> None:
    """Not the secret key, the API key or the webhook secret, and of the access key the start."""
    secrets = ["access-key-1", "secret-key-1", "api-key-1", "whsec_d2ViaG9vaw=="]
    relay(
        *("channel", "add", "main", "--key", f"{secrets[0]}|{secrets[1]}"),
        *("--api-key", secrets[2], "--webhook-secret", secrets[3]),
        *("--base-url", NOWHERE, "--no-check"),
    )

    shown = relay("channel", "list").stdout + json.dumps(relay.json("channel", "list"))

    assert "acce" in shown
    for secret in secrets:
        assert secret not in shown


@pytest.mark.parametrize("pair", ["AK", "AK|", "|SK", "AK|SK|API", ""])
def test_a_pair_without_its_pipe_is_explained(relay: Command, pair: str) -> None:
    """`--key AK|SK` without quotes arrives as AK alone, before --base-url is even seen."""
    message = relay.refused("channel", "add", "main", "--key", pair, code=2)

    assert "'AK|SK'" in message


def test_keys_come_from_stdin(relay: Command) -> None:
    """`--key - --api-key -` read one line each, in that order."""
    relay(
        *("channel", "add", "main", "--key", "-", "--api-key", "-"),
        *("--base-url", NOWHERE, "--no-check"),
        stdin="AKAKAKAK|SK\nthe-api-key\n",
    )

    (shown,) = relay.json("channel", "list")
    assert (shown["access_key"], shown["has_api_key"]) == ("AKAK…", True)


def test_without_keys_and_without_a_terminal_it_says_what_to_give(relay: Command) -> None:
    """It does not read a pipe that nobody named."""
    message = relay.refused("channel", "add", "main", "--base-url", NOWHERE, code=2)

    assert "Give --key 'AK|SK' or --api-key KEY, or -" in message


def test_on_a_terminal_the_pair_is_asked_for_and_not_shown(relay: Command) -> None:
    """`channel add NAME --base-url URL` prompts; what is typed does not appear."""
    ours, theirs = pty.openpty()
    command = ("channel", "add", "main", "--base-url", NOWHERE, "--no-check")
    with subprocess.Popen(
        [sys.executable, "-m", "relay", *command],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, **relay.environ},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while b"SecretKey" not in shown:
            shown += os.read(ours, 1024)
        block_until(lambda: not termios.tcgetattr(ours)[3] & termios.ECHO)  # told to hide
        os.write(ours, b"TYPEDKEY|TYPEDSECRET\n")
        stdout, _ = process.communicate(timeout=PATIENCE_S)
        shown += os.read(ours, 4096)
    os.close(ours)

    assert process.returncode == 0
    assert b"TYPE\xe2\x80\xa6" in stdout
    assert b"TYPEDSECRET" not in shown + stdout


def test_keys_that_kling_does_not_take_are_not_written(relay: Command, sandbox_url: str) -> None:
    """Exit code 1, Kling's words, and a hint; with --no-check they are written."""
    add = ("channel", "add", "main", "--key", "AK|SK", "--base-url", sandbox_url)

    message = relay.refused(*add)

    assert "does not take this key: HTTP 401, code 1002" in message
    assert "Nothing was written; --no-check writes it without asking" in message
    assert relay.json("channel", "list") == []
    relay(*add, "--no-check")
    assert len(relay.json("channel", "list")) == 1


def test_a_host_that_does_not_answer_is_not_written(relay: Command) -> None:
    """A refused port is a sentence, exit code 1."""
    message = relay.refused("channel", "add", "main", "--key", "A|S", "--base-url", NOWHERE)

    assert f"{NOWHERE} cannot be reached" in message
    assert relay.json("channel", "list") == []


def test_new_keys_are_tried_before_they_replace_working_ones(
    relay: Command, sandbox_url: str
) -> None:
    """`set --key` and `set --base-url` probe; what does not work changes nothing."""
    relay("channel", "add", "main", "--key", PAIR, "--base-url", sandbox_url)

    assert "401" in relay.refused("channel", "set", "main", "--key", "-", stdin="A|S\n")
    assert "cannot be reached" in relay.refused("channel", "set", "main", "--base-url", NOWHERE)

    (shown,) = relay.json("channel", "list")
    assert shown["base_url"] == sandbox_url
    assert shown["access_key"] == "sand…"


def test_a_channel_is_renamed_weighted_and_disabled(relay: Command) -> None:
    """What is not named stays; a name that is taken is refused."""
    for name in ("main", "spare"):
        relay(*("channel", "add", name, "--key", f"{name}|S1", "--base-url", NOWHERE, "--no-check"))

    changed = relay.json("channel", "set", "main", "--priority", "-3", "--rename", "first")
    disabled = relay.json("channel", "disable", "first")

    assert (changed["name"], changed["priority"], changed["weight"]) == ("first", -3, 1)
    assert disabled["enabled"] is False
    assert relay.json("channel", "enable", "first")["enabled"] is True
    assert "already" in relay.refused("channel", "set", "first", "--rename", "spare")
    assert "Say what to change" in relay.refused("channel", "set", "first", code=2)
    assert "did you mean 'first'?" in relay.refused("channel", "disable", "fist")


def test_the_same_name_twice_is_refused(relay: Command) -> None:
    """Exit code 1; the first one stays as it is."""
    add = ("channel", "add", "main", "--key", "A|S", "--base-url", NOWHERE, "--no-check")
    relay(*add)

    assert "there is a channel 'main' already" in relay.refused(*add)


@pytest.mark.parametrize(
    "given",
    [
        ("--key", "AKAK|another"),
        ("--key", "AKAK|SK", "--base-url", "http://127.0.0.1:2"),
        ("--api-key", "the-api-key-of-main"),
        ("--key", "BKBK|SK", "--api-key", "the-api-key-of-main"),
    ],
)
def test_the_same_account_again_is_refused_with_its_name(
    relay: Command, given: tuple[str, ...]
) -> None:
    """By either key, at any host; `--same-account` takes it, for `add` and for `set`."""
    base, check = ("--base-url", NOWHERE), "--no-check"
    relay(
        "channel",
        "add",
        "main",
        "--key",
        "AKAK|SK",
        "--api-key",
        "the-api-key-of-main",
        *base,
        check,
    )
    relay("channel", "add", "other", "--key", "X|Y", *base, check)
    add = ("channel", "add", "again", *base, *given, check)

    said = relay.refused(*add)
    assert "'main' is this Kling account already" in said
    assert "--same-account takes it all the same" in said
    changed = relay.refused("channel", "set", "other", *given, check)
    assert "'main' is this Kling account already" in changed
    relay("channel", "set", "main", *given, check)  # its own

    relay(*add, "--same-account")
    relay("channel", "set", "other", *given, check, "--same-account")
    assert len(relay.json("channel", "list")) == 3


def test_a_channel_is_removed_and_its_name_free(relay: Command) -> None:
    """It is listed with `--removed` only, by the name that history has; nothing is done to it."""
    add = ("channel", "add", "main", "--key", "A|S", "--base-url", NOWHERE, "--no-check")
    relay(*add)

    assert "for good, with its keys? [y/N]" in relay.refused("channel", "remove", "main")
    assert len(relay.json("channel", "list")) == 1
    removed = relay.json("channel", "remove", "main", "--yes")

    assert (removed["name"], removed["enabled"]) == ("main (removed #1)", False)
    assert removed["removed_at"].endswith("Z")
    assert relay.json("channel", "list") == []
    assert [one["id"] for one in relay.json("channel", "list", "--removed")] == [1]
    assert "did you mean 'main (removed #1)'?" in relay.refused("channel", "enable", "main")
    assert "it was removed; nothing was changed" in relay.refused(
        "channel", "enable", "main (removed #1)"
    )
    relay(*add)  # the same keys too
    assert relay.json("channel", "list")[0]["id"] == 2


def test_a_channel_that_is_drained_says_so(relay: Command) -> None:
    """At once, and until it is enabled again."""
    relay("channel", "add", "main", "--key", "A|S", "--base-url", NOWHERE, "--no-check")

    assert "draining" in relay("channel", "drain", "main").stdout
    assert "draining" in relay("channel", "list").stdout
    assert "draining" not in relay("channel", "enable", "main").stdout


def test_other_secret_keys_than_the_stored_ones_are_a_sentence(relay: Command) -> None:
    """A key ring that cannot open what is stored: exit code 2, and the channel is named."""
    relay("channel", "add", "main", "--key", "A|S", "--base-url", NOWHERE, "--no-check")
    other = relay("secret-key").stdout.strip()

    message = relay.refused(
        *("channel", "set", "main", "--base-url", "http://127.0.0.1:2"),
        code=2,
        RELAY_SECRET_KEY=other,
    )

    assert "RELAY_SECRET_KEY: key 'k1' does not open channels/1/secret_key" in message


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("https://api-singapore.klingai.com", "https://api-singapore.klingai.com"),
        ("https://api-singapore.klingai.com/", "https://api-singapore.klingai.com"),
        (" https://API-Singapore.klingai.com/v1/ ", "https://api-singapore.klingai.com"),
        ("http://127.0.0.1:8701//v1//", "http://127.0.0.1:8701"),
        ("https://gateway.example.com/kling/v1", "https://gateway.example.com/kling"),
        ("http://[::1]:8701/", "http://[::1]:8701"),
    ],
)
def test_a_base_url_loses_what_clients_put_behind_the_host(text: str, normalised: str) -> None:
    """No trailing slash, no `/v1`: the paths bring their own."""
    assert normalised_base_url(text) == normalised


@pytest.mark.parametrize(
    "text",
    [
        *("api-singapore.klingai.com", "ftp://api.klingai.com", "https://", "https://a:b@host"),
        *("https://host/?x=1", "https://host:99999", "https://ho st", "https://hôst"),
    ],
)
def test_what_is_no_base_url_is_wrong_usage(relay: Command, text: str) -> None:
    """Exit code 2, with a sentence."""
    message = relay.refused("channel", "add", "main", "--key", "A|S", "--base-url", text, code=2)

    assert "Invalid value for '--base-url'" in message
