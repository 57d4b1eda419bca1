"""What `relay task show` tells first, where its timeline has the money, and what lists tell."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.cli.story import span
from relay.cli.window import read_span
from tests.cli.command import Command, execute
from tests.cli.test_tasks import QUOTE, put_task, tenants

__all__ = ["tenants"]  # the fixture, which pytest finds by its name
AT = datetime(2026, 11, 20, 17, 2, 8, 123_456, tzinfo=UTC)
NOW = datetime(2026, 11, 27, tzinfo=UTC)
DAY = timedelta(days=1)
ACT = ("--reason", "ticket 9", "--yes")


def lines_of(told: str) -> dict[str, str]:
    """The pairs that stand first, by their names."""
    head = told.partition("\nMoney")[0].splitlines()
    return {line[:17].strip(): line[17:].strip() for line in head}


def timeline_of(relay: Command, task_id: int) -> list[tuple[str, str]]:
    shown = relay.json("task", "show", str(task_id))["timeline"]
    return [(one["what"], one["detail"]) for one in shown]


def test_a_live_task_says_what_it_waits_for(tenants: Command) -> None:
    """Kling, since two minutes; its model usually takes three; asked a minute ago; who is next."""
    for number in range(3):
        put_task(tenants, 1, injected_id=f"done {number}", model="kling-v3")
    execute(
        tenants,
        "UPDATE tasks SET created_at = now() - interval '190 s', submitted_at ="
        " now() - interval '190 s'",
    )
    for number in range(3):
        tenants("task", "settle", str(number + 1), *ACT)
    execute(tenants, "UPDATE tasks SET ended_via = 'look'")
    task_id = put_task(tenants, 1, kling_id="880001", model="kling-v3", injected_id="live")
    execute(
        tenants,
        "UPDATE tasks SET submitted_at = now() - interval '2 min', created_at = now() - interval"
        " '3 min', refresh_at = now() - interval '1 min', next_look_at = now() - interval '2 h'"
        " WHERE id = $1",
        task_id,
    )

    told = lines_of(tenants("task", "show", str(task_id)).stdout)
    outlook = tenants.json("task", "show", str(task_id))["outlook"]

    assert list(told)[:6] == [
        *("task", "waits for", "since", "usually takes", "Kling was asked", "next acts")
    ]
    assert told["waits for"] == "Kling, which works on it"
    assert "2 min" in told["since"]
    assert told["usually takes"].startswith("3 min 1")
    assert "1 min" in told["Kling was asked"]
    assert "the worker" in told["next acts"]
    assert "does a worker run?" in told["next acts"]
    assert (outlook["usual"]["tasks"], outlook["is_overdue"]) == (3, True)


@pytest.mark.parametrize(
    ("columns", "waits_for", "next_acts"),
    [
        ({"state": "pending"}, "its submit", "the process"),
        ({"state": "unknown"}, "verdict", "external id"),
        ({"kling_id": "k"}, "Kling, which", "worker"),
    ],
)
def test_each_live_state_waits_for_something(
    tenants: Command, columns: dict[str, Any], waits_for: str, next_acts: str
) -> None:
    """The answer to its submit, a verdict, or the end; and somebody acts next."""
    task_id = put_task(tenants, 1, **columns)
    execute(tenants, "UPDATE tasks SET next_look_at = now(), submitted_at = now()")

    told = lines_of(tenants("task", "show", str(task_id)).stdout)

    assert waits_for in told["waits for"]
    assert next_acts in told["next acts"]
    assert "overdue" not in told["next acts"]


def test_money_stands_in_the_timeline_where_it_moved(tenants: Command) -> None:
    """Released at its end and charged at the late success: two lines at two times, in one currency
    form; a release is no charge, and refunds are lines of their own."""
    task_id = put_task(tenants, 1, kling_id="880001")
    tenants("task", "release", str(task_id), *ACT)
    released = timeline_of(tenants, task_id)
    tenants("task", "settle", str(task_id), *ACT)
    tenants("task", "refund", str(task_id), "--amount", "0.1", *ACT)

    happened = timeline_of(tenants, task_id)
    told = tenants("task", "show", str(task_id)).stdout
    moments = [one["at"] for one in tenants.json("task", "show", str(task_id))["timeline"]]

    money = [one for one in happened if "USD" in one[1]]
    assert ("released", "0.42 USD of the hold given back") in released
    assert "charged" not in dict(released)
    assert money == [
        ("held", "0.42 USD"),
        ("released", "0.42 USD of the hold given back"),
        ("charged", "0.42 USD"),
        ("refunded", "0.1 USD (ticket 9)"),
    ]
    assert "micros" not in told
    assert "0.42 USD of the hold given back" in told
    assert moments == sorted(moments)


def test_of_a_hold_only_what_was_not_charged_is_released(tenants: Command) -> None:
    """Quoted below the hold: the rest; quoted as much: there is no such line."""
    for quoted_micros, money in (
        (280_000, ["held", "released", "charged"]),
        (420_000, ["held", "charged"]),
    ):
        quote = json.dumps(QUOTE | {"quoted_micros": quoted_micros})
        task_id = put_task(tenants, 1, injected_id=str(quoted_micros), quote=quote)
        tenants("task", "settle", str(task_id), *ACT)

        happened = timeline_of(tenants, task_id)

        assert [what for what, detail in happened if "USD" in detail] == money
        assert ("released", "0.14 USD of the hold given back") in happened or len(money) == 2


def test_the_reason_of_a_flag_stands_first(tenants: Command) -> None:
    """What was noted since a flag was last taken off; no routine, nothing that was read before; and
    nothing where there is no flag."""
    task_id = put_task(tenants, 1, kling_id="880001", is_flagged=True)
    execute(
        tenants,
        "INSERT INTO task_events (task_id, kind, detail) VALUES ($1, 'task.old', 'read before'),"
        " ($1, 'operator.unflagged', 'seen'), ($1, 'callback', 'processing'),"
        " ($1, 'callback.not_applied', 'another''s'),"
        " ($1, 'task.underquoted', 'cost 560000 micros by Kling''s deduction')",
        task_id,
    )

    told = tenants("task", "show", str(task_id)).stdout.splitlines()
    shown = tenants.json("task", "show", str(task_id))

    assert told[0].endswith("submitted, flagged")
    assert "callback.not_applied: another's" in told[1]
    assert "task.underquoted: cost 0.56 USD by Kling's deduction" in told[2]
    assert [one["what"] for one in shown["flags"]] == ["callback.not_applied", "task.underquoted"]
    execute(tenants, "UPDATE tasks SET is_flagged = false")
    assert tenants.json("task", "show", str(task_id))["flags"] == []


def test_lists_show_as_held_what_is_held(tenants: Command) -> None:
    """Nothing of what ended; of what was charged, what was given back beside it."""
    task_id = put_task(tenants, 1, kling_id="880001", model="kling-v3")
    live = tenants.json("task", "list")
    tenants("task", "settle", str(task_id), *ACT)
    tenants("task", "refund", str(task_id), "--amount", "0.02", *ACT)

    (row,) = tenants.json("task", "list")
    table = tenants("task", "list").stdout

    assert live[0]["held_micros"] == 420_000
    assert (row["held_micros"], row["charged_micros"], row["refunded_micros"]) == (
        *(0, 420_000, 20_000),
    )
    assert "0.02 USD" in table
    assert table.count("0.42 USD") == 1


def test_lists_are_filtered_by_whatever_they_show(tenants: Command) -> None:
    """By channel, model, endpoint, flag and time; a row is found by the second that it shows."""
    tenants(
        *("channel", "add", "spare", "--key", "B|S", "--base-url", "http://127.0.0.1:2"),
        "--no-check",
    )
    plain = put_task(tenants, 1, injected_id="plain")
    other = put_task(
        tenants,
        1,
        injected_id="other",
        channel_id=2,
        model="kling-v2",
        is_flagged=True,
        endpoint="image2video",
    )
    execute(tenants, "UPDATE tasks SET created_at = $1 WHERE id = $2", AT, other)
    execute(tenants, "UPDATE tasks SET created_at = $1 WHERE id = $2", AT - 2 * DAY, plain)

    def listed(*options: str) -> list[int]:
        return [row["id"] for row in tenants.json("task", "list", *options)]

    for option, value in (
        *(("--channel", "spare"), ("--model", "kling-v2"), ("--endpoint", "image2video")),
        *(("--since", "2026-11-20 17:02:08.123456Z"), ("--since", "2026-11-20")),
    ):
        assert listed(option, value) == [other], value
    for value in ("2026-11-18 17:02:08Z", "2026-11-18T18:02+01:00", "2026-11-18"):
        assert listed("--until", value) == [plain], value
    assert listed("--flagged") == [other]
    assert listed("--since", "2026-11-18 17:02:08Z", "--until", "2026-11-20 17:02:08Z") == [
        *(other, plain)
    ]
    assert listed("--until", "2026-11-18 17:02:07Z") == []
    assert listed("--since", "2026-11-20 17:02:09Z") == []
    assert listed("--before", str(other)) == [plain]
    assert f"--before {other}" in tenants("task", "list", "--limit", "1").stderr
    assert "there is no channel 'sparee'" in tenants.refused("task", "list", "--channel", "sparee")
    assert "is no moment" in tenants.refused("task", "list", "--since", "soon", code=2)


def test_raw_bodies_are_shown_where_they_are_asked_for(tenants: Command) -> None:
    """Neither for people nor as JSON without --raw."""
    task_id = put_task(tenants, 1, injected_id="x", reply='{"secret":"prompt"}')
    execute(
        tenants,
        "INSERT INTO task_events (task_id, kind, body) VALUES ($1, 'callback', $2)",
        *(task_id, b'{"secret":"prompt"}'),
    )

    for form in ((), ("--json",)):
        assert "prompt" not in tenants("task", "show", str(task_id), *form).stdout
        assert tenants("task", "show", str(task_id), "--raw", *form).stdout.count("prompt") == 2


@pytest.mark.parametrize(
    ("spelt", "start", "length"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC), timedelta(days=1)),
        ("2026-11-20 17:02", AT.replace(second=0, microsecond=0), timedelta(minutes=1)),
        ("2026-11-20 17:02:08Z", AT.replace(microsecond=0), timedelta(seconds=1)),
        ("2026-11-20T18:02:08.123+01:00", AT.replace(microsecond=123_000), timedelta(0, 0, 1000)),
        ("2026-11-20T17:02:08.123456Z", AT, timedelta(microseconds=1)),
        ("3h", NOW - timedelta(hours=3), timedelta(0)),
        ("2d", NOW - timedelta(days=2), timedelta(0)),
    ],
)
def test_a_moment_covers_what_it_leaves_open(
    spelt: str, start: datetime, length: timedelta
) -> None:
    assert read_span(spelt, now=NOW) == (start, start + length)


@pytest.mark.parametrize("spelt", ["", "soon", "2026-13-01", "17:02", "3w", "9999-12-31", "٣h"])
def test_what_is_no_moment_is_refused(spelt: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        read_span(spelt, now=NOW)


def test_a_length_of_time_is_told_by_its_two_largest_units() -> None:
    spans = [span(seconds) for seconds in (0, 0.4, 59, 60, 190, 7_500, 90_061)]

    assert spans == ["0 s", "0 s", "59 s", "1 min", "3 min 10 s", "2 h 5 min", "1 d 1 h"]


def test_the_json_of_a_story_has_what_people_are_told(tenants: Command) -> None:
    """The outlook with times and seconds, for scripts that watch."""
    task_id = put_task(tenants, 1, state="unknown")

    shown = json.loads(tenants("task", "show", str(task_id), "--json").stdout)

    assert shown["outlook"]["usual"] is None
    assert shown["outlook"]["kling_asked_at"] is None
    assert shown["outlook"]["since"] == shown["created_at"]
