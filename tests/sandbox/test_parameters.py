import pytest

from tests.sandbox.client import TEXT2VIDEO, Caller

IMAGE2VIDEO = "/v1/videos/image2video"
MULTI = "/v1/videos/multi-image2video"
OMNI = "/v1/videos/omni-video"
URL = "https://example.com/a.png"

Body = dict[str, object]

ANY_IDS: Body = {"sandbox_fault": "[any ids]"}
TEXT: Body = {"prompt": "a cat"}
IMAGE: Body = {"image": URL}
REFS: Body = {"prompt": "a cat", "image_list": [{"image": URL}]}
OMNI_TEXT: Body = {"prompt": "a cat", "aspect_ratio": "16:9"}
V3: Body = {**TEXT, "model_name": "kling-v3"}
V3_OMNI: Body = {**OMNI_TEXT, "model_name": "kling-v3-omni"}
SHOT: Body = {"index": 1, "prompt": "a cat", "duration": "5"}
SHOTS: Body = {"multi_shot": "true", "shot_type": "customize", "multi_prompt": [SHOT]}
FRAMES: Body = {"image_list": [{"image_url": URL, "type": "first_frame"}]}
BASE_VIDEO: Body = {"video_list": [{"video_url": "https://example.com/a.mp4"}]}
FEATURE: Body = {
    "video_list": [{"video_url": "https://example.com/a.mp4", "refer_type": "feature"}]
}
SIMPLE: Body = {"type": "simple", "config": {"zoom": 3, "pan": "0"}}

ACCEPTED = [
    (TEXT2VIDEO, {**TEXT, "duration": 5}),
    (TEXT2VIDEO, {**TEXT, "duration": 5.0}),
    (TEXT2VIDEO, {**TEXT, "duration": "10"}),
    (TEXT2VIDEO, {**TEXT, "duration": None, "mode": "", "negative_prompt": None}),
    (TEXT2VIDEO, {**TEXT, "model": "kling-v9", "watermark_info": {"enabled": "true"}}),
    (TEXT2VIDEO, {**TEXT, "camera_control": SIMPLE, "cfg_scale": "0.7"}),
    (TEXT2VIDEO, {**V3, "duration": "15", "mode": "4k", "sound": "on"}),
    (TEXT2VIDEO, {**V3, "sound": "on", "voice_list": [{"voice_id": "1"}], **ANY_IDS}),
    (TEXT2VIDEO, {"model_name": "kling-v3", **SHOTS}),
    (TEXT2VIDEO, {**V3, "multi_shot": True, "shot_type": "intelligence"}),
    (TEXT2VIDEO, {**TEXT, "model_name": "kling-v2-1-master"}),
    (IMAGE2VIDEO, IMAGE),
    (IMAGE2VIDEO, {"image": "iVBORw0KGgo="}),
    (IMAGE2VIDEO, {"image_tail": URL, "model_name": "kling-v2-1", "mode": "pro"}),
    (IMAGE2VIDEO, {**IMAGE, "element_list": [{"element_id": 829836802793406551}]}),
    (MULTI, {**REFS, "mode": "pro", "duration": "10"}),
    (OMNI, OMNI_TEXT),
    (OMNI, {"prompt": "a cat", **FRAMES}),
    (OMNI, {**OMNI_TEXT, **FEATURE, "duration": "3"}),
    (OMNI, {"prompt": "a cat", **BASE_VIDEO}),
    (OMNI, {**V3_OMNI, "mode": "4k", "sound": "on", "duration": "4"}),
    (OMNI, {**OMNI_TEXT, "duration": "7", "image_list": [{"image_url": URL}]}),
    ("/v1/videos/effects", {"effect_scene": "hug", "input": {"image": URL}}),
    ("/v1/videos/avatar/image2video", {"image": URL, "audio_id": "1", **ANY_IDS}),
    ("/v1/images/omni-image", {"prompt": "a cat", "result_type": "series"}),
]


@pytest.mark.parametrize(("path", "body"), ACCEPTED)
async def test_what_section_4_allows_is_accepted(slow_kling: Caller, path: str, body: Body) -> None:
    """Types are read leniently; null and "" are the same as an absent field."""
    response = await slow_kling.create(path, **body)

    assert response.status_code == 200, response.text


