"""Points 3 and 4: calls whose reply is the result, paid and free, and where they may go next."""

import uuid
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import asyncpg
import pytest

from relay.database.embedded import EmbeddedPostgres
from relay.database.engine import dsn
from relay.kling.transport import MaybeSent, NotSent, Reply
from tests.clones import cloned
from tests.proxy.scripted_kling import Asked, ScriptedKling, envelope, refusal, reply
from tests.relay_app import Relay, bearer, fixture_relay, running_relay

QUOTA = 1_000_000
TTS_MICROS = 7_000
"""0.05 units at 0.14 USD."""
TTS = {"text": "hello", "voice_id": "genshin_vindi2", "voice_language": "en"}
SPOKEN = b'{"task_id":"t1","task_status":"succeed","task_result":{"audios":[{"id":"a1"}]}}'
PAID = "/v1/audio/tts"
FREE = "/v1/videos/multi-elements/init-selection"
READ = "/v1/general/presets-voices"
BODIES = {PAID: TTS, FREE: {"video_url": "https://example.com/a.mp4"}}
IN_DOUBT = [
    MaybeSent("ReadTimeout"),
    refusal(500, 5000),
    refusal(408, 5002),
    reply(502, b"<html>"),
    reply(200, b'{"code":0,'),
    reply(200, b""),
]


class TwoHosts:
    """What each account answers; an exception is raised."""

    def __init__(self, first: Reply | Exception, second: Reply | Exception) -> None:
        self.answers = {"first.test": first, "second.test": second}
        self.kling = ScriptedKling(self._answer)

    async def _answer(self, asked: Asked) -> Reply:
        answer = self.answers[asked.url.split("/")[2]]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def hosts(self) -> list[str]:
        return [asked.url.split("/")[2].partition(".")[0] for asked in self.kling.asked]


class Both(NamedTuple):
    """One relay before both; each call is a new tenant's, and finds both accounts well."""

    relay: Relay
    hosts: TwoHosts

    async def call(
        self, path: str, first: Reply | Exception, second: Reply | Exception
    ) -> tuple[Any, list[str], Any]:
        """Answer of the relay, the hosts asked in order, and quota, held and the row's state."""
        await self.relay.heal()
        self.hosts.kling.asked.clear()
        self.hosts.answers.update({"first.test": first, "second.test": second})
        token = await self.relay.add_tenant(uuid.uuid4().hex, quota_micros=QUOTA)
        if path == READ:
            page = f"?pageNum={1 + token.id}"  # one that nobody remembers
            response = await self.relay.client.get(path + page, headers=bearer(token))
        else:
            response = await self.relay.submit(token, BODIES[path], path=path)
        rows = await self.relay.rows(
            "SELECT state FROM tasks WHERE tenant_id = (SELECT id FROM tenants WHERE name = $1)",
            token.tenant,
        )
        states = [row["state"] for row in rows]
        assert (await self.relay.audit()).ok
        return response, self.hosts.hosts, (await self.relay.account(token.tenant), states)


@pytest.fixture(scope="module")
async def both(postgres_server: EmbeddedPostgres, template: str) -> AsyncIterator[Both]:
    hosts = TwoHosts(envelope(SPOKEN), envelope(SPOKEN))
    async with (
        cloned(postgres_server, template) as url,
        fixture_relay(url, transport=hosts.kling) as relay,
    ):
        await relay.add_channel("first", base_url="http://first.test", priority=2)
        await relay.add_channel("second", base_url="http://second.test", priority=1)
        yield Both(relay, hosts)


@pytest.mark.parametrize("path", [PAID, FREE, READ])
@pytest.mark.parametrize("code", [1000, 1102, 1103, 1302, 1303, 1304, None])
async def test_a_refusal_of_the_account_goes_to_the_next_one(
    both: Both, path: str, code: int | None
) -> None:
    """Or nothing sent: paid calls, free calls and shared lists are answered by the second."""
    first = NotSent("ConnectError") if code is None else refusal(429, code)

    response, hosts, (money, states) = await both.call(path, first, envelope(SPOKEN))

    assert (response.status_code, response.json()["code"]) == (200, 0)
    assert hosts == ["first", "second"]
    assert money == (QUOTA - (TTS_MICROS if path == PAID else 0), 0)
    assert states == (["succeed"] if path == PAID else [])


