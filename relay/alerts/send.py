"""Sending one message to one place, in a thread of its own and with a limit."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Self

from relay.alerts.places import OpenedPlace, PlaceUnusable, kind_of, refuse_options, secrets_of
from relay.alerts.rule import Voice
from relay.alerts.word import word_test

TIMEOUT_S = 20.0
WAIT_S = 8.0
"""For a connection, and for an answer, each."""
MISSING = (
    "alerts are sent by a package that is not installed here: pip install 'kling-relay[alerts]'"
    " (`apprise`)"
)


class CannotSend(Exception):
    """This installation can send nothing; a sentence."""


async def send(url: str, *, title: str, body: str, is_bad: bool) -> str | None:
    """Send it; return why it did not arrive, or None.

    What hangs is left behind in its thread, which ends with its connection, and with the process.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str | None] = loop.create_future()

    def tell(why_not: str | None) -> None:
        if not done.done():
            done.set_result(why_not)

    def run() -> None:
        try:
            why_not = _send(url, title, body, is_bad=is_bad)
        except Exception as error:  # noqa: BLE001 (whatever it is, it did not arrive)
            why_not = _without_secrets(str(error) or type(error).__name__, url)
        try:
            loop.call_soon_threadsafe(tell, why_not)
        except RuntimeError:
            return  # nobody waits any more: the loop is closed

    threading.Thread(target=run, name="alert", daemon=True).start()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await done
    except TimeoutError:
        return f"no end within {TIMEOUT_S:.0f} s"


async def send_test(places: Sequence[OpenedPlace], voice: Voice) -> list[str | None]:
    """Send a message of no rule to each at once; return why it did not arrive, or None, of each."""
    words = word_test(voice)
    return await asyncio.gather(
        *(send(one.url, title=words.title, body=words.body, is_bad=False) for one in places)
    )


def check_sender(url: str) -> None:
    """See whether the library can read the URL, too.

    Raises:
        PlaceUnusable: it cannot.
        CannotSend: it is not installed.
    """
    open_notifier(url)


def _send(url: str, title: str, body: str, *, is_bad: bool) -> str | None:
    notifier = open_notifier(url)
    from apprise.common import NotifyFormat, NotifyType  # noqa: PLC0415 (an extra, and heavy)

    kind = NotifyType.FAILURE if is_bad else NotifyType.SUCCESS
    with _Said() as said:
        # Said to be text, so that what takes HTML, as mail does, keeps the lines apart.
        is_sent = notifier.notify(
            body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT
        )
    if is_sent:
        return None
    return _without_secrets(said.last or "it was not taken", url)


def open_notifier(url: str) -> Any:
    """Make the one object that sends to this kind of place: no other code of the library's runs."""
    kind = kind_of(url)
    try:
        module = import_module(kind.module)
    except ModuleNotFoundError as error:
        raise CannotSend(MISSING) from error
    made_by = getattr(module, kind.name)
    if kind.says_errcode:
        # The library takes 200 for "it was sent", whatever the answer says.
        vars(module)["requests"] = _Requests()
    with _Said() as said:
        parsed = made_by.parse_url(url)
        # As the library reads them, which is not how everybody does.
        refuse_options(kind, (parsed or {}).get("qsd", {}))
        try:
            notifier = made_by(**parsed) if parsed else None
        except TypeError:  # what the library raises for what it cannot use
            notifier = None
    if notifier is None:
        reason = f": {_without_secrets(said.last, url)}" if said.last else ""
        raise PlaceUnusable(f"it is no address of {kind.word}, such as {kind.example}{reason}")
    notifier.socket_connect_timeout = notifier.socket_read_timeout = WAIT_S
    notifier.redirects = False
    return notifier


class BotRefused(Exception):
    """A bot answered that it does not take the message."""


class _Requests:
    """What a bot's code sends with, where only the answer's body says that it was not taken."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module("requests"), name)

    def post(self, *args: Any, **options: Any) -> Any:
        response = import_module("requests").post(*args, **options)
        try:
            answer = response.json()
        except ValueError:
            return response
        if isinstance(answer, dict) and answer.get("errcode"):
            raise BotRefused(f"errcode {answer['errcode']}: {answer.get('errmsg', '')}")
        return response


def _without_secrets(text: str, url: str) -> str:
    for secret in sorted(secrets_of(url), key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join(text.split())[:300]


class _Said(logging.Handler):
    """What the library says in its log meanwhile, in this thread; none of it reaches ours."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        self._thread = threading.get_ident()

    def __enter__(self) -> Self:
        logger = logging.getLogger("apprise")
        logger.propagate = False
        logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if threading.get_ident() == self._thread:
            self.last = record.getMessage()
