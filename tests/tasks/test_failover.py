"""Step 8 and promise D1: when another channel is tried, when not, and what the row says then."""

from typing import Any

import asyncpg
import pytest

from relay.database.engine import dsn
from relay.kling.transport import MaybeSent, NotSent, Reply
from tests.relay_app import CLIP_MICROS, Relay, running_relay
from tests.tasks.scripted_kling import Call, ScriptedKling, refusal, success

QUOTA_MICROS = 10 * CLIP_MICROS
HTTP_STATUS = {
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004), 401),
    **dict.fromkeys((1100, 1101, 1102, 1302, 1303, 1304), 429),
    1103: 403,
}
"""Of the codes that are about the account (docs/kling-api.md 8)."""


class TwoAccounts:
    """Two channels at two hosts; `first` and `second` say how each answers a create."""

    def __init__(self, database_url: str, first: Any, second: Any = None) -> None:
        self._database_url = database_url
        self._answers = {"first.test": first, "second.test": second or success(MADE)}
        self.rows_when_sent: list[tuple[str, list[str]]] = []
        """Channel and channels tried, as another session reads them while Kling is called."""
        self.kling = ScriptedKling(self._answer)

    async def _answer(self, call: Call) -> Reply:
        connection = await asyncpg.connect(dsn(self._database_url))
        row = await connection.fetchrow(
            """
            SELECT c.name,
                   ARRAY(SELECT o.name FROM channels o WHERE o.id = ANY (t.channels_tried)) AS tried
            FROM tasks t JOIN channels c ON c.id = t.channel_id WHERE t.injected_id = $1
            """,
            call.body["external_task_id"],
        )
        self.rows_when_sent.append((row["name"], row["tried"]))
        await connection.close()
        answer = self._answers[call.url.split("/")[2]]
        if callable(answer):
            answer = await answer(call)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Reply)
        return answer


MADE = {"task_id": "k1", "task_status": "submitted"}


async def add_both(relay: Relay) -> None:
    await relay.add_channel("first", base_url="http://first.test", priority=2)
    await relay.add_channel("second", base_url="http://second.test", priority=1)


@pytest.mark.parametrize("code", [1002, 1003, 1102, 1103, 1302, 1303, 1304, None])
async def test_an_account_that_cannot_take_it_leaves_it_to_the_next(
    books: str, code: int | None
) -> None:
    """Refused because of the account, or not sent: the row names the next channel before it."""
    first = NotSent("ConnectError") if code is None else refusal(HTTP_STATUS[code], code)
    accounts = TwoAccounts(books, first)
    async with running_relay(books, transport=accounts.kling) as relay:
        await add_both(relay)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        answer = await relay.submit(token)

        assert answer.json()["data"]["task_id"] == "k1"
        assert accounts.rows_when_sent[-1] == ("second", ["first"])
        assert {row for row, _ in accounts.rows_when_sent[:-1]} == {"first"}
        assert accounts.kling.posts_to("first.test") == (2 if code in (1003, 1004) else 1)
        assert accounts.kling.posts_to("second.test") == 1
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)
        ids = {call.body["external_task_id"] for call in accounts.kling.calls}
        assert len(ids) == 1


@pytest.mark.parametrize("code", [1000, 1101, 1302, 1303, None])
async def test_when_no_account_can_take_it_the_hold_is_released(
    books: str, code: int | None
) -> None:
    """The tenant sees 503/5001, and Kling's own words only of its pace: 1302 and 1303."""
    answer = NotSent("ConnectError") if code is None else refusal(HTTP_STATUS[code], code, "busy")
    accounts = TwoAccounts(books, answer, answer)
    async with running_relay(books, transport=accounts.kling) as relay:
        await add_both(relay)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        response = await relay.submit(token)

        is_passed_on = code in (1302, 1303)
        assert response.status_code == (429 if is_passed_on else 503)
        assert response.json()["code"] == (code if is_passed_on else 5001)
        assert accounts.kling.posts_to("second.test") >= 1
        assert (await relay.row("SELECT state FROM tasks"))["state"] == "refused"
        assert await relay.account() == (QUOTA_MICROS, 0)


@pytest.mark.parametrize(
    "answer",
    [MaybeSent("ReadTimeout"), refusal(500, 5000), Reply(502, "text/html", b"<html>"), success({})],
    ids=["timeout", "5xx", "html", "no id"],
)
async def test_a_submit_in_doubt_is_never_sent_elsewhere(books: str, answer: Any) -> None:
    """The second channel gets nothing, though it would take it; the hold stays."""
    accounts = TwoAccounts(books, answer)
    async with running_relay(books, transport=accounts.kling) as relay:
        await add_both(relay)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        response = await relay.submit(token)

        assert response.status_code in (500, 504)
        assert accounts.kling.posts_to("second.test") == 0
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


