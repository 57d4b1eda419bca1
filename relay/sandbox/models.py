"""What each video model can do (docs/kling-api.md 11)."""

RETIRED = (
    "kling-v1",
    "kling-v1-5",
    "kling-v1-6",
    "kling-v2-master",
    "kling-v2-1",
    "kling-v2-1-master",
)
"""Retired on 2026-09-15. What Kling answers for them is unknown; here they still work."""

WITH_SOUND = ("kling-v2-6", "kling-v3", "kling-v3-omni")
WITH_4K = ("kling-v3", "kling-v3-omni")

_SECONDS = {
    "kling-v3": range(3, 16),
    "kling-v3-omni": range(3, 16),
    "kling-video-o1": range(3, 11),
}


def seconds_of(model: str) -> tuple[int, ...]:
    """List the durations that `model` can be asked for."""
    return tuple(_SECONDS.get(model, (5, 10)))


def modes_of(model: str) -> tuple[str, ...]:
    """List the modes that `model` takes on endpoints that have the field."""
    return ("std", "pro", "4k") if model in WITH_4K else ("std", "pro")
