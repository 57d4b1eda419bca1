"""Results of tasks, as pages may show them: of Kling's own hosts, and only when asked to.

Those of a sandbox are shown and handed out too, from wherever it stands: through the relay, since
a policy that named its host would name another one on each install.
"""

from urllib.parse import urlsplit

import msgspec

from relay.assets.links import PREFIX
from relay.results.hosts import HOSTS, is_of_kling, is_of_same_origin
from relay.settings import Settings

SOURCES = " ".join(f"https://{host} https://*.{host}" for host in HOSTS)
"""Whose files a page shows, in a policy's words."""
KINDS = {
    "video": (".mp4", ".mov", ".m4v", ".webm"),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".gif"),
    "audio": (".mp3", ".wav", ".m4a", ".aac"),
}
ENDS = frozenset(end for ends in KINDS.values() for end in ends)


class Result(msgspec.Struct, frozen=True):
    url: str
    kind: str | None
    """As what it can be shown: video, image or audio; None is not at all."""
    is_of_kling: bool
    is_ours: bool = False
    """It is kept, and this is a link of ours to it."""
    is_of_sandbox: bool = False
    """A browser may not reach it, but the relay does."""

    @property
    def is_known(self) -> bool:
        return self.is_of_kling or self.is_ours or self.is_of_sandbox

    @property
    def suffix(self) -> str:
        """Tell its files apart, where a step made several: mp4, wav."""
        return "" if self.kind is None else urlsplit(self.url).path.rpartition(".")[2].lower()


def files_origin(settings: Settings) -> str | None:
    """Say where files are served that are kept; None is nowhere."""
    base_url = settings.asset_url or settings.public_url
    if base_url is None:
        return None
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}"


def result_of(url: str, *, ours_at: str | None, sandbox_url: str | None = None) -> Result:
    """Tell how a result can be shown, by its address alone: nothing is fetched.

    `sandbox_url`: of the sandbox that made it, if one did.
    """
    path = urlsplit(url).path.lower()
    is_ours = ours_at is not None and url.startswith(f"{ours_at}/") and PREFIX in path
    is_of_sandbox = not is_ours and sandbox_url is not None and is_of_same_origin(url, sandbox_url)
    if not is_ours and not is_of_sandbox and not is_of_kling(url):
        return Result(url, None, is_of_kling=False)
    kind = next((kind for kind, ends in KINDS.items() if path.endswith(ends)), None)
    return Result(
        url,
        kind,
        is_of_kling=not is_ours and not is_of_sandbox,
        is_ours=is_ours,
        is_of_sandbox=is_of_sandbox,
    )
