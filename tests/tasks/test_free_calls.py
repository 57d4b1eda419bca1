"""What is asked of Kling for free: each tenant at its pace, and shared lists once a minute."""

import asyncio
from collections import Counter
from typing import Any

from relay.errors import TooManyCalls
from relay.tasks.free_calls import (
    AT_ONCE_S,
    LIST_BYTES_MAX,
    LISTS_AGE_S,
    LISTS_MAX,
    Pace,
    SharedLists,
)
from tests.proxy.scripted_kling import Asked, ScriptedKling, envelope
from tests.relay_app import bearer, running_relay

FREE = "/v1/videos/multi-elements/init-selection"
PER_S = 0.2
LIST = "/v1/general/presets-voices"


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def taken(pace: Pace, tenant_id: int) -> int:
    """Take until it is too much; how many that were."""
    count = 0
    while True:
        try:
            pace.take(tenant_id)
        except TooManyCalls:
            return count
        count += 1


def test_a_tenant_has_so_many_calls_at_once_and_then_its_pace() -> None:
    """Of two a second: idle for a second two more, for an hour no more than ten seconds' worth.

    One at a time where it is fewer than one in ten seconds.
    """
    clock = Clock()
    pace, slow = Pace(2, clock=clock), Pace(0.05, clock=clock)

    counts = [taken(pace, 1), taken(pace, 1), taken(pace, 2), taken(slow, 1)]
    for idle_s in (1, 0.4, 0.1, 3600):
        clock.now_s += idle_s
        counts.append(taken(pace, 1))

    assert counts == [20, 0, 20, 1, 2, 0, 1, 20]
    assert taken(slow, 1) == 1


def test_a_list_is_remembered_for_a_minute() -> None:
    """Of its own channel, endpoint and query; neither a long one nor more than a hundred."""
    clock = Clock()
    lists: SharedLists[str] = SharedLists(clock=clock)
    for number in range(LISTS_MAX + 1):
        lists.keep((1, "voices", b"%d" % number), "kept", size=10)
    lists.keep((1, "voices", b"long"), "too long", size=LIST_BYTES_MAX + 1)
    lists.keep((1, "voices", b"q" * 1000), "too long a query", size=10)
    last = (1, "voices", b"%d" % LISTS_MAX)
    keys = [last, (2, *last[1:]), (1, "voices", b"0"), (1, "voices", b"long")]

    found = [lists.get(key) for key in (*keys, (1, "voices", b"q" * 1000))]
    clock.now_s += LISTS_AGE_S

    assert found == ["kept", None, None, None, None]
    assert lists.get(last) is None


async def test_one_tenants_free_calls_leave_the_accounts_rate_to_others(database_url: str) -> None:
    """A loop over a free call, and over a list with ever new queries: 429/1302, and Kling is not
    asked; another tenant is served."""
    kling = ScriptedKling(answer)
    async with running_relay(database_url, transport=kling, free_calls_per_s=PER_S) as relay:
        await relay.add_channel()
        greedy, other = await relay.add_tenant(), await relay.add_tenant("other")
        body = {"video_url": "https://example.com/a.mp4"}

        async def ask(number: int) -> Any:
            if number % 2:
                return await relay.submit(greedy, body, path=FREE)
            return await relay.client.get(f"{LIST}?pageNum={number}", headers=bearer(greedy))

        answers = await asyncio.gather(*map(ask, range(120)))
        asked = len(kling.asked)
        beside = [
            await relay.submit(other, body, path=FREE),
            await relay.client.get(LIST, headers=bearer(other)),
        ]

    counts = Counter((one.status_code, one.json()["code"]) for one in answers)
    assert set(counts) == {(200, 0), (429, 1302)}
    assert PER_S * AT_ONCE_S <= counts[200, 0] == asked < 45
    assert [one.status_code for one in beside] == [200, 200]


async def test_presets_are_asked_for_once(database_url: str) -> None:
    """By two tenants, six times: Kling once for each query, each answer with a request id of its
    own and else in Kling's bytes."""
    kling = ScriptedKling(answer)
    async with running_relay(database_url, transport=kling) as relay:
        await relay.add_channel()
        tokens = [await relay.add_tenant(), await relay.add_tenant("other")]
        answers = [
            await relay.client.get(f"{LIST}{query}", headers=bearer(token))
            for query in ("", "?pageSize=2")
            for token in tokens * 3
        ]

    assert len(kling.asked) == 2
    assert len({one.json()["request_id"] for one in answers}) >= len(answers) - 1
    assert {one.text.partition('"data"')[2] for one in answers} == {
        ':[{"voice_id":"v", "x":1.50}]}'
    }


async def answer(_: Asked) -> Any:
    await asyncio.sleep(0)
    return envelope(b'[{"voice_id":"v", "x":1.50}]')
