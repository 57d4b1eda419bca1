"""Whether a Kling account's keys work, asked for free.

A GET of a task that cannot exist costs nothing: "Task not found" proves the key, 401 disproves it
(docs/kling-api.md 2 and 5.6). Keys are regional, so the other region's host is asked as well.
"""

import secrets
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from relay.kling.codes import RESELLERS_BUSINESS, RESIGN
from relay.kling.endpoint import Credential
from relay.kling.jwt import sign_jwt
from relay.kling.mend import mend_reply
from relay.kling.transport import NotSent, NoUsableReply, Reply, Transport
from relay.kling.wire import fields_of, read_envelope, says_not_found

UNKNOWN_TASK = "/v1/videos/text2video/"
TIMEOUT_S = 15.0
OTHER_REGION = {
    "api-singapore.klingai.com": "https://api-beijing.klingai.com",
    "api.klingai.com": "https://api-beijing.klingai.com",
    "api-beijing.klingai.com": "https://api-singapore.klingai.com",
}
"""By host; the old global host answers as Singapore does."""


HOSTS = ("https://api-singapore.klingai.com", "https://api-beijing.klingai.com")
"""One for each region."""


class Found(StrEnum):
    """What one question showed."""

    GOOD = "good"
    """Kling took the key and looked for the task."""
    UNAUTHORIZED = "unauthorized"
    """This host does not take the key."""
    UNREACHABLE = "unreachable"
    """Nothing answered."""
    ODD = "odd"
    """Something answered, and not as Kling does to a working key."""


class Probe(msgspec.Struct, frozen=True):
    """What a host said to one credential, and a sentence about it."""

    credential: Credential
    found: Found
    message: str


async def probe_hosts(
    transport: Transport,
    *,
    access_key: str | None,
    secret_key: str | None,
    api_key: str | None,
    now_s: int,
) -> dict[str, list[Probe]]:
    """Ask each of Kling's hosts once per credential, by host."""
    bearers = _bearers(access_key, secret_key, api_key, now_s=now_s)
    asked: dict[str, list[Probe]] = {}
    for host in HOSTS:
        asked[host] = [
            Probe(credential, *await _ask(transport, host, bearer))
            for credential, bearer in bearers
        ]
    return asked


async def probe_keys(
    transport: Transport,
    *,
    base_url: str,
    access_key: str | None,
    secret_key: str | None,
    api_key: str | None,
    now_s: int,
) -> list[Probe]:
    """Ask once per credential; the other region's host too, where this one answers 401."""
    bearers = _bearers(access_key, secret_key, api_key, now_s=now_s)
    return [await _probe(transport, base_url, credential, bearer) for credential, bearer in bearers]


def _bearers(
    access_key: str | None, secret_key: str | None, api_key: str | None, *, now_s: int
) -> list[tuple[Credential, str]]:
    bearers: list[tuple[Credential, str]] = []
    if access_key and secret_key:
        bearers.append((Credential.KEY_PAIR, sign_jwt(access_key, secret_key, now_s=now_s)))
    if api_key:
        bearers.append((Credential.API_KEY, api_key))
    return bearers


async def leads_to_sandbox(transport: Transport, base_url: str) -> bool:
    """Ask whether our own sandbox stands there, which says so of itself; of Kling that is a 404."""
    try:
        reply = await transport.send("GET", f"{base_url}/sandbox", bearer="-", timeout_s=TIMEOUT_S)
    except NoUsableReply:
        return False
    envelope = fields_of(msgspec.Raw(reply.body))
    return reply.status == 200 and "sandbox" in envelope and "faults_in_prompt" in envelope  # noqa: PLR2004


async def _probe(transport: Transport, base_url: str, credential: Credential, bearer: str) -> Probe:
    found, message = await _ask(transport, base_url, bearer)
    other = OTHER_REGION.get(urlsplit(base_url).hostname or "")
    if found is Found.UNAUTHORIZED and other is not None:
        elsewhere, _ = await _ask(transport, other, bearer)
        words = {
            Found.GOOD: f"{other} knows this key: use that as --base-url",
            Found.UNAUTHORIZED: f"{other} does not know it either",
            Found.UNREACHABLE: f"{other} could not be asked",
            Found.ODD: f"{other} gave no clear answer",
        }
        message = f"{message}; {words[elsewhere]}"
    return Probe(credential=credential, found=found, message=message)


async def _ask(transport: Transport, base_url: str, bearer: str) -> tuple[Found, str]:
    url = f"{base_url}{UNKNOWN_TASK}{secrets.randbelow(9 * 10**17) + 10**17}"
    try:
        reply = mend_reply(await transport.send("GET", url, bearer=bearer, timeout_s=TIMEOUT_S))
    except NotSent as error:
        return Found.UNREACHABLE, f"{base_url} cannot be reached ({error.reason})"
    except NoUsableReply as error:
        return Found.UNREACHABLE, f"{base_url} gave no usable answer ({error.reason})"
    return _judge(reply, base_url)


def _judge(reply: Reply, base_url: str) -> tuple[Found, str]:
    if says_not_found(reply):
        return Found.GOOD, f"{base_url} takes this key"
    envelope = read_envelope(reply)
    if envelope is None:
        return Found.ODD, f"{base_url} answers HTTP {reply.status}, and not as Kling does"
    said = f'HTTP {reply.status}, code {envelope.code} "{envelope.message[:200]}"'
    if reply.status == 401:  # noqa: PLR2004 (HTTP's own number)
        hint = "; is this machine's clock right?" if envelope.code in RESIGN else ""
        return Found.UNAUTHORIZED, f"{base_url} does not take this key: {said}{hint}"
    if envelope.code in RESELLERS_BUSINESS:
        return Found.ODD, f"{base_url} knows this key and refuses its account: {said}"
    return Found.ODD, f"{base_url} answers {said}"
