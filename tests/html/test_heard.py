"""What the rest of the relay says in English is found by its words, and what others say is not."""

# ruff: noqa: RUF001 (Chinese has commas of its own)

import re
import time

import pytest

from relay.desk.errors import InUse, NoSuch
from relay.errors import InvalidParameter, SpendLimited, Unpriced
from relay.html.words.heard import CHARS_MAX, hear, sentence
from tests.html.words import translated

HEARD = {
    str(NoSuch("tenant", "acme")): "没有租户 'acme'",
    str(InUse("tenant", "acme", tasks=3, deliveries=2)): (
        "租户“acme”还在使用：有 3 个运行中的任务，2 个待投递的回调"
    ),
    str(InvalidParameter("duration", "must be a whole number from 1 to 15")): (
        "duration：须为 1 到 15 的整数"
    ),
    str(
        SpendLimited(
            "this key's limit per day", allowed="5 USD", left="3 USD", needed="4 USD", until="noon"
        )
    ): "账户余额不足：该密钥的每日限额为 5 USD，还剩 3 USD（至 noon），需要 4 USD",
    "succeed by operator: The task was completed by the service.": (
        "成功（操作员）：任务已由服务方完成。"
    ),
    "the last one is of Monday, in /b; at noon one failed: it is no URL, and no schedule": (
        "最近一次备份为 Monday，位于 /b；noon 有一次失败：不是 URL，且没有定时备份"
    ),
    "no channel serves tenant a (x, y) and 3 more: creates are 503/5001": (
        "没有渠道可服务：租户 a（x, y），另有 3 个。其创建会得到 503/5001"
    ),
    "8.88 USD left, for 7.9 h": "剩 8.88 USD，可用 7.9 h",
    "channel main": "渠道 main",
    "channel 主 要": "渠道主 要",
    "video: not sent: the proxy http://p:1 cannot be reached: no address": (
        "video：未发送：无法连接代理 http://p:1：没有地址"
    ),
    "main: not sent, closed without a reply; backup: takes none now": (
        "main：未发送，连接关闭，没有应答；backup：暂不接收"
    ),
    "month: must be a month such as 2026-11": "month：须为月份，如 2026-11",
    str(NoSuch("channel", "backup")): "没有渠道 'backup'",
}


@pytest.mark.parametrize("said", HEARD)
def test_a_sentence_is_found_with_what_stands_in_it(said: str) -> None:
    """Names and amounts stay, and a sentence within a sentence is one too; English has its own."""
    assert hear("zh", said) == HEARD[said]
    assert hear("en", said) == said


def test_what_others_say_stays_as_it_is() -> None:
    """Kling's words, names, and texts that look like ours by a word alone."""
    for said in (
        "Rejected by policy",
        "The prompt has words that are not allowed: violence, tenant",
        "Failure to pass the risk control system",
        "tenant, acme",
        "<b>channel</b>",
        "%(1)s %s 100%",
        "张 三: ok",
        "an email left, for Monday",
        "",
    ):
        assert hear("zh", said) == said


def test_a_percent_sign_stays_one() -> None:
    """In what is filled in, and in the sentence."""
    assert hear("zh", str(Unpriced("100% %s %(1)s"))) == "此处不提供：100% %s %(1)s"
    assert "%3F" in hear("zh", "it has a second '?', a '#' or a ';': %3F, %23 and %3B spell them")


def test_a_sentence_ends_as_its_language_does() -> None:
    """A capital and a full stop where it is English; neither twice."""
    assert sentence("en", "it has no flag") == "It has no flag."
    assert sentence("zh", "it has no flag") == "没有标记。"
    assert sentence("zh", "risk control system refused") == "Risk control system refused."
    assert sentence("zh", "The task was cancelled before it was sent.") == "任务在发送前已取消。"


def test_a_long_text_takes_no_long_time() -> None:
    """A tenant may name things so that they look like many sentences: not all are looked for."""
    hostile = "a; b: it is c, " * 40
    hear("zh", "first")
    began = time.process_time()

    assert hear("zh", hostile[:CHARS_MAX])
    assert time.process_time() - began < 1
    assert hear("zh", f"there is no tenant {'x' * CHARS_MAX}").startswith("there is no tenant")


def test_holes_side_by_side_stay_so() -> None:
    """What is found in the first of two stands for both, so nothing may come between them."""
    beside = re.compile(r"%\((\d+)\)s%\((\d+)\)s")

    for file, message in translated("zh"):
        if file.startswith("told/"):
            for pair in beside.findall(str(message.id)):
                assert "%({})s%({})s".format(*pair) in str(message.string), message.id
