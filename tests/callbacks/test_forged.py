"""Who may call back: the holder of a path we made for this task and channel, or Kling's signer."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from relay.callbacks.surface import BODY_BYTES_MAX, LARGE_MAX, SMALL_BYTES
from relay.secrets import KeyRing, new_secret_key
from relay.tasks.callback_path import PREFIX, CallbackPaths
from relay.tenants.tokens import IssuedToken
from tests.callbacks.news import told
from tests.proxy.scripted_kling import TASK_ID
from tests.relay_app import CLIP_MICROS, PUBLIC_URL, Relay
from tests.waiting import wait_until

OPEN = (10_000_000, CLIP_MICROS)
CHARGED = (10_000_000 - CLIP_MICROS, 0)
SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
VECTOR_BODY = (
    b'{"id":"1234567890","status":"succeeded","message":"",'
    b'"create_time":1781080778802,"update_time":1781080794151}'
)
VECTOR_HEADERS = {
    "webhook-id": "9876543210",
    "webhook-timestamp": "1781080794",
    "webhook-signature": "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4=",
}
"""The vendor's own (docs/kling-api.md 6)."""


async def everything(relay: Relay) -> list[Any]:
    """Whatever a callback may write."""
    return [
        await relay.rows(f"SELECT * FROM {table} ORDER BY 1")
        for table in ("tasks", "task_events", "deliveries", "entries", "accounts", "channels")
    ]


async def post(relay: Relay, path: str, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await relay.client.post(path, content=content, headers=headers)


async def good_path(relay: Relay) -> str:
    row = await relay.task(TASK_ID)
    url = relay.faces.receiver.paths.url(row["injected_id"], row["channel_id"])
    assert url is not None
    return url.removeprefix(PUBLIC_URL)


async def test_a_forged_path_is_401_and_writes_nothing(relay: Relay, injected_id: str) -> None:
    """Every part of it changed, cut, empty or made with another key."""
    path = await good_path(relay)
    token = path.removeprefix(f"{PREFIX}/")
    key_id, task, mac = token.split(".")
    channel = task.rpartition("~")[2]
    others = CallbackPaths(KeyRing.parse(new_secret_key(key_id)), PUBLIC_URL)
    theirs = others.url(injected_id, int(channel))
    assert theirs is not None
    flipped = ("0" if mac[0] != "0" else "1") + mac[1:]
    forged = [
        *("x", ".", "..", "a.b.c", f"{key_id}..", f"{key_id}.{task}.", f".{task}.{mac}"),
        f"{key_id}.{task}.{flipped}",
        f"{key_id}.{task}.{mac[:-1]}",
        f"{key_id}.{task}.{mac}0",
        f"{key_id}.{task}.{mac.upper()}",
        f"{key_id}x.{task}.{mac}",
        f"{key_id.upper()}.{task}.{mac}",
        f"{key_id}.{injected_id}~{int(channel) + 1}.{mac}",
        f"{key_id}.{injected_id[:-1]}~{channel}.{mac}",
        f"{key_id}.{injected_id}.{mac}",
        f"{key_id}.{task}.%C3%A9{mac[1:]}",
        f"{key_id}.%ED%A0%80{task}.{mac}",
        f"{key_id}.{task}.{mac}%00",
        theirs.removeprefix(f"{PUBLIC_URL}{PREFIX}/"),
        "x" * 5000,
    ]
    before = await everything(relay)

    statuses = {
        one: (await post(relay, f"{PREFIX}/{one}", told(injected_id, "succeed"))).status_code
        for one in forged
    }

    assert {one: status for one, status in statuses.items() if status != 401} == {}
    assert await everything(relay) == before
    assert (await post(relay, path, told(injected_id, "succeed"))).status_code == 200
    assert await relay.account() == CHARGED


async def test_a_forged_path_does_not_read_the_body_for_garbage(
    relay: Relay, injected_id: str
) -> None:
    """401 comes before 400: nobody learns what a good body looks like."""
    _ = injected_id

    response = await post(relay, f"{PREFIX}/a.b.c", b"garbage")

    assert (response.status_code, response.json()["code"]) == (401, 1000)


@pytest.mark.parametrize("has_signers", [False, True], ids=["closed", "open"])
@pytest.mark.parametrize("raw_path", [b"/internal/callback/a.b.c", b"/internal/callback"])
async def test_who_has_no_path_is_refused_before_the_body_is_read(
    relay: Relay, raw_path: bytes, *, has_signers: bool
) -> None:
    """Or anybody could make us keep 4 MB of each connection, for as long as it likes.

    So is who signs nothing, where a signature would do.
    """
    if has_signers:
        await relay.add_channel(webhook_secret=SECRET)
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was asked for")

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "http", "method": "POST", "raw_path": raw_path, "headers": []}
    await relay.faces.callbacks(scope, receive, send)

    assert sent[0]["status"] == 401


