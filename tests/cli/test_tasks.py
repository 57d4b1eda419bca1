import asyncio
import json
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from relay.database.engine import dsn
from relay.pricing.book import PriceRow
from relay.pricing.quote import Quote
from tests.cli.command import Command, execute

QUOTE = {
    "row": {"endpoint": "text2video", "units": "0.6", "source": "Kling's list"},
    "wanted": {"endpoint": "text2video", "model": "kling-v3"},
    "pack": "video",
    "prices": {"video_micros": 140000, "image_micros": 3500},
    "list_unit_micros": 140000,
    "unit_micros": "140000",
    "seconds": 5,
    "is_open": False,
    "hold_micros": 420000,
}
BIG = '{"task_id":"880001","element_id":9007199254740993,"odd":1e400}'


@pytest.fixture
def tenants(relay: Command) -> Iterator[Command]:
    """Two tenants and a channel; afterwards the audit must find the books right."""
    for name in ("acme", "beta"):
        relay("tenant", "add", name, "--quota", "10")
        relay("token", "add", name)
    relay(
        *("channel", "add", "main", "--key", "A|S", "--base-url", "http://127.0.0.1:1"),
        "--no-check",
    )
    yield relay
    assert relay.json("audit")["ok"]


def put_task(relay: Command, tenant_id: int, **columns: Any) -> int:
    """Insert a live task with its hold, as the submit's statement does."""
    values = {
        "tenant_id": tenant_id,
        "token_id": tenant_id,
        "channel_id": 1,
        "endpoint": "text2video",
        "state": "submitted",
        "injected_id": f"x-{tenant_id}-{columns}",
        "request_id": str(uuid.uuid4()),
        "quote": json.dumps(QUOTE),
        "hold_micros": 420000,
        **columns,
    }
    names = ", ".join(values)
    places = ", ".join(f"${place}" for place in range(2, len(values) + 2))

    async def put() -> int:
        connection = await asyncpg.connect(dsn(relay.environ["RELAY_DATABASE_URL"]))
        try:
            async with connection.transaction():
                account_id = await connection.fetchval(
                    "UPDATE accounts SET held_micros = held_micros + 420000,"
                    " open_holds = open_holds + 1"
                    " WHERE id = (SELECT account_id FROM tenants WHERE id = $1) RETURNING id",
                    tenant_id,
                )
                return int(
                    await connection.fetchval(
                        f"INSERT INTO tasks (account_id, {names}, submit_deadline_at)"
                        f" VALUES ($1, {places}, now() + interval '90 seconds') RETURNING id",
                        account_id,
                        *values.values(),
                    )
                )
        finally:
            await connection.close()

    return asyncio.run(put())


def test_a_task_is_shown_by_any_of_its_ids(tenants: Command) -> None:
    """Ours, Kling's, the tenant's, the injected one, and both request ids."""
    task_id = put_task(
        tenants,
        1,
        kling_id="880001",
        injected_id="r1-1-ff",
        tenant_external_id="order-9",
        request_id="request-1",
        kling_request_id="kling-request-1",
    )

    for key in (str(task_id), "880001", "order-9", "r1-1-ff", "request-1", "kling-request-1"):
        shown = tenants.json("task", "show", key)
        assert (shown["id"], shown["tenant"], shown["channel"]) == (task_id, "acme", "main")
    assert "no task has the id 'order-8'" in tenants.refused("task", "show", "order-8")


def test_an_id_of_two_tenants_is_listed_not_guessed(tenants: Command) -> None:
    """Exit code 1 and both rows; --tenant decides."""
    first = put_task(tenants, 1, tenant_external_id="order-1")
    second = put_task(tenants, 2, tenant_external_id="order-1")

    listed = tenants.json("task", "show", "order-1", code=1)
    shown = tenants.json("task", "show", "order-1", "--tenant", "beta")

    assert [(row["id"], row["tenant"]) for row in listed] == [(first, "acme"), (second, "beta")]
    assert shown["id"] == second


