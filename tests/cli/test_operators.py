import json
import os
import re
import subprocess
import sys

import pyotp

from relay.desk.roles import ACTS
from tests.cli.command import Command, execute
from tests.waiting import PATIENCE_S


def test_an_operator_is_added_changed_and_removed(relay: Command) -> None:
    """Its role and ceilings are listed; its name is free once it is gone, and history keeps it."""
    relay("operator", "add", "ann", "--role", "owner")
    said = relay("operator", "add", "ben", "--role", "support", "--ceiling", "task.refund=50")
    assert said.stdout == "operator ben: support, USD in 24 hours at most: task.refund=50\n"
    relay("operator", "set", "ben", "--ceiling", "task.refund=role", "--role", "finance")

    (ann, ben) = relay.json("operator", "list")
    assert (ann["name"], ann["role"]) == ("ann", "owner")
    assert (ben["name"], ben["role"], ben["ceilings_micros"]) == ("ben", "finance", {})
    message = relay.refused("operator", "add", "ben", "--role", "viewer")
    assert "`relay operator set` changes it" in message
    assert "did you mean 'ben'" in relay.refused("operator", "set", "bem", "--role", "viewer")

    relay("operator", "remove", "ben", "--yes")
    assert [one["name"] for one in relay.json("operator", "list")] == ["ann"]
    gone = relay.json("operator", "list", "--removed")[-1]
    assert gone["name"] == f"ben (removed #{gone['id']})"
    acts = [one["act"] for one in relay.json("changes", "list", "--act", "operator")]
    assert acts == ["operator.remove", "operator.change", "operator.add", "operator.add"]


def test_what_an_operator_cannot_be_given_is_a_sentence(relay: Command) -> None:
    """And nothing is written."""
    added = ("operator", "add", "ben", "--role", "support", "--ceiling")

    assert "is not like task.refund=50" in relay.refused(*added, "task.refund", code=2)
    assert "task.refunt' has no ceiling; these have: code.make," in relay.refused(
        *added, "task.refunt=5"
    )
    assert "may not do tenant.top_up at all" in relay.refused(*added, "tenant.top_up=5")
    assert "Say what is to be changed" in relay.refused("operator", "set", "ben", code=2)
    assert relay.json("operator", "list") == []


def test_a_token_is_printed_once_and_ends(relay: Command) -> None:
    """It is JSON, with and without --json; no list has more of it than its end."""
    relay("operator", "add", "ann", "--role", "owner")
    issued = json.loads(relay("operator", "token", "add", "ann").stdout)
    bound = relay.json("operator", "token", "add", "ann", "--expires", "90d", "--ip", "10.1.0.0/16")

    assert list(issued) == ["id", "operator", "role", "token", "expires_at", "addresses"]
    assert issued["token"].startswith("ro-")
    assert bound["addresses"] == ["10.1.0.0/16"]
    shown = relay("operator", "token", "list").stdout
    (first, second) = relay.json("operator", "token", "list", "ann")
    assert issued["token"] not in shown + json.dumps(first)
    assert first["hint"] == issued["token"][-4:]
    assert (second["expires_at"] is None, second["revoked_at"]) == (False, None)
    refused = ("operator", "token", "add", "ann")
    assert "is no address or network" in relay.refused(*refused, "--ip", "10.1")
    assert "its end has passed" in relay.refused(*refused, "--expires", "2020-01-01")

    assert "was revoked at" in relay("operator", "token", "revoke", "1").stdout
    assert "was revoked before" in relay("operator", "token", "revoke", "1").stderr
    assert "`relay operator token list` shows them" in relay.refused(
        "operator", "token", "revoke", "9"
    )


def test_the_table_of_roles_is_printed(relay: Command) -> None:
    """Each act in a line, with the ceilings of each role."""
    table = relay("operator", "roles").stdout
    lines = {line.split()[0]: line for line in table.splitlines() if line.strip()}

    assert lines.keys() >= ACTS.keys()
    assert lines["task.refund"].split() == [
        *("task.refund", "yes", "1000", "USD", "yes", "100", "USD", "-")
    ]
    assert relay.json("operator", "roles")["task.refund"]["support"] == {
        "ceiling_micros": 100_000_000
    }


