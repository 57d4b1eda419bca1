"""Our callback path is a credential: no spelling of it reaches a tenant, a row or an event."""

import html
import json
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest

from relay.kling.transport import Reply
from relay.tasks.redact import without_credential
from tests.proxy.scripted_kling import Asked, ScriptedKling, created, envelope, reply
from tests.relay_app import CLIP, CLIP_MICROS, Relay, running_relay
from tests.tasks.holding import hold_tasks, told
from tests.tasks.looking import look_now
from tests.tasks.scripted_kling import Call, not_found, success
from tests.tasks.scripted_kling import ScriptedKling as ScriptedCalls

MAC = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
TOKEN = f"k1.rabc-17-00ff00ff00ff00ff~3.{MAC}"
URL = f"https://relay.example.com/internal/callback/{TOKEN}"
HOOK = "https://tenant.example/hook"


def as_json(text: str, *, times: int = 1) -> str:
    for _ in range(times):
        text = json.dumps(text)[1:-1]
    return text


def in_code_points(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    # of a text, as it stands in the bytes of a JSON body
    "plain": as_json,
    "escaped slashes": lambda text: as_json(text).replace("/", "\\/"),
    "code points of slashes": lambda text: as_json(text).replace("/", "\\u002f"),
    "code points, in capitals": lambda text: as_json(text).replace("/", "\\u002F"),
    "every code point": in_code_points,
    "a part of a URL": lambda text: as_json(quote(text, safe="")),
    "of a URL in a URL": lambda text: as_json(quote(quote(text, safe=""), safe="")),
    "every byte of a URL": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "within quotes": lambda text: as_json(f'callback "{text}" failed'),
    "in a sentence": lambda text: as_json(f"cannot reach {text}, give up ({text})."),
    "JSON in JSON": lambda text: as_json(json.dumps({"callback_url": text})),
    "JSON in JSON in JSON": lambda text: as_json(json.dumps({"a": text}), times=2),
    "JSON with slashes in JSON": lambda text: as_json('{"a":"' + text.replace("/", "\\/") + '"}'),
    "HTML": lambda text: as_json(html.escape(f'<a href="{text}">').replace("/", "&#x2F;")),
    "HTML of every letter": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "of a URL, four times": lambda text: "".join(f"%252525{byte:02X}" for byte in text.encode()),
    "in capitals": lambda text: as_json(text).upper().replace("\\U", "\\u"),
}
PIECES = {"the URL": URL, "its path": URL[25:], "the token": TOKEN, "the MAC": MAC}
PLACES = {
    "a value": '{"task_id":"7","message":"%s"}',
    "a name": '{"task_id":"7","errors":{"%s":"unreachable"}}',
    "deep down": '{"task_id":"7","a":[{"b":["x","%s"]}]}',
}


def readable(body: bytes) -> str:
    """All that anybody can make of a body, without escapes of any kind."""
    text = body.decode()
    for _ in range(6):
        text = unquote(html.unescape(text)).replace("\\/", "/")
        text = text.encode("latin-1", "replace").decode("unicode_escape", "replace")
    return text.lower()


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("piece", PIECES)
def test_no_spelling_of_it_passes(piece: str, spelling: str) -> None:
    """Whole, or only what opens it; what stands beside it stays, and it is JSON still."""
    for place in PLACES.values():
        body = (place % SPELLINGS[spelling](PIECES[piece])).encode()

        shown = without_credential(body, ["f" * 32, MAC], own_url=HOOK)

        assert MAC not in readable(shown), (place, shown)
        assert json.loads(shown)["task_id"] == "7"


def test_what_is_not_ours_keeps_its_bytes() -> None:
    """Other URLs with escapes, other tokens, and the words around ours."""
    for body in (
        rb'{"url":"https:\/\/cdn.example\/a%2Fb.mp4?x=%E4%B8%AD","m":"\u00e9 &amp; \""}',
        b'{"callback":"https://other.example/internal/callback/k1.a~3.' + b"9" * 32 + b'"}',
        b'{"a":1}',
        b"",
    ):
        assert without_credential(body, [MAC], own_url=HOOK) is body

    quoted = json.dumps({"message": f'the URL "{URL}" is bad, see [{URL}]', "n": 1e3}).encode()
    assert json.loads(without_credential(quoted, [MAC], own_url=HOOK)) == {
        "message": f'the URL "{HOOK}" is bad, see [{HOOK}]',
        "n": 1e3,
    }
    assert json.loads(without_credential(quoted, [MAC], own_url=None)) == {
        "message": 'the URL "" is bad, see []',
        "n": 1e3,
    }


