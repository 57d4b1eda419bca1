"""Synchronous calls (docs/kling-api.md 4.8, 4.11, 4.14, 4.15)."""

import pytest

from tests.sandbox.bodies import BODIES, CLIP, URL
from tests.sandbox.client import Caller

FACES = "/v1/videos/identify-face"
TTS = "/v1/audio/tts"
LIPS = "/v1/videos/advanced-lip-sync"
EDIT = "/v1/videos/multi-elements"
AVATAR = "/v1/videos/avatar/image2video"
NOTHING = {"quota": "0", "list_price": "0"}


async def test_identify_face_opens_a_session_and_is_charged(kling: Caller) -> None:
    """4.8: session_id, faces with ms ints, 0.05 units as a string."""
    data = await kling.accepted(FACES, video_url=CLIP)

    (face,) = data.pop("face_data")
    session_id = data.pop("session_id")
    assert isinstance(session_id, str)
    assert data == {"final_unit_deduction": "0.05", "final_balance_deduction": NOTHING}
    assert set(face) == {"face_id", "face_image", "start_time", "end_time"}
    assert (face["start_time"], face["end_time"]) == (0, 5000)
    assert (await kling.http.get(face["face_image"])).status_code == 200


async def test_image_recognize_cuts_four_masks(kling: Caller) -> None:
    """5.3: four types, a boolean and a file each; 0.1 units."""
    data = await kling.accepted("/v1/videos/image-recognize", image=URL)

    images = data["task_result"]["images"]
    assert [image["type"] for image in images] == [
        "object_seg",
        "head_seg",
        "face_seg",
        "cloth_seg",
    ]
    assert all(image["is_contain"] is True for image in images)
    assert (await kling.http.get(images[3]["url"])).status_code == 200
    assert data["final_unit_deduction"] == "0.1"


async def test_tts_answers_with_its_result(kling: Caller) -> None:
    """5.3: audios in the reply to the POST, duration a string; no query, no external id."""
    data = await kling.accepted(TTS, text="hello", voice_id="x", voice_language="en")

    (audio,) = data["task_result"]["audios"]
    query = await kling.get(f"{TTS}/{data['task_id']}")
    assert set(audio) == {"id", "url", "duration"}
    assert audio["duration"] == "5.1"
    assert data["task_status"] == "succeed"
    assert data["final_unit_deduction"] == "0.05"
    assert "task_info" not in data
    assert (query.status_code, query.json()["code"]) == (404, 1202)


@pytest.mark.parametrize(
    ("words", "units", "cash"),
    [("[units 9]", "9", "0"), ("[cash 0.4]", "0", "0.4"), ("[mixed 0.4]", "0.05", "0.4")],
)
async def test_what_a_call_costs_can_be_chosen(
    kling: Caller, words: str, units: str, cash: str
) -> None:
    """Units, money, or both, in the reply and in the log."""
    data = await kling.accepted(TTS, text=f"hello {words}", voice_id="x")

    assert data["final_unit_deduction"] == units
    assert data["final_balance_deduction"] == {"quota": cash, "list_price": cash}
    (entry,) = await kling.log("answered")
    assert (entry["endpoint"], entry["units"]) == (TTS, units)


async def test_a_refused_call_costs_nothing(kling: Caller) -> None:
    """A missing text, a wrong language, an unknown video: 400/1201, and no entry."""
    replies = [
        await kling.create(TTS, voice_id="x"),
        await kling.create(TTS, text="hello", voice_id="x", voice_language="fr"),
        await kling.create(TTS, text="x" * 1001, voice_id="x"),
        await kling.create(FACES, video_id="17"),
        await kling.create(FACES),
    ]

    assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {(400, 1201)}
    assert "17" in replies[3].json()["message"]
    assert await kling.log("answered") == []


async def test_a_voice_that_the_account_does_not_have_is_not_spoken_with(kling: Caller) -> None:
    """Section 17. Names are of the vendor's fixed table, which is not known: they pass."""
    unknown = await kling.create(TTS, text="hello", voice_id="829824295735410799")
    preset = await kling.create(TTS, text="hello", voice_id="829824295735410756")

    assert (unknown.status_code, unknown.json()["code"]) == (400, 1201)
    assert unknown.json()["message"] == "Voice id not found"
    assert preset.status_code == 200


