"""Of all endpoints but the main ones of videos."""

from tests.kling.lint.wrong import (
    BASE,
    DATA,
    ELEMENTS,
    FACE,
    FRAME,
    FTP,
    IMAGE,
    PICTURE,
    TEXT,
    Wrong,
)
from tests.sandbox.bodies import CLIP, URL

WRONG: dict[str, list[Wrong]] = {
    "lip-sync": [
        Wrong({"input": None}, "input"),
        Wrong({"input": {"text": "hello"}}, "input.video_id"),
        Wrong({"input": {"video_url": FTP}}, "input.video_url"),
        Wrong({"input": {"video_id": "1", "mode": "text"}}, "input.mode"),
        Wrong({"input": {"video_id": "1", "text": "x" * 121}}, "input.text"),
        Wrong({"input": {"video_id": "1", "voice_language": "fr"}}, "input.voice_language"),
        Wrong({"input": {"video_id": "1", "voice_speed": 2.1}}, "input.voice_speed"),
        Wrong({"input": {"video_id": "1", "audio_type": "mp3"}}, "input.audio_type"),
        Wrong({"input": {"video_id": "1", "audio_url": "a.mp3"}}, "input.audio_url"),
    ],
    "identify-face": [
        Wrong({"video_url": None}, "video_id"),
        Wrong({"video_id": "1"}, "video_id"),
        Wrong({"video_url": "AAAAIGZ0eXA="}, "video_url"),
    ],
    "advanced-lip-sync": [
        Wrong({"session_id": None}, "session_id"),
        Wrong({"face_choose": []}, "face_choose"),
        Wrong({"face_choose": [FACE] * 2}, "face_choose"),
        *(
            Wrong({"face_choose": [{**FACE, name: None}]}, f"face_choose[0].{name}")
            for name in ("face_id", "sound_start_time", "sound_end_time", "sound_insert_time")
        ),
        Wrong({"face_choose": [{**FACE, "sound_file": None}]}, "face_choose[0].audio_id"),
        Wrong({"face_choose": [{**FACE, "audio_id": "1"}]}, "face_choose[0].audio_id"),
        Wrong({"face_choose": [{**FACE, "sound_volume": 2.5}]}, "face_choose[0].sound_volume"),
        Wrong(
            {"face_choose": [{**FACE, "original_audio_volume": "-1"}]},
            "face_choose[0].original_audio_volume",
        ),
    ],
    "effects": [
        Wrong({"effect_scene": None}, "effect_scene"),
        Wrong({"input": {}}, "input"),
        Wrong({"input": {"image": DATA}}, "input.image"),
        Wrong({"input": {"images": [URL, DATA]}}, "input.images[1]"),
        Wrong({"input": {"images": [URL]}}, "input.images"),
    ],
    "avatar": [
        Wrong({"image": None}, "image"),
        Wrong({"image": DATA}, "image"),
        Wrong({"sound_file": None}, "audio_id"),
        Wrong({"audio_id": "1"}, "audio_id"),
        Wrong({"prompt": "x" * 2501}, "prompt"),
        Wrong({"mode": "4k"}, "mode"),
    ],
    "init-selection": [
        Wrong({"video_id": None}, "video_id"),
        Wrong({"video_url": CLIP}, "video_id"),
        Wrong({"video_id": None, "video_url": FTP}, "video_url"),
    ],
    **{
        f"{step}-selection": [
            Wrong({"session_id": None}, "session_id"),
            Wrong({"points": [{"x": 0, "y": 0}] * 11}, "points"),
            Wrong({"points": [{"x": 1.5, "y": 0}]}, "points[0].x"),
            Wrong({"points": [{"x": 1, "y": -1}]}, "points[0].y"),
        ]
        for step in ("add", "delete")
    },
    "clear-selection": [Wrong({"session_id": None}, "session_id")],
    "preview-selection": [Wrong({"session_id": None}, "session_id")],
    "multi-elements": [
        Wrong({"session_id": None}, "session_id"),
        Wrong({"edit_mode": None}, "edit_mode"),
        Wrong({"edit_mode": "paint"}, "edit_mode"),
        Wrong({"edit_mode": "addition"}, "image_list"),
        Wrong({"edit_mode": "swap", "image_list": [IMAGE] * 2}, "image_list"),
        Wrong({"edit_mode": "swap", "image_list": [{"picture": URL}]}, "image_list[0].image"),
        Wrong({"edit_mode": "swap", "image_list": [{"image": DATA}]}, "image_list[0].image"),
        Wrong({"prompt": None}, "prompt"),
        Wrong({"mode": "4k"}, "mode"),
        Wrong({"duration": "7"}, "duration"),
    ],
    "image-recognize": [Wrong({"image": None}, "image"), Wrong({"image": DATA}, "image")],
    "generations": [
        Wrong({"prompt": None}, "prompt"),
        Wrong({"prompt": "x" * 2501}, "prompt"),
        Wrong({"image": DATA}, "image"),
        Wrong({"image_reference": "style"}, "image_reference"),
        Wrong({"image": URL, "element_list": ELEMENTS * 10}, "element_list"),
        Wrong({"resolution": "4k"}, "resolution"),
        Wrong({"n": "10"}, "n"),
        Wrong({"n": 0}, "n"),
        Wrong({"n": 1.5}, "n"),
        Wrong({"aspect_ratio": "auto"}, "aspect_ratio"),
    ],
    "omni-image": [
        Wrong({"prompt": None}, "prompt"),
        Wrong({"image_list": [{"image_url": URL, "picture": URL}]}, "image_list[0].image"),
        Wrong({"image_list": [{"image": DATA}]}, "image_list[0].image"),
        Wrong({"image_list": [IMAGE] * 10, "element_list": ELEMENTS}, "element_list"),
        Wrong({"resolution": "8k"}, "resolution"),
        Wrong({"result_type": "many"}, "result_type"),
        Wrong({"n": 10}, "n"),
        Wrong({"result_type": "series", "series_amount": 10}, "series_amount"),
        Wrong({"result_type": "series", "series_amount": "all"}, "series_amount"),
        Wrong({"aspect_ratio": "5:4"}, "aspect_ratio"),
    ],
    "multi-image2image": [
        Wrong({"subject_image_list": None}, "subject_image_list"),
        Wrong({"subject_image_list": [{"subject_image": URL}] * 5}, "subject_image_list"),
        Wrong({"subject_image_list": [IMAGE]}, "subject_image_list[0].subject_image"),
        Wrong(
            {"subject_image_list": [{"subject_image": DATA}]},
            "subject_image_list[0].subject_image",
        ),
        Wrong({"scene_image": DATA}, "scene_image"),
        Wrong({"style_image": DATA}, "style_image"),
    ],
    "expand": [
        Wrong({"image": None}, "image"),
        Wrong({"image": DATA}, "image"),
        *(
            wrong
            for name in (f"{side}_expansion_ratio" for side in ("up", "down", "left", "right"))
            for wrong in (Wrong({name: None}, name), Wrong({name: "2.1"}, name))
        ),
        Wrong({"up_expansion_ratio": 1, "left_expansion_ratio": 1}, "up_expansion_ratio"),
    ],
    "kolors-virtual-try-on": [
        Wrong({"human_image": None}, "human_image"),
        Wrong({"human_image": DATA}, "human_image"),
        Wrong({"cloth_image": DATA}, "cloth_image"),
    ],
    "ai-multi-shot": [
        Wrong({"element_frontal_image": None}, "element_frontal_image"),
        Wrong({"element_frontal_image": DATA}, "element_frontal_image"),
    ],
    "text-to-audio": [
        Wrong({"prompt": None}, "prompt"),
        Wrong({"prompt": "x" * 201}, "prompt"),
        Wrong({"duration": None}, "duration"),
        Wrong({"duration": 2.9}, "duration"),
        Wrong({"duration": "10.1"}, "duration"),
    ],
    "video-to-audio": [
        Wrong({"video_url": None}, "video_id"),
        Wrong({"video_id": "1"}, "video_id"),
        Wrong({"video_url": FTP}, "video_url"),
        Wrong({"sound_effect_prompt": "x" * 201}, "sound_effect_prompt"),
        Wrong({"bgm_prompt": "x" * 201}, "bgm_prompt"),
    ],
    "tts": [
        Wrong({"text": None}, "text"),
        Wrong({"text": "x" * 1001}, "text"),
        Wrong({"voice_language": "fr"}, "voice_language"),
        Wrong({"voice_speed": 0.7}, "voice_speed"),
    ],
    "advanced-custom-elements": [
        *(
            Wrong({name: None}, name)
            for name in ("element_name", "element_description", "reference_type")
        ),
        Wrong({"element_name": "x" * 21}, "element_name"),
        Wrong({"element_description": "x" * 101}, "element_description"),
        Wrong({"reference_type": "sound_refer"}, "reference_type"),
        Wrong({"element_image_list": {"frontal_image": DATA}}, "element_image_list.frontal_image"),
        Wrong(
            {"element_image_list": {"refer_images": [PICTURE] * 4}},
            "element_image_list.refer_images",
        ),
        Wrong(
            {"element_image_list": {"refer_images": [{"image_url": DATA}]}},
            "element_image_list.refer_images[0].image_url",
        ),
        Wrong(
            {"element_video_list": {"refer_videos": [BASE] * 2}},
            "element_video_list.refer_videos",
        ),
        Wrong(
            {"element_video_list": {"refer_videos": [{"video_url": FTP}]}},
            "element_video_list.refer_videos[0].video_url",
        ),
        Wrong({"tag_list": [{"tag_id": "o_101"}, {"tag_id": "o_100"}]}, "tag_list[1].tag_id"),
    ],
    "custom-voices": [
        Wrong({"voice_name": None}, "voice_name"),
        Wrong({"voice_name": "x" * 21}, "voice_name"),
        Wrong({"voice_url": None}, "voice_url"),
        Wrong({"video_id": "1"}, "voice_url"),
        Wrong({"voice_url": FTP}, "voice_url"),
    ],
    "text-to-video": [
        Wrong({"prompt": None}, "prompt", "kling-3.0"),
        Wrong({"prompt": "x" * 3073}, "prompt", "kling-3.0-turbo"),
        Wrong(
            {"prompt": None, "contents": [{**TEXT, "text": "x" * 3073}]},
            "contents[0].text",
            "kling-3.0",
        ),
        Wrong({"settings": {"resolution": "4k"}}, "settings.resolution", "kling-3.0-turbo"),
        Wrong({"settings": {"resolution": "8k"}}, "settings.resolution", "kling-3.0"),
        Wrong({"settings": {"duration": 16}}, "settings.duration", "kling-3.0"),
        Wrong({"settings": {"duration": 7}}, "settings.duration", "kling-2.5-turbo"),
        Wrong({"settings": {"aspect_ratio": "4:3"}}, "settings.aspect_ratio", "kling-3.0"),
        Wrong({"settings": {"aspect_ratio": "4:3"}}, "settings.aspect_ratio", "kling-2.6"),
        Wrong({"settings": {"audio": "original"}}, "settings.audio", "kling-3.0"),
        Wrong({"settings": {"audio": "native"}}, "settings.resolution", "kling-2.6"),
    ],
    "image-to-video": [
        Wrong({"contents": None}, "contents", "kling-2.6"),
        Wrong({"contents": [TEXT]}, "contents", "kling-3.0"),
        Wrong(
            {"contents": [FRAME, {"type": "last_frame", "url": URL}]},
            "contents",
            "kling-3.0-turbo",
        ),
        Wrong(
            {"contents": [FRAME, *[{"type": "element", "element_id": "1"}] * 4]},
            "contents",
            "kling-3.0",
        ),
        Wrong(
            {"contents": [FRAME, *[{"type": "voice", "voice_id": "1"}] * 3]},
            "contents",
            "kling-2.6",
        ),
        Wrong({"settings": {"resolution": "4k"}}, "settings.resolution", "kling-2.6"),
        Wrong({"settings": {"resolution": "8k"}}, "settings.resolution", "kling-3.0"),
        Wrong({"settings": {"duration": "2"}}, "settings.duration", "kling-3.0-turbo"),
        Wrong({"settings": {"duration": 15}}, "settings.duration", "kling-2.6"),
        Wrong({"settings": {"audio": "original"}}, "settings.audio", "kling-2.6"),
        Wrong(
            {"settings": {"audio": "native", "resolution": "720p"}},
            "settings.resolution",
            "kling-2.6",
        ),
    ],
    "2.0-omni-video": [
        Wrong({"contents": []}, "contents", "kling-o1"),
        Wrong({"settings": {"resolution": "8k"}}, "settings.resolution", "kling-3.0-omni"),
        Wrong({"settings": {"resolution": "4k"}}, "settings.resolution", "kling-o1"),
        Wrong({"settings": {"duration": 16}}, "settings.duration", "kling-3.0-omni"),
        Wrong({"settings": {"duration": 11}}, "settings.duration", "kling-o1"),
        Wrong({"settings": {"aspect_ratio": "4:3"}}, "settings.aspect_ratio", "kling-o1"),
        Wrong({"settings": {"audio": "on"}}, "settings.audio", "kling-3.0-omni"),
        Wrong({"settings": {"audio": "native"}}, "settings.audio", "kling-o1"),
    ],
    "2.0-motion-control": [
        Wrong({"contents": None}, "contents", "kling-2.6"),
        Wrong({"settings": None}, "settings.character_orientation", "kling-2.6"),
        Wrong(
            {"settings": {"character_orientation": "front"}},
            "settings.character_orientation",
            "kling-2.6",
        ),
        Wrong({"contents": [{"type": "element", "element_id": "1"}] * 2}, "contents", "kling-3.0"),
        Wrong(
            {"settings": {"character_orientation": "image", "resolution": "4k"}},
            "settings.resolution",
            "kling-3.0",
        ),
        Wrong(
            {"settings": {"character_orientation": "image", "audio": "native"}},
            "settings.audio",
            "kling-3.0",
        ),
    ],
}