def test_the_story_has_the_money_and_kling_own_bytes(tenants: Command) -> None:
    """Integers in micros, the frozen quote with its row, and raw JSON digit by digit."""
    task_id = put_task(tenants, 1, kling_id="880001")
    execute(
        tenants,
        "INSERT INTO task_events (task_id, kind, detail, body) VALUES"
        " ($1, 'callback', 'processing', $2), ($1, 'callback', 'garbage', $3)",
        *(task_id, BIG.encode(), b"\xff not JSON \x07"),
    )

    raw = tenants("task", "show", str(task_id), "--raw", "--json").stdout
    shown = json.loads(raw)
    told = tenants("task", "show", str(task_id), "--raw").stdout

    assert shown["money"]["hold_micros"] == 420_000
    assert shown["money"]["is_hold_open"] is True
    assert shown["money"]["charged_micros"] is None
    assert shown["money"]["quote"]["row"]["units"] == "0.6"
    assert "9007199254740993" in raw
    assert "1e400" in raw
    assert [one["what"] for one in shown["timeline"]][:2] == ["created", "held"]
    assert shown["timeline"][-2]["detail"] == "processing"
    assert "0.42 USD, open" in told
    assert '      "element_id": 9007199254740993,' in told
    assert "\x07" not in told


def test_lists_are_filtered_and_limited(tenants: Command) -> None:
    """Newest first; by tenant, by status, at most --limit."""
    ids = [put_task(tenants, 1, injected_id=f"e{n}") for n in range(3)]
    other = put_task(tenants, 2, state="unknown")

    def listed(*options: str) -> list[int]:
        return [row["id"] for row in tenants.json("task", "list", *options)]

    assert listed() == [other, *reversed(ids)]
    assert listed("--tenant", "acme") == [*reversed(ids)]
    assert listed("--status", "unknown") == [other]
    assert listed("--limit", "1") == [other]


def test_tasks_are_found_by_what_became_of_them(tenants: Command) -> None:
    """Not over, by mode, by what was said of a failure, by charge, refund, hand, and no tests."""
    key = tenants.json("token", "add", "acme", "--test")["id"]
    pro = json.dumps(QUOTE | {"wanted": QUOTE["wanted"] | {"mode": "pro"}})  # type: ignore[operator]
    first = put_task(tenants, 1, kling_id="1")
    second = put_task(tenants, 1, kling_id="2", quote=pro)
    third = put_task(tenants, 1, kling_id="3")
    fourth = put_task(tenants, 1, kling_id="4", token_id=key)
    for task_id, act in ((first, "settle"), (first, "refund"), (second, "settle")):
        tenants("task", act, str(task_id), "--reason", "so", "--yes")
    told = ("--tell", "Risk control 100%_system")
    tenants("task", "release", str(third), "--reason", "so", "--yes", *told)

    def listed(*options: str) -> list[int]:
        return sorted(row["id"] for row in tenants.json("task", "list", *options))

    assert listed("--open") == [fourth]
    assert listed("--mode", "pro") == [second]
    assert listed("--failure", "risk control 100%_") == [third]
    assert listed("--failure", "risk%system") == []
    assert listed("--charged", "0.42") == [first, second]
    assert listed("--charged", "0.420001") == []
    assert listed("--refunded") == [first]
    assert listed("--by-hand") == [first, second, third]
    assert listed("--no-tests") == [first, second, third]


def test_stuck_tasks_are_those_worth_a_look(tenants: Command) -> None:
    """Older than an hour, without a verdict past the deadline, or flagged; not the fresh ones."""
    put_task(tenants, 1, injected_id="fresh")
    put_task(tenants, 1, injected_id="being sent", state="pending")
    old = put_task(tenants, 1, injected_id="old")
    late = put_task(tenants, 1, injected_id="late", state="unknown")
    flagged = put_task(tenants, 1, injected_id="flagged", is_flagged=True)
    execute(tenants, "UPDATE tasks SET created_at = now() - interval '2 hours' WHERE id = $1", old)
    execute(
        tenants, "UPDATE tasks SET submit_deadline_at = now() - interval '1 s' WHERE id = $1", late
    )

    stuck = [row["id"] for row in tenants.json("task", "list", "--stuck")]
    behind = tenants.json("task", "list", "--stuck", "--before", str(old), "--limit", "1")

    assert stuck == [old, late, flagged], "the one that has waited for longest first"
    assert [row["id"] for row in behind] == [late]


