"""T1: what a tenant sends reaches Kling in its own bytes."""

import base64
import json
import os
import time
from typing import Any

import msgspec
import pytest

from relay.kling.jwt import sign_jwt
from relay.sandbox.settings import DEFAULT_ACCOUNT
from tests.proxy.scripted_kling import ScriptedKling, accepts_then, created
from tests.relay_app import TEXT2VIDEO, Relay, bearer, running_relay

OURS = ("callback_url", "external_task_id")
HEAD = b'"model_name":"kling-v3","prompt":"a fox","duration":"5"'

ODD = {
    "unicode escapes": rb'{%b,"negative_prompt":"\u00e9\u4e2d\/\u0041\b\f"}',
    "emoji, raw and escaped": '{%b,"n":"🦊 \\ud83e\\udd8a é"}'.encode(),
    "half a surrogate pair": rb'{%b,"negative_prompt":"cut \ud83d","x":["\udc00"]}',
    "1e400": rb'{%b,"x":1e400,"y":-1E+400,"z":1e-400}',
    "integers above 2^53": rb'{%b,"element_id":829836802793406551,"y":[18446744073709551616123]}',
    "spellings of numbers": rb'{%b,"a":5.0,"b":1E5,"c":-0,"d":0.10,"e":1.0e+2}',
    "unknown fields": rb'{%b,"tomorrow":{"a":[1,{"b":null}],"a":true},"":"","\u0061b":1}',
    "nested white space": b'{%b , "x" :\t{ "a" : [ 1 ,\r\n 2 ] , "b":{ } } \n}',
    "empty objects": rb'{%b,"x":{},"y":[],"z":"","w":null,"watermark_info":{}}',
    "an escaped NUL": rb'{%b,"x":"a\u0000b"}',
    "ours in the middle": rb'{"external_task_id":"mine",%b,"callback_url":"http://a.example/","x":1}',
}


def fields_of(body: bytes) -> dict[str, bytes]:
    """Top-level values in their bytes, read by another parser than the relay's."""
    text = body.decode()
    found: dict[str, bytes] = {}
    decoder, place = json.JSONDecoder(), text.index("{") + 1
    while True:
        place += len(text[place:]) - len(text[place:].lstrip(" \t\r\n,"))
        if text[place] == "}":
            return found
        name, place = decoder.raw_decode(text, place)
        place = text.index(":", place) + 1
        place += len(text[place:]) - len(text[place:].lstrip(" \t\r\n"))
        _, end = decoder.raw_decode(text, place)
        found[name] = text[place:end].encode()
        place = end


def last_create(relay: Relay) -> dict[str, Any]:
    assert relay.sandbox is not None
    creates = [one for one in relay.sandbox.requests.entries if one["method"] == "POST"]
    last: dict[str, Any] = creates[-1]
    return last


@pytest.mark.parametrize("name", ODD)
async def test_every_value_keeps_its_bytes(shared: Relay, tenant: str, name: str) -> None:
    """The sandbox sees the tenant's fields and values, and beside them only the two that we set."""
    token = await shared.add_tenant(tenant)
    body = ODD[name] % HEAD

    response = await shared.submit(token, body)

    assert response.status_code == 200, response.text
    sent = fields_of(last_create(shared)["body"].encode())
    own = fields_of(body)
    assert {key: sent[key] for key in own if key not in OURS} == {
        key: value for key, value in own.items() if key not in OURS
    }
    assert set(sent) == set(own) | set(OURS)


async def test_of_a_name_that_stands_twice_the_last_value_counts(
    shared: Relay, tenant: str
) -> None:
    """As every JSON parser has it; priced and sent are the same value."""
    token = await shared.add_tenant(tenant)

    response = await shared.submit(
        token, b'{%b,"duration":"10","callback_url":"x","callback_url":""}' % HEAD
    )

    assert response.status_code == 200, response.text
    sent = last_create(shared)["body"]
    assert sent.count('"duration"') == 1
    assert sent.count('"callback_url"') == 1
    task = await shared.task(response.json()["data"]["task_id"])
    assert task["hold_micros"] == 840_000


