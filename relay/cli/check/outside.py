"""Whether the public URL leads to this relay, asked as Kling would: through every proxy before it.

By a callback about a task that there is not, on a path that only this relay's secret key makes. It
is answered with 200 and changes nothing; a relay with another key answers 401.
"""

import asyncio
import secrets
import ssl
import time
from typing import Any

import httpx

from relay.desk.check.finding import Finding, bad, good, warning
from relay.secrets import KeyRing
from relay.tasks.callback_path import CallbackPaths

SUBJECT = "public URL"
TIMEOUT_S = 10.0
DAYS_MIN = 14
"""Of a certificate; who renews by itself does it earlier."""
DAY_S = 86400
REACHED = {"code": 0, "message": "SUCCEED"}
FORGED_STATUS, FORGED_CODE = 401, 1000
NO_TASK = {"task_id": "relay-check", "task_status": "processing", "task_info": {}}


async def check_public_url(
    public_url: str | None, keys: KeyRing, *, transport: httpx.AsyncBaseTransport | None = None
) -> Finding:
    """Ask it once; `transport` for who wants it asked otherwise than by a socket."""
    if public_url is None:
        return warning(
            SUBJECT,
            "RELAY_PUBLIC_URL is not set: Kling does not call back, and live tasks are polled",
            "set it to where Kling reaches this relay",
        )
    base = public_url.rstrip("/")
    url = CallbackPaths(keys, base).url(f"relay-check-{secrets.token_hex(8)}", 0)
    assert url is not None, "it has a public URL"
    started = time.monotonic()
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            httpx.AsyncClient(transport=transport, trust_env=False, timeout=TIMEOUT_S) as client,
            client.stream("POST", url, json=NO_TASK) as response,
        ):
            days_left = _days_left(response)
            await response.aread()
    except (httpx.HTTPError, OSError, TimeoutError) as error:
        return bad(
            SUBJECT,
            f"{base} cannot be reached from here: {_reason(error)}",
            "Kling cannot call back unless it is reached from elsewhere: look at the name, the"
            " firewall, the certificate and the proxy",
        )
    ms = (time.monotonic() - started) * 1000
    return _judge(response, base, days_left=days_left, ms=ms)


def _judge(response: httpx.Response, base: str, *, days_left: float | None, ms: float) -> Finding:
    status, said = response.status_code, _json(response)
    if status == httpx.codes.OK and said == REACHED:
        if days_left is not None and days_left < DAYS_MIN:
            return warning(
                SUBJECT,
                f"{base} leads to this relay; its certificate ends in {days_left:.0f} days",
                "renew it: Kling calls no host without a valid one",
            )
        return good(SUBJECT, f"{base} leads to this relay, in {ms:.0f} ms")
    if status == FORGED_STATUS and isinstance(said, dict) and said.get("code") == FORGED_CODE:
        return bad(
            SUBJECT,
            f"{base} leads to a relay with another RELAY_SECRET_KEY",
            "give all its processes the same key, the current one first, and restart them",
        )
    if httpx.codes.is_redirect(status):
        return bad(
            SUBJECT,
            f"{base} redirects to {response.headers.get('location', 'nowhere')}",
            "name the URL that it leads to: a callback follows no redirect",
        )
    return bad(
        SUBJECT,
        f"{base} answers HTTP {status}, and not as this relay",
        "see that `relay serve` runs, and that the proxy passes POST …/internal/callback/… to it",
    )


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _days_left(response: httpx.Response) -> float | None:
    """Read how long the certificate is valid; None without TLS."""
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    if tls is None:
        return None
    ends_at_s = ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"])
    return (ends_at_s - time.time()) / DAY_S


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {TIMEOUT_S:.0f} s"
    return " ".join(str(error).split()) or type(error).__name__