REFUSED = [
    (TEXT2VIDEO, {}, "prompt"),
    (TEXT2VIDEO, {"prompt": 7}, "prompt"),
    (TEXT2VIDEO, {"prompt": "x" * 2501}, "prompt"),
    (TEXT2VIDEO, {**TEXT, "negative_prompt": "x" * 2501}, "negative_prompt"),
    (TEXT2VIDEO, {**TEXT, "duration": "7"}, "duration"),
    (TEXT2VIDEO, {**TEXT, "duration": "long"}, "duration"),
    (TEXT2VIDEO, {**TEXT, "duration": 5.5}, "duration"),
    (TEXT2VIDEO, {**TEXT, "duration": True}, "duration"),
    (TEXT2VIDEO, {**V3, "duration": "16"}, "duration"),
    (TEXT2VIDEO, {**TEXT, "mode": "ultra"}, "mode"),
    (TEXT2VIDEO, {**TEXT, "mode": "4k"}, "mode"),
    (TEXT2VIDEO, {**TEXT, "aspect_ratio": "4:3"}, "aspect_ratio"),
    (TEXT2VIDEO, {**TEXT, "cfg_scale": 1.5}, "cfg_scale"),
    (TEXT2VIDEO, {**TEXT, "sound": "on"}, "sound"),
    (TEXT2VIDEO, {**TEXT, "model_name": "kling-v2-6", "sound": "on"}, "sound"),
    (TEXT2VIDEO, {**V3, "sound": "loud"}, "sound"),
    (TEXT2VIDEO, {**V3, "voice_list": [{"voice_id": "1"}]}, "voice_list"),
    (TEXT2VIDEO, {**V3, "sound": "on", "voice_list": [{"voice_id": "1"}] * 3}, "voice_list"),
    (TEXT2VIDEO, {**TEXT, "camera_control": {"type": "simple"}}, "camera_control.config"),
    (
        TEXT2VIDEO,
        {**TEXT, "camera_control": {"type": "simple", "config": {"pan": 1, "zoom": 1}}},
        "camera_control.config",
    ),
    (TEXT2VIDEO, {**V3, "multi_shot": "yes"}, "multi_shot"),
    (TEXT2VIDEO, {**V3, "multi_shot": True}, "shot_type"),
    (TEXT2VIDEO, {**SHOTS, "duration": "10"}, "multi_prompt"),
    (TEXT2VIDEO, {**SHOTS, "multi_prompt": []}, "multi_prompt"),
    (
        TEXT2VIDEO,
        {**SHOTS, "multi_prompt": [{**SHOT, "prompt": "x" * 513}]},
        "multi_prompt[0].prompt",
    ),
    (TEXT2VIDEO, {**TEXT, "callback_url": "ftp://example.com"}, "callback_url"),
    (TEXT2VIDEO, {**TEXT, "watermark_info": True}, "watermark_info"),
    (TEXT2VIDEO, {**TEXT, "external_task_id": 7}, "external_task_id"),
    (IMAGE2VIDEO, TEXT, "image"),
    (IMAGE2VIDEO, {"image": "data:image/png;base64,iVBORw0KGgo="}, "image"),
    (IMAGE2VIDEO, {**IMAGE, "image_tail": URL, "camera_control": SIMPLE}, "image_tail"),
    (IMAGE2VIDEO, {**IMAGE, "element_list": [{"element_id": 1}] * 4}, "element_list"),
    (IMAGE2VIDEO, {**IMAGE, "dynamic_masks": [{"mask": URL}]}, "dynamic_masks[0].trajectories"),
    (MULTI, TEXT, "image_list"),
    (MULTI, {"image_list": [{"image": URL}]}, "prompt"),
    (MULTI, {**REFS, "image_list": [{"image": URL}] * 5}, "image_list"),
    (MULTI, {**REFS, "image_list": [{"image_url": URL}]}, "image_list[0].image"),
    (MULTI, {**REFS, "image_list": [URL]}, "image_list"),
    (OMNI, {"aspect_ratio": "16:9"}, "prompt"),
    (OMNI, TEXT, "aspect_ratio"),
    (OMNI, {**OMNI_TEXT, "duration": "7"}, "duration"),
    (OMNI, {**OMNI_TEXT, "duration": "11", **FEATURE}, "duration"),
    (OMNI, {**OMNI_TEXT, "mode": "4k"}, "mode"),
    (OMNI, {**V3_OMNI, **FEATURE, "sound": "on"}, "sound"),
    (OMNI, {**V3_OMNI, **FEATURE, "mode": "4k"}, "mode"),
    (OMNI, {**OMNI_TEXT, **BASE_VIDEO, **FRAMES}, "image_list"),
    (OMNI, {**OMNI_TEXT, "image_list": [{"image_url": URL, "type": "end_frame"}]}, "image_list"),
    (OMNI, {**OMNI_TEXT, "video_list": [{"refer_type": "base"}]}, "video_list[0].video_url"),
    ("/v1/videos/motion-control", {"image_url": URL, "video_url": URL}, "character_orientation"),
    ("/v1/videos/avatar/image2video", {"image": URL}, "audio_id or sound_file"),
    ("/v1/images/generations", {"prompt": "a cat", "n": 10}, "n"),
]


@pytest.mark.parametrize(("path", "body", "field"), REFUSED)
async def test_what_section_4_forbids_is_1201_and_names_the_field(
    slow_kling: Caller, path: str, body: Body, field: str
) -> None:
    """400/1201, the message begins with the field; nothing was accepted."""
    response = await slow_kling.create(path, **body)

    reply = response.json()
    assert (response.status_code, reply["code"]) == (400, 1201)
    assert reply["message"].startswith(f"{field} ")
    assert await slow_kling.log("accepted") == []


@pytest.mark.parametrize("model", ["kling-v9", "kling-video-o1", "KLING-V1"])
async def test_an_unknown_model_is_1203(slow_kling: Caller, model: str) -> None:
    """Section 8: 404/1203; kling-video-o1 is known, but not on text2video (section 14)."""
    response = await slow_kling.create(prompt="a cat", model_name=model)

    assert (response.status_code, response.json()["code"]) == (404, 1203)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'"text"', b"null", b'{"prompt":NaN}', b'{"prompt":"\xff"}']
)
async def test_a_body_that_is_no_json_object_is_1200(slow_kling: Caller, body: bytes) -> None:
    """Section 8: 400/1200, broken UTF-8 included."""
    headers = {"authorization": "Bearer api-key-kling-sandbox-not-for-production"}

    response = await slow_kling.http.post(TEXT2VIDEO, content=body, headers=headers)

    assert (response.status_code, response.json()["code"]) == (400, 1200)


async def test_a_body_of_tens_of_megabytes_is_accepted(served: Caller) -> None:
    """Section 12: images come as base64; only a bounded part of the body is kept."""
    image = "A" * 20_000_000

    response = await served.create(IMAGE2VIDEO, image=image)

    (request,) = (await served.http.get("/sandbox/requests")).json()
    assert response.status_code == 200
    assert request["body_bytes"] > len(image)
    assert len(request["body"]) == 64 * 1024