async def test_large_bodies_of_strangers_take_no_place_of_klings(
    relay: Relay, injected_id: str
) -> None:
    """Eight may hang on the bare path, which nobody has to be known for; a ninth is 503/5001.

    Small ones are still taken there, large ones on a task's own path too, and all once they end.
    """
    await signing_channel(relay)
    path, end = await good_path(relay), asyncio.Event()
    garbage = b"x" * (SMALL_BYTES + 1)
    begun: list[int] = []

    async def hanging(number: int) -> AsyncIterator[bytes]:
        yield garbage
        begun.append(number)
        await end.wait()

    def send(content: Any) -> Any:
        return relay.client.post(PREFIX, content=content, headers=signature(b""))

    hangs = [asyncio.create_task(send(hanging(number))) for number in range(LARGE_MAX)]
    await wait_until(lambda: len(begun) == LARGE_MAX)
    refused = await send(garbage)
    small = json.dumps(told(injected_id, "processing")).encode()
    taken = await post(relay, PREFIX, small, **signature(small))
    authentic = await post(relay, path, told(injected_id, "succeed", padding="x" * SMALL_BYTES))
    end.set()
    ended = await asyncio.gather(*hangs)

    assert (refused.status_code, refused.json()["code"]) == (503, 5001)
    assert (taken.status_code, authentic.status_code) == (200, 200)
    assert [one.status_code for one in (*ended, await send(garbage))] == [401] * (LARGE_MAX + 1)
    assert await relay.account() == CHARGED


async def test_another_tasks_path_ends_only_that_task(
    relay: Relay, token: IssuedToken, injected_id: str
) -> None:
    """A tenant's hook is told nothing of our paths, but say one leaked: it opens one task."""
    await relay.rows("UPDATE tasks SET kling_id = 'first'")
    assert (await relay.submit(token)).status_code == 200
    second = await relay.task(TASK_ID)

    await relay.call_back_on(
        second["injected_id"], second["channel_id"], told(injected_id, "succeed")
    )

    assert {row["state"] for row in await relay.rows("SELECT state FROM tasks")} == {"submitted"}
    assert (await relay.task(TASK_ID))["is_flagged"]


async def test_a_path_of_a_channel_that_the_task_has_left_is_not_applied(
    relay: Relay, injected_id: str
) -> None:
    """The first channel refused it, the second has it: what the first says now is not about it."""
    other = await relay.add_channel("other")

    response = await relay.call_back_on(injected_id, other, told(injected_id, "succeed"))

    assert response.status_code == 200
    assert await relay.account() == OPEN
    assert (await relay.task(TASK_ID))["is_flagged"]


def test_paths_of_an_older_key_stay_valid_and_new_ones_use_the_first() -> None:
    """Rotation: `new,old` reads both; without the old one its paths are forged."""
    old, new = new_secret_key("k1"), new_secret_key("k2")
    url = CallbackPaths(KeyRing.parse(old), PUBLIC_URL).url("x-1-ab", 7)
    assert url is not None
    path = url.rpartition("/")[2]

    rotated = CallbackPaths(KeyRing.parse(f"{new},{old}"), PUBLIC_URL)

    assert rotated.read(path) == ("x-1-ab", 7)
    assert (rotated.url("x-1-ab", 7) or "").startswith(f"{PUBLIC_URL}{PREFIX}/k2.")
    assert CallbackPaths(KeyRing.parse(new), PUBLIC_URL).read(path) is None


def test_without_a_public_url_no_path_is_made() -> None:
    """Callbacks are off; paths of earlier days are still read."""
    keys = KeyRing.parse(new_secret_key())
    url = CallbackPaths(keys, PUBLIC_URL).url("x", 1)
    assert url is not None

    off = CallbackPaths(keys, None)

    assert not off.are_on
    assert off.url("x", 1) is None
    assert off.read(url.rpartition("/")[2]) == ("x", 1)


def signature(body: bytes, *, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    now = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body.decode()),
    }


async def signing_channel(relay: Relay) -> None:
    """Give the task's channel a webhook secret, as the operator does after Kling made one."""
    channel_id = (await relay.task(TASK_ID))["channel_id"]
    sealed = relay.keys.seal(SECRET, context=f"channels/{channel_id}/webhook_secret")
    await relay.rows("UPDATE channels SET webhook_secret_sealed = $1", sealed)
    relay.faces.receiver._directory.forget()  # noqa: SLF001 (not to wait for its age)


def test_the_vendors_vector_is_what_the_library_signs() -> None:
    """Kling's secret, id, time and body give Kling's signature."""
    at = datetime.fromtimestamp(1781080794, UTC)

    signed = Webhook(SECRET).sign("9876543210", at, VECTOR_BODY.decode())

    assert signed == VECTOR_HEADERS["webhook-signature"]


async def test_the_bare_path_takes_kling_s_own_signature(relay: Relay, injected_id: str) -> None:
    """By our external id, or by Kling's id on the channel whose secret signed it."""
    await signing_channel(relay)
    first = json.dumps(told(injected_id, "processing")).encode()
    second = json.dumps(told(None, "succeed")).encode()

    assert (await post(relay, PREFIX, first, **signature(first))).status_code == 200
    assert (await relay.task(TASK_ID))["state"] == "processing"
    assert (await post(relay, f"/kling{PREFIX}", second, **signature(second))).status_code == 200

    assert await relay.account() == CHARGED


