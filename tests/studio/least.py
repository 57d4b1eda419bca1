"""Every capability with the least that it takes."""

from typing import Any

from tests.studio.asking import PICTURE, SOUND, VIDEO

PLAIN: dict[str, dict[str, Any]] = {
    "text_to_video": {"prompt": "a fox"},
    "image_to_video": {"image": PICTURE},
    "multi_image_to_video": {"images": [PICTURE], "prompt": "a fox"},
    "motion_control": {"image": PICTURE, "video_url": VIDEO},
    "video_extend": {},
    "lip_sync": {"video_url": VIDEO, "audio_url": SOUND},
    "avatar": {"image": PICTURE, "audio_url": SOUND},
    "effects": {"effect_scene": "hug_pro", "images": [PICTURE, PICTURE]},
    "multi_elements": {"edit_mode": "removal", "prompt": "no fox", "video_url": VIDEO},
    "image_generation": {"prompt": "a fox"},
    "omni_image": {"prompt": "a fox"},
    "face_swap": {"image": PICTURE, "face_image": PICTURE},
    "inpaint": {"image": PICTURE, "prompt": "a hat"},
    "replace_background": {"image": PICTURE, "prompt": "a beach"},
    "virtual_try_on": {"human_image": PICTURE, "cloth_image": PICTURE},
    "text_to_speech": {"text": "hello", "voice_id": "girlfriend_1_speech02"},
}
"""Without the id of the clip that is extended, which has to be made first."""
