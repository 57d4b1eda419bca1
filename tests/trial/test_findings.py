"""A trial tells a Kling that does otherwise from one that does as relied on."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from relay.channels.opened import OpenedChannel
from relay.kling.httpx_transport import HttpxTransport
from relay.kling.jwt import JwtCache
from relay.kling.transport import Reply
from relay.pricing.quote import UnitPrices
from relay.sandbox.app import Sandbox
from relay.sandbox.settings import DEFAULT_ACCOUNT, SandboxSettings
from relay.tasks.upstream import Upstream
from relay.trial.findings import findings, is_lookup_confirmed
from relay.trial.ids import new_trial_id
from relay.trial.observe import Observer, Seen, TrialFailed, TrialRules
from relay.trial.plan import ENDPOINTS, Trial, trials
from relay.trial.report import Finding, Outcome
from tests.relay_app import SANDBOX_URL
from tests.tasks.scripted_kling import Call, ScriptedKling, not_found, refusal, success

PRICES = UnitPrices(video_micros=140_000, image_micros=3_500)
Change = Callable[[Call, Reply], Reply]
CHANNEL = OpenedChannel(
    id=1,
    name="main",
    base_url=SANDBOX_URL,
    access_key=DEFAULT_ACCOUNT.access_key,
    secret_key=DEFAULT_ACCOUNT.secret_key,
    api_key=DEFAULT_ACCOUNT.api_key,
)


def trial_of(endpoint: str) -> Trial:
    return next(one for one in trials(CHANNEL, PRICES) if one.endpoint.name == endpoint)


async def observed(
    change: Change = lambda _, reply: reply,
    *,
    endpoint: str = "text2video",
    task_seconds: float = 0.1,
) -> tuple[Seen, dict[str, Finding]]:
    """Try a sandbox whose replies a test changes on their way."""
    kling = Sandbox(SandboxSettings(task_seconds=task_seconds, public_url=SANDBOX_URL))
    wire = HttpxTransport(httpx.ASGITransport(app=kling))

    async def answer(call: Call) -> Reply:
        body = json.dumps(call.body).encode() if call.method == "POST" else None
        reply = await wire.send(
            call.method, call.url, bearer=DEFAULT_ACCOUNT.api_key, body=body, timeout_s=9
        )
        return change(call, reply)

    trial = trial_of(endpoint)
    observer = Observer(
        Upstream(ScriptedKling(answer), JwtCache()),
        CHANNEL,
        trial,
        rules=TrialRules(wait_s=30),
        tell=lambda _: None,
    )
    seen = await observer.run(
        new_trial_id("r0"),
        new_trial_id("r0"),
        callback_url=None,
        with_duplicate=True,
        read_callbacks=None,
    )
    found = findings(seen, trial, with_duplicate=True, with_callbacks=False)
    return seen, {one.about: one for one in found}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_the_sandbox_does_as_relied_on(endpoint: str) -> None:
    """Nothing differs, the lookup is confirmed, and what cannot be seen there is said to be so."""
    seen, found = await observed(endpoint=endpoint)

    assert is_lookup_confirmed(seen)
    assert not [one for one in found.values() if one.outcome is Outcome.DIFFERS]
    assert found["what it cost"].outcome is Outcome.AS_RELIED_ON
    assert seen.costs.keys() >= {"succeed"}


def _by_trial_id(call: Call) -> bool:
    return call.method == "GET" and "-try-" in call.url


def _late_lookup() -> Change:
    """The second question by an external id is the first about the task that was made."""
    asked: list[str] = []

    def change(call: Call, reply: Reply) -> Reply:
        if _by_trial_id(call):
            asked.append(call.url)
            if len(asked) == 2:
                return not_found()
        return reply

    return change


def _other_task(call: Call, reply: Reply) -> Reply:
    if _by_trial_id(call) and reply.status == 200:
        envelope = json.loads(reply.body)
        envelope["data"]["task_id"] = "4711"
        return Reply(200, reply.content_type, json.dumps(envelope).encode())
    return reply


def _finds_all(call: Call, reply: Reply) -> Reply:
    if _by_trial_id(call) and reply.status == 400:
        return success({"task_id": "4711", "task_status": "processing"})
    return reply


LOOKUPS: dict[str, tuple[Callable[[], Change], str]] = {
    "found late": (_late_lookup, "a task under our external id"),
    "another task": (lambda: _other_task, "a task under our external id"),
    "found though there is none": (lambda: _finds_all, "an external id that no task has"),
}


@pytest.mark.parametrize("kind", LOOKUPS)
async def test_a_lookup_that_is_not_to_be_believed_is_not_confirmed(kind: str) -> None:
    """What is found late, or wrongly, must never release a hold after ten minutes."""
    change, about = LOOKUPS[kind]

    seen, found = await observed(change())

    assert not is_lookup_confirmed(seen)
    assert found[about].outcome is Outcome.DIFFERS


async def test_a_kling_that_answers_no_free_question_is_not_tried() -> None:
    """Before anything is paid."""
    calls: list[Call] = []

    def change(call: Call, _: Reply) -> Reply:
        calls.append(call)
        return Reply(401, "application/json", b'{"code":1002,"message":"api key not found"}')

    with pytest.raises(TrialFailed, match="does not take"):
        await observed(change)

    assert [call.method for call in calls] == ["GET"]


def _told(data: dict[str, Any]) -> Change:
    def change(call: Call, reply: Reply) -> Reply:
        if call.method == "GET" and reply.status == 200 and b'"succeed"' in reply.body:
            envelope = json.loads(reply.body)
            if isinstance(envelope["data"], dict):
                envelope["data"] |= data
                return Reply(200, reply.content_type, json.dumps(envelope).encode())
        return reply

    return change


def _first_create(reply_of: Callable[[], Reply], *, number: int) -> Callable[[], Change]:
    """Change the answer to one create: 1 has no prompt, 2 makes the task, 3 repeats it."""

    def made() -> Change:
        creates: list[Call] = []

        def change(call: Call, reply: Reply) -> Reply:
            if call.method == "POST":
                creates.append(call)
                if len(creates) == number:
                    return reply_of()
            return reply

        return change

    return made


TAKEN = {"task_id": "4712", "task_status": "submitted"}
DIFFERENT: dict[str, tuple[Callable[[], Change], str]] = {
    "a duplicate is taken": (
        _first_create(lambda: success(TAKEN), number=3),
        "the same external id again",
    ),
    "a duplicate is refused in other words": (
        _first_create(lambda: refusal(400, 1201, "this id is in use"), number=3),
        "the same external id again",
    ),
    "nothing is made of nothing": (
        _first_create(lambda: success(TAKEN), number=1),
        "a create that cannot be made",
    ),
    "dearer than the list": (lambda: _told({"final_unit_deduction": "9"}), "what it cost"),
    "without its cost": (
        lambda: _told({"final_unit_deduction": None, "final_balance_deduction": None}),
        "what it cost",
    ),
}


@pytest.mark.parametrize("kind", DIFFERENT)
async def test_what_is_otherwise_is_told(kind: str) -> None:
    """And nothing else is: each finding is about one fact."""
    change, about = DIFFERENT[kind]

    _, found = await observed(change())

    differing = [one.about for one in found.values() if one.outcome is Outcome.DIFFERS]
    assert differing == [about]


async def test_a_refused_create_ends_the_trial() -> None:
    """With Kling's words, so that the operator can mend it."""
    refused = _first_create(lambda: refusal(429, 1102, "Account balance not enough"), number=2)

    with pytest.raises(TrialFailed, match="1102"):
        await observed(refused())
