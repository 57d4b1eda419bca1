"""Kling's own elements and voices, which every account may name. Their ids are made up."""

from typing import Any

OFFICIAL = "kling"
"""`owned_by` of what is Kling's own."""

_FILE = "https://sandbox.invalid/presets"
_ELEMENTS = (
    (829836802793406551, "fox"),
    (829836802793406552, "robot"),
    (829836802793406553, "cup"),
)
_OLD_ELEMENTS = ((729836802793406551, "old fox"), (729836802793406552, "old robot"))
_VOICES = (("829824295735410756", "calm"), ("829824295735410757", "bright"))


def _element(element_id: int, name: str) -> dict[str, Any]:
    return {
        "element_id": element_id,
        "element_name": name,
        "element_description": f"the official {name}",
        "reference_type": "image_refer",
        "element_image_list": {
            "frontal_image": f"{_FILE}/{element_id}.png",
            "refer_images": [{"image_url": f"{_FILE}/{element_id}-1.png"}],
        },
        "element_video_list": {},
        "element_voice_info": {},
        "tag_list": [],
        "owned_by": OFFICIAL,
        "status": "succeed",
    }


def _old_element(element_id: int, name: str) -> dict[str, Any]:
    return {
        "element_id": element_id,
        "element_name": name,
        "element_description": f"the official {name}",
        "owned_by": OFFICIAL,
    }


NEW_PRESET_ELEMENTS = [_element(*one) for one in _ELEMENTS]
OLD_PRESET_ELEMENTS = [_old_element(*one) for one in _OLD_ELEMENTS]
PRESET_ELEMENTS = [*NEW_PRESET_ELEMENTS, *OLD_PRESET_ELEMENTS]
PRESET_VOICES = [
    {
        "voice_id": voice_id,
        "voice_name": name,
        "trial_url": f"{_FILE}/{voice_id}.mp3",
        "owned_by": OFFICIAL,
    }
    for voice_id, name in _VOICES
]
