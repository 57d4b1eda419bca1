"""Rows of what is answered at once (docs/kling-api.md 3.1, 3.2, 3.3); prices of section 10."""

from relay.sandbox.account_pages import list_balance, list_package, show_costs
from relay.sandbox.calls import Call
from relay.sandbox.library import (
    create_element,
    delete_element,
    delete_voice,
    list_elements,
    list_old_presets,
    list_presets,
    list_voices,
)
from relay.sandbox.recognition import identify_face, recognize_image, speak
from relay.sandbox.selections import (
    add_selection,
    clear_selection,
    delete_selection,
    init_selection,
    preview_selection,
)
from relay.sandbox.task_queries import find_solutions, find_tasks, list_solutions, list_tasks
from relay.sandbox.things import ThingKind

_VIDEO = (("video_id", "video_url"),)
_VIDEO_ID: tuple[tuple[ThingKind, str], ...] = (("video", "video_id"),)
_SESSION = (("session_id",),)
_SESSION_ID: tuple[tuple[ThingKind, str], ...] = (("session", "session_id"),)
_MARK = (("session_id",), ("frame_index",), ("points",))
_SELECTION = "/v1/videos/multi-elements"
_ELEMENT = (("element_id",),)

CALLS = (
    Call(
        "POST",
        "/v1/videos/identify-face",
        identify_face,
        units="0.05",
        needs=_VIDEO,
        ids=_VIDEO_ID,
    ),
    Call("POST", "/v1/videos/image-recognize", recognize_image, units="0.1", needs=(("image",),)),
    Call(
        "POST",
        "/v1/audio/tts",  # its voice_id is one of a fixed list, not the account's
        speak,
        units="0.05",
        needs=(("text",), ("voice_id",)),
    ),
    Call("POST", f"{_SELECTION}/init-selection", init_selection, needs=_VIDEO, ids=_VIDEO_ID),
    Call("POST", f"{_SELECTION}/add-selection", add_selection, needs=_MARK, ids=_SESSION_ID),
    Call("POST", f"{_SELECTION}/delete-selection", delete_selection, needs=_MARK, ids=_SESSION_ID),
    Call("POST", f"{_SELECTION}/clear-selection", clear_selection, needs=_SESSION, ids=_SESSION_ID),
    Call(
        "POST",
        f"{_SELECTION}/preview-selection",
        preview_selection,
        needs=_SESSION,
        ids=_SESSION_ID,
    ),
    Call("POST", "/v1/general/custom-elements", create_element, needs=(("element_name",),)),
    Call("GET", "/v1/general/custom-elements", list_elements),
    Call("GET", "/v1/general/presets-elements", list_old_presets),
    Call("GET", "/v1/general/advanced-presets-elements", list_presets),
    Call("GET", "/v1/general/presets-voices", list_voices),
    # The vendor's pages name both paths for the same thing; each takes both libraries here.
    Call("POST", "/v1/general/delete-elements", delete_element, needs=_ELEMENT),
    Call("POST", "/v1/general/delete-advanced-elements", delete_element, needs=_ELEMENT),
    Call("POST", "/v1/general/delete-voices", delete_voice, needs=(("voice_id",),)),
    Call("GET", "/tasks", find_tasks, "2.0"),
    Call("POST", "/tasks", list_tasks, "2.0"),
    Call("GET", "/solutions", find_solutions, "solutions"),
    Call("POST", "/solutions", list_solutions, "solutions"),
    Call("GET", "/account/costs", show_costs, "account"),
    Call("POST", "/account/billing/package", list_package, "account"),
    Call("POST", "/account/billing/balance", list_balance, "account"),
)
