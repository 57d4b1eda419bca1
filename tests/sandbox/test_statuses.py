import asyncio
import time

from tests.sandbox.client import TEXT2VIDEO, Caller
from tests.waiting import wait_until


async def test_a_task_goes_through_every_status_in_its_time(kling: Caller) -> None:
    """submitted, processing at half time, succeed at the end: 0.4 s here."""
    started = time.monotonic()
    task = await kling.accepted(prompt="a cat [slow 0.4]")
    seen: list[str] = []

    async def has_succeeded() -> bool:
        reply = await kling.get(f"{TEXT2VIDEO}/{task['task_id']}")
        status = reply.json()["data"]["task_status"]
        if status not in seen:
            seen.append(status)
        return bool(status == "succeed")

    await wait_until(has_succeeded)

    assert seen == ["submitted", "processing", "succeed"]
    assert time.monotonic() - started >= 0.4


async def test_a_failed_task_says_why_and_deducts_nothing(kling: Caller) -> None:
    """Section 10: failed tasks are not charged; there is no deduction field and no result."""
    task = await kling.accepted(prompt="a cat [fail]")

    data = await kling.ended(task["task_id"])

    assert data["task_status"] == "failed"
    assert data["task_status_msg"]
    assert not {"task_result", "final_unit_deduction", "final_balance_deduction"} & set(data)


async def test_the_log_holds_what_was_accepted_and_ended(kling: Caller) -> None:
    """The truth for tests: units of a success, none of a failure, in the order of the events."""
    good = await kling.accepted(prompt="a cat", duration="10", external_task_id="mine")
    bad = await kling.accepted(prompt="[fail]")
    await asyncio.gather(kling.ended(good["task_id"]), kling.ended(bad["task_id"]))

    accepted, ended = await kling.log("accepted"), await kling.log("ended")

    for entry in accepted + ended:
        assert isinstance(entry.pop("at_ms"), int)
    assert accepted[0] == {
        "event": "accepted",
        "account": "sandbox-access-key",
        "endpoint": TEXT2VIDEO,
        "task_id": good["task_id"],
        "external_task_id": "mine",
        "units": "2",
    }
    assert ended == [
        {"event": "ended", "task_id": good["task_id"], "status": "succeed", "units": "2"},
        {"event": "ended", "task_id": bad["task_id"], "status": "failed", "units": None},
    ]
