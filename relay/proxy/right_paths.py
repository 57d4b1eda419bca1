"""What to ask instead of a path that Kling does not have, as far as that can be told.

Some wrong paths circulate (docs/kling-api.md 14); others are one of Kling's in another spelling.
Looked up for a refusal only, so that no good request pays for it.
"""

import re
from collections.abc import Iterable

CIRCULATING = {
    "/v1/videos/lipsync": "/v1/videos/identify-face and then /v1/videos/advanced-lip-sync"
    " (of old: /v1/videos/lip-sync)",
    "/v1/videos/extend": "/v1/videos/video-extend",
    "/v1/videos/motion/generation": "/v1/videos/motion-control",
}
"""Wrong paths that are told in public, and the right ones."""
SEGMENTS_MAX, CHARS_MAX = 10, 200

_PUNCTUATION = re.compile(r"[^a-z0-9.]")


class RightPaths:
    """Knows right paths by the ways to spell them wrongly."""

    def __init__(self, paths: Iterable[str]) -> None:
        shown = {path: path for path in paths} | CIRCULATING
        self._by_folded = {
            _folded(path.removeprefix("/v1").removesuffix("/{model}")): right
            for path, right in shown.items()
        }

    def instead_of(self, segments: list[bytes]) -> str:
        """Find the path that is nearly this one, with or without an id behind it; "" if none is."""
        words = [segment.decode(errors="replace") for segment in segments[:SEGMENTS_MAX]]
        if sum(map(len, words)) > CHARS_MAX:
            return ""
        found = (self._by_folded.get(_folded("".join(part))) for part in (words, words[:-1]))
        return next(filter(None, found), "")


def _folded(path: str) -> str:
    """Leave out what differs between spellings: `Text_To_Video` and `text2video` are one."""
    return _PUNCTUATION.sub("", path.lower().replace("%20", "")).replace("2", "to")
