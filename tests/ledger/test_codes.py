"""Promise M9: a code is quota once, whoever shows it, however often and in the same moment."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import httpx

from relay.desk.codes import MadeCode, make_codes, revoke_codes
from relay.ledger.tables import TopupKind
from relay.tenants.scope import Scope
from relay.tenants.tokens import IssuedToken
from tests.ledger.test_concurrent_holds import open_replicas
from tests.proxy.keys import key
from tests.relay_app import ACTOR, Relay, bearer
from tests.waiting import PATIENCE_S

FIVE = 5_000_000
TOPUPS = "SELECT account_id, amount_micros, topup_kind, reference, actor FROM entries ORDER BY id"


async def make(relay: Relay, name: str, count: int, *, is_bonus: bool = False) -> list[MadeCode]:
    async with relay.sessions.begin() as session:
        return await make_codes(
            *(session, ACTOR, name),
            amount_micros=FIVE,
            count=count,
            expires_at=datetime(2100, 1, 1, tzinfo=UTC),
            kind=TopupKind.BONUS if is_bonus else TopupKind.PAID,
            currency="USD",
        )


async def redeem(relay: Relay, token: IssuedToken, code: str) -> httpx.Response:
    """Show a code, again while somebody else is in the way: a wait of ours is a quarter second."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await relay.client.post(
                "/relay/redeem", json={"code": code}, headers=bearer(token)
            )
            if answer.status_code != 503:
                return answer


def told(answers: list[httpx.Response]) -> Counter[Any]:
    """What was added, or the code of the refusal."""
    bodies = [answer.json() for answer in answers]
    return Counter(body["data"]["added"] if body["code"] == 0 else body["code"] for body in bodies)


async def test_of_twenty_who_show_one_code_one_has_it(books: str) -> None:
    """By two replicas; then one account's, by several keys at once, is told the same, once added.

    A code that is over, somebody else's, or none is refused alike, and too many of them wait.
    """
    async with AsyncExitStack() as stack:
        relays = await open_replicas(stack, books, 2)
        relay = relays[0]
        tokens = [await relay.add_tenant(f"tenant {n}", quota_micros=0) for n in range(20)]
        sold, own, expired, revoked, late = await make(relay, "spring", 5)
        (bonus,) = await make(relay, "gift", 1, is_bonus=True)

        raced = await asyncio.gather(
            *(redeem(relays[n % 2], token, sold.code) for n, token in enumerate(tokens))
        )
        assert told(raced) == Counter({"5": 1, 1201: 19})
        winner = next(n for n, answer in enumerate(raced) if answer.json()["code"] == 0)
        spelt = own.code.lower().replace("-", " ")
        again = await asyncio.gather(*(redeem(relays[n % 2], tokens[0], spelt) for n in range(8)))
        assert told(again) == Counter({"5": 1, "0": 7})
        assert (await redeem(relay, tokens[1], bonus.code)).json()["data"]["kind"] == "bonus"

        rows = await relay.rows(TOPUPS)
        assert [(row["amount_micros"], row["topup_kind"], row["reference"]) for row in rows] == [
            (FIVE, "paid", f"code spring {sold.id}"),
            (FIVE, "paid", f"code spring {own.id}"),
            (FIVE, "bonus", f"code gift {bonus.id}"),
        ]
        assert {row["actor"] for row in rows} == {f"tenant:tenant {n}" for n in (winner, 0, 1)}

        await relay.rows(f"UPDATE codes SET expires_at = now() WHERE id = {expired.id}")
        async with relay.sessions.begin() as session:
            assert await revoke_codes(session, ACTOR, "spring", code_id=revoked.id) == [revoked.id]
        last = tokens[18 if winner != 18 else 16]
        wrong = ["", "SPRING", "7" * 25, sold.code, expired.code, revoked.code]
        refused = [await redeem(relay, last, code) for code in wrong]
        assert {(one.status_code, one.json()["message"]) for one in refused} == {
            (400, "code: cannot be redeemed")
        }
        while (answer := await redeem(relay, last, "7" * 25)).status_code == 400:
            refused.append(answer)
        assert len(refused) == 9  # and the one that it lost
        assert (answer.status_code, answer.json()["code"]) == (429, 1302)
        assert 0 < int(answer.headers["retry-after"]) <= 600
        assert (await redeem(relay, last, late.code)).status_code == 429
        assert told([await redeem(relays[1], tokens[2], late.code)]) == Counter({"5": 1})

        reader = await key(relay, Scope.READ, "tenant 3")
        assert (await redeem(relay, reader, late.code)).json()["code"] == 1103
        unknown = await relay.client.post(
            "/relay/redeem", json={"code": 5}, headers=bearer(tokens[4])
        )
        assert unknown.json()["code"] == 1201
        kept = await relay.rows(
            "SELECT c::text FROM changes c UNION ALL SELECT e::text FROM entries e"
            " UNION ALL SELECT o::text FROM codes o"
        )
        text = str([row[0] for row in kept])
        assert not [one for one in (sold, own, bonus, late) if one.code in text]
