"""Point 3: what cannot be read or priced is refused by name, and nothing was done."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.relay_app import CLIP, TEXT2VIDEO, Relay, bearer

MB = 1024 * 1024
HEAD = b'"model_name":"kling-v3","prompt":"x"'


async def counts(relay: Relay) -> tuple[Any, ...]:
    """Everything that a submit may write, and what reached Kling."""
    row = await relay.row(
        "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM task_events),"
        " (SELECT count(*) FROM entries), (SELECT count(*) FROM deliveries),"
        " (SELECT sum(held_micros) FROM accounts), (SELECT sum(quota_micros) FROM accounts)"
    )
    assert relay.sandbox is not None
    return (*row, len(relay.sandbox.requests.entries))


async def refused(relay: Relay, name: str, content: Any) -> tuple[int, int, str]:
    """Submit and check that nothing was written and Kling not called."""
    token = await relay.add_tenant(name)
    before = await counts(relay)

    response = await relay.client.post(TEXT2VIDEO, headers=bearer(token), content=content)

    assert await counts(relay) == before
    body = response.json()
    return response.status_code, body["code"], body["message"]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"null", b"[]", b'"text"', b"5", b"{", b'{"a":}', b'{"a":1,}', b"{'a':1}"),
        *(b'{"a":NaN}', b'{"a":01}', b'{"a":"\n"}', b'{"a":1} x', b"\xef\xbb\xbf{}", b"prompt=x"),
        *(b'{"a":"\\ud8"}', b'{"\\ud800":1}', b"[" * 100_000, b'{"a":' * 100_000),
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda body: body[:12].decode(errors="replace"),
)
async def test_what_is_no_json_object_is_refused(shared: Relay, tenant: str, body: bytes) -> None:
    """400/1200, without an echo of the body."""
    status, code, message = await refused(shared, tenant, body)

    assert (status, code) == (400, 1200)
    assert "body" in message
    assert len(message) < 200


@pytest.mark.parametrize(
    "content",
    [
        b'{%b,"x":"\xff"}' % HEAD,
        b'{%b,"x":"\xed\xa0\x80"}' % HEAD,
        b'{%b,"x":"\xc0\xaf"}' % HEAD,
        b'{%b,"x":"\xe4\xb8"}' % HEAD,
        b'{%b,"x":"y"}\xe4' % HEAD,
    ],
)
async def test_broken_utf8_is_refused_whole_and_in_chunks(
    shared: Relay, tenant: str, content: bytes
) -> None:
    """Wherever the chunks are cut; msgspec itself would pass such bytes on unseen."""
    whole = await refused(shared, tenant, content)
    bytewise = await refused(
        shared, f"{tenant}-2", chunks(*(content[i : i + 1] for i in range(len(content))))
    )

    assert whole == bytewise == (400, 1200, "The request body is not valid UTF-8")


async def test_utf8_that_is_cut_between_chunks_is_whole(shared: Relay, tenant: str) -> None:
    """Every cut through a character of four bytes is one body."""
    token = await shared.add_tenant(tenant)
    content = '{"model_name":"kling-v3","prompt":"🦊"}'.encode()

    for cut in range(1, len(content)):
        response = await shared.client.post(
            TEXT2VIDEO, headers=bearer(token), content=chunks(content[:cut], content[cut:])
        )
        if response.json()["code"] in (1303, 1102):
            break  # the sandbox's slots or the quota are used up: it was read
        assert response.status_code == 200, response.text


@pytest.mark.parametrize("is_declared", [True, False])
async def test_a_body_over_the_limit_is_refused(
    shared: Relay,
    tenant: str,
    is_declared: bool,  # noqa: FBT001 (a case)
) -> None:
    """1 MB here. With Content-Length before the first byte is read, without it as it arrives."""
    content = b'{%b,"image":"%b"}' % (HEAD, b"x" * MB)
    sent = []

    async def counted() -> AsyncIterator[bytes]:
        for start in range(0, len(content), MB // 4):
            sent.append(start)
            yield content[start : start + MB // 4]
        sent.extend([-1] * 100)

    refusal = await refused(shared, tenant, content if is_declared else counted())

    assert refusal == (400, 1200, "The request body is larger than 1 MB")
    assert -1 not in sent


async def test_a_body_at_the_limit_is_taken(shared: Relay, tenant: str) -> None:
    """1 MB exactly."""
    token = await shared.add_tenant(tenant)
    content = b'{%b,"x":"' % HEAD
    content += b"y" * (MB - len(content) - 2) + b'"}'

    response = await shared.client.post(TEXT2VIDEO, headers=bearer(token), content=content)

    assert len(content) == MB
    assert response.json()["code"] in (0, 1303)


FIELDS: dict[str, list[str]] = {
    "callback_url": [
        *("5", "true", "{}", "[]", '"x"', '"ftp://a.example/"', '"//a.example/"', '"http://"'),
        *('"http:///path"', '"http://a.example:99999/"', '"http://[::1/"', '"javascript:x"'),
        *('"http://a.example/a b"', '"http://a.example/\\n"', '"http://a/\\u0000"', '"\\ud800"'),
        '"http://a.example/' + "x" * 1024 + '"',
    ],
    "external_task_id": [
        *("5", "true", "{}", '["a"]', '"a\\u0000b"', '"\\ud800"', '"' + "x" * 513 + '"'),
    ],
    "duration": [
        *("1e9", "[]", "{}", '"Infinity"', "1e400", "-1e400", "3601", '"\\ud800"'),
        *("9" * 400, '"' + "9" * 9000 + '"'),
    ],
    "mode": ["5", "true", "{}", "[]", '"a\\u0000b"', '"' + "x" * 200 + '"', '"\\udfff"'],
    "model_name": ["5", "[]", '"' + "x" * 200 + '"'],
    "sound": ["[]", "{}", '"\\ud800"', "1e400"],
    "voice_list": ["5", '"x"', "{}", "true", "1e400"],
}


@pytest.mark.parametrize("name", FIELDS)
async def test_a_field_that_cannot_be_read_is_named(shared: Relay, tenant: str, name: str) -> None:
    """400/1201, the message begins with the field's name, and nothing was done."""
    for number, value in enumerate(FIELDS[name]):
        body = b'{"prompt":"x","%b":%b}' % (name.encode(), value.encode())

        status, code, message = await refused(shared, f"{tenant}-{number}", body)

        assert (status, code) == (400, 1201), (value, message)
        assert message.startswith(f"{name}: "), (value, message)


