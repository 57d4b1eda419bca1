"""Which addresses may be dialled: each refused kind with no socket made, and none connected."""

from ipaddress import ip_network

import pytest

from relay.deliveries.guard import CallbackGuard
from relay.deliveries.send import Outcome, Sender
from tests.deliveries.sockets import watched_sockets
from tests.deliveries.tenant_server import TenantServer

REFUSED = {
    "private, 10/8": "10.1.2.3",
    "private, 172.16/12": "172.31.255.254",
    "private, 192.168/16": "192.168.0.1",
    "loopback": "127.0.0.1",
    "loopback, another one": "127.8.9.10",
    "link-local": "169.254.1.1",
    "metadata": "169.254.169.254",
    "metadata of Azure": "168.63.129.16",
    "metadata of Alibaba": "100.100.100.200",
    "metadata of Amazon by IPv6": "fd00:ec2::254",
    "carriers' NAT, first": "100.64.0.1",
    "carriers' NAT, last": "100.127.255.255",
    "this host": "0.0.0.0",
    "this network": "0.1.2.3",
    "protocols": "192.0.0.8",
    "documentation": "192.0.2.1",
    "documentation, 2": "198.51.100.1",
    "documentation, 3": "203.0.113.1",
    "benchmarks": "198.19.0.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "6to4 relays": "192.88.99.1",
    "this host by IPv6": "::",
    "loopback by IPv6": "::1",
    "IPv4-mapped": "::ffff:127.0.0.1",
    "IPv4-mapped, of a public address": "::ffff:8.8.8.8",
    "IPv4-compatible": "::127.0.0.1",
    "6to4": "2002:7f00:1::",
    "6to4 of a private address": "2002:a00:1::1",
    "Teredo": "2001:0:4136:e378::1",
    "NAT64": "64:ff9b::7f00:1",
    "NAT64, local": "64:ff9b:1::a00:1",
    "unique local": "fc00::1",
    "link-local by IPv6": "fe80::1",
    "link-local with a zone": "fe80::1%lo",
    "site-local": "fec0::1",
    "multicast by IPv6": "ff02::1",
    "documentation by IPv6": "2001:db8::1",
    "discard": "100::1",
    "segment routing": "5f00::1",
}
PUBLIC = ("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2606:4700::1111")
NOT_PUBLIC = "the address is not a public one"


async def post(url: str, *, resolves_to: list[str] | None = None, allowed: str = "") -> Outcome:
    async def lookup(_: str) -> list[str]:
        assert resolves_to is not None, "this host is not to be looked up"
        return resolves_to

    guard = CallbackGuard([ip_network(allowed)] if allowed else [])
    sender = Sender(guard, lookup=lookup, timeout_s=2)
    try:
        return await sender.post(url, body=b"{}", headers={})
    finally:
        await sender.aclose()


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED.keys())
async def test_a_name_of_such_an_address_is_not_dialled(address: str) -> None:
    """The name resolves to it; no socket is made, and the tenant learns nothing of the address."""
    with watched_sockets() as seen:
        outcome = await post("http://tenant.example/hook", resolves_to=[address])

    assert seen == []
    assert (outcome.http_status, outcome.error) == (None, NOT_PUBLIC)


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED.keys())
async def test_such_an_address_in_the_url_is_not_dialled(address: str) -> None:
    """Nor is it when the URL has the address itself."""
    host = f"[{address.replace('%', '%25')}]" if ":" in address else address

    with watched_sockets() as seen:
        outcome = await post(f"http://{host}/hook")

    assert seen == []
    assert outcome.http_status is None