@pytest.mark.parametrize("path", [PAID, FREE])
@pytest.mark.parametrize(
    ("status", "code"), [(400, 1200), (400, 1201), (404, 1203), (400, 1301), (200, 9)]
)
async def test_a_refusal_of_the_content_goes_back_at_once(
    both: Both, path: str, status: int, code: int
) -> None:
    """Kling's status and words; nobody else is asked, nothing is charged."""
    response, hosts, (money, states) = await both.call(
        path, refusal(status, code, "bad text"), envelope(SPOKEN)
    )

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["message"] == "bad text"
    assert hosts == ["first"]
    assert money == (QUOTA, 0)
    assert states == (["refused"] if path == PAID else [])


@pytest.mark.parametrize("path", [PAID, FREE])
@pytest.mark.parametrize("first", IN_DOUBT)
async def test_what_may_have_happened_is_not_asked_again_elsewhere(
    both: Both, path: str, first: Reply | Exception
) -> None:
    """Paid: the hold stays. Free: nothing was held. The second account would take it."""
    response, hosts, (money, states) = await both.call(path, first, envelope(SPOKEN))

    assert response.status_code in (408, 500, 504)
    assert hosts == ["first"]
    assert money == ((QUOTA, TTS_MICROS) if path == PAID else (QUOTA, 0))
    assert states == (["unknown"] if path == PAID else [])


@pytest.mark.parametrize("path", [PAID, FREE, READ])
async def test_when_no_account_takes_it_the_tenant_hears_of_none(both: Both, path: str) -> None:
    """503/5001 whatever the accounts said of themselves, nothing held."""
    response, hosts, (money, _) = await both.call(
        path, refusal(429, 1101, "account 7 in arrears"), NotSent("ConnectError")
    )

    assert (response.status_code, response.json()["code"]) == (503, 5001)
    assert "arrears" not in response.text
    assert hosts == ["first", "second"]
    assert money == (QUOTA, 0)


@pytest.mark.parametrize("path", [PAID, FREE])
@pytest.mark.parametrize("code", [1302, 1303])
async def test_that_all_accounts_are_busy_is_told(both: Both, path: str, code: int) -> None:
    """Kling's own 429 and words, which clients know how to wait for."""
    response, _, (money, _) = await both.call(
        path, refusal(429, code, "slow down"), refusal(429, code, "slow down")
    )

    assert (response.status_code, response.json()["code"]) == (429, code)
    assert response.json()["message"] == "slow down"
    assert money == (QUOTA, 0)


async def test_a_paid_call_is_charged_as_it_is_answered(both: Both) -> None:
    """By Kling's deduction where it says one, at most the hold; the reply says the tenant's own."""
    cheap = SPOKEN.replace(b'"task_id"', b'"final_unit_deduction":"0.03","task_id"')
    response, _, (money, _) = await both.call(PAID, envelope(cheap), envelope(SPOKEN))

    assert money == (QUOTA - 4_200, 0)
    assert response.json()["data"]["final_unit_deduction"] == "0.03"


async def test_a_call_needs_quota_before_kling_hears_of_it(database_url: str) -> None:
    """429/1102; a free one needs none."""
    hosts = TwoHosts(envelope(SPOKEN), envelope(SPOKEN))
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await relay.add_channel("first", base_url="http://first.test")
        token = await relay.add_tenant(quota_micros=TTS_MICROS - 1)

        paid = await relay.submit(token, TTS, path=PAID)
        free = await relay.submit(token, BODIES[FREE], path=FREE)

        assert (paid.status_code, paid.json()["code"]) == (429, 1102)
        assert free.status_code == 200
        assert [asked.url.rpartition("/")[2] for asked in hosts.kling.asked] == ["init-selection"]


async def come_to_its_deadline(relay: Relay, *, left_s: float) -> None:
    """Make a look due, so long before the deadline."""
    await relay.rows(
        "UPDATE tasks SET next_look_at = now(),"
        " submit_deadline_at = now() + $1 * interval '1 second'",
        left_s,
    )


async def look(relay: Relay) -> None:
    for leased in await relay.parts.tasks.looker.claim_due(10):
        await relay.parts.tasks.looker.look(leased)


