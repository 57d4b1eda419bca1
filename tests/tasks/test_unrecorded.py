"""What Kling made, and a row that does not take it; calls without a verdict."""

import pytest

from relay.kling.transport import MaybeSent, Reply
from tests.relay_app import CLIP_MICROS, Relay, running_relay
from tests.tasks.looking import let_time_pass, look_now
from tests.tasks.scripted_kling import Call, ScriptedKling, success

QUOTA_MICROS = 10 * CLIP_MICROS
TTS = {"text": "hello", "voice_id": "genshin_vindi2", "voice_language": "en"}
TTS_PATH = "/v1/audio/tts"
REFUSE_REPLIES = "ALTER TABLE tasks ADD CONSTRAINT none_fits CHECK (reply IS NULL)"


async def refuse_replies(relay: Relay) -> None:
    await relay.rows(REFUSE_REPLIES)


async def test_a_task_whose_reply_cannot_be_recorded_is_found_by_its_id(books: str) -> None:
    """The tenant has the id, and so has the row: its reply alone is missing."""

    async def answer(_: Call) -> Reply:
        return success({"task_id": "k1", "task_status": "submitted"})

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await refuse_replies(relay)

        made = await relay.submit(token)
        found = await relay.get(token, "k1")

        assert made.json()["data"]["task_id"] == "k1"
        assert found.json()["data"]["task_status"] == "submitted"
        row = await relay.row("SELECT state, kling_id, reply FROM tasks")
        assert tuple(row) == ("submitted", "k1", None)


@pytest.mark.parametrize("why", ["unrecorded", "unheard"])
async def test_a_call_without_a_result_ends_with_its_own_deadline(books: str, why: str) -> None:
    """No result is given away that cannot be charged. At the deadline, and not before, the hold is
    given back and flagged: nothing is found of a call (D2)."""

    async def answer(_: Call) -> Reply:
        if why == "unheard":
            raise MaybeSent("ReadTimeout")
        return success({"audios": [{"id": "audio-1"}], "final_unit_deduction": "0.03"})

    async with running_relay(books, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA_MICROS)
        await refuse_replies(relay)

        called = await relay.submit(token, TTS, path=TTS_PATH)
        due = await relay.row(
            "SELECT abs(extract(epoch FROM next_look_at - submit_deadline_at)) < 5 FROM tasks"
        )
        await look_now(relay)
        early = await relay.row(
            "SELECT state, abs(extract(epoch FROM next_look_at - submit_deadline_at)) < 5"
            " FROM tasks"
        )
        await let_time_pass(relay, 91 / 3600)
        looked = await relay.parts.tasks.looker.claim_due(10)
        for leased in looked:
            await relay.parts.tasks.looker.look(leased)

        assert (called.status_code, called.json()["code"]) == (504, 5002)
        assert "audio-1" not in called.text
        assert due[0]
        assert tuple(early) == ("pending" if why == "unrecorded" else "unknown", True)
        row = await relay.row("SELECT state, charged_micros, is_flagged FROM tasks")
        assert tuple(row) == ("refused", None, True)
        assert await relay.account() == (QUOTA_MICROS, 0)
        assert await look_now(relay) == 0