def test_of_a_text_only_the_piece_that_opens_it_goes() -> None:
    """The MAC alone is no URL, in capitals it is one too; the tenant's own is shown as lists do."""
    for piece, shown in ((MAC, ""), (MAC.upper(), ""), (TOKEN, ""), (URL, "https://h/?***")):
        body = json.dumps({"message": f"token {piece} is bad"}).encode()

        told = without_credential(body, [MAC], own_url="https://h/?*** k1:sealed")

        assert json.loads(told) == {"message": f"token {shown} is bad"}


def test_of_what_is_no_json_nothing_is_kept() -> None:
    """No tenant is shown it, and no event should have it."""
    assert without_credential(f"<a href={URL}>".encode(), [MAC], own_url=HOOK) == b""


class Parrot:
    """A Kling that repeats the callback URL, as it was told it, in everything that it says."""

    def __init__(self) -> None:
        self.url = ""
        self.is_refusing = False
        self.kling = ScriptedKling(self._answer)

    def task(self, injected_id: str, status: str) -> bytes:
        data = json.loads(created(injected_id))
        data |= {"task_status": status, "task_status_msg": f'told "{self.url}"', "odd": [self.url]}
        data["final_unit_deduction"] = "2"
        data["quoted"] = quote(self.url, safe="")
        return json.dumps(data).replace("/", "\\u002f").encode()

    async def _answer(self, asked: Asked) -> Reply:
        if asked.method == "POST":
            self.url = json.loads(asked.body)["callback_url"]
            self.injected_id = asked.injected_id
        if self.is_refusing:
            said = json.dumps({"code": 1201, "message": f'callback_url "{self.url}": bad'})
            return reply(400, said.replace("/", "\\u002F").encode())
        status = "submitted" if asked.method == "POST" else "processing"
        return envelope(self.task(self.injected_id, status))


async def everything(relay: Relay) -> str:
    """All rows that hold something of Kling's."""
    rows = [
        *await relay.rows("SELECT reply, fail_message FROM tasks"),
        *await relay.rows("SELECT detail, convert_from(body, 'UTF8') FROM task_events"),
        *await relay.rows("SELECT body FROM deliveries"),
    ]
    return readable("\n".join(str(field) for row in rows for field in row).encode())


async def test_whatever_kling_repeats_no_tenant_learns_it(database_url: str) -> None:
    """By the create's reply, a refusal, a query, a look and a callback; in the rows neither."""
    parrot = Parrot()
    async with running_relay(
        database_url, transport=parrot.kling, with_callbacks=True, refresh_s=0
    ) as relay:
        token, _ = await relay.add_tenant(), await relay.add_channel()
        key = "867283741759111202"

        answers = [await relay.submit(token, CLIP | {"callback_url": HOOK})]
        mac = parrot.url.rpartition(".")[2]
        answers.append(await relay.get(token, key))
        await look_now(relay)
        await relay.call_back(key, parrot.task(parrot.injected_id, "succeed"))
        answers.append(await relay.get(token, key))
        parrot.is_refusing = True
        answers.append(await relay.submit(token, CLIP))

        assert [answer.status_code for answer in answers] == [200, 200, 200, 400]
        assert answers[0].json()["data"]["odd"] == [HOOK]
        assert answers[3].json()["message"] == 'callback_url "": bad'
        for told in (*(readable(answer.content) for answer in answers), await everything(relay)):
            assert mac not in told
        # A refusal of the URL quotes our external id within it, and is no duplicate of it.
        states = await relay.rows("SELECT state FROM tasks ORDER BY id")
        assert [row["state"] for row in states] == ["succeed", "refused"]
        assert await relay.account() == (10_000_000 - 2 * CLIP_MICROS // 3, 0)


async def test_what_is_found_in_a_list_does_not_bring_it(database_url: str) -> None:
    """Of an endpoint that finds no task by our id: the list's item is the task's reply then."""

    async def answer(call: Call) -> Reply:
        if "pageNum" not in call.url:
            return not_found()
        return success([told(task, "processing") | {"odd": f'told "{url}"'}])

    kling = ScriptedCalls(answer)
    async with running_relay(database_url, transport=kling, with_callbacks=True) as relay:
        await relay.add_channel()
        (task,) = await hold_tasks(relay, await relay.add_tenant())
        await relay.rows("UPDATE tasks SET endpoint = 'ai-multi-shot', state = 'unknown'")
        url = relay.faces.receiver.paths.url(task.injected_id, task.channel_id) or ""

        await look_now(relay)

        (row,) = await relay.rows("SELECT state, reply FROM tasks")
        assert row["state"] == "processing"
        assert json.loads(row["reply"])["odd"] == 'told ""'
        assert url.rpartition(".")[2] not in await everything(relay)
