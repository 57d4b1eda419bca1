"""`relay alert`, as an operator types it."""

import re
from collections.abc import Iterator

import pytest

from tests.cli.command import Command, execute
from tests.cli.hooks import hook_answering
from tests.sandbox.receiver import Receiver

OLD = "UPDATE deployment SET created_at = now() - interval '3 days'"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with hook_answering(200, 500) as receiver:
        yield receiver


def test_a_place_is_added_tried_and_removed(relay: Command, hook: Receiver) -> None:
    """Its token is nowhere to be seen; what did not arrive says why, and is exit code 1."""
    shown = hook.url.replace("http://", "json://").removesuffix("/hook")
    assert "no place to send to" in relay.refused("alert", "test")
    warned = [one for one in relay.json("check", code=1)["findings"] if one["subject"] == "alerts"]
    assert [one["level"] for one in warned] == ["warning"]
    added = relay("alert", "add", "-", "--least", "page", stdin=f"{shown}/hush-1?+Key=hush-2")
    listed = relay("alert", "list")
    tried = relay("alert", "test").stdout
    failed = relay("alert", "test", code=1)
    after = relay.json("alert", "list")["places"]
    said = relay("changes", "list", "--json").stdout + added.stdout + listed.stdout + tried
    removed = relay("alert", "remove", "1").stdout

    assert added.stdout == f"place 1, {shown}, gets what pages; `relay alert test` tries it\n"
    assert re.search(rf"1 +{re.escape(shown)} +pages", listed.stdout)
    assert tried == f"1  {shown}  arrived\n"
    assert "500" in failed.stdout
    assert "1 of 1 did not arrive" in failed.stderr
    assert hook.posts[0].json["title"].endswith("TEST: a message of `relay alert test`")
    assert [place["shown"] for place in after] == [shown]
    assert "hush" not in said + failed.stdout + failed.stderr
    assert removed == f"nothing goes to place 1, {shown}, any more\n"
    assert "there is no alert place 1" in relay.refused("alert", "remove", "1")


def test_rules_are_listed_muted_and_bound(relay: Command) -> None:
    """Before a worker ran too; an operator's bound is marked; a slip is a sentence."""
    listed = relay("alert", "list")
    assert "No worker has judged them yet" in listed.stderr
    assert "Nobody is told: `relay alert add URL` adds a place." in listed.stderr
    assert re.search(r"backup-old +ticket +unjudged +- +- +- +above 48 hours", listed.stdout)
    muted = relay("alert", "mute", "backup-old", "--until", "2h").stdout
    relay("alert", "set", "backup-old", "--above", "72", "--pause", "60")
    relay("alert", "set", "units-low", "--below", "7")
    rules = {rule["name"]: rule for rule in relay.json("alert", "list")["rules"]}
    execute(
        relay,
        "UPDATE alert_rules SET is_firing = true, checked_at = now(),"
        """ found = '{"main": "code 1102"}', error = 'away' WHERE name = 'backup-old'""",
    )
    firing = relay("alert", "list").stdout
    found = [one for one in relay.json("check", code=1)["findings"] if one["subject"] == "alerts"]
    relay("alert", "unmute", "backup-old")
    relay("alert", "set", "backup-old", "--default")
    again = {rule["name"]: rule for rule in relay.json("alert", "list")["rules"]}

    assert muted.startswith("nothing is sent of backup-old until 20")
    assert rules["backup-old"]["bound"] == "72"
    assert (rules["backup-old"]["pause_s"], rules["backup-old"]["is_own"]) == (3600, True)
    assert rules["backup-old"]["muted_until"] is not None
    assert rules["units-low"]["bound"] == "7"
    assert firing.splitlines()[2].startswith("backup-old")
    assert "\nbackup-old: The last backup is old\n  main: code 1102\n" in firing
    assert "\nbackup-old could not be judged: away\n" in firing
    assert [one["said"].partition(":")[0] for one in found] == [
        "nobody is told of any",
        "could not be judged",
        "firing",
    ]
    assert (again["backup-old"]["bound"], again["backup-old"]["muted_until"]) == ("48", None)
    for given, code, words in (
        (("mute", "backup-odl", "--until", "2h"), 1, "did you mean 'backup-old'"),
        (("set", "units-low", "--above", "3"), 2, "fires below something: --below N"),
        (("set", "disk-low", "--above", "3"), 1, "compares with nothing"),
        (("set", "units-low"), 2, "Say what"),
        (("add", "syslog://localhost"), 2, "messages go to these only: feishu://TOKEN"),
        (("add", "feishu://"), 2, "it names nothing behind its scheme"),
    ):
        assert words in relay.refused("alert", *given, code=code)
