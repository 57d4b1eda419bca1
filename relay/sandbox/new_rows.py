"""Rows of API 2.0 and of the solutions (docs/kling-api.md 3.2 and 3.3)."""

from relay.sandbox.endpoint import LEGACY, MODEL, NEW, TRY_ON, Endpoint
from relay.sandbox.things import ThingKind

_ELEMENTS: tuple[ThingKind, str] = ("element", "contents[].element_id")
_VOICES: tuple[ThingKind, str] = ("voice", "contents[].voice_id")

NEW_ENDPOINTS = (
    Endpoint(f"/text-to-video/{MODEL}", "2.0", NEW),
    Endpoint(f"/image-to-video/{MODEL}", "2.0", NEW, ids=(_ELEMENTS, _VOICES)),
    Endpoint(f"/omni-video/{MODEL}", "2.0", NEW, ids=(_ELEMENTS,)),
    Endpoint(f"/motion-control/{MODEL}", "2.0", NEW, ids=(_ELEMENTS,)),
)

SOLUTIONS = (
    # The vendor's page of this one writes task_id and succeed, the others' id and succeeded.
    Endpoint(TRY_ON, "solutions", LEGACY, results="images"),
    Endpoint("/solutions/e-commerce/goods_studio", "solutions", NEW, results="images"),
    Endpoint("/solutions/e-commerce/clothing_dupe", "solutions", NEW, results="images"),
    Endpoint("/solutions/talking_agent", "solutions", NEW),
    Endpoint("/solutions/drama_subtitle", "solutions", NEW),
)
"""What each makes is our reading of its name."""