async def test_what_is_signed_brings_no_callback_path_either(
    relay: Relay, injected_id: str
) -> None:
    """Kling may repeat it there too: neither the row nor the event has it."""
    await signing_channel(relay)
    path = await good_path(relay)
    body = json.dumps(told(injected_id, "processing", odd=f'at "{path}"')).encode()

    assert (await post(relay, PREFIX, body, **signature(body))).status_code == 200

    row = await relay.task(TASK_ID)
    assert json.loads(row["reply"])["odd"] == 'at "https://tenant.example/hook"'
    assert path.rpartition(".")[2] not in str(await everything(relay))


async def test_a_bad_signature_is_401_and_writes_nothing(relay: Relay, injected_id: str) -> None:
    """Missing, of another secret or body, stale, early, garbled; the vendor's vector is stale."""
    await signing_channel(relay)
    body = json.dumps(told(injected_id, "succeed")).encode()
    good = signature(body)
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    raw = hmac.new(b"", b"msg_1.%d.%b" % (int(time.time()), body), hashlib.sha256).digest()
    empty_key = {"webhook-signature": f"v1,{base64.b64encode(raw).decode()}"}
    bad: list[tuple[dict[str, str], bytes]] = [
        ({}, body),
        ({name: text for name, text in good.items() if name != "webhook-id"}, body),
        ({name: text for name, text in good.items() if name != "webhook-timestamp"}, body),
        (good | {"webhook-id": "msg_2"}, body),
        (good | {"webhook-timestamp": str(int(time.time()) + 2)}, body),
        (good | {"webhook-timestamp": "now"}, body),
        (good | {"webhook-timestamp": "9" * 30}, body),
        (good | {"webhook-timestamp": "nan"}, body),
        (good | {"webhook-signature": "v1"}, body),
        (good | {"webhook-signature": "v1,é"}, body),
        (good | {"webhook-signature": ""}, body),
        (good | {"webhook-signature": good["webhook-signature"].replace("v1", "v2")}, body),
        (good | empty_key, body),
        (good, body + b" "),
        (good, b"\xff"),
        (signature(body, secret=other), body),
        (signature(body, at=time.time() - 301), body),
        (signature(body, at=time.time() + 310), body),
        (VECTOR_HEADERS, VECTOR_BODY),
    ]
    before = await everything(relay)

    statuses = [
        (await relay.client.post(PREFIX, content=content, headers=_raw(headers))).status_code
        for headers, content in bad
    ]

    assert statuses == [401] * len(bad)
    assert await everything(relay) == before


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), text.encode("latin-1")) for name, text in headers.items()]


async def test_one_good_signature_of_two_is_enough(relay: Relay, injected_id: str) -> None:
    """During Kling's rotation of seven days both secrets sign, separated by a space."""
    await signing_channel(relay)
    body = json.dumps(told(injected_id, "succeed")).encode()
    headers = signature(body)
    headers["webhook-signature"] = f"v1,{'A' * 43}= {headers['webhook-signature']}"

    assert (await post(relay, PREFIX, body, **headers)).status_code == 200

    assert await relay.account() == CHARGED


async def test_without_a_secret_the_bare_path_is_closed(relay: Relay, injected_id: str) -> None:
    """No channel has one: 401, whatever is signed."""
    body = json.dumps(told(injected_id, "succeed")).encode()

    response = await post(relay, PREFIX, body, **signature(body))

    assert response.status_code == 401
    assert await relay.account() == OPEN


async def test_another_channels_signature_is_not_applied(relay: Relay, injected_id: str) -> None:
    """An account that signs with its own secret ends no task of another account."""
    await relay.add_channel("other", webhook_secret=SECRET)
    relay.faces.receiver._directory.forget()  # noqa: SLF001 (not to wait for its age)
    for body in (told(injected_id, "succeed"), told(None, "succeed")):
        content = json.dumps(body).encode()

        response = await post(relay, PREFIX, content, **signature(content))

        assert response.status_code == 200
    assert await relay.account() == OPEN


async def test_of_an_oversize_body_the_beginning_is_kept(relay: Relay, injected_id: str) -> None:
    """Beyond 4 MB nothing is read; what came cannot be, so Kling is asked."""
    body = told(injected_id, "succeed", padding="x" * BODY_BYTES_MAX)

    response = await post(relay, await good_path(relay), body)

    assert response.status_code == 200
    assert await relay.account() == OPEN
    row = await relay.row("SELECT next_look_at <= now() AS is_due FROM tasks")
    assert row["is_due"]


async def test_a_callback_path_answers_to_post_only(relay: Relay, injected_id: str) -> None:
    """A GET of it, as a browser or a scanner sends, tells nothing and does nothing."""
    path = await good_path(relay)
    before = await everything(relay)

    answers = [await relay.client.request(method, path) for method in ("GET", "PUT", "DELETE")]

    assert all(400 <= answer.status_code < 500 for answer in answers)
    assert injected_id not in "".join(answer.text for answer in answers)
    assert await everything(relay) == before