@pytest.mark.parametrize("first", IN_DOUBT)
async def test_a_call_without_a_verdict_is_given_up_at_its_deadline(
    database_url: str, first: Reply | Exception
) -> None:
    """D2: held a minute before, released and flagged after it; Kling is asked nothing meanwhile."""
    hosts = TwoHosts(first, envelope(SPOKEN))
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await relay.add_channel("first", base_url="http://first.test")
        token = await relay.add_tenant(quota_micros=QUOTA)
        await relay.submit(token, TTS, path=PAID)
        due = await relay.row(
            "SELECT next_look_at >= submit_deadline_at - interval '1 s' FROM tasks"
        )

        await come_to_its_deadline(relay, left_s=60)
        await look(relay)
        row = await relay.row(
            "SELECT state, is_flagged, extract(epoch FROM next_look_at - now())::int AS s"
            " FROM tasks"
        )
        assert (row["state"], row["is_flagged"]) == ("unknown", False)
        assert 30 <= row["s"] <= 61
        assert due[0], "no look is needed before"
        assert await relay.account() == (QUOTA, TTS_MICROS)

        await come_to_its_deadline(relay, left_s=0)
        await look(relay)
        row = await relay.row("SELECT state, is_flagged, next_look_at FROM tasks")
        assert tuple(row) == ("refused", True, None)
        assert await relay.account() == (QUOTA, 0)
        assert len(hosts.kling.asked) == 1
        assert (await relay.audit()).ok


async def test_a_crash_in_a_call_ends_the_same_way(database_url: str) -> None:
    """A row that is still pending, as the process left it: held to its deadline, then released."""
    hosts = TwoHosts(MaybeSent("ReadTimeout"), envelope(SPOKEN))
    async with running_relay(database_url, transport=hosts.kling) as relay:
        await relay.add_channel("first", base_url="http://first.test")
        token = await relay.add_tenant(quota_micros=QUOTA)
        await relay.submit(token, TTS, path=PAID)
        await relay.rows("UPDATE tasks SET state = 'pending'")

        await come_to_its_deadline(relay, left_s=60)
        await look(relay)
        assert (await relay.row("SELECT state FROM tasks"))["state"] == "pending"
        assert await relay.account() == (QUOTA, TTS_MICROS)

        await come_to_its_deadline(relay, left_s=0)
        await look(relay)
        row = await relay.row("SELECT state, is_flagged FROM tasks")
        assert tuple(row) == ("refused", True)
        assert await relay.account() == (QUOTA, 0)


@pytest.mark.parametrize("fault", ["drop", "cut", "html", "delay 3"])
async def test_faults_of_the_sandbox_in_a_call_keep_the_hold(database_url: str, fault: str) -> None:
    """Kling took the money and its answer was lost: 504 or its own 5xx, never a second call."""
    async with running_relay(database_url, kling_timeout_s=1) as relay:
        await relay.add_channel("first", priority=2)
        await relay.add_channel("second")
        token = await relay.add_tenant(quota_micros=QUOTA)

        response = await relay.submit(token, {**TTS, "text": f"[{fault}]"}, path=PAID)

        assert response.status_code == 504
        assert await relay.account() == (QUOTA, TTS_MICROS)
        assert relay.sandbox is not None
        calls = [one for one in relay.sandbox.requests.entries if one["path"] == PAID]
        assert len(calls) == 1


async def test_a_call_has_no_callback_and_no_id_of_ours(database_url: str) -> None:
    """Neither is a field of a call: what the tenant sent of them is not told to Kling."""
    hosts = TwoHosts(envelope(SPOKEN), envelope(SPOKEN))
    async with running_relay(database_url, transport=hosts.kling, with_callbacks=True) as relay:
        await relay.add_channel("first", base_url="http://first.test")
        token = await relay.add_tenant(quota_micros=QUOTA)
        for path in (PAID, FREE):
            await relay.submit(
                token,
                {**BODIES[path], "external_task_id": "x", "callback_url": "https://a.example/cb"},
                path=path,
            )

        for asked in hosts.kling.asked:
            assert b"external_task_id" not in asked.body
            assert b"callback" not in asked.body


async def test_a_result_whose_charge_cannot_be_recorded_is_not_delivered(database_url: str) -> None:
    """Nothing looks a call up: its hold would be released in the end, with the result given."""
    connection = await asyncpg.connect(dsn(database_url))

    async def answer(_: Asked) -> Reply:
        await connection.execute("ALTER TABLE entries ADD CHECK (kind <> 'charge')")
        return envelope(SPOKEN)

    async with running_relay(database_url, transport=ScriptedKling(answer)) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=QUOTA)

        response = await relay.submit(token, TTS, path=PAID)
        await connection.close()

        assert (response.status_code, response.json()["code"]) == (504, 5002)
        assert "audios" not in response.text
        assert await relay.account() == (QUOTA, TTS_MICROS)
        assert (await relay.row("SELECT state FROM tasks"))["state"] == "pending"