@pytest.mark.parametrize(
    "host",
    [
        *("2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "0177.0.0.1"),
        *("0x7f.0.0.1", "0x7f.1", "127.0.0.1.", "0"),
    ],
)
async def test_no_other_spelling_of_loopback_is_dialled(host: str, server: TenantServer) -> None:
    """Decimal, hexadecimal, octal and short: the system's own resolver reads them, and the guard
    judges what it read; nothing reaches the server that listens there."""
    sender = Sender(CallbackGuard(), timeout_s=2)
    try:
        with watched_sockets() as seen:
            outcome = await sender.post(server.url(host=host), body=b"{}", headers={})
    finally:
        await sender.aclose()

    assert "socket.connect" not in seen
    assert (outcome.http_status, server.connections) == (None, 0)


async def test_localhost_is_a_name_like_any_other(server: TenantServer) -> None:
    """It resolves to loopback, so it is not dialled."""
    outcome = await post(server.url(host="localhost"), resolves_to=["::1", "127.0.0.1"])

    assert (outcome.error, server.connections) == (NOT_PUBLIC, 0)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    """Also those right beside refused networks."""
    assert CallbackGuard().why_refused(address) is None


async def test_a_name_that_flips_is_judged_at_each_dial() -> None:
    """Its first address may be dialled, its second may not: the second attempt makes no socket,
    and each attempt looks the name up once, so what was judged is what is dialled."""
    answers = [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2"]]
    lookups: list[str] = []

    async def flipping(name: str) -> list[str]:
        lookups.append(name)
        return answers[len(lookups) - 1]

    async with TenantServer(host="0.0.0.0") as server:
        sender = Sender(CallbackGuard([ip_network("127.0.0.2/32")]), lookup=flipping)
        url = server.url(host="tenant.example")
        try:
            first = await sender.post(url, body=b"{}", headers={})
            with watched_sockets() as seen:
                second = await sender.post(url, body=b"{}", headers={})
            connections = server.connections
            third = await sender.post(url, body=b"{}", headers={})
        finally:
            await sender.aclose()

    assert (first.http_status, second.error, third.http_status) == (200, NOT_PUBLIC, 200)
    assert (seen, connections, len(lookups)) == ([], 1, 3)


async def test_of_several_addresses_only_public_ones_are_dialled() -> None:
    """A name with a refused and an allowed address reaches the allowed one only."""
    async with TenantServer(host="127.0.0.2") as allowed, TenantServer() as refused:
        url = f"http://tenant.example:{allowed.port}/hook"
        outcome = await post(url, resolves_to=["127.0.0.1", "127.0.0.2"], allowed="127.0.0.2/32")

    assert outcome.http_status == 200
    assert (allowed.connections, refused.connections) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    """Not even to an address that may be dialled."""
    async with TenantServer() as target:
        answer = f"{status} Moved\r\nlocation: {target.url()}\r\n\r\n"
        async with TenantServer(answers=(answer,)) as server:
            outcome = await post(server.url(), allowed="127.0.0.0/8")

    assert (outcome.http_status, outcome.is_delivered) == (status, False)
    assert (server.connections, target.connections) == (1, 0)


async def test_proxies_of_the_environment_are_ignored(
    server: TenantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would dial for us, and judge nothing."""
    async with TenantServer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(path=""))

        outcome = await post(server.url(), allowed="127.0.0.0/8")

    assert outcome.http_status == 200
    assert (server.connections, proxy.connections) == (1, 0)


@pytest.mark.parametrize(
    "url",
    [
        *("http://10.0.0.1/", "https://[::1]:8443/x", "http://2130706433/", "http://0x7f.1/"),
        *("http://127.1/", "http://017700000001/", "http://user:pass@192.168.1.1/", "http://0/"),
        *("http://169.254.169.254/latest", "http://[::ffff:10.0.0.1]/", "http://127.0.0.1./"),
    ],
)
def test_a_private_address_is_told_from_the_url_alone(url: str) -> None:
    """In every spelling, without a look-up."""
    assert CallbackGuard().why_unusable(url) == "must be a public address"


@pytest.mark.parametrize(
    "url", ["http://a.example/x?y=1#z", "https://8.8.8.8:444/", "http://localhost/"]
)
def test_names_and_public_addresses_pass_without_a_look_up(url: str) -> None:
    """Names are judged when they are dialled."""
    assert CallbackGuard().why_unusable(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "a.example/x",
        "http://",
        "http://a b/",
        "http://a:x/",
        "http://[::1/",
        "\x01http://a/",
    ],
)
def test_what_is_no_url_is_told(url: str) -> None:
    """Another scheme, no host, white space, a port that is none, half a bracket."""
    assert CallbackGuard().why_unusable(url) == "must be an http or https URL"


def test_the_operators_own_networks_may_be_dialled() -> None:
    """The allow-list names networks; all others stay refused."""
    guard = CallbackGuard([ip_network("10.20.0.0/16"), ip_network("fd12::/16")])

    allowed = [guard.why_refused(one) for one in ("10.20.1.1", "fd12::5")]
    refused = [guard.why_refused(one) for one in ("10.21.1.1", "fd13::5", "127.0.0.1")]

    assert allowed == [None, None]
    assert refused == ["private", "private", "loopback"]
