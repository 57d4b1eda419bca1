"""Where messages may go: a few kinds of addresses, each in one way, and nothing else.

The library that sends them takes over a hundred kinds, among them programs of this machine and
files. Here a URL is checked by a list of ours, down to the names of its options, before the library
sees it; and of the library no more is loaded than the class of that kind.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from relay.alerts.tables import AlertPlace
from relay.database.sealed import SealedColumn
from relay.secrets import KeyRing

URL_CHARS_MAX = 2000


class Kind(NamedTuple):
    """One kind of address."""

    word: str
    module: str
    name: str
    """Of its class in the library."""
    example: str
    options: frozenset[str] = frozenset()
    """Names that its query may have: none of them names a file."""
    host: str | None = None
    """Whose it is, where the URL's own is a token; None: the URL's."""
    says_errcode: bool = False
    """It answers 200 also to what it does not take, and says so in `errcode` alone."""
    marks: str = ""
    """First characters of names that are as free as their values."""


_JSON = ("apprise.plugins.custom_json", "NotifyJSON")
_MAIL = ("apprise.plugins.email", "NotifyEmail")
_MAIL_OPTIONS = frozenset(("to", "from", "name", "smtp", "mode", "cc", "bcc", "reply", "verify"))
KINDS = {
    "feishu": Kind(
        *("Feishu", "apprise.plugins.feishu", "NotifyFeishu", "feishu://TOKEN"),
        host="open.feishu.cn",
    ),
    "lark": Kind(
        *("Lark", "apprise.plugins.lark", "NotifyLark", "lark://TOKEN"), host="open.larksuite.com"
    ),
    "dingtalk": Kind(
        *("DingTalk", "apprise.plugins.dingtalk", "NotifyDingTalk", "dingtalk://SECRET@TOKEN"),
        frozenset(("to", "secret")),
        "oapi.dingtalk.com",
        says_errcode=True,
    ),
    "wecombot": Kind(
        *("WeCom", "apprise.plugins.wecombot", "NotifyWeComBot", "wecombot://KEY"),
        host="qyapi.weixin.qq.com",
        says_errcode=True,
    ),
    "tgram": Kind(
        *("Telegram", "apprise.plugins.telegram", "NotifyTelegram", "tgram://BOT_TOKEN/CHAT_ID"),
        frozenset(("to", "topic", "thread", "silent")),
        "api.telegram.org",
    ),
    "mailto": Kind("mail", *_MAIL, "mailto://USER:PASSWORD@HOST?to=ADDRESS", _MAIL_OPTIONS),
    "mailtos": Kind("mail", *_MAIL, "mailtos://USER:PASSWORD@HOST?to=ADDRESS", _MAIL_OPTIONS),
    "json": Kind(
        "a webhook", *_JSON, "json://HOST/PATH", frozenset(("method", "verify")), marks="+-:"
    ),
    "jsons": Kind(
        "a webhook", *_JSON, "jsons://HOST/PATH", frozenset(("method", "verify")), marks="+-:"
    ),
}
"""By scheme."""
COPIED = (
    (re.compile(r"https://open\.feishu\.cn/open-apis/bot/v2/hook/([\w-]+)/?"), "feishu://{}"),
    (re.compile(r"https://open\.larksuite\.com/open-apis/bot/v2/hook/([\w-]+)/?"), "lark://{}"),
    (re.compile(r"https://oapi\.dingtalk\.com/robot/send\?access_token=(\w+)"), "dingtalk://{}"),
    (
        re.compile(r"https://qyapi\.weixin\.qq\.com/cgi-bin/webhook/send\?key=([\w-]+)"),
        "wecombot://{}",
    ),
)
"""Addresses of bots as their makers show them, to be copied."""


class PlaceUnusable(ValueError):
    """Nothing may be sent there; a sentence that does not repeat the URL."""


class OpenedPlace(NamedTuple):
    """One place with its URL."""

    id: int
    shown: str
    least: str
    url: str


def read_place(text: str) -> str:
    """Check a URL, or make one of what a bot's maker shows.

    Raises:
        PlaceUnusable
    """
    text = text.strip()
    for pattern, url in COPIED:
        if found := pattern.fullmatch(text):
            text = url.format(found[1])
    if len(text) > URL_CHARS_MAX or not text.isascii() or not text.isprintable() or " " in text:
        raise PlaceUnusable("its URL has white space, is not ASCII, or is too long")
    if text.count("?") > 1 or set(text) & set("#;"):
        raise PlaceUnusable("it has a second '?', a '#' or a ';': %3F, %23 and %3B spell them")
    kind = kind_of(text)
    try:
        parts = urlsplit(text)
        named = parts.netloc if kind.host else parts.hostname
        _ = None if kind.host else parts.port
    except ValueError:
        raise PlaceUnusable("it is no URL") from None
    if not named:
        raise PlaceUnusable(f"it names nothing behind its scheme; such as {kind.example}")
    refuse_options(kind, (pair.partition("=")[0] for pair in parts.query.split("&") if pair))
    return text


def refuse_options(kind: Kind, names: Iterable[str]) -> None:
    """Refuse names of a query that are not listed, however they are spelt."""
    for name in names:
        if not name.startswith(tuple(kind.marks)) and name.lower() not in kind.options:
            known = ", ".join(sorted(kind.options)) or "none"
            raise PlaceUnusable(f"it has an option '{name[:20]}'; there may be: {known}")


def kind_of(url: str) -> Kind:
    """Find which kind it is; raises PlaceUnusable."""
    scheme, separator, _ = url.partition("://")
    kind = KINDS.get(scheme.lower()) if separator else None
    if kind is None:
        examples = ", ".join(dict.fromkeys(one.example for one in KINDS.values()))
        raise PlaceUnusable(f"messages go to these only: {examples}")
    return kind


def show_place(url: str) -> str:
    """Spell what of it may be seen: its scheme and its host."""
    kind, parts = kind_of(url), urlsplit(url)
    host = kind.host or parts.hostname or ""
    port = f":{parts.port}" if kind.host is None and parts.port is not None else ""
    return f"{parts.scheme}://{host}{port}"


def secrets_of(url: str) -> Iterator[str]:
    """Yield the pieces of a URL that nobody is to read in a message of the library's."""
    parts = urlsplit(url)
    pieces = [url, parts.netloc, parts.username, parts.password, parts.path, parts.query]
    if kind_of(url).host is not None:
        pieces += [parts.hostname, parts.netloc.rpartition("@")[2]]
    pieces += parts.path.split("/")
    pieces += [value for _, value in parse_qsl(parts.query)]
    for piece in pieces:
        if piece and len(piece) > 3:  # noqa: PLR2004 (shorter ones are in any word)
            yield piece
            yield unquote(piece)


def url_context(place_id: int) -> str:
    return f"alert_places/{place_id}/url"


SEALED = (SealedColumn(AlertPlace, "url_sealed", url_context),)


async def open_places(session: AsyncSession, keys: KeyRing) -> list[OpenedPlace]:
    """Read all places.

    Raises:
        SecretKeyError: the keys do not open one.
    """
    rows = await session.scalars(select(AlertPlace).order_by(AlertPlace.id))
    return [
        OpenedPlace(
            row.id, row.shown, row.least, keys.open(row.url_sealed, context=url_context(row.id))
        )
        for row in rows
    ]
