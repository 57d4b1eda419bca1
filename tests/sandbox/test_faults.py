import time

import httpx
import pytest

from relay.sandbox.errors import HTTP_STATUS
from relay.sandbox.faults import WORDS, find_faults
from tests.sandbox.client import TEXT2VIDEO, Caller
from tests.waiting import PATIENCE_S, wait_until


async def _accepted_names(kling: Caller) -> list[str]:
    return [entry["external_task_id"] for entry in await kling.log("accepted")]


@pytest.mark.parametrize("code", [code for code in HTTP_STATUS if code])
async def test_every_code_of_the_table_can_be_asked_for(slow_kling: Caller, code: int) -> None:
    """`[error N]`: N with its HTTP status from section 8, nothing accepted."""
    response = await slow_kling.create(prompt=f"a cat [error {code}]")

    assert (response.status_code, response.json()["code"]) == (HTTP_STATUS[code], code)
    assert await _accepted_names(slow_kling) == []


async def test_a_code_that_kling_does_not_have_is_said_to_be_wrong(slow_kling: Caller) -> None:
    """A typing error in a test must not pass for an acceptance."""
    response = await slow_kling.create(prompt="[error 2001]")

    assert response.json()["code"] == 1201
    assert "[error 2001]" in response.json()["message"]


async def test_a_reply_can_be_cut_on_a_real_socket(served: Caller) -> None:
    """`[cut]`: the client sees an incomplete body; the task exists and is found by its name."""
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        await served.create(prompt="[cut]", external_task_id="mine")

    found = await served.get(f"{TEXT2VIDEO}/mine")
    assert found.status_code == 200


async def test_a_reply_can_be_dropped_on_a_real_socket(served: Caller) -> None:
    """`[drop]`: the connection closes without a byte; the task exists and is found by its name."""
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        await served.create(prompt="[drop]", external_task_id="mine")

    found = await served.get(f"{TEXT2VIDEO}/mine")
    assert found.status_code == 200


@pytest.mark.parametrize("word", ["cut", "drop"])
async def test_in_process_a_cut_is_the_same_exception(slow_kling: Caller, word: str) -> None:
    """Through an ASGI transport there is no socket: httpx's own exception is raised instead."""
    with pytest.raises(httpx.RemoteProtocolError):
        await slow_kling.create(prompt=f"[{word}]", external_task_id="mine")

    assert await _accepted_names(slow_kling) == ["mine"]


async def test_a_delay_is_after_the_acceptance(served: Caller) -> None:
    """`[delay 0.3]`: the reply comes 0.3 s after `created_at`, and a client may give up before."""
    with pytest.raises(httpx.ReadTimeout):
        await served.http.post(
            TEXT2VIDEO,
            json={"prompt": "[delay 5]", "external_task_id": "mine"},
            headers={"authorization": "Bearer api-key-kling-sandbox-not-for-production"},
            timeout=httpx.Timeout(PATIENCE_S, read=0.2),
        )

    (first, *_) = await wait_until(lambda: _accepted_names(served))
    task = await served.accepted(prompt="[delay 0.3]")
    assert time.time() * 1000 - task["created_at"] >= 300
    assert first == "mine"


async def test_html_can_hide_an_acceptance_or_be_a_refusal(slow_kling: Caller) -> None:
    """`[html]` and `[html refused]`: the same 502 page, and only the log knows the difference."""
    hidden = await slow_kling.create(prompt="[html]", external_task_id="hidden")
    refused = await slow_kling.create(prompt="[html refused]", external_task_id="refused")

    assert hidden.status_code == refused.status_code == 502
    assert hidden.headers["content-type"] == "text/html"
    assert hidden.content == refused.content
    assert await _accepted_names(slow_kling) == ["hidden"]


async def test_a_refusal_can_come_with_http_200(slow_kling: Caller) -> None:
    """`[code200 1301]`: some clients guard for it (5.6); nothing is accepted."""
    response = await slow_kling.create(prompt="[code200 1301]")

    assert (response.status_code, response.json()["code"]) == (200, 1301)
    assert "data" not in response.json()
    assert await _accepted_names(slow_kling) == []


async def test_an_accepted_reply_can_lack_the_id(slow_kling: Caller) -> None:
    """`[no id]`: HTTP 200, code 0, data without task_id; the task exists."""
    response = await slow_kling.create(prompt="[no id]", external_task_id="mine")

    assert response.status_code == 200
    assert "task_id" not in response.json()["data"]
    assert (await slow_kling.get(f"{TEXT2VIDEO}/mine")).status_code == 200


async def test_the_deduction_can_be_chosen(kling: Caller) -> None:
    """`[units 9]`, `[no deduction]`, `[cash 0.42]`, in the reply and in the log."""
    prompts = ["[units 9.50]", "[no deduction]", "[cash 0.42]"]
    tasks = [await kling.accepted(prompt=prompt) for prompt in prompts]

    units, none, cash = [await kling.ended(task["task_id"]) for task in tasks]

    assert units["final_unit_deduction"] == "9.5"
    assert "final_unit_deduction" not in none
    assert "final_balance_deduction" not in none
    assert cash["final_unit_deduction"] == "0"
    assert cash["final_balance_deduction"] == {"quota": "0.42", "list_price": "0.42"}
    assert [entry["units"] for entry in await kling.log("ended")] == ["9.5", None, "0"]


async def test_words_in_shots_count(slow_kling: Caller) -> None:
    """`multi_prompt` texts are prompt too."""
    shot = {"index": 1, "prompt": "a cat [error 1301]", "duration": "5"}

    response = await slow_kling.create(
        model_name="kling-v3", multi_shot=True, shot_type="customize", multi_prompt=[shot]
    )

    assert response.json()["code"] == 1301


def test_other_brackets_are_ordinary_text() -> None:
    """Unknown words, a missing or a needless number do nothing; several words combine."""
    ordinary = find_faults("[intro] [delay] [fail 3] [Fail] [error x] [] [cut")
    several = find_faults("a [fail] cat [slow 0.5][double callback]")

    assert ordinary.words == {}
    assert several.words == {"fail": "", "slow": "0.5", "double callback": ""}


async def test_the_words_are_documented_at_the_sandbox_itself(kling: Caller) -> None:
    """`GET /sandbox` needs no credential and lists every word."""
    overview = (await kling.http.get("/sandbox")).json()

    assert set(overview["faults_in_prompt"]) == {f"[{word}]" for word in WORDS}
    assert TEXT2VIDEO in overview["endpoints"]
