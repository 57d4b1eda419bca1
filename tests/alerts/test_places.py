"""Where messages may go, and what of an address may be seen."""

import asyncio
import subprocess
import sys

import pytest

from relay.alerts.places import KINDS, PlaceUnusable, read_place, secrets_of, show_place
from relay.alerts.send import BotRefused, check_sender, open_notifier

BOT = "bot-token-0123456789abcdef-0123456789abcdef"[:36]
WORKS = {
    f"feishu://{BOT}": "feishu://open.feishu.cn",
    f"https://open.feishu.cn/open-apis/bot/v2/hook/{BOT}": "feishu://open.feishu.cn",
    f"https://open.larksuite.com/open-apis/bot/v2/hook/{BOT}": "lark://open.larksuite.com",
    "dingtalk://SECsecret@abcdef0123456789": "dingtalk://oapi.dingtalk.com",
    "https://oapi.dingtalk.com/robot/send?access_token=abcdef01": "dingtalk://oapi.dingtalk.com",
    "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=abc-def": "wecombot://qyapi.weixin.qq.com",
    "tgram://123456789:abcdefg_hijklmnop/12315544/": "tgram://api.telegram.org",
    "mailtos://ops:hush@smtp.example.com?to=ops@example.com": "mailtos://smtp.example.com",
    "json://127.0.0.1:8080/hook?+X-Key=hush&method=PUT": "json://127.0.0.1:8080",
    "jsons://hooks.example.com/relay": "jsons://hooks.example.com",
}
REFUSED = [
    "file:///etc/passwd",
    "syslog://",
    "dbus://",
    "windows://",
    "macosx://",
    "gnome://",
    "apprise://host/token",
    "xml://127.0.0.1/",
    "form://127.0.0.1/",
    "https://example.com/hook",
    "memory://x",
    "exec://rm",
    "json:/etc/passwd",
    "json://",
    "tgram://123456789:abcdefg_hijklmnop/1?template=/etc/passwd",
    "mailtos://a:b@smtp.example.com?pgpprv=/etc/passwd",
    "mailtos://a:b@smtp.example.com?pgppub=/etc/passwd",
    "json://host/ x",
    "json://ho\nst/",
    "json://host/?verify=no;template=/etc/passwd",
    "tgram://1:a/1?to=1#?template=/etc/passwd",
    "tgram://123456789:abcdefg_hijklmnop/1?%74emplate=/etc/passwd",
    "feishu://abc?template=/etc/passwd",
    "json://[::1",
    "",
]


@pytest.mark.parametrize("given", WORKS)
def test_each_kind_is_taken_and_its_secrets_are_not_shown(given: str) -> None:
    """The library reads it too; what is shown has the service's host, never a token."""
    url = read_place(given)
    check_sender(url)

    assert show_place(url) == WORKS[given]
    assert not any(secret in show_place(url) for secret in ("hush", BOT, "SECsecret", "abcdef"))
    assert any(secret in given for secret in secrets_of(url))


@pytest.mark.parametrize("given", REFUSED)
def test_nothing_else_is(given: str) -> None:
    """No program of this machine, no file, no kind and no option that is not listed."""
    with pytest.raises(PlaceUnusable) as refused:
        check_sender(read_place(given))

    assert "/etc/passwd" not in str(refused.value)


def test_what_the_library_reads_otherwise_is_refused_too() -> None:
    """It takes a semicolon for the end of an option."""
    with pytest.raises(PlaceUnusable, match="an option 'template'"):
        check_sender("tgram://123456789:abcdefg_hijklmnop/1?to=1;template=/etc/passwd")


@pytest.mark.parametrize(
    ("url", "place"), [("dingtalk://abcdef01", "notify_url"), ("wecombot://abc-def", "api_url")]
)
async def test_a_bot_that_does_not_take_a_message_says_so_in_its_answer(
    url: str, place: str
) -> None:
    """With status 200, which the library takes for success; here at an address of ours."""
    answers = [b'{"errcode": 310000, "errmsg": "keywords not in content"}', b'{"errcode": 0}', b"?"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        body = answers.pop(0)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        notifier = open_notifier(url)
        setattr(notifier, place, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        notifier.request_rate_per_sec = 0  # else it waits five seconds between two
        with pytest.raises(BotRefused, match="errcode 310000: keywords not in content"):
            await asyncio.to_thread(notifier.notify, body="x", title="y")
        taken = [await asyncio.to_thread(notifier.notify, body="x", title="y") for _ in range(2)]

    assert taken == [True, True]


def test_of_the_library_only_the_kinds_listed_are_loaded() -> None:
    """In a process of its own: no code of others runs, whatever they do when they are loaded."""
    program = (
        "import sys; from relay.alerts.places import KINDS, read_place;"
        "from relay.alerts.send import check_sender;"
        "check_sender(read_place('json://host/x'));"
        "print(*sorted(name.split('.')[2] for name in sys.modules"
        " if name.startswith('apprise.plugins.') and name.count('.') == 2))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    assert set(loaded) <= {"base", "custom_json"}
    assert len(KINDS) == 9