def test_how_an_operator_enters_the_office(relay: Command) -> None:
    """A password from a pipe, a second factor once its code is right; both can be taken away."""
    relay("operator", "add", "ann", "--role", "owner")

    short = relay.refused("operator", "password", "ann", stdin="too short\n")
    assert "a password has at least 10 characters; nothing was changed" in short
    assert "too short" not in short
    assert "did you mean 'ann'" in relay.refused("operator", "password", "anm", stdin="")
    set_ = relay("operator", "password", "ann", stdin="correct horse battery\n")
    assert set_.stdout == "operator ann has a new password; 0 sessions ended\n"

    (ann,) = relay.json("operator", "list")
    assert (ann["has_password"], ann["has_second_factor"]) == (True, False)

    wrong = relay("operator", "second-factor", "ann", stdin="000000\n", code=1)
    assert "that is not the code of now: nothing was changed" in " ".join(wrong.stderr.split())
    assert relay.json("changes", "list", "--act", "operator.set_second_factor") == []
    uri, secret, *_ = wrong.stdout.splitlines()
    assert uri.startswith("otpauth://totp/Kling%20Relay:ann?secret=")
    assert secret.removeprefix("secret: ") in uri
    gone = relay.json("operator", "second-factor", "ann", "--remove")
    assert gone == {"name": "ann", "has_second_factor": False}

    opened = "INSERT INTO web_sessions (session_hash, {}, address, agent) VALUES ($1, {}, $2, $3)"
    execute(relay, opened.format("operator_id", "1"), b"1", "10.1.2.3", "Firefox")
    execute(relay, opened.format("machine_user", "'root'"), b"2", "127.0.0.1", "")
    table = relay("operator", "sessions").stdout
    assert "root (of the machine)" in table
    (row,) = relay.json("operator", "sessions", "ann")
    assert (row["name"], row["address"], row["agent"]) == ("ann", "10.1.2.3", "Firefox")
    ended = relay("operator", "log-out", "ann").stdout
    assert ended == "operator ann is logged out: 1 session ended\n"
    assert relay.json("operator", "log-out", "ann") == {"name": "ann", "sessions_ended": 0}
    gone = relay.json("operator", "password", "ann", "--remove")
    assert gone == {"name": "ann", "has_password": False, "sessions_ended": 0}


def test_a_second_factor_is_set_by_a_code_of_its_app(relay: Command) -> None:
    """Whoever pipes reads the secret first; a terminal hides what is typed."""
    relay("operator", "add", "ann", "--role", "owner")
    with subprocess.Popen(
        [sys.executable, "-m", "relay", "operator", "second-factor", "ann"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **relay.environ},
    ) as command:
        assert command.stdout is not None
        uri = command.stdout.readline().strip()
        app = pyotp.parse_uri(uri)
        assert isinstance(app, pyotp.TOTP)
        said, _ = command.communicate(app.now() + "\n", timeout=PATIENCE_S)

    assert command.returncode == 0
    assert said.splitlines()[-1] == "operator ann is asked for a code from now on"
    (change,) = relay.json("changes", "list", "--act", "operator.set_second_factor")
    assert change["after"] == {"has_second_factor": True}
    assert app.secret not in json.dumps(change)
    assert relay.json("operator", "list")[0]["has_second_factor"]


def test_the_console_is_opened_by_a_link(relay: Command) -> None:
    """One line, of the office's address; it is good once, which the relay that serves it sees."""
    said = relay("console", "open", RELAY_OFFICE_HOST="0.0.0.0", RELAY_OFFICE_PORT="8791")
    (line,) = said.stdout.splitlines()
    of_v6 = relay.json("console", "open", RELAY_OFFICE_HOST="::1")

    assert re.fullmatch(r"http://localhost:8791/console/enter\?key=[\w-]{43}", line)
    assert "good once, for ten minutes" in said.stderr
    assert of_v6["link"].startswith("http://[::1]:8790/console/enter?key=")
    noted = json.dumps(relay.json("changes", "list"))
    assert noted.count("console.open") == 2
    assert line.rpartition("=")[2] not in noted