async def test_lip_sync_is_charged_for_every_5_s_of_the_session(kling: Caller) -> None:
    """Section 10: a video of 12 s is 3 times 0.5; the session knows how long it is."""
    session = await kling.accepted(FACES, video_url=CLIP, sandbox_fault="[seconds 12]")
    speech = await kling.accepted(TTS, text="hello", voice_id="x")
    face = {
        "face_id": "0",
        "audio_id": speech["task_result"]["audios"][0]["id"],
        "sound_start_time": 0,
        "sound_end_time": 2000,
        "sound_insert_time": 0,
    }

    data = await kling.finished(LIPS, session_id=session["session_id"], face_choose=[face])

    assert data["final_unit_deduction"] == "1.5"
    assert data["task_result"]["videos"][0]["duration"] == "12.1"


async def test_an_avatar_is_as_long_as_its_audio(kling: Caller) -> None:
    """Section 10: 0.4 a second; 8 s of speech are 3.2, rounded from 7.6."""
    speech = await kling.accepted(TTS, text="hello [seconds 7.6]", voice_id="x")
    audio_id = speech["task_result"]["audios"][0]["id"]

    data = await kling.finished(AVATAR, image=URL, audio_id=audio_id)

    assert data["final_unit_deduction"] == "3.2"


async def test_a_selection_goes_through_its_five_steps(kling: Caller) -> None:
    """4.11: marks are kept by session, free, and the edit's video names the session."""
    begun = await kling.accepted(f"{EDIT}/init-selection", video_url=CLIP)
    session = {"session_id": begun["session_id"]}
    mark = {**session, "frame_index": 3, "points": [{"x": 0.25, "y": 1}]}

    added = await kling.accepted(f"{EDIT}/add-selection", **mark)
    preview = await kling.accepted(f"{EDIT}/preview-selection", **session)
    deleted = await kling.accepted(f"{EDIT}/delete-selection", **mark)
    again = await kling.create(f"{EDIT}/delete-selection", **mark)
    cleared = await kling.accepted(f"{EDIT}/clear-selection", **session)
    edit = await kling.finished(EDIT, **session, edit_mode="removal", prompt="a cat")

    assert begun.items() >= {"status": 0, "original_duration": 5000, "total_frame": 150}.items()
    assert added["res"]["frame_index"] == 3
    (shown,) = added["res"]["rle_mask_list"]
    assert set(shown) == {"object_id", "rle_mask", "png_mask"}
    assert set(preview["res"]) == {"video", "video_cover", "tracking_output"}
    assert deleted["res"]["rle_mask_list"] == []
    assert again.json()["code"] == 1201
    assert cleared == {"status": 0, **session}
    assert edit["task_result"]["videos"][0]["session_id"] == begun["session_id"]
    assert await kling.log("answered") == []


async def test_a_session_takes_ten_marked_frames(kling: Caller) -> None:
    """4.11: the eleventh is 400/1201, more points in a marked one are not."""
    begun = await kling.accepted(f"{EDIT}/init-selection", video_url=CLIP)
    mark = {"session_id": begun["session_id"], "points": [{"x": 0, "y": 0}]}

    replies = [
        await kling.create(f"{EDIT}/add-selection", **mark, frame_index=index)
        for index in (*range(1, 11), 11, 1)
    ]

    assert [reply.status_code for reply in replies] == [*[200] * 10, 400, 200]


@pytest.mark.parametrize("step", ["add", "delete", "clear", "preview"])
async def test_an_unknown_session_is_1201(kling: Caller, step: str) -> None:
    """400/1201, and the message names the session."""
    path = f"{EDIT}/{step}-selection"

    response = await kling.create(path, **{**BODIES[path], "session_id": "729"})

    assert (response.status_code, response.json()["code"]) == (400, 1201)
    assert "729" in response.json()["message"]


async def test_a_call_can_lose_its_reply_or_its_id(kling: Caller) -> None:
    """`[html]` and `[no id]`: charged all the same."""
    hidden = await kling.create(TTS, text="hello [html]", voice_id="x")
    nameless = await kling.accepted(FACES, video_url=CLIP, sandbox_fault="[no id]")

    assert hidden.status_code == 502
    assert "session_id" not in nameless
    assert len(await kling.log("answered")) == 2
