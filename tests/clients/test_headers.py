"""Point 13: what of HTTP passes, and what does not, over real sockets.

Where docs/kling-api.md does not say how Kling does it, this is the plainest there is: no CORS
headers, no compression either way, HEAD and OPTIONS are methods that no path has.
"""

import gzip
import json

import httpx
import pytest

from tests.clients.conftest import Shop
from tests.e2e.raw import connected
from tests.relay_app import CLIP, TEXT2VIDEO, bearer, running_relay

NEEDED = {
    *("host", "authorization", "accept", "accept-encoding", "user-agent"),
    *("content-type", "content-length"),
}
HEADER = "x-relay-quote"
ANSWERED = {"content-type", "content-length", "x-request-id", "date"}
TENANTS_OWN = {
    "Cookie": "session=tenant",
    "Origin": "https://shop.example",
    "Referer": "https://shop.example/page",
    "User-Agent": "tenants-sdk/9",
    "Accept-Encoding": "gzip, br",
    "Accept-Language": "fr",
    "X-Forwarded-For": "203.0.113.7",
    "X-Real-IP": "203.0.113.7",
    "Forwarded": "for=203.0.113.7",
    "X-Api-Key": "tenants-key",
    "X-Request-Id": "tenants-request",
    "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Connection": "close, x-hop",
    "X-Hop": "1",
    "Keep-Alive": "timeout=5",
    "TE": "trailers",
    "Proxy-Authorization": "Basic dGVuYW50",
    "Content-Type": "application/json; charset=utf-8",
    "X-Sandbox-Fault": "[error 1301]",
    "Idempotency-Key": "tenants-own",
    "Range": "bytes=0-1",
    "If-None-Match": "*",
}


async def sent_to_kling(shop: Shop) -> dict[str, str]:
    """Headers of the last POST that reached the sandbox, with lower-case names."""
    entries = (await shop.world.http.get(f"{shop.world.kling_url}/sandbox/requests")).json()
    last = next(entry for entry in reversed(entries) if entry["method"] == "POST")
    return {name.lower(): value for name, value in last["headers"]}


async def test_nothing_of_the_tenants_headers_reaches_kling(shop: Shop) -> None:
    """Seven needed headers with our own values, whatever the tenant sent."""
    answer = await shop.world.http.post(
        shop.world.url + TEXT2VIDEO, headers={**TENANTS_OWN, **bearer(shop.token)}, json=CLIP
    )
    headers = await sent_to_kling(shop)

    assert answer.status_code == 200, answer.text
    assert set(headers) == NEEDED
    assert headers["host"] == shop.world.kling_url.removeprefix("http://")
    assert headers["accept-encoding"] == "identity"
    assert headers["content-type"] == "application/json"
    assert not any(
        value in TENANTS_OWN.values() for name, value in headers.items() if name != "authorization"
    )


async def test_a_task_knows_its_caller_behind_a_proxy_that_is_believed(shop: Shop) -> None:
    """The last of `X-Forwarded-For`, which the proxy wrote; without it, who is connected.

    What a caller says who came before itself is not believed.
    """
    for forwarded in ({"X-Forwarded-For": "192.0.2.1, 203.0.113.7"}, {}):
        answer = await shop.world.http.post(
            shop.world.url + TEXT2VIDEO, headers=forwarded | bearer(shop.token), json=CLIP
        )
        assert answer.status_code == 200, answer.text

    newest = (await shop.world.tasks())[-2:]
    assert [task["caller_address"] for task in newest] == ["203.0.113.7", "127.0.0.1"]


async def test_nothing_of_ours_comes_back_but_a_request_id(shop: Shop) -> None:
    """On a create, a query, a list and three refusals: four headers, `x-request-id` of our own."""
    http, url, own = shop.world.http, shop.world.url, {**TENANTS_OWN, **bearer(shop.token)}
    created = await http.post(url + TEXT2VIDEO, headers=bearer(shop.token), json=CLIP)
    task_id = created.json()["data"]["task_id"]

    answers = [
        created,
        await http.get(f"{url}{TEXT2VIDEO}/{task_id}", headers=own),
        await http.get(url + TEXT2VIDEO, headers=own),
        await http.get(f"{url}{TEXT2VIDEO}/none", headers=own),
        await http.get(f"{url}/nothing", headers=own),
        await http.get(f"{url}/v1/general/presets-voices", headers=own),
        await http.get(url + TEXT2VIDEO),
    ]

    for answer in answers:
        assert set(answer.headers) <= ANSWERED | {"connection"}, answer.headers
        assert answer.headers.get("connection", "close") == "close"
        assert answer.headers["x-request-id"] != "tenants-request"
        assert "set-cookie" not in answer.headers
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


async def test_cookies_of_one_tenant_go_to_nobody(shop: Shop) -> None:
    """Two tenants in a row over one connection to Kling: no cookie is kept."""
    for token in (shop.token, shop.other):
        await shop.world.http.post(
            shop.world.url + TEXT2VIDEO,
            headers={"Cookie": f"who={token.tenant}", **bearer(token)},
            json=CLIP,
        )

        assert "cookie" not in await sent_to_kling(shop)


async def test_a_chunked_body_is_read_to_its_end(shop: Shop) -> None:
    """Twenty chunks without a length: Kling gets one body of a known length."""
    content = json.dumps(CLIP).encode()
    async with connected(shop.world.port) as client:
        await client.send(
            f"POST {TEXT2VIDEO} HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {shop.token.api_key}\r\n"
            "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n".encode()
        )
        for start in range(0, len(content), 7):
            part = content[start : start + 7]
            await client.send(b"%x\r\n%b\r\n" % (len(part), part))
        await client.send(b"0\r\nX-Sum: 7\r\n\r\n")
        answer = await client.answer()

    headers = await sent_to_kling(shop)
    assert (answer.status, answer.body["code"]) == (200, 0)
    assert "transfer-encoding" not in headers
    assert int(headers["content-length"]) >= len(CLIP["prompt"])


