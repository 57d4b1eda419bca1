import json

from relay.desk.roles import ACTS
from tests.cli.command import Command


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
