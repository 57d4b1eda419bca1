"""What Kling deducts for a task, in its own units (docs/kling-api.md 10, fetched 2026-09-20).

A table of the sandbox's own: the relay's price book must agree with it by being right, not by
being the same object. Video units and image units are different currencies; a task uses one.
"""

from decimal import Decimal

from relay.sandbox.endpoint import TRY_ON, Endpoint
from relay.sandbox.orders import Order

_PER_SECOND: dict[tuple[str, str], dict[str, str]] = {
    ("kling-3.0-turbo", "sound"): {"std": "0.8", "pro": "1.0"},
    # The list price of 4.0 is not known; these are the sandbox's own.
    ("kling-4.0", "sound"): {"std": "1.0", "pro": "1.4"},
    ("kling-4.0", "voice"): {"std": "1.0", "pro": "1.4"},
    ("kling-4.0", "video"): {"std": "1.4", "pro": "1.8"},
    ("kling-4.0-flash", "sound"): {"std": "0.5"},
    ("kling-4.0-flash", "voice"): {"std": "0.5"},
    ("kling-4.0-flash", "video"): {"std": "0.7"},
    ("kling-v3", "silent"): {"std": "0.6", "pro": "0.8", "4k": "3.0"},
    ("kling-v3", "sound"): {"std": "0.9", "pro": "1.2", "4k": "3.0"},
    # The table has no row for voice control on 3.0; we take that of sound.
    ("kling-v3", "voice"): {"std": "0.9", "pro": "1.2", "4k": "3.0"},
    ("kling-v3", "motion"): {"std": "0.9", "pro": "1.2"},
    ("kling-v3-omni", "silent"): {"std": "0.6", "pro": "0.8", "4k": "3.0"},
    ("kling-v3-omni", "sound"): {"std": "0.8", "pro": "1.0", "4k": "3.0"},
    ("kling-v3-omni", "voice"): {"std": "0.8", "pro": "1.0", "4k": "3.0"},
    ("kling-v3-omni", "video"): {"std": "0.9", "pro": "1.2"},
    ("kling-video-o1", "silent"): {"std": "0.6", "pro": "0.8"},
    ("kling-video-o1", "video"): {"std": "0.9", "pro": "1.2"},
    ("kling-v2-6", "silent"): {"std": "0.3", "pro": "0.5"},
    ("kling-v2-6", "sound"): {"pro": "1.0"},
    ("kling-v2-6", "voice"): {"pro": "1.2"},
    ("kling-v2-6", "motion"): {"std": "0.5", "pro": "0.8"},
    ("kling-v2-5-turbo", "silent"): {"std": "0.3", "pro": "0.5"},
    ("avatar", "silent"): {"std": "0.4", "pro": "0.8"},
}
"""Video units a second by model, feature and mode (std is 720p, pro is 1080p)."""

_PER_CLIP_OF_5_S = {
    "kling-v1": {"std": "1", "pro": "3.5"},
    "kling-v1-5": {"std": "2", "pro": "3.5"},
    "kling-v1-6": {"std": "2", "pro": "3.5"},
    "kling-v2-1": {"std": "2", "pro": "3.5"},
    "kling-v2-master": {"std": "10", "pro": "10"},
    "kling-v2-1-master": {"std": "10", "pro": "10"},
    "multi-elements": {"std": "3", "pro": "5"},
}
"""Video units of retired models for 5 s; 10 s cost twice as much in every row."""

_PER_CALL = {
    "/v1/videos/effects": "2",  # the price list by template was never captured
    "/v1/audio/text-to-audio": "0.25",
    "/v1/audio/video-to-audio": "0.25",
    "/v1/general/ai-multi-shot": "20",
    "/v1/general/custom-voices": "0.05",
    "/v1/general/advanced-custom-elements": "0",  # no price is known: free
    # Nor was that of the solutions; try-on costs what it did before, $0.07 at $0.0035 a unit.
    TRY_ON: "20",
    "/solutions/e-commerce/goods_studio": "20",
    "/solutions/e-commerce/clothing_dupe": "20",
    "/solutions/talking_agent": "2",
    "/solutions/drama_subtitle": "2",
}

_LIP_SYNC = ("/v1/videos/lip-sync", "/v1/videos/advanced-lip-sync")
_LIP_SYNC_UNITS = Decimal("0.5")
"""For every 5 s begun."""

_EXTENSION = {
    ("kling-v1", "std"): "1",
    ("kling-v1", "pro"): "3.5",
    ("kling-v1-5", "pro"): "3.5",
    ("kling-v1-6", "pro"): "3.5",
}
"""Video units to extend a video of this model and mode; 2 for all others."""

_PER_IMAGE = {
    "kling-v3": (8, 8),
    "kling-v2-1": (4, 8),
    "kling-v2": (4, 8),
    "kling-v2-new": (4, 8),
    "kling-v1-5": (4, 8),
    "kling-v1": (1, 1),
}
"""Image units for one image of `/v1/images/generations`: from text, from an image."""

_OTHER_IMAGES = {
    "/v1/images/multi-image2image": 16,
    "/v1/images/editing/expand": 8,
    "/v1/images/kolors-virtual-try-on": 20,  # $0.07 at $0.0035 a unit
}


def units_of(order: Order) -> Decimal:
    """Look up what a success of `order` deducts.

    Raises:
        KeyError: no row fits; the checks let nothing through that has none, so it is a bug.
    """
    path = order.endpoint.path
    if order.endpoint.results == "images" and path not in _PER_CALL:
        return Decimal(_image_units(order) * order.images_out)
    if path in _PER_CALL:
        return Decimal(_PER_CALL[path])
    if path in _LIP_SYNC:
        return _LIP_SYNC_UNITS * -(-order.seconds // 5)
    if path == "/v1/videos/video-extend":
        return Decimal(_EXTENSION.get((order.model, order.mode), "2"))
    model = order.model
    if path == "/v1/videos/multi-elements":
        model = "multi-elements"
    elif path == "/v1/videos/avatar/image2video":
        model = "avatar"
    if model in _PER_CLIP_OF_5_S:
        return Decimal(_PER_CLIP_OF_5_S[model][order.mode]) * order.seconds / 5
    seconds = order.seconds
    if order.billed_input_seconds:
        # Of input and output, and at least twice the output (section 17).
        seconds = max(seconds + order.billed_input_seconds, 2 * seconds)
    return Decimal(_PER_SECOND[model, _feature(order)][order.mode]) * seconds


def _image_units(order: Order) -> int:
    if order.endpoint.path in _OTHER_IMAGES:
        return _OTHER_IMAGES[order.endpoint.path]
    if order.endpoint.path == "/v1/images/omni-image":
        return 16 if order.resolution == "4k" else 8
    return _PER_IMAGE[order.model][1 if order.images_in else 0]


def _feature(order: Order) -> str:
    if "/motion-control" in order.endpoint.path:
        return "motion"
    if order.video_input:
        return "video"
    if order.sound:
        return "voice" if order.voice_control else "sound"
    return "silent"


def pack_of(endpoint: Endpoint) -> str:
    """Say which pack pays: `video`, also for audio (section 10), `image` or `try-on`."""
    if endpoint.path == TRY_ON:
        return "try-on"
    return "image" if endpoint.results == "images" else "video"


def plain(units: Decimal) -> str:
    """Write a decimal as Kling does: `2.5`, `3`, never `2.50` or `3E+1`."""
    return format(units.normalize(), "f")
