"""Every template, with inputs for each way through it, and the steps that those are."""

from typing import Any

from tests.studio.asking import PICTURE, SOUND, VIDEO

FLOWS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "koubo/digital-human": (
        {"text": "Good morning", "voice_id": "genshin_vindi2", "image": PICTURE},
        ["speech", "avatar"],
    ),
    "templates/digital-human": (
        {"audio_url": SOUND, "video_url": VIDEO},
        ["face", "lips"],
    ),
    "koubo/batch-avatars": (
        {
            "text": "Good morning",
            "voice_id": "genshin_vindi2",
            "images": [PICTURE, PICTURE + "?2"],
        },
        ["speech", "avatar-1", "avatar-2"],
    ),
    "koubo/product-showcase": (
        {"image": PICTURE, "prompt": "on a beach {image}"},
        ["scene", "video", "sound"],
    ),
    "templates/transition-morph": (
        {"from_image_url": PICTURE, "to_image_url": PICTURE + "?2", "duration": 5},
        ["video"],
    ),
    "templates/transition-camera": (
        {"from_image_url": PICTURE, "to_image_url": PICTURE + "?2"},
        ["video"],
    ),
    "templates/transition-light": (
        {"from_image_url": PICTURE, "to_image_url": PICTURE + "?2"},
        ["video"],
    ),
    "variants": (
        {"capability": "text_to_video", "input": {"prompt": "a red fox"}},
        ["video-1", "video-2", "video-3"],
    ),
}
