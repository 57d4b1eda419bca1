import time
from typing import Any

import httpx
import pytest

from relay.channels.probe import Found, Probe, probe_keys
from relay.kling.endpoint import Credential
from relay.kling.httpx_transport import HttpxTransport
from relay.sandbox.app import Sandbox
from relay.sandbox.settings import Account, SandboxSettings

SINGAPORE = "https://api-singapore.klingai.com"
BEIJING = "https://api-beijing.klingai.com"
ACCOUNT = Account("ak-global", "sk-global-secret-long-enough-for-hs256", "api-key-global")
CHINESE = Account("ak-china", "sk-china-secret-that-is-long-enough-too", "api-key-china")
NOW_S = 2_000_000_000


class Regions(httpx.AsyncBaseTransport):
    """Kling's two hosts: an application each, or an answer of one kind to everything."""

    def __init__(self, **hosts: httpx.AsyncBaseTransport) -> None:
        self._hosts = hosts
        self.asked: list[httpx.URL] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        region = request.url.host.removeprefix("api-").partition(".")[0]
        return await self._hosts[region].handle_async_request(request)


def kling(account: Account) -> httpx.AsyncBaseTransport:
    app: Any = Sandbox(SandboxSettings(accounts=(account,)))
    return httpx.ASGITransport(app)


def answer(status: int, body: str) -> httpx.AsyncBaseTransport:
    return httpx.MockTransport(
        lambda _: httpx.Response(status, stream=httpx.ByteStream(body.encode()))
    )


async def probe(regions: Regions, account: Account, base_url: str = SINGAPORE) -> list[Probe]:
    return await probe_keys(
        HttpxTransport(regions),
        base_url=base_url,
        access_key=account.access_key,
        secret_key=account.secret_key,
        api_key=account.api_key,
        now_s=int(time.time()),
    )


async def test_task_not_found_proves_both_credentials() -> None:
    """One GET each, of a task that nobody has; the other region is not asked."""
    regions = Regions(singapore=kling(ACCOUNT))

    probes = await probe(regions, ACCOUNT)

    assert [(one.credential, one.found) for one in probes] == [
        (Credential.KEY_PAIR, Found.GOOD),
        (Credential.API_KEY, Found.GOOD),
    ]
    assert len(regions.asked) == 2
    assert all(url.path.startswith("/v1/videos/text2video/") for url in regions.asked)
    assert regions.asked[0].path != regions.asked[1].path


@pytest.mark.parametrize(
    ("base_url", "account", "other"),
    [
        (SINGAPORE, CHINESE, BEIJING),
        (BEIJING, ACCOUNT, SINGAPORE),
        ("https://api.klingai.com", CHINESE, BEIJING),
    ],
)
async def test_a_key_of_the_other_region_is_told_so(
    base_url: str, account: Account, other: str
) -> None:
    """401 here and "Task not found" there: the message names the host to use."""
    regions = Regions(singapore=kling(ACCOUNT), beijing=kling(CHINESE), api=kling(ACCOUNT))

    for one in await probe(regions, account, base_url):
        assert one.found is Found.UNAUTHORIZED
        assert "does not take this key: HTTP 401" in one.message
        assert f"{other} knows this key: use that as --base-url" in one.message


async def test_a_key_that_nobody_knows_is_told_so() -> None:
    """Both regions answer 401."""
    regions = Regions(singapore=kling(ACCOUNT), beijing=kling(CHINESE))
    stranger = Account("ak-x", "sk-x-secret-that-is-long-enough-for-it", "api-key-x")

    for one in await probe(regions, stranger):
        assert one.found is Found.UNAUTHORIZED
        assert f"{BEIJING} does not know it either" in one.message
        assert "sk-x" not in one.message
        assert "api-key-x" not in one.message


async def test_a_host_of_ones_own_has_no_other_region() -> None:
    """Keys for a sandbox or a gateway are shown to that host alone."""
    regions = Regions(kling=kling(ACCOUNT))

    probes = await probe(regions, CHINESE, "https://kling.test")

    assert [one.found for one in probes] == [Found.UNAUTHORIZED, Found.UNAUTHORIZED]
    assert {url.host for url in regions.asked} == {"kling.test"}


@pytest.mark.parametrize(
    ("status", "body", "found", "said"),
    [
        (404, "<html>nginx</html>", Found.ODD, "HTTP 404, and not as Kling does"),
        (200, '{"code":0,"message":"SUCCEED","data":{}}', Found.ODD, "HTTP 200, code 0"),
        (429, '{"code":1101,"message":"in arrears"}', Found.ODD, "refuses its account"),
        (503, '{"code":5001,"message":"later"}', Found.ODD, "HTTP 503, code 5001"),
        (401, '{"code":1004,"message":"expired"}', Found.UNAUTHORIZED, "machine's clock"),
    ],
)
async def test_only_task_not_found_is_good(status: int, body: str, found: Found, said: str) -> None:
    """Everything else is told in the host's own words."""
    regions = Regions(kling=answer(status, body))

    for one in await probe(regions, ACCOUNT, "https://kling.test"):
        assert one.found is found
        assert said in one.message


async def test_a_refused_port_is_unreachable() -> None:
    """Over real sockets: nothing listens, and the message says so."""
    transport = HttpxTransport()
    try:
        probes = await probe_keys(
            transport,
            base_url="http://127.0.0.1:1",
            access_key=None,
            secret_key=None,
            api_key="api-key",
            now_s=NOW_S,
        )
    finally:
        await transport.aclose()

    assert [(one.credential, one.found) for one in probes] == [
        (Credential.API_KEY, Found.UNREACHABLE)
    ]
    assert "http://127.0.0.1:1 cannot be reached" in probes[0].message
