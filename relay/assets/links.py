"""Links of ours to what is kept: signed, good for some days, and put in place of Kling's.

    {RELAY_ASSET_URL}/assets/{public id}.{suffix}?until={second}&mac={key id}.{mac}

Whoever has a link may read that one file until it is over, as with Kling's. Within some hours an
asset has one and the same link, so that whoever compares what a task shows finds it unchanged.
"""

import hmac
import re
from collections import Counter
from collections.abc import Sequence
from urllib.parse import parse_qs
from uuid import UUID

import msgspec

from relay.assets.kinds import SUFFIXES
from relay.assets.statements import IS_AWAITED, OF_TASKS
from relay.database.driver import Pool
from relay.kling.wire import rewrite_texts
from relay.secrets import KeyRing

PREFIX = "/assets/"
DAY_S, STEP_S = 86400, 6 * 3600
PATH = re.compile(rb"/assets/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.[a-z0-9]{1,8}$")
FOR_KLING = "for=kling"
TO_SAVE = re.compile(rb"(?:^|&)save=([A-Za-z0-9_-]{1,100})(?:&|$)")
"""A file's name without its ending, in a link at which browsers save it."""
_TOLD = re.compile(rb"for(?:=|\\u003[dD])kling")
# Bounded before the path: who has a text of many beginnings told would else stop the loop.
_GIVEN = re.compile(
    r"https?://[^\s\"'<>?]{1,300}?/assets/([0-9a-f-]{36})\.[a-z0-9]{1,8}"
    r"\?until=\d+&for=kling[\w.&=-]*"
)
AWAITED_S = 60.0
"""How long a callback waits for files, since it was first to be sent."""


class Linked(msgspec.Struct, frozen=True):
    """What an authentic link leads to."""

    public_id: UUID
    until: int
    """In seconds since 1970."""


class AssetLinks:
    """Makes links and reads them."""

    def __init__(self, keys: KeyRing, base_url: str | None, *, days: int) -> None:
        """`base_url`: what they begin with; None makes none."""
        self._keys = keys
        self._base_url = base_url and base_url.rstrip("/")
        self._good_s = days * DAY_S

    @property
    def are_on(self) -> bool:
        return self._base_url is not None

    def url(
        self, public_id: UUID, content_type: str, *, now_s: float, is_for_kling: bool = False
    ) -> str | None:
        """Spell a link that is good for the days of the settings, and some hours at most.

        `is_for_kling`: it leads nowhere else, and can be told in what Kling says.
        """
        if self._base_url is None:
            return None
        until = (int(now_s) // STEP_S + 1) * STEP_S + self._good_s
        suffix = SUFFIXES.get(content_type, "bin")
        key_id = self._keys.current
        mac = self._keys.asset_mac(_message(public_id, until), key_id=key_id)
        via = f"&{FOR_KLING}" if is_for_kling else ""
        return f"{self._base_url}{PREFIX}{public_id}.{suffix}?until={until}{via}&mac={key_id}.{mac}"

    def read(self, raw_path: bytes, query: bytes) -> Linked | None:
        """Read a link, however old; None if we did not make it."""
        found = PATH.search(raw_path)
        given = parse_qs(query.decode("latin-1"))
        until, mac = given.get("until", [""])[-1], given.get("mac", [""])[-1]
        if found is None or not (until.isascii() and until.isdigit() and len(until) <= 12):  # noqa: PLR2004
            return None
        public_id = UUID(found[1].decode())
        key_id, _, told = mac.partition(".")
        expected = self._keys.asset_mac(_message(public_id, int(until)), key_id=key_id)
        if expected is None or not told.isascii() or not hmac.compare_digest(expected, told):
            return None
        return Linked(public_id, int(until))


def to_save(url: str, stem: str) -> str:
    """Spell a link so that a browser saves its file; `stem`: as `TO_SAVE` has it."""
    return f"{url}&save={stem}"


def by_their_ids(body: bytes) -> bytes:
    """Put `asset://…` where Kling repeats a link that was made for it, as the tenant sent it."""
    if _TOLD.search(body) is None:
        return body
    return rewrite_texts(body, lambda text: _GIVEN.sub(r"asset://\1", text))


def _message(public_id: UUID, until: int) -> str:
    return f"{public_id}~{until}"


class ResultUrls:
    """Puts our links in place of Kling's, of files that are kept, for whoever wants them."""

    def __init__(self, pool: Pool, links: AssetLinks) -> None:
        self._pool = pool
        self._links = links

    async def put_ours(self, shown: Sequence[tuple[int, bytes]], *, now_s: float) -> list[bytes]:
        """Rewrite the URLs of kept files in tasks' JSON; all else keeps its bytes.

        `shown`: our id of each task, and what is shown of it.
        """
        ours = await self._of_tasks([task_id for task_id, _ in shown], now_s=now_s)
        return [
            rewrite_texts(body, ours[task_id].shown) if task_id in ours else body
            for task_id, body in shown
        ]

    async def of_task(self, task_id: int, urls: Sequence[str], *, now_s: float) -> list[str]:
        """Say where files of a task lie: with us, if they are kept."""
        ours = (await self._of_tasks([task_id], now_s=now_s)).get(task_id)
        return list(urls) if ours is None else [ours.shown(url) for url in urls]

    async def for_callback(
        self, body: bytes, *, task_id: int, waited_s: float, now_s: float
    ) -> bytes | None:
        """Rewrite a callback's body; None while its files are copied, for a minute at most."""
        may_wait = self._links.are_on and waited_s < AWAITED_S
        if may_wait and await self._pool.fetchval(IS_AWAITED, task_id):
            return None
        return (await self.put_ours([(task_id, body)], now_s=now_s))[0]

    async def _of_tasks(self, task_ids: Sequence[int], *, now_s: float) -> "dict[int, KeptLinks]":
        """Find those of which something is kept."""
        if not self._links.are_on or not task_ids:
            return {}
        files: dict[int, list[TaskFile]] = {}
        for record in await self._pool.fetch(OF_TASKS, list(task_ids)):
            files.setdefault(record["task_id"], []).append(TaskFile(*record[1:]))
        return {
            task_id: kept_links(of_one, self._links, now_s=now_s)
            for task_id, of_one in files.items()
            if any(file.is_stored for file in of_one)
        }


class TaskFile(msgspec.Struct, frozen=True):
    """A file of a task's result that was noted."""

    source_url: str
    """Kling's."""
    public_id: UUID
    content_type: str | None
    is_stored: bool


class KeptLinks(msgspec.Struct, frozen=True):
    """Our links to what is kept of one task; None of what is not."""

    by_url: dict[str, str | None]
    by_name: dict[str, str | None]
    """Of what is told apart by more than its query: Kling may sign it anew."""

    def shown(self, text: str) -> str:
        """Say what is shown in a text's place."""
        if text in self.by_url:
            return self.by_url[text] or text
        return self.by_name.get(text.partition("?")[0]) or text


def kept_links(files: Sequence[TaskFile], links: AssetLinks, *, now_s: float) -> KeptLinks:
    """Spell the links to what is kept of one task's files."""
    by_url = {
        file.source_url: links.url(file.public_id, file.content_type, now_s=now_s)
        if file.is_stored and file.content_type is not None
        else None
        for file in files
    }
    named = Counter(url.partition("?")[0] for url in by_url)
    by_name = {url.partition("?")[0]: link for url, link in by_url.items()}
    return KeptLinks(by_url, {name: link for name, link in by_name.items() if named[name] == 1})
