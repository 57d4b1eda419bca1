"""What price rows may be for beside Kling's endpoints: what the studio offers, by its names.

A capability is priced by the fields of the endpoint that makes its result, where a row for the
capability itself is set; else as that endpoint. Those that have their endpoint's own name are not
here: there is one price for both.
"""

PRICED_LIKE = {
    "text_to_video": "text2video",
    "image_to_video": "image2video",
    "multi_image_to_video": "omni-video",
    "motion_control": "motion-control",
    "video_extend": "video-extend",
    "lip_sync": "advanced-lip-sync",
    "multi_elements": "multi-elements",
    "image_generation": "generations",
    "omni_image": "omni-image",
    "face_swap": "omni-image",
    "inpaint": "omni-image",
    "replace_background": "omni-image",
    "virtual_try_on": "kolors-virtual-try-on",
    "text_to_speech": "tts",
}
"""By the capability's name."""

WORKFLOWS = (
    *("digital_human", "batch_avatars", "product_showcase"),
    *("transition_camera", "transition_light", "transition_morph"),
)
"""Chains that come with the relay, of which each may have one price for all of its steps."""