def test_a_success_of_the_operators_word_is_charged_and_refunded(tenants: Command) -> None:
    """settle charges the hold once, refund gives it back in parts until nothing is left."""
    task_id = str(put_task(tenants, 1, kling_id="880001"))

    tenants("task", "settle", task_id, "--reason", "delivered", "--yes")
    charged = tenants.json("tenant", "list")[0]
    again = tenants.refused("task", "settle", task_id, "--reason", "delivered", "--yes")
    part = ("task", "refund", task_id, "--reason", "black clip", "--amount")
    asked = tenants(*part, "0.1", stdin="y\n")
    too_much = tenants.refused(*part, "0.4", "--yes")
    tenants("task", "refund", task_id, "--reason", "black clip", "--yes")
    twice = tenants.refused("task", "refund", task_id, "--reason", "black clip", "--yes")
    story = tenants.json("task", "show", task_id)

    assert (charged["quota_micros"], charged["held_micros"]) == (9_580_000, 0)
    assert "charged already" in again
    assert "refund 0.1 USD to tenant 'acme'?" in asked.stderr
    assert asked.stdout == f"task {task_id}: refunded 0.1 USD\n"
    assert "only 0.32 of its charge is left to refund" in too_much
    assert "refunded before" in twice
    assert tenants.json("tenant", "list")[0]["quota_micros"] == 10_000_000
    assert story["status"] == "succeed"
    assert story["money"]["charged_micros"] == 420_000
    assert story["money"]["refunded_micros"] == 420_000
    assert "black clip" in json.dumps(story["timeline"])
    by_hand = [one["what"] for one in story["timeline"] if one["actor"].startswith("system:")]
    assert sorted(by_hand) == ["charged", "operator.succeed", *["refunded"] * 2]
    assert "0.1 USD (black clip) (by system:" in tenants("task", "show", task_id).stdout


def test_a_release_gives_the_hold_back(tenants: Command) -> None:
    """The task failed for the tenant; nothing was charged, and there is nothing to refund."""
    task_id = str(put_task(tenants, 1, kling_id="880001"))

    done = tenants.json("task", "release", task_id, "--reason", "lost", "--yes")

    account = tenants.json("tenant", "list")[0]
    assert done["operation"] == "release"
    assert (account["quota_micros"], account["held_micros"]) == (10_000_000, 0)
    assert tenants.json("task", "show", task_id)["status"] == "failed"
    assert "was not charged" in tenants.refused(
        *("task", "refund", task_id, "--reason", "x", "--yes")
    )


def test_an_operation_asks_first(tenants: Command) -> None:
    """What is not confirmed changes nothing; the question names the amount and the tenant."""
    task_id = str(put_task(tenants, 1))

    refused = tenants.refused("task", "settle", task_id, "--reason", "x", stdin="n\n")
    held = tenants.json("tenant", "list")[0]["held_micros"]
    tenants("task", "settle", task_id, "--reason", "x", stdin="y\n")

    assert "charge 0.42 USD to tenant 'acme'?" in refused
    assert held == 420_000
    assert tenants.json("tenant", "list")[0]["held_micros"] == 0


def test_a_reason_is_a_sentence(tenants: Command) -> None:
    """Longer than a name, and refused as what it is if it cannot be read."""
    task_id = str(put_task(tenants, 1))
    told = ("task", "settle", task_id, "--yes", "--reason")

    refused = tenants.refused(*told, "two\nlines", code=2)
    tenants(*told, "Kling delivered it by its support's word, ticket 4711 of last Tuesday")

    assert "'two\\nlines' is no reason: 1 to 300 printable characters" in refused
    story = tenants("task", "show", task_id).stdout
    assert "ticket 4711 of last Tuesday" in story


def test_an_operation_on_no_task_is_a_sentence(tenants: Command) -> None:
    """Exit code 1; Kling's id is not taken for ours."""
    put_task(tenants, 1, kling_id="880001")

    message = tenants.refused("task", "settle", "880001", "--reason", "x", "--yes")

    assert "there is no task 880001" in message


