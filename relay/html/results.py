"""Results of tasks, as pages may show them: of Kling's own hosts, and only when asked to."""

from urllib.parse import urlsplit

import msgspec

from relay.results.hosts import HOSTS, is_of_kling

SOURCES = " ".join(f"https://{host} https://*.{host}" for host in HOSTS)
"""Whose files a page shows, in a policy's words."""
KINDS = {
    "video": (".mp4", ".mov", ".webm"),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif"),
    "audio": (".mp3", ".wav", ".m4a"),
}


class Result(msgspec.Struct, frozen=True):
    url: str
    kind: str | None
    """As what it can be shown: video, image or audio; None is not at all."""
    is_of_kling: bool


def result_of(url: str) -> Result:
    """Tell how a result can be shown, by its address alone: nothing is fetched."""
    if not is_of_kling(url):
        return Result(url, None, is_of_kling=False)
    path = urlsplit(url).path.lower()
    kind = next((kind for kind, ends in KINDS.items() if path.endswith(ends)), None)
    return Result(url, kind, is_of_kling=True)
