"""Links of ours to what is kept: signed, good for some days, and put in place of Kling's.

    {RELAY_ASSET_URL}/assets/{public id}.{suffix}?until={second}&mac={key id}.{mac}

Whoever has a link may read that one file until it is over, as with Kling's. Within some hours an
asset has one and the same link, so that whoever compares what a task shows finds it unchanged.
"""

import hmac
import re
from urllib.parse import parse_qs
from uuid import UUID

import msgspec

from relay.assets.kinds import SUFFIXES
from relay.assets.statements import IS_AWAITED, STORED
from relay.database.driver import Pool
from relay.kling.wire import rewrite_texts
from relay.secrets import KeyRing

PREFIX = "/assets/"
DAY_S, STEP_S = 86400, 6 * 3600
PATH = re.compile(rb"/assets/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.[a-z0-9]{1,8}$")
AWAITED_S = 60.0
"""How long a callback waits for files, since it was first to be sent."""
_URL = re.compile(rb'"(https?:[^"]+)"')


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

    def url(self, public_id: UUID, content_type: str, *, now_s: float) -> str | None:
        """Spell a link that is good for the days of the settings, and some hours at most."""
        if self._base_url is None:
            return None
        until = (int(now_s) // STEP_S + 1) * STEP_S + self._good_s
        suffix = SUFFIXES.get(content_type, "bin")
        key_id = self._keys.current
        mac = self._keys.asset_mac(_message(public_id, until), key_id=key_id)
        return f"{self._base_url}{PREFIX}{public_id}.{suffix}?until={until}&mac={key_id}.{mac}"

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


def _message(public_id: UUID, until: int) -> str:
    return f"{public_id}~{until}"


class ResultUrls:
    """Puts our links in place of Kling's, of files that are kept, for whoever wants them."""

    def __init__(self, pool: Pool, links: AssetLinks) -> None:
        self._pool = pool
        self._links = links

    async def put_ours(self, body: bytes, *, tenant_id: int, now_s: float) -> bytes:
        """Rewrite the URLs of a tenant's kept files in a JSON body; all else keeps its bytes."""
        if not self._links.are_on:
            return body
        named = {url.partition(b"?")[0] for url in _URL.findall(body.replace(b"\\/", b"/"))}
        places = [place for one in named if (place := _text(one)) is not None]
        if not places:
            return body
        ours = {
            str(row["place"]): self._links.url(row["public_id"], row["content_type"], now_s=now_s)
            for row in await self._pool.fetch(STORED, tenant_id, places)
        }
        if not ours:
            return body
        return rewrite_texts(body, lambda text: ours.get(text.partition("?")[0]) or text)

    async def for_callback(
        self, body: bytes, *, task_id: int, tenant_id: int, waited_s: float, now_s: float
    ) -> bytes | None:
        """Rewrite a callback's body; None while its files are copied, for a minute at most."""
        may_wait = self._links.are_on and waited_s < AWAITED_S
        if may_wait and await self._pool.fetchval(IS_AWAITED, task_id):
            return None
        return await self.put_ours(body, tenant_id=tenant_id, now_s=now_s)


def _text(json: bytes) -> str | None:
    """Read a text of JSON's without its quotes; None if it is none."""
    try:
        return msgspec.json.decode(b'"%b"' % json, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
