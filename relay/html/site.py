"""One set of pages in a browser: where it is, and by which cookie it knows who comes."""

from pathlib import Path
from urllib.parse import urlsplit

import msgspec


class Site(msgspec.Struct, frozen=True):
    root: str
    """The path that all its pages are below, such as `/console`."""
    title: str
    """What stands behind each page's own title."""
    templates: Path
    """Its own, which may use and replace those of `relay/html/templates`."""

    @property
    def door(self) -> str:
        """Where whoever has no session is led to."""
        return f"{self.root}/login"

    @property
    def again(self) -> str:
        """Where a form is led to that was sent without a session."""
        return f"{self.door}/again"

    @property
    def assets(self) -> str:
        return f"{self.root}/assets"

    def cookie(self, scheme: str) -> str:
        """Name the cookie of a session, which browsers keep to this host where it is of https."""
        name = f"relay-{self.root.strip('/')}"
        return f"__Host-{name}" if scheme == "https" else name

    def own_address(self, given: str) -> str:
        """Take where to go on if that is a page of this site; its first page else."""
        if given == self.root or given.startswith((f"{self.root}/", f"{self.root}?")):
            parts = urlsplit(given)
            is_plain = given.isprintable() and "\\" not in given and ".." not in parts.path
            if not parts.scheme and not parts.netloc and is_plain:
                return given
        return self.root
