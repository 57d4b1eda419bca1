"""A channel's keys are stars in whatever Kling says."""

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from relay.channels.opened import OpenedChannel

KEYS = {
    "access_key": "AK9/plain+letters",
    "secret_key": "SK7/with=padding==",
    "api_key": "api-key-kling-0123",
    "webhook_secret": "whsec_MfKQ9r8/GKYqrTw==",
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "escaped slashes": lambda text: text.replace("/", "\\/"),
    "safe in HTML": lambda text: text.replace("=", "\\u003d"),
    "both": lambda text: text.replace("/", "\\/").replace("=", "\\u003d"),
    "a part of a URL": lambda text: quote(text, safe=""),
}


def channel(**keys: str) -> OpenedChannel:
    return OpenedChannel(
        id=1,
        name="main",
        base_url="https://k",
        access_key=keys.get("access_key"),
        secret_key=keys.get("secret_key"),
        api_key=keys.get("api_key"),
        webhook_secret=keys.get("webhook_secret"),
    )


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("name", KEYS)
def test_each_key_is_stars_in_every_spelling(name: str, spelling: str) -> None:
    """Twice in a text, with the bearer of the call beside it; all else keeps its bytes."""
    spelt = SPELLINGS[spelling](KEYS[name])
    body = f'{{"m":"no {spelt}, \\u00e9 {spelt}","n":1.0,"b":"eyJ.x.y"}}'.encode()

    shown = channel(**KEYS).without_secrets(body, b"eyJ.x.y")

    assert shown == b'{"m":"no ***, \\u00e9 ***","n":1.0,"b":"***"}'
    json.loads(shown)


def test_what_has_none_is_the_same_object() -> None:
    """And a key that is too short to be one is a word like any other."""
    body = b'{"task_status":"succeed","m":"secret"}'

    assert channel(**KEYS).without_secrets(body, b"eyJ.x.y") is body
    assert channel(access_key="succeed", secret_key="secret").without_secrets(body) is body