def test_the_audit_names_what_differs(relay: Command) -> None:
    """Exit code 0 and a sentence; with a row corrupted on purpose, exit code 1 and the row."""
    relay("tenant", "add", "acme", "--quota", "10")
    assert "The books are right: 1 accounts" in relay("audit").stdout
    execute(relay, "UPDATE accounts SET quota_micros = quota_micros + 1")

    report = relay.json("audit", code=1)
    result = relay("audit", code=1)

    assert report["ok"] is False
    assert report["differences"][0] == {
        "rule": "quota is the sum of the account's entries",
        "row": "account of tenant acme",
        "expected": 10_000_000,
        "actual": 10_000_001,
    }
    assert "account of tenant acme" in result.stdout
    assert "the books are wrong: 2 differences" in result.stderr
    books = [one for one in relay.json("check", code=1)["findings"] if one["subject"] == "books"]
    assert books[0]["said"].startswith("2 rows differed when they were last audited")


def test_an_audit_says_what_it_found_though_that_cannot_be_noted(relay: Command) -> None:
    """As on a standby; the exit code is by the books alone."""
    execute(
        relay,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on',"
        " current_database()); END $$",
    )

    result = relay("audit")

    assert "The books are right: 0 accounts" in result.stdout
    assert result.stderr.startswith("What it found was not noted: ")


def test_the_quote_of_these_tests_is_one_that_tasks_have() -> None:
    """Its JSON is what `pricing/quote.py` reads."""
    row = PriceRow(endpoint="text2video", units=Decimal("0.6"), source="Kling's list")

    assert msgspec.convert(QUOTE, Quote).row == row


def test_a_flag_is_taken_off_once_it_was_read(tenants: Command) -> None:
    """`--stuck` shows the task no more; its story tells who took the flag off and why."""
    number = put_task(tenants, 1)
    execute(tenants, "UPDATE tasks SET is_flagged = true")
    before = tenants.json("task", "list", "--stuck")

    told = tenants("task", "unflag", str(number), "--reason", "read, ticket 9").stdout

    assert [row["id"] for row in before] == [number]
    assert told == f"task {number}: the flag is off\n"
    assert tenants.json("task", "list", "--stuck") == []
    story = json.dumps(tenants.json("task", "show", str(number)))
    assert "operator.unflagged" in story
    assert "read, ticket 9" in story
    refused = tenants.refused("task", "unflag", str(number))
    assert f"task {number}: it has no flag; nothing was changed" in refused


def test_kling_is_asked_at_once(tenants: Command) -> None:
    """A look that was due in hours is due now, and its change says when it was; twice is twice."""
    number = put_task(tenants, 1)
    execute(tenants, "UPDATE tasks SET next_look_at = now() + interval '3 hours'")

    told = tenants("task", "look", str(number)).stdout

    assert told == f"task {number}: a worker asks Kling now\n"
    (change,) = tenants.json("changes", "list", "--act", "task.look")
    now_due = tenants.json("task", "show", str(number))["next_look_at"]
    assert change["before"]["next_look_at"] > now_due
    execute(tenants, "UPDATE tasks SET next_look_at = NULL")
    refused = tenants.refused("task", "look", str(number))
    assert f"task {number}: there is nothing to ask Kling about it now" in refused


def test_what_is_removed_stays_in_its_tasks(tenants: Command) -> None:
    """Refused while the task is live, with its number; afterwards lists and stories name it."""
    task_id = put_task(tenants, 1, kling_id="880001")

    for kind, name in (("tenant", "acme"), ("channel", "main")):
        said = tenants.refused(kind, "remove", name, "--yes")
        assert f"{kind} '{name}' is in use: 1 task is not over" in said
    tenants("task", "release", str(task_id), "--reason", "gone", "--yes")
    tenants("tenant", "adjust", "acme", "-10", "--reason", "paid back")
    execute(tenants, "UPDATE tasks SET next_look_at = NULL")
    tenants("tenant", "remove", "acme", "--yes")
    tenants("channel", "remove", "main", "--yes")

    (listed,) = tenants.json("task", "list", "--tenant", "acme (removed #1)")
    assert (listed["tenant"], listed["channel"]) == ("acme (removed #1)", "main (removed #1)")
    assert "acme (removed #1)" in tenants("task", "show", "880001").stdout
