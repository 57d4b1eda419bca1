"""What nobody's browser sends: the portal answers it in a sentence, at once, and does nothing."""

import asyncio
import re
from typing import Any

from relay.desk.pauses import pause_creates
from relay.portal.app import FORM_BYTES_MAX
from relay.portal.trying import spelt
from tests.portal.test_try_it import CLIP, hidden
from tests.portal.visiting import COOKIE, OURS, Visit, browser, visiting
from tests.relay_app import ACTOR, Relay, fixture_relay
from tests.waiting import wait_until


def multipart(**fields: bytes) -> bytes:
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), value)
        for name, value in fields.items()
    ]
    return b"".join(parts) + b"--x--\r\n"


async def asked(relay: Relay, secret: str, path: str, query: bytes) -> int:
    """Ask with a query in bytes that no client of Python's would send; return the status."""
    told: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        told.append(message)

    app: Any = relay.app
    headers = [(b"host", b"localhost"), (b"cookie", f"{COOKIE}={secret}".encode())]
    scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1"}
    scope |= {
        "scheme": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
    }
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "server": ("localhost", 80)}
    await app(scope, receive, send)
    return int(told[0]["status"])


async def test_numbers_beyond_all_bounds_are_refused(database_url: str) -> None:
    """None is written out digit by digit: the process would stand still meanwhile, for all."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_tenant()
        async with visiting(relay) as ann:
            here = f"/tokens/{ann.token_id}/limits"
            for given in ("1e999999999", "1e41", "-1e999999999", "1e-999999999"):
                answer = await ann.post(here, day=given)
                assert (answer.status_code, "A number such as" in answer.text) == (422, True)
                fields = {"prompt": "rain", "duration": given}
                answer = await ann.post("/try/text-to-audio", **fields)
                assert (answer.status_code, "A number such as" in answer.text) == (422, True)
            for given in ("0" * 12 + "9" * 12, "9" * 5000):
                answer = await ann.post(here, in_flight=given)
                assert answer.status_code == 422
                assert (await ann.get("/money", cursor=given)).status_code == 200
            assert await relay.rows("SELECT * FROM limits") == []


async def test_a_body_of_brackets_is_refused(database_url: str) -> None:
    """Spelt for people it would be thousands of times as large, or deeper than Python goes."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        await relay.add_tenant()
        async with visiting(relay) as ann:
            deep = '{"image": ' + "[" * 900 + "]" * 900 + "}"
            wide = '{"image": [' + "0," * 20_000 + "0]}"
            for body in (deep, wide):
                for path in ("/try/image-recognize", "/try/image-recognize/send"):
                    answer = await ann.post(path, path="/v1/images/image-recognize", json=body)
                    assert (answer.status_code, "more than any create" in answer.text) == (
                        422,
                        True,
                    )
    assert len(spelt({"image_list": [{"image": "x"}] * 10_000})) < 5000


async def test_bytes_that_are_no_text_are_refused(database_url: str) -> None:
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_tenant()
        async with visiting(relay) as ann:
            sent = multipart(csrf=ann.csrf.encode(), code=b"\xff\xfe")
            kind = {"content-type": "multipart/form-data; boundary=x"}
            answer = await ann.client.post(
                "/portal/money/redeem", content=sent, headers=OURS | kind
            )
            assert answer.status_code == 400
            secret = ann.client.cookies[COOKIE]
            for path, status in (("", 200), ("/tasks", 200), ("/nothing", 404)):
                assert await asked(relay, secret, f"/portal{path}", b"x=\xff") == status


async def test_a_secret_that_is_a_key_of_ssh_lets_nobody_in(database_url: str) -> None:
    """What signs refuses such a one by itself, and in words of its own."""
    async with fixture_relay(database_url, portal=True) as relay, browser(relay) as client:
        for secret in (f"ssh-rsa {'A' * 40}", f"-----BEGIN PUBLIC KEY-----\n{'A' * 40}"):
            given = {"key": "0123456789abcdef", "secret_key": secret}
            answer = await client.post("/portal/login", data=given, headers=OURS)
            assert (answer.status_code, "No key that works here" in answer.text) == (403, True)


async def test_a_key_is_given_new_keys_once_by_one_form(database_url: str) -> None:
    """A second click would end at once what programs use, whatever was said of how long it stays.

    Seen to fail without the comparison: each click gave others, and the first ones were gone.
    """
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_tenant()
        async with visiting(relay) as ann:
            page = await ann.post("/tokens/make", scope="call", name="app")
            assert page.status_code == 200
            row = await relay.row("SELECT id, access_key FROM tokens ORDER BY id DESC LIMIT 1")
            path = f"/tokens/{row['id']}/rotate"
            found = re.search(r'name="access_key" value="([^"]*)"', await ann.read(path))
            assert found is not None
            form = {"access_key": found[1], "keep_hours": "24"}
            answers = await asyncio.gather(*(ann.post(path, **form) for _ in range(4)))
            statuses = sorted(answer.status_code for answer in answers)
            assert (statuses[0], min(statuses[1:]) >= 400) == (200, True)
            now = await relay.row(
                "SELECT former_access_key, access_key FROM tokens WHERE id = $1", row["id"]
            )
            assert now["former_access_key"] == row["access_key"] != now["access_key"]


async def test_a_create_that_may_have_been_made_is_sent_again_with_its_key(
    database_url: str,
) -> None:
    """Whoever clicks again after a 5xx finds the task that was made, if it was, and pays for one.

    Seen to fail with a new key for each page: after a time-out two tasks were held for.
    """
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        await relay.add_tenant()
        async with visiting(relay) as ann:
            given = hidden((await ann.post("/try/text2video", **CLIP)).text)
            async with relay.sessions.begin() as session:
                await pause_creates(session, ACTOR, reason="Kling is slow")
            await wait_until(lambda: is_paused(ann, given))
            again = hidden((await ann.post("/try/text2video/send", **given)).text)
            assert again["key"] == given["key"]


async def is_paused(visit: Visit, given: dict[str, str]) -> bool:
    return (await visit.post("/try/text2video/send", **given)).status_code == 422


async def test_large_forms_of_one_keep_nobody_else_waiting(database_url: str) -> None:
    """Neither of one tenant who sends slowly, nor of whoever has no session at all.

    Seen to fail with one turn before the gate: a stranger's two connections took it for ever.
    """
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_channel()
        await relay.add_tenant()
        await relay.add_tenant("bolt")
        begun, ended = 0, asyncio.Event()

        async def slowly() -> Any:
            nonlocal begun
            begun += 1
            yield b"csrf="
            await ended.wait()

        async with visiting(relay) as ann, visiting(relay, "bolt") as bob, browser(relay) as nobody:
            kind = {"content-type": "application/x-www-form-urlencoded"}
            slow = [
                asyncio.create_task(client.post(path, content=slowly(), headers=OURS | kind))
                for client, path in (
                    *[(nobody, "/portal/login"), (nobody, "/portal/enter")],
                    *[(ann.client, "/portal/try/text2video")] * 3,
                )
            ]
            try:
                await wait_until(lambda: begun >= 3)
                large = CLIP | {"more": "x" * FORM_BYTES_MAX}
                answer = await bob.post("/try/text2video", **large)
                assert answer.status_code == 200
            finally:
                ended.set()
                await asyncio.gather(*slow, return_exceptions=True)
