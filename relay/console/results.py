"""Results of tasks, as pages may show them: of Kling's own hosts, and only when asked to."""

from urllib.parse import urlsplit

import msgspec

HOSTS = ("klingai.com", "kwimgs.com", "kwaicdn.com")
"""Whose files a page shows, of names below them: Kling's. Nobody has seen them all: one row."""
SOURCES = " ".join(f"https://{host} https://*.{host}" for host in HOSTS)
"""The same, in a policy's words."""
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
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return Result(url, None, is_of_kling=False)
    is_of_kling = parts.scheme == "https" and any(
        host == one or host.endswith(f".{one}") for one in HOSTS
    )
    path = parts.path.lower()
    kind = next((kind for kind, ends in KINDS.items() if path.endswith(ends)), None)
    return Result(url, kind if is_of_kling else None, is_of_kling)
