"""The smallest body that each endpoint accepts; ids in them are foreign (`[any ids]`)."""

URL = "https://example.com/a.png"
CLIP = "https://example.com/a.mp4"
SOUND = "https://example.com/a.mp3"
_IMAGE: dict[str, object] = {"image": URL}
_PROMPT: dict[str, object] = {"prompt": "a cat"}
_FIRST_FRAME = {"type": "first_frame", "url": URL}
_TEXT = {"type": "prompt", "text": "a cat"}
_POINTS: dict[str, object] = {"session_id": "1", "frame_index": 0, "points": [{"x": 0.5, "y": 1}]}
_FACE: dict[str, object] = {
    "face_id": "0",
    "sound_file": SOUND,
    "sound_start_time": 0,
    "sound_end_time": 2000,
    "sound_insert_time": 0,
}
_WINDOW: dict[str, object] = {"start_time": 1, "end_time": 2_000_000_000_000}
_SIDES = ("up", "down", "left", "right")

BODIES: dict[str, dict[str, object]] = {
    "/v1/videos/text2video": _PROMPT,
    "/v1/videos/image2video": _IMAGE,
    "/v1/videos/multi-image2video": {**_PROMPT, "image_list": [_IMAGE]},
    "/v1/videos/omni-video": {**_PROMPT, "aspect_ratio": "16:9"},
    "/v1/videos/motion-control": {
        "image_url": URL,
        "video_url": CLIP,
        "character_orientation": "image",
        "mode": "std",
    },
    "/v1/videos/video-extend": {"video_id": "1"},
    "/v1/videos/lip-sync": {
        "input": {"video_url": CLIP, "mode": "text2video", "text": "hello", "voice_id": "x"}
    },
    "/v1/videos/identify-face": {"video_url": CLIP},
    "/v1/videos/advanced-lip-sync": {"session_id": "1", "face_choose": [_FACE]},
    "/v1/videos/effects": {"effect_scene": "hug_pro", "input": {"images": [URL, URL]}},
    "/v1/videos/avatar/image2video": {**_IMAGE, "sound_file": SOUND},
    "/v1/videos/multi-elements": {**_PROMPT, "session_id": "1", "edit_mode": "removal"},
    "/v1/videos/multi-elements/init-selection": {"video_url": CLIP},
    "/v1/videos/multi-elements/add-selection": _POINTS,
    "/v1/videos/multi-elements/delete-selection": _POINTS,
    "/v1/videos/multi-elements/clear-selection": {"session_id": "1"},
    "/v1/videos/multi-elements/preview-selection": {"session_id": "1"},
    "/v1/videos/image-recognize": _IMAGE,
    "/v1/images/generations": _PROMPT,
    "/v1/images/omni-image": _PROMPT,
    "/v1/images/multi-image2image": {"subject_image_list": [{"subject_image": URL}]},
    "/v1/images/editing/expand": {
        **_IMAGE,
        **{f"{side}_expansion_ratio": 0.1 for side in _SIDES},
    },
    "/v1/images/kolors-virtual-try-on": {"human_image": URL},
    "/v1/general/ai-multi-shot": {"element_frontal_image": URL},
    "/v1/general/custom-elements": {"element_name": "fox"},
    "/v1/general/advanced-custom-elements": {
        "element_name": "fox",
        "element_description": "a red fox",
        "reference_type": "image_refer",
        "element_image_list": {"frontal_image": URL, "refer_images": [{"image_url": URL}]},
    },
    "/v1/general/custom-voices": {"voice_name": "mine", "voice_url": SOUND},
    "/v1/general/delete-elements": {"element_id": "1"},
    "/v1/general/delete-advanced-elements": {"element_id": "1"},
    "/v1/general/delete-voices": {"voice_id": "1"},
    "/v1/audio/text-to-audio": {"prompt": "rain", "duration": 5.0},
    "/v1/audio/video-to-audio": {"video_url": CLIP},
    "/v1/audio/tts": {"text": "hello", "voice_id": "x", "voice_language": "en"},
    "/text-to-video/{model}": _PROMPT,
    "/image-to-video/{model}": {"contents": [_TEXT, _FIRST_FRAME]},
    "/omni-video/{model}": {"contents": [_TEXT]},
    "/motion-control/{model}": {
        "contents": [{"type": "image", "url": URL}, {"type": "video", "url": CLIP}],
        "settings": {"character_orientation": "image"},
    },
    "/solutions/virtual_try_on": {},
    "/solutions/e-commerce/goods_studio": {},
    "/solutions/e-commerce/clothing_dupe": {},
    "/solutions/talking_agent": {},
    "/solutions/drama_subtitle": {},
    "/tasks": {},
    "/solutions": {},
    "/account/billing/package": _WINDOW,
    "/account/billing/balance": _WINDOW,
}