@pytest.mark.parametrize("is_at_once", [True, False])
async def test_a_trailer_is_no_header(shop: Shop, is_at_once: bool) -> None:  # noqa: FBT001 (a case)
    """A bearer behind the body is none: 401/1001, whether it comes with the head or later."""
    head = f"POST {TEXT2VIDEO} HTTP/1.1\r\nHost: relay\r\nTransfer-Encoding: chunked\r\n\r\n"
    behind = f"0\r\nAuthorization: Bearer {shop.token.api_key}\r\nExpect: 100-continue\r\n\r\n"
    async with connected(shop.world.port) as client:
        if is_at_once:
            await client.send(head.encode() + b"2\r\n{}\r\n" + behind.encode())
            answer = await client.answer()
        else:
            await client.send(head.encode() + b"2\r\n{}\r\n")
            answer = await client.answer()
            await client.send(behind.encode())
        await client.send(f"GET {TEXT2VIDEO}/1 HTTP/1.1\r\nHost: relay\r\n\r\n".encode())
        following = await client.answer()

    assert [(one.status, one.body["code"]) for one in (answer, following)] == [(401, 1001)] * 2


@pytest.mark.parametrize(
    "path", [TEXT2VIDEO, "/tasks", "/account/costs", "/relay/deliveries", "/v1/videos/omni-video"]
)
async def test_a_query_of_thousands_of_parameters_is_refused(shop: Shop, path: str) -> None:
    """400/1200, unread; a hundred of them are read."""
    asked = "pageNum=1&" * 99 + "task_ids=1"
    answers = [
        await shop.world.http.get(f"{shop.world.url}{path}?{query}", headers=bearer(shop.token))
        for query in (asked, f"{asked}&a=1", "&a=" * 15_000)
    ]

    codes = [answer.json()["code"] for answer in answers]
    assert codes[0] in (0, 1201)
    assert codes[1:] == [1200, 1200]


async def test_a_refused_upload_is_answered_before_its_body(shop: Shop) -> None:
    """`Expect: 100-continue` with a wrong key: 401 at once, and never a 100."""
    async with connected(shop.world.port) as client:
        await client.send(
            f"POST {TEXT2VIDEO} HTTP/1.1\r\nHost: relay\r\nContent-Length: 50000000\r\n"
            "Authorization: Bearer sk-nobodys\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        answer = await client.answer()

    assert (answer.status, answer.body["code"]) == (401, 1002)


async def test_a_compressed_body_is_no_json(shop: Shop) -> None:
    """400/1200, nothing sent: whether Kling would unpack it is not known."""
    answer = await shop.world.http.post(
        shop.world.url + TEXT2VIDEO,
        headers={**bearer(shop.token), "Content-Encoding": "gzip"},
        content=gzip.compress(json.dumps(CLIP).encode()),
    )

    assert (answer.status_code, answer.json()["code"]) == (400, 1200)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_is_json_whatever_it_is_called(shop: Shop, content_type: str) -> None:
    """Some clients forget the header; Kling gets `application/json`."""
    answer = await shop.world.http.post(
        shop.world.url + TEXT2VIDEO,
        headers={**bearer(shop.token), "Content-Type": content_type},
        content=json.dumps(CLIP).encode(),
    )

    assert answer.status_code == 200, answer.text
    assert (await sent_to_kling(shop))["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
async def test_other_methods_are_not_klings(shop: Shop, method: str) -> None:
    """404 with a key and 401 without one, also of a browser's preflight; no CORS header."""
    preflight = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    url = shop.world.url + TEXT2VIDEO

    with_key = await shop.world.http.request(
        method, url, headers={**preflight, **bearer(shop.token)}
    )
    without = await shop.world.http.request(method, url, headers=preflight)

    assert (with_key.status_code, without.status_code) == (404, 401)
    for answer, code in ((with_key, 1202), (without, 1001)):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        if method == "HEAD":
            assert answer.content == b""
        else:
            assert answer.json()["code"] == code


async def test_an_answer_tells_browsers_nothing(shop: Shop) -> None:
    """With an `Origin` too: Kling's API is for servers, and so is this one."""
    answer = await shop.world.http.get(
        shop.world.url + TEXT2VIDEO, headers={"Origin": "https://a.example", **bearer(shop.token)}
    )

    assert answer.status_code == 200
    assert set(answer.headers) <= ANSWERED


async def test_the_quote_is_told_to_tenants_that_want_it(database_url: str) -> None:
    """`x-relay-quote` on what was held, a task and a paid call; not on free ones, nor unasked."""
    async with running_relay(database_url) as relay:
        token, other = await relay.add_tenant(), await relay.add_tenant("beta")
        await relay.add_channel()
        await relay.rows("UPDATE tenants SET shows_quote = true WHERE name = 'acme'")
        speech = {"text": "a", "voice_id": "x"}

        async def quoted(response: httpx.Response) -> str | None:
            assert response.status_code == 200, response.text
            return str(response.headers[HEADER]) if HEADER in response.headers else None

        assert await quoted(await relay.submit(token)) == "0.42"
        assert await quoted(await relay.submit(token, speech, path="/v1/audio/tts")) == "0.007"
        clip = {"video_url": "https://example.com/a.mp4"}
        free = "/v1/videos/multi-elements/init-selection"
        assert await quoted(await relay.submit(token, clip, path=free)) is None
        listed = await relay.client.get(TEXT2VIDEO, headers=bearer(token))
        assert await quoted(listed) is None
        assert await quoted(await relay.submit(other)) is None
