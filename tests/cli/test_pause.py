"""`relay pause`, as an operator types it."""

import re

from tests.cli.command import Command

NOWHERE = "http://127.0.0.1:1"


def test_creates_are_paused_listed_and_let_on_again(relay: Command) -> None:
    """A sentence says what, until when, and how it ends; the list and `relay check` show it."""
    relay("tenant", "add", "acme", "--quota", "1")
    added = relay(
        *("channel", "add", "main", "--key", "A|S", "--base-url", NOWHERE, "--no-check"),
        *("--model", "tts", "--model", "kling-v3", "--room", "video/kling-v9=3"),
    )
    made = relay("pause", "--tenant", "acme", "--model", "Kling-V33", "--reason", "unpaid")
    everything = relay("pause", "--reason", "we move house", "--until", "3h").stdout
    listed = relay("pause", "list").stdout
    found = relay.json("check")["findings"]
    ended = relay("pause", "end", "1").stdout
    rows = relay.json("pause", "list", "--ended")

    # A slip in a model's name would stop nothing, and nobody would know.
    assert "have a model 'Kling-V33', and it counts as it is written; did you mean" in made.stderr
    assert added.stderr.count("Kling is not known to have a model") == 1
    assert made.stdout == (
        "paused within 2 seconds, until you end it: of tenant acme of model kling-v33;"
        " `relay pause end 1` lets them on again\n"
    )
    assert re.match(r"paused within 2 seconds, until \d{4}-\d\d-\d\d .*Z: all;", everything)
    assert "of tenant acme of model kling-v33" in listed
    assert "we move house" in listed
    (pauses,) = [one for one in found if one["subject"] == "pauses"]
    assert pauses["level"] == "warning"
    assert pauses["said"].startswith("2 in force, the newest since ")
    assert ended.startswith("pause 1 has ended")
    assert [(row["id"], row["ended_at"] is None) for row in rows] == [(2, True), (1, False)]
    assert [row["id"] for row in relay.json("pause", "list")] == [2]


def test_what_cannot_be_paused_is_a_sentence(relay: Command) -> None:
    """Nothing is written, and names that are close are told."""
    relay("tenant", "add", "acme", "--quota", "1")
    for given, words in (
        (("--tenant", "acne", "--reason", "x"), "did you mean 'acme'"),
        (("--endpoint", "text2vidoe", "--reason", "x"), "did you mean 'text2video'"),
        (("--until", "2026-01-01", "--reason", "x"), "its end has passed already"),
        (("--tenant", "", "--reason", "x"), "there is no tenant ''"),
        (("--channel", "", "--reason", "x"), "there is no channel ''"),
        (("--endpoint", "", "--reason", "x"), "there is no endpoint ''"),
        (("--model", "", "--reason", "x"), "a model has a name"),
        (("end", "7"), "there is no pause 7"),
    ):
        assert words in relay.refused("pause", *given)
    assert "Say why: --reason TEXT" in relay("pause", "--tenant", "acme", code=2).stderr
    for lost in (["--json"], ["--tenant", "acme"], ["--channel", ""]):
        assert "named without `list`" in relay("pause", *lost, "list", code=2).stderr
    for reason in (" ", "two\nlines"):
        assert "is no reason" in relay("pause", "--reason", reason, code=2).stderr
    assert "is no moment such as" in relay("pause", "--until", "soon", code=2).stderr
    assert relay.json("pause", "list") == []