async def test_an_image_of_13_mb_arrives_whole(database_url: str) -> None:
    """17 MB of base64 are one field among the others, byte for byte."""
    kling = ScriptedKling(accepts_then(created))
    image = base64.b64encode(os.urandom(13 * 1024 * 1024))
    async with running_relay(database_url, transport=kling) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()

        response = await relay.submit(
            token,
            b'{"image":"%b",%b}' % (image, HEAD),
            path="/kling/v1/videos/image2video",
        )

    assert response.status_code == 200, response.text
    sent = msgspec.json.decode(kling.creates[0].body, type=dict[str, msgspec.Raw])
    assert bytes(sent["image"]) == b'"%b"' % image


@pytest.mark.parametrize("with_callbacks", [True, False])
async def test_the_tenants_callback_url_never_reaches_kling(
    database_url: str,
    with_callbacks: bool,  # noqa: FBT001 (a case)
) -> None:
    """With callbacks on ours stands in its place, with callbacks off none does."""
    async with running_relay(database_url, with_callbacks=with_callbacks) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()

        response = await relay.submit(
            token,
            b'{%b,"callback_url":"https://tenant.example/hook","external_task_id":"t-1"}' % HEAD,
        )

        assert response.status_code == 200, response.text
        sent = last_create(relay)
        row = await relay.task(response.json()["data"]["task_id"])
    assert "tenant.example" not in sent["body"]
    body = json.loads(sent["body"])
    assert body["external_task_id"] == row["injected_id"] != "t-1"
    assert row["tenant_external_id"] == "t-1"
    assert row["callback_url"] == "https://tenant.example/hook"
    if with_callbacks:
        path = body["callback_url"].removeprefix("http://relay.test/internal/callback/")
        assert path.split(".")[1] == f"{row['injected_id']}~{row['channel_id']}"
    else:
        assert "callback_url" not in body


STRAYS = [
    (TEXT2VIDEO, b'{%b,"CallbackURL":"%b","externalTaskId":"mine"}'),
    (TEXT2VIDEO, b'{%b,"options":{"callback_url":"%b","external_task_id":"mine"}}'),
    ("/text-to-video/kling-3.0", b'{%b,"callback_url":"%b","external_task_id":"mine"}'),
    (
        "/text-to-video/kling-3.0",
        b'{%b,"options":{"callback-url":"%b","External_Id":"mine","a":1}}',
    ),
    ("/v1/audio/tts", b'{"text":"a","voice_id":"x",%b,"Options":{"callBackUrl":"%b"}}'),
    ("/v1/general/custom-elements", b'{"element_name":"mine!",%b,"callback_url":"%b"}'),
    (
        "/v1/videos/multi-elements/init-selection",
        b'{"video_url":"http://a.example/",%b,"callback_url":"%b"}',
    ),
]


@pytest.mark.parametrize(("path", "body"), STRAYS)
async def test_no_spelling_of_a_callback_or_external_id_passes(
    shared: Relay, tenant: str, path: str, body: bytes
) -> None:
    """Of both generations, in tasks, paid calls and free ones: Kling might take it all the same."""
    token = await shared.add_tenant(tenant)

    response = await shared.submit(token, body % (HEAD, b"https://tenant.example/hook"), path=path)

    assert response.status_code == 200, response.text
    sent = last_create(shared)["body"]
    assert "tenant.example" not in sent
    assert '"mine"' not in sent


async def test_kling_sees_the_channels_bearer_and_never_the_tenants(database_url: str) -> None:
    """A JWT of the channel's pair, signed while the request ran."""
    kling = ScriptedKling(accepts_then(created))
    async with running_relay(database_url, transport=kling) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        before = int(time.time())

        await relay.submit(token)

        after = int(time.time())
    account = DEFAULT_ACCOUNT
    assert kling.creates[0].bearer in {
        sign_jwt(account.access_key, account.secret_key, now_s=second)
        for second in range(before, after + 1)
    }


async def test_no_header_of_the_tenants_goes_on(shared: Relay, tenant: str) -> None:
    """Cookies, forwarding and tracing headers stay here; so does the tenant's user agent."""
    token = await shared.add_tenant(tenant)
    extra = {
        "Cookie": "a=leak",
        "X-Forwarded-For": "leak",
        "Traceparent": "leak",
        "User-Agent": "leak/1.0",
        "Content-Type": "application/json; charset=leak",
    }

    await shared.client.post(TEXT2VIDEO, headers=bearer(token) | extra, content=b"{%b}" % HEAD)

    headers = last_create(shared)["headers"]
    assert {name for name, _ in headers} == {
        *("host", "accept", "accept-encoding", "user-agent", "authorization"),
        *("content-type", "content-length"),
    }
    assert "leak" not in str(headers)
