"""Which addresses notices may go to: a tenant's word, so each kind in one way and nothing else.

A webhook is judged as callbacks are, again when it is dialled. Mail goes by the relay's own server,
which the tenant does not name. A bot's address has its token alone: the host is the maker's.
"""

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from relay.alerts.places import PlaceUnusable, kind_of, read_place, show_place
from relay.database.sealed import SealedColumn
from relay.deliveries.guard import CallbackGuard
from relay.kling.body import CALLBACK_URL_CHARS_MAX
from relay.notices.tables import NoticePlace, PlaceKind
from relay.settings import Settings

PLACES_MAX = 10
"""Of one tenant."""
MAIL_CHARS_MAX = 254
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
"""As browsers have it (HTML, "e-mail state"), with a dot in the host: one address, no header."""
NO_MAIL = "no mail is sent from here: RELAY_MAIL_URL names no mail server"


class Bot(NamedTuple):
    """A maker's bots."""

    schemes: frozenset[str]
    """Of `alerts/places.py`."""
    example: str


BOTS = {
    PlaceKind.FEISHU: Bot(
        frozenset(("feishu", "lark")), "https://open.feishu.cn/open-apis/bot/v2/hook/…"
    ),
    PlaceKind.DINGTALK: Bot(
        frozenset(("dingtalk",)),
        "https://oapi.dingtalk.com/robot/send?access_token=… or dingtalk://SECRET@TOKEN",
    ),
    PlaceKind.WECOM: Bot(
        frozenset(("wecombot",)), "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…"
    ),
}


class Means(NamedTuple):
    """What a relay can send with."""

    guard: CallbackGuard
    mail_url: str | None
    """The mail server, as `RELAY_MAIL_URL` has it."""

    @classmethod
    def of(cls, settings: Settings) -> "Means":
        return cls(CallbackGuard(settings.callback_networks), settings.mail_url)


def read_address(kind: PlaceKind, text: str, means: Means) -> str:
    """Check an address of a kind; of bots as their makers show it.

    Raises:
        PlaceUnusable: a sentence that does not repeat it.
    """
    text = text.strip()
    match kind:
        case PlaceKind.WEBHOOK:
            if len(text) > CALLBACK_URL_CHARS_MAX:
                raise PlaceUnusable(f"it is longer than {CALLBACK_URL_CHARS_MAX} characters")
            if why := means.guard.why_unusable(text):
                raise PlaceUnusable(f"it {why}")
        case PlaceKind.MAIL:
            if means.mail_url is None:
                raise PlaceUnusable(NO_MAIL)
            if len(text) > MAIL_CHARS_MAX or not _MAIL.fullmatch(text):
                raise PlaceUnusable("it is no mail address such as ops@example.com")
        case _:
            bot = BOTS[kind]
            try:
                text = read_place(text)
                is_one = kind_of(text).host is not None and _scheme(text) in bot.schemes
            except PlaceUnusable as error:
                raise PlaceUnusable(f"it is no address of a bot such as {bot.example}") from error
            if not is_one:
                raise PlaceUnusable(f"it is no address of a bot such as {bot.example}")
    return text


def show_address(kind: PlaceKind, url: str) -> str:
    """Spell what of it may be seen."""
    match kind:
        case PlaceKind.WEBHOOK:
            parts = urlsplit(url)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
        case PlaceKind.MAIL:
            name, _, host = url.rpartition("@")
            return f"{name[0]}***@{host}"
        case _:
            return show_place(url)


def mail_to(mail_url: str, address: str) -> str:
    """Spell where the alerts' sender sends mail for an address."""
    return f"{mail_url}{'&' if '?' in mail_url else '?'}to={quote(address, safe='')}"


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def url_context(place_id: int) -> str:
    return f"notice_places/{place_id}/url"


SEALED = (SealedColumn(NoticePlace, "url_sealed", url_context),)