@pytest.mark.parametrize(
    "field",
    [
        *({"duration": 5}, {"duration": "5"}, {"duration": 5.0}, {"duration": " 5 "}),
        *({"duration": None}, {"duration": ""}, {"mode": None}, {"mode": ""}),
        *({"sound": "off"}, {"sound": False}, {"sound": ""}, {"sound": None}),
        *({"voice_list": None}, {"voice_list": []}, {"callback_url": None}, {"callback_url": ""}),
        *({"external_task_id": None}, {"external_task_id": ""}),
    ],
    ids=str,
)
async def test_what_kling_reads_alike_is_priced_alike(
    shared: Relay, tenant: str, field: dict[str, Any]
) -> None:
    """5, "5", 5.0 and nothing are five seconds; null and "" are the default."""
    token = await shared.add_tenant(tenant)

    response = await shared.submit(token, {"model_name": "kling-v3", "prompt": "x"} | field)

    assert response.json()["code"] in (0, 1201), response.text  # the sandbox may be stricter
    held = await shared.row(
        "SELECT hold_micros FROM tasks JOIN tenants ON tenants.id = tenant_id WHERE name = $1",
        tenant,
    )
    assert held["hold_micros"] == 420_000


async def test_what_has_no_price_is_refused_and_noted(shared: Relay, tenant: str) -> None:
    """404/1203; no row, no hold, no call, and `relay price missing` has it once, counted."""
    body = json.dumps(CLIP | {"model_name": "kling-v99"}).encode()

    first = await refused(shared, tenant, body)
    second = await refused(shared, f"{tenant}-2", body)

    assert first[:2] == second[:2] == (404, 1203)
    misses = await shared.rows("SELECT * FROM price_misses WHERE wanted::text LIKE '%kling-v99%'")
    assert len(misses) == 1


async def test_a_duplicate_external_id_takes_no_second_hold(shared: Relay, tenant: str) -> None:
    """400/1201 in Kling's likely words; one row, one hold, one call; free again once refused."""
    token = await shared.add_tenant(tenant)
    named = CLIP | {"external_task_id": "t-1"}
    bad = named | {"prompt": "[error 1301]"}
    assert (await shared.submit(token, bad)).json()["code"] == 1301
    assert (await shared.submit(token, named)).status_code == 200
    before = await counts(shared)

    again = await shared.submit(token, named)

    assert (again.status_code, again.json()["code"]) == (400, 1201)
    assert "external_task_id" in again.json()["message"]
    # The sandbox goes on with the task meanwhile, but nobody asks it.
    assert await counts(shared) == before
