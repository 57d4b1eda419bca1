"""A channel's own way to Kling: said, shown, tried and taken."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from cryptography import x509

from relay.sandbox.settings import DEFAULT_ACCOUNT
from tests.cli.command import Command
from tests.kling.certificates import self_signed
from tests.kling.proxy_peer import ProxyPeer, listen_as_proxy
from tests.kling.transport_peer import Connection, Script, listen
from tests.waiting import PATIENCE_S

PAIR = f"{DEFAULT_ACCOUNT.access_key}|{DEFAULT_ACCOUNT.secret_key}"
SINGAPORE, BEIJING = "api-singapore.klingai.com", "api-beijing.klingai.com"
UNKNOWN_KEY = b'{"code":1002,"message":"access key not found","request_id":"1"}'
NOT_FOUND = b'{"code":1203,"message":"Task not found by id/external id","request_id":"1"}'


@contextmanager
def in_a_thread(context: AbstractAsyncContextManager[ProxyPeer]) -> Iterator[ProxyPeer]:
    """A proxy with a loop of its own: a command runs one too, in the test's thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    opening = asyncio.run_coroutine_threadsafe(context.__aenter__(), loop)
    yield opening.result(timeout=PATIENCE_S)
    closing = asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop)
    closing.result(timeout=PATIENCE_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=PATIENCE_S)
    loop.close()


@pytest.fixture
def proxy() -> Iterator[ProxyPeer]:
    with in_a_thread(listen_as_proxy()) as peer:
        yield peer


def test_a_channel_goes_through_its_proxy(
    relay: Command, sandbox_url: str, proxy: ProxyPeer
) -> None:
    """It is tried through it before anything is written; its password is sealed and never shown."""
    proxy.user = ("relay", "p@ss-word")
    url = f"http://relay:p%40ss-word@127.0.0.1:{proxy.port}"
    add = ("channel", "add", "main", "--key", PAIR, "--base-url", sandbox_url)

    refused = relay.refused(*add, "--proxy", url.replace("p%40ss", "wr0ng"))
    added = relay(*add, "--proxy", "-", "--connect-timeout", "9", "--timeout", "90", stdin=url)
    shown = relay("channel", "show", "main").stdout
    document = relay.json("channel", "show", "main")
    changed = relay("channel", "set", "main", "--timeout", "none", "--json").stdout
    checked = {one["subject"]: one for one in relay.json("check")["findings"]}
    proxy.user = ("relay", "another")
    broken = {one["subject"]: one for one in relay.json("check", code=1)["findings"]}
    gone = relay("channel", "set", "main", "--proxy", "none", "--json").stdout
    told = json.dumps(relay.json("changes", "list"))

    spelt = f"http://relay@127.0.0.1:{proxy.port}"
    assert f"the proxy {spelt} wants another user or password" in refused
    assert f"proxy            {spelt} with a password" in shown
    assert "connect timeout  9 s" in shown
    assert (document["proxy"], document["has_proxy_password"]) == (spelt, True)
    assert (document["connect_timeout_s"], document["timeout_s"]) == (9, 90)
    assert json.loads(changed)["timeout_s"] is None
    assert checked["proxy of main"]["said"] == f"{spelt} makes tunnels to 127.0.0.1"
    assert "wants another user or password" in broken["proxy of main"]["said"]
    assert (json.loads(gone)["proxy"], json.loads(gone)["has_proxy_password"]) == (None, False)
    assert set(proxy.asked) == {sandbox_url.removeprefix("http://")}
    for text in (refused, added.stdout, added.stderr, shown, told, str(checked), str(broken)):
        assert "p@ss" not in text
        assert "p%40ss" not in text
        assert "wr0ng" not in text


@asynccontextmanager
async def klings_hosts(directory: Path, **answers: tuple[int, bytes]) -> AsyncIterator[ProxyPeer]:
    """A proxy behind which Kling's hosts give each one answer, with a certificate of their own."""
    names = [x509.DNSName(name) for name in (SINGAPORE, BEIJING)]
    tls = self_signed(directory / "peer.pem", *names)

    def script(status: int, body: bytes) -> Script:
        async def answer(connection: Connection) -> None:
            while True:
                await connection.receive()
                head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n"
                await connection.answer(head.encode() + body)

        return answer

    async with (
        listen(script(*answers["singapore"]), tls=tls) as singapore,
        listen(script(*answers["beijing"]), tls=tls) as beijing,
        listen_as_proxy() as proxy,
    ):
        proxy.routes = {f"{SINGAPORE}:443": singapore.port, f"{BEIJING}:443": beijing.port}
        yield proxy


@pytest.mark.parametrize(
    ("singapore", "found"),
    [((401, UNKNOWN_KEY), BEIJING), ((400, NOT_FOUND), SINGAPORE)],
    ids=["beijing", "both"],
)
def test_the_host_that_knows_the_key_is_found(
    relay: Command, tmp_path: Path, singapore: tuple[int, bytes], found: str
) -> None:
    """Of Kling's hosts, through a proxy and by a CA file of one's own."""

    answers = {"singapore": singapore, "beijing": (400, NOT_FOUND)}
    with in_a_thread(klings_hosts(tmp_path, **answers)) as proxy:
        way = ("--proxy", f"socks5://127.0.0.1:{proxy.port}")
        untrusted = relay.refused("channel", "add", "main", "--key", PAIR, *way)
        trusted = (*way, "--ca-file", str(tmp_path / "peer.pem"))
        added = relay("channel", "add", "main", "--key", PAIR, *trusted, "--json")

    assert f"{SINGAPORE} cannot be reached (SSLCertVerificationError" in untrusted
    assert json.loads(added.stdout)["base_url"] == f"https://{found}"
    assert f"key pair: https://{found} takes this key" in added.stderr
    assert "certificates" in relay("channel", "show", "main").stdout


def test_a_key_that_no_host_knows_is_refused(relay: Command, tmp_path: Path) -> None:
    """Exit code 1, with what each host said; nothing is written."""

    unknown = (401, UNKNOWN_KEY)
    with in_a_thread(klings_hosts(tmp_path, singapore=unknown, beijing=unknown)) as proxy:
        way = ("--proxy", f"http://127.0.0.1:{proxy.port}", "--ca-file", str(tmp_path / "peer.pem"))
        refused = relay.refused("channel", "add", "main", "--key", PAIR, *way)

    assert refused.count("does not take this key") == 2
    assert relay.json("channel", "list") == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--proxy", "https://proxy.lan"), "it begins with http:// or socks5://"),
        (("--proxy", "http://me:hush/1@proxy.lan"), "a password with :, / or @ in it is escaped"),
        (("--ca-file", "/nowhere/ca.pem"), "/nowhere/ca.pem: No such file"),
        (("--ca-file", __file__), "there is no certificate in it"),
        (("--timeout", "0"), "0 is not in the range"),
        (("--connect-timeout", "soon"), "'soon' is not a valid float"),
        (("--no-check",), "say which with --base-url"),
    ],
)
def test_what_is_no_way_is_a_sentence(relay: Command, options: tuple[str, ...], said: str) -> None:
    """Exit code 2, before anybody is asked; a password is not repeated."""
    refused = relay.refused("channel", "add", "main", "--key", PAIR, *options, code=2)

    assert said in refused
    assert "hush" not in refused