@pytest.mark.parametrize(
    ("status", "code"), [(400, 1200), (400, 1201), (404, 1203), (400, 1300), (400, 1301), (200, 9)]
)
async def test_a_refused_content_goes_back_at_once(books: str, status: int, code: int) -> None:
    """Status and code as Kling sent them, no other channel, the hold released."""
    accounts = TwoAccounts(books, refusal(status, code, "bad prompt"))
    async with running_relay(books, transport=accounts.kling) as relay:
        await add_both(relay)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        response = await relay.submit(token)

        assert (response.status_code, response.json()["code"]) == (status, code)
        assert accounts.kling.posts_to("second.test") == 0
        assert await relay.account() == (QUOTA_MICROS, 0)


async def test_a_bearer_that_is_too_old_is_signed_again_once(books: str) -> None:
    """1004, then taken: two creates to the same channel, one task, no other channel."""
    answers = [refusal(401, 1004), success(MADE)]

    async def first(_: Call) -> Reply:
        return answers.pop(0)

    accounts = TwoAccounts(books, first)
    async with running_relay(books, transport=accounts.kling) as relay:
        await add_both(relay)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        response = await relay.submit(token)

        assert response.json()["data"]["task_id"] == "k1"
        assert accounts.kling.posts_to("first.test") == 2
        assert accounts.kling.posts_to("second.test") == 0


async def test_past_its_deadline_a_row_goes_to_no_other_channel(books: str) -> None:
    """The looks own it then: a second channel would make a video that they would not look for."""

    async def refuse_too_late(_: Call) -> Reply:
        await relay.rows("UPDATE tasks SET submit_deadline_at = now()")
        return refusal(429, 1102)

    accounts = TwoAccounts(books, refuse_too_late)
    async with running_relay(books, transport=accounts.kling) as relay:
        await add_both(relay)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        response = await relay.submit(token)

        assert response.status_code == 504
        assert accounts.kling.posts_to("second.test") == 0
        row = await relay.row("SELECT state, channels_tried FROM tasks")
        assert tuple(row) == ("pending", [])
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


async def test_a_task_that_kling_called_back_about_is_not_sent_again(books: str) -> None:
    """Kling said no and means yes: the callback wins, the row stays on its channel, held."""

    async def call_back_and_refuse(_: Call) -> Reply:
        row = await relay.row("SELECT injected_id, channel_id FROM tasks")
        await relay.call_back_on(
            row["injected_id"], row["channel_id"], {"task_id": "k0", "task_status": "processing"}
        )
        return refusal(429, 1303)

    accounts = TwoAccounts(books, call_back_and_refuse)
    async with running_relay(books, transport=accounts.kling, with_callbacks=True) as relay:
        await add_both(relay)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        response = await relay.submit(token)

        assert response.status_code == 504
        assert accounts.kling.posts_to("second.test") == 0
        row = await relay.row("SELECT state, kling_id FROM tasks")
        assert tuple(row) == ("processing", "k0")
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


async def test_a_refusal_after_kling_called_back_releases_nothing(books: str) -> None:
    """A 400 to a create whose task is already processing: the task counts, the hold stays."""

    async def call_back_and_refuse(_: Call) -> Reply:
        row = await relay.row("SELECT injected_id, channel_id FROM tasks")
        await relay.call_back_on(
            row["injected_id"], row["channel_id"], {"task_id": "k0", "task_status": "submitted"}
        )
        return refusal(400, 1301)

    accounts = TwoAccounts(books, call_back_and_refuse)
    async with running_relay(books, transport=accounts.kling, with_callbacks=True) as relay:
        await add_both(relay)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        await relay.submit(token)

        assert (await relay.row("SELECT state FROM tasks"))["state"] == "submitted"
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


async def test_a_channel_that_a_task_has_left_is_not_believed(books: str) -> None:
    """Its callback path was injected and is authentic; it is kept, flagged and not applied."""
    accounts = TwoAccounts(books, refusal(429, 1102))
    async with running_relay(books, transport=accounts.kling, with_callbacks=True) as relay:
        await add_both(relay)
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await relay.submit(token)
        row = await relay.row("SELECT injected_id, channels_tried FROM tasks")

        answer = await relay.call_back_on(
            row["injected_id"],
            row["channels_tried"][0],
            {"task_id": "k1", "task_status": "succeed", "final_unit_deduction": "3"},
        )

        assert answer.status_code == 200
        after = await relay.row("SELECT state, is_flagged FROM tasks")
        assert tuple(after) == ("submitted", True)
        assert await relay.account() == (QUOTA_MICROS, CLIP_MICROS)


async def test_without_any_channel_nothing_is_held(books: str) -> None:
    """503/5001 before the hold; a disabled channel is none."""
    accounts = TwoAccounts(books, success(MADE))
    async with running_relay(books, transport=accounts.kling) as relay:
        await add_both(relay)
        await relay.rows("UPDATE channels SET enabled = false")
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)

        response = await relay.submit(token)

        assert (response.status_code, response.json()["code"]) == (503, 5001)
        assert await relay.rows("SELECT 1 FROM tasks") == []
