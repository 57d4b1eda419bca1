"""How notices go out: signed, by mail, again, and at last not any more."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from relay.alerts.of_tasks import deliveries_dead
from relay.alerts.places import PlaceUnusable
from relay.alerts.send import check_sender
from relay.deliveries.guard import CallbackGuard
from relay.desk.errors import NoSuch, NotPossible, Unusable
from relay.desk.notices import remove_notice_place, replay_notice
from relay.notices.events import WANTED, Event
from relay.notices.outgoing import CLAIM
from relay.notices.places import Means, mail_to, read_address, show_address
from relay.notices.read import ListedNotice
from relay.notices.tables import Lang, PlaceKind
from relay.notices.tell import tell
from relay.notices.words import Around, Words, word_notice
from relay.tenants.scope import Scope
from tests.alerts.conftest import AROUND as AROUND_ALERTS
from tests.notices.conftest import Told
from tests.notices.mail_server import subject_of, text_of
from tests.proxy.keys import asked, data, key
from tests.relay_app import ACTOR, running_relay
from tests.sandbox.receiver import Receiver

PAUSED: dict[str, Any] = {"is_over": False, "endpoint": None, "model": "kling-v3", "until": None}
AROUND = Around("CNY", "UTC", UTC)
AT = datetime(2026, 11, 27, 8, 30, tzinfo=UTC)
ROW = {
    "endpoint": "text2video",
    "model": None,
    "mode": None,
    "sound": None,
    "voice": None,
    "video_input": None,
    "duration": None,
    "price": "0.5",
    "price_before": None,
    "per": "second",
    "hours": "18-24",
}
SAMPLES: dict[Event, dict[str, Any]] = {
    Event.QUOTA_LOW: {"left": "3", "bound": "4", "last_day": "1.5"},
    Event.QUOTA_EMPTY: {"left": "-0.5"},
    Event.LIMIT_NEAR: {
        "token_id": 7,
        "token_name": "ci",
        "limit": "day",
        "percent": 80,
        "allowed": "100",
        "taken": "81",
        "begins_anew_at": 1795000000000,
    },
    Event.TOKEN_EXPIRING: {
        "token_id": None,
        "token_name": None,
        "token_hint": None,
        "expires_at": 1795000000000,
        "days": 7,
    },
    Event.PRICE_CHANGING: {
        "at": 1795000000000,
        "prices": [ROW],
        "ended": [ROW],
        "changes": 14,
    },
    Event.STATEMENT_READY: {"month": "2026-10", "opening": "1", "charged": "2", "closing": "3"},
    Event.TASK_REFUNDED: {
        "task_id": "t-1",
        "external_task_id": None,
        "amount": "1",
        "charged": "0",
    },
    Event.SERVICE_PAUSED: PAUSED,
    Event.TEST: {},
}


def word(event: Event, data: dict[str, Any], lang: Lang) -> Words:
    return word_notice(event, data, lang=lang, tenant="acme", created_at=AT, around=AROUND)


def test_each_event_has_its_words_in_both_languages() -> None:
    """Amounts with their unit, moments with their zone, and no line that says nothing."""
    for event, sample in SAMPLES.items():
        for lang in Lang:
            words = word(event, sample, lang)
            said = f"{words.title}\n{words.text}"
            assert "{" not in said
            assert "None" not in said
            assert words.text.splitlines()[-1].endswith("2026-11-27 08:30 (UTC)")
    assert SAMPLES.keys() == set(Event)
    assert word(Event.LIMIT_NEAR, SAMPLES[Event.LIMIT_NEAR], Lang.ZH).text.splitlines()[0] == (
        "密钥 7（ci）的今日消费限额：已用 81 CNY，上限 100 CNY（80%）。"  # noqa: RUF001 (Chinese)
    )
    lines = word(Event.PRICE_CHANGING, SAMPLES[Event.PRICE_CHANGING], Lang.EN).text.splitlines()
    assert lines[1:4] == [
        "- text2video (18-24): 0.5 CNY/second",
        "- text2video (18-24): ends",
        "- … and 12 more",
    ]


TOKEN = "0123456789abcdef0123456789abcdef0123"
TAKEN = {
    (PlaceKind.WEBHOOK, "https://acme.test:8443/a?key=hush"): "https://acme.test:8443",
    (PlaceKind.MAIL, "ops@acme.test"): "o***@acme.test",
    (PlaceKind.FEISHU, f"https://open.feishu.cn/open-apis/bot/v2/hook/{TOKEN}"): (
        "feishu://open.feishu.cn"
    ),
    (PlaceKind.FEISHU, f"lark://{TOKEN}"): "lark://open.larksuite.com",
    (PlaceKind.DINGTALK, f"dingtalk://SEChush@{TOKEN}"): "dingtalk://oapi.dingtalk.com",
    (PlaceKind.WECOM, f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={TOKEN}"): (
        "wecombot://qyapi.weixin.qq.com"
    ),
}
REFUSED = [
    (PlaceKind.WEBHOOK, "http://127.0.0.1/hook"),
    (PlaceKind.WEBHOOK, "http://[::ffff:10.0.0.1]/"),
    (PlaceKind.WEBHOOK, "ftp://acme.test/"),
    (PlaceKind.WEBHOOK, "https://acme.test/" + "a" * 3000),
    (PlaceKind.MAIL, "ops@acme.test,other@acme.test"),
    (PlaceKind.MAIL, "ops@acme.test\nBcc: other@acme.test"),
    (PlaceKind.MAIL, "ops@acme.test?smtp=evil.test"),
    (PlaceKind.MAIL, "ops"),
    (PlaceKind.FEISHU, f"https://evil.test/open-apis/bot/v2/hook/{TOKEN}"),
    (PlaceKind.FEISHU, f"dingtalk://{TOKEN}"),
    (PlaceKind.DINGTALK, "json://evil.test/"),
    (PlaceKind.WECOM, "mailto://a:b@evil.test?to=x@evil.test"),
    (PlaceKind.WECOM, ""),
]


def test_a_kind_has_one_way_and_its_makers_host() -> None:
    """Of an address is shown what tells it apart; what is refused is not repeated."""
    means = Means(CallbackGuard(), "mailto://relay:hush@mail.test?from=a@b.test")

    for (kind, given), shown in TAKEN.items():
        url = read_address(kind, given, means)
        assert show_address(kind, url) == shown
        if kind is not PlaceKind.WEBHOOK:
            check_sender(mail_to(means.mail_url or "", url) if kind is PlaceKind.MAIL else url)
    for kind, given in REFUSED:
        with pytest.raises(PlaceUnusable) as refused:
            read_address(kind, given, means)
        assert "evil" not in str(refused.value)
    with pytest.raises(PlaceUnusable, match="RELAY_MAIL_URL"):
        read_address(PlaceKind.MAIL, "ops@acme.test", Means(CallbackGuard(), None))


async def test_a_webhook_and_mail_say_the_same_and_what_fails_comes_again(told: Told) -> None:
    """500 is tried again under the same id and with the same bytes; 410 and three days are dead."""
    relay = told.relay
    await relay.add_tenant()
    with pytest.raises(NotPossible, match="no webhook secret"):
        await told.add()
    await told.give_secret()
    with pytest.raises(Unusable, match="no mail address"):
        await told.add(PlaceKind.MAIL, "ops")
    await told.add(PlaceKind.MAIL, "ops@acme.test", lang=Lang.ZH)

    async with Receiver(answers=(500, 200, 410, 500)) as hook:
        await told.add(to=f"{hook.url}?key=hush-1")

        async def pause(key: str) -> None:
            async with relay.sessions.begin() as session:
                await tell(session, Event.SERVICE_PAUSED, key, PAUSED)

        await pause("1")
        assert await told.send() == 2
        (mail,) = told.mail.messages
        assert (subject_of(mail), told.mail.to) == ("服务暂停通知", ["ops@acme.test"])
        assert "暂停接收新任务：kling-v3。" in text_of(mail)  # noqa: RUF001 (Chinese)
        (row,) = await relay.rows("SELECT * FROM notices WHERE state = 'due'")
        assert (row["attempts"], row["lease"], row["error"]) == (1, None, "HTTP 500")
        assert await told.send() == 0

        await relay.rows("UPDATE notices SET next_attempt_at = now() WHERE state = 'due'")
        assert await told.send() == 1
        first, second = hook.posts
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == row["webhook_id"]
        Webhook(told.secret).verify(second.body, second.headers)
        assert (second.json["type"], second.json["data"]) == ("service.paused", PAUSED)

        await pause("2")
        await pause("3")
        await relay.rows(
            "UPDATE notices SET created_at = now() - interval '73 hours' WHERE key = '3'"
        )
        await told.send()
    rows = await relay.rows("SELECT key, state, error FROM notices WHERE place_id = 2 ORDER BY 1")
    assert [tuple(row) for row in rows] == [
        ("1", "sent", None),
        ("2", "dead", "HTTP 410"),
        ("3", "dead", "HTTP 500"),
    ]
    async with relay.sessions() as session:
        found = await deliveries_dead(session, 0, AROUND_ALERTS)
    counted = relay.parts.counts.deliveries.by[("dead",)]
    assert (found, counted) == ({"acme": "2 in the last hour: HTTP 500"}, 2)

    # Judged again when it is dialled, by a relay that allows nothing of the kind.
    await pause("4")
    async with running_relay(relay.database_url, beside=relay) as strict:
        await told.send(strict)
    (row,) = await relay.rows("SELECT error FROM notices WHERE place_id = 2 AND key = '4'")
    assert "public" in row["error"]
    said = repr(await relay.rows("SELECT * FROM notices")) + repr(
        await relay.rows("SELECT * FROM changes")
    )
    assert "hush-1" not in said
    async with relay.sessions.begin() as session:
        assert await remove_notice_place(session, ACTOR, 2) == hook.url.removesuffix("/hook")
    assert {row[0] for row in await relay.rows("SELECT place_id FROM notices")} == {1}


async def test_a_notice_is_sent_again_when_an_operator_says_so(told: Told) -> None:
    """One that was given up goes out as it was, under its id; if it fails it has three new days."""
    relay = told.relay
    await relay.add_tenant()
    await told.give_secret()

    async def again() -> ListedNotice:
        async with relay.sessions.begin() as session:
            return await replay_notice(session, ACTOR, 1)

    async with Receiver(answers=(500, 500, 200, 200)) as hook:
        await told.add(to=hook.url)
        async with relay.sessions.begin() as session:
            await tell(session, Event.SERVICE_PAUSED, "1", PAUSED)
        await relay.rows("UPDATE notices SET created_at = now() - interval '73 hours'")
        await told.send()
        assert (await relay.row("SELECT state FROM notices"))["state"] == "dead"
        assert ((await again()).state, await told.send()) == ("due", 1)
        assert (await relay.row("SELECT state FROM notices"))["state"] == "due"
        with pytest.raises(NotPossible, match="due already"):
            await again()
        await relay.rows("UPDATE notices SET next_attempt_at = now()")
        await told.send()
        assert (await again()).ended_at is None
        await told.send()
    row = await relay.row("SELECT state, attempts FROM notices")
    assert tuple(row) == ("sent", 4)
    assert len({(post.headers["webhook-id"], post.body) for post in hook.posts}) == 1
    await relay.rows("UPDATE notices SET state = 'known'")
    with pytest.raises(NoSuch):
        await again()


async def test_what_waits_for_a_mailbox_is_one_mail(told: Told) -> None:
    """Twenty at most, of WeCom what it takes; webhooks stay one each. What fails, fails for all."""
    relay = told.relay
    await relay.add_tenant()
    await told.give_secret()
    await told.add(PlaceKind.MAIL, "ops@acme.test")
    await told.add()
    wecom = await told.add(PlaceKind.WECOM, f"wecombot://{TOKEN}", lang=Lang.ZH)
    async with relay.sessions.begin() as session:
        for n in range(25):
            await tell(session, Event.SERVICE_PAUSED, str(n), PAUSED | {"model": f"kling-{n}"})
    await relay.rows(
        "UPDATE notices SET created_at = now() - interval '73 hours'"
        " WHERE key = '1' AND place_id = 1"
    )
    sender = relay.parts.loops.notices

    by_mail, by_hook, by_bot = await sender.claim_due(16)
    await sender.deliver(msgspec.structs.replace(by_mail, url_sealed="k:not sealed"))
    await sender.deliver(by_hook)
    rows = await relay.rows(
        "SELECT place_id, state, attempts, lease IS NULL AS is_free, count(*) AS so_many"
        " FROM notices GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3"
    )
    async with relay.sessions.begin() as session:
        await remove_notice_place(session, ACTOR, wecom.id)
    await relay.rows("UPDATE notices SET next_attempt_at = now() WHERE state = 'due'")
    await relay.rows("UPDATE notice_places SET busy_until = now()")
    tried = await told.send()

    in_bot = len(by_bot.notices)
    assert (len(by_mail.notices), len(by_hook.notices)) == (20, 1)
    assert 5 < in_bot < 20
    assert [tuple(row) for row in rows] == [
        (1, "dead", 1, True, 1),
        (1, "due", 0, True, 5),
        (1, "due", 1, True, 19),
        (2, "due", 0, True, 24),
        (2, "sent", 1, True, 1),
        (3, "due", 0, True, 25 - in_bot),
        (3, "due", 1, False, in_bot),
    ]
    assert (tried, len(told.hook.posts)) == (2 + 24, 25)
    first, second = told.mail.messages
    assert subject_of(first) == "New tasks are paused (and 19 more)"
    assert subject_of(second) == "New tasks are paused (and 3 more)"
    said = text_of(first) + text_of(second)
    assert all(f": kling-{n}." in said for n in range(25) if n != 1)
    lines = text_of(second).splitlines()
    assert lines[0] == "New tasks are paused"
    assert lines[4:6] == ["", "New tasks are paused"]
    assert {row["state"] for row in await relay.rows("SELECT state FROM notices")} == {
        *("sent", "dead"),
    }


async def test_what_is_under_way_is_nobody_elses(told: Told) -> None:
    """While a claim is being written another claims nothing; a lease that ends gives it back."""
    relay = told.relay
    await relay.add_tenant()
    await told.give_secret()
    await told.add()
    async with relay.sessions.begin() as session:
        await tell(session, Event.SERVICE_PAUSED, "1", PAUSED)
    sender = relay.parts.loops.notices

    async with relay.sessions.begin() as session:
        await session.execute(text(CLAIM), {"at_once": 16, "lease_s": 60, "together": 20})
        assert await sender.claim_due(16) == []
    assert await sender.claim_due(16) == []
    past = "now() - interval '1 second'"
    await relay.rows(f"UPDATE notices SET next_attempt_at = {past}")
    await relay.rows(f"UPDATE notice_places SET busy_until = {past}")
    (late,) = await sender.claim_due(16)
    await relay.rows(f"UPDATE notices SET next_attempt_at = {past}")
    await relay.rows(f"UPDATE notice_places SET busy_until = {past}")
    (newer,) = await sender.claim_due(16)
    await sender.deliver(newer)
    await sender.deliver(msgspec.structs.replace(late, url_sealed="k:not sealed"))
    (row,) = await relay.rows("SELECT state, attempts, error FROM notices")
    assert tuple(row) == ("sent", 3, None)


async def test_a_tenant_manages_its_own_places(told: Told) -> None:
    """By a key of scope manage alone, ten at most; a worker sends its test."""
    relay = told.relay
    call = await relay.add_tenant()
    await relay.add_tenant("beta")
    await told.give_secret()
    manage, other = await key(relay, Scope.MANAGE), await key(relay, Scope.MANAGE, "beta")
    at, body = "/relay/notices", {"kind": "webhook", "to": told.hook.url, "lang": "en"}

    assert (await asked(relay, call, "POST", at, body))[:2] == (403, 1103)
    assert (await asked(relay, call, "GET", at))[:2] == (403, 1103)
    wanted = {"low": "12.5", "events": ["quota.low", "limit.near"]}
    added = await data(relay, manage, "POST", at, body | wanted)
    assert (added["id"], added["low"], added["events"]) == (1, "12.5", wanted["events"])
    assert added["to"] == told.hook.url.removesuffix("/hook")
    for wrong, field in (
        ({"kind": "webhook", "to": "http://10.0.0.1/"}, "to"),
        ({"kind": "pigeon", "to": "x"}, "kind"),
        ({"kind": "mail", "to": "x"}, "to"),
        (body | {"low": "-1"}, "low"),
        (body | {"events": []}, "events"),
        (body | {"events": ["nothing"]}, "events"),
        (body | {"events": ["test"]}, "events"),
        ({"kind": "feishu", "to": "https://evil.test/"}, "to"),
    ):
        status, code, said = await asked(relay, manage, "POST", at, wrong)
        assert (status, code) == (400, 1201), wrong
        assert field in said, (field, said)
        assert "evil" not in said
    assert "secret" in (await asked(relay, other, "POST", at, body))[2]
    for path in ("1/test", "1/remove", "0/test", "x/remove", f"{10**18}/test"):
        assert (await asked(relay, other, "POST", f"{at}/{path}"))[:2] == (400, 1201)

    async with running_relay(
        relay.database_url, beside=relay, with_worker=True, callback_allow="127.0.0.1"
    ):
        tested = await data(relay, manage, "POST", f"{at}/1/test")
        (post,) = await told.hook.wait(1)
    assert (tested["event"], tested["state"]) == ("test", "due")
    assert (post.headers["webhook-id"], post.json["tenant"]) == (tested["id"], "acme")
    assert "within a minute" in (await asked(relay, manage, "POST", f"{at}/1/test"))[2]
    listed = await data(relay, manage, "GET", at)
    assert [one["id"] for one in listed["notices"]] == [tested["id"]]
    assert (await data(relay, other, "GET", at))["places"] == []

    for _ in range(9):
        await data(relay, manage, "POST", at, body)
    assert "10 places" in (await asked(relay, manage, "POST", at, body))[2]
    assert (await data(relay, manage, "POST", f"{at}/1/remove"))["id"] == 1
    assert len((await data(relay, manage, "GET", at))["places"]) == 9
    assert len(WANTED) == 8
