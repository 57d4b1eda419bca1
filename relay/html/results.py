"""Results of tasks, as pages may show them: of Kling's own hosts, and only when asked to."""

from urllib.parse import urlsplit

import msgspec

from relay.assets.links import PREFIX
from relay.results.hosts import HOSTS, is_of_kling
from relay.settings import Settings

SOURCES = " ".join(f"https://{host} https://*.{host}" for host in HOSTS)
"""Whose files a page shows, in a policy's words."""
KINDS = {
    "video": (".mp4", ".mov", ".m4v", ".webm"),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif"),
    "audio": (".mp3", ".wav", ".m4a", ".aac"),
}


class Result(msgspec.Struct, frozen=True):
    url: str
    kind: str | None
    """As what it can be shown: video, image or audio; None is not at all."""
    is_of_kling: bool
    is_ours: bool = False
    """It is kept, and this is a link of ours to it."""

    @property
    def is_known(self) -> bool:
        return self.is_of_kling or self.is_ours


def files_origin(settings: Settings) -> str | None:
    """Say where files are served that are kept; None is nowhere."""
    base_url = settings.asset_url or settings.public_url
    if base_url is None:
        return None
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}"


def result_of(url: str, *, ours_at: str | None) -> Result:
    """Tell how a result can be shown, by its address alone: nothing is fetched."""
    path = urlsplit(url).path.lower()
    is_ours = ours_at is not None and url.startswith(f"{ours_at}/") and PREFIX in path
    if not is_ours and not is_of_kling(url):
        return Result(url, None, is_of_kling=False)
    kind = next((kind for kind, ends in KINDS.items() if path.endswith(ends)), None)
    return Result(url, kind, is_of_kling=not is_ours, is_ours=is_ours)
