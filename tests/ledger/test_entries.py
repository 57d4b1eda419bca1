"""Entries: written with the quota they change, once, and never changed afterwards."""

import asyncio

import asyncpg
import pytest

from relay.database.engine import Sessions, open_engine, open_sessions
from relay.database.ids import AccountId
from relay.ledger.entries import (
    UnknownAccount,
    adjust,
    top_up,
)
from relay.ledger.read import CurrencyMismatch, check_currency
from relay.ledger.tables import TopupKind
from tests.relay_app import CLIP_MICROS, Relay, running_relay


async def _account_id(relay: Relay) -> AccountId:
    number = (await relay.row("SELECT account_id FROM tenants"))["account_id"]
    assert isinstance(number, int)
    return AccountId(number)


async def _top_up(sessions: Sessions, account_id: AccountId, reference: str, currency: str) -> bool:
    async with sessions.begin() as session:
        return await top_up(
            session,
            account_id,
            amount_micros=5,
            kind=TopupKind.PAID,
            reference=reference,
            currency=currency,
            actor="tests",
        )


async def test_one_reference_tops_up_once(books: str) -> None:
    """Of twenty concurrent top-ups with one reference, one adds its amount; another adds too."""
    async with running_relay(books) as relay:
        await relay.add_tenant(quota_micros=0)
        account_id = await _account_id(relay)

        added = await asyncio.gather(
            *(_top_up(relay.sessions, account_id, "invoice 7", "USD") for _ in range(20))
        )
        other = await _top_up(relay.sessions, account_id, "invoice 8", "USD")

        assert sorted(added) == [False] * 19 + [True]
        assert other
        assert await relay.account() == (10, 0)


async def test_an_adjustment_may_fall_below_what_is_held(books: str) -> None:
    """The operator's word counts: minus one clip beside an open hold; no submit fits any more."""
    async with running_relay(books) as relay:
        await relay.add_channel()
        token = await relay.add_tenant(quota_micros=CLIP_MICROS)
        await relay.submit(token)
        account_id = await _account_id(relay)

        async with relay.sessions.begin() as session:
            await adjust(
                session,
                account_id,
                amount_micros=-CLIP_MICROS,
                reason="typo",
                currency="USD",
                actor="tests",
            )

        assert await relay.account() == (0, CLIP_MICROS)
        assert (await relay.submit(token)).json()["code"] == 1102


async def test_the_books_keep_their_first_currency(books: str) -> None:
    """Of concurrent first top-ups in two currencies, those in one of them are taken, all of it."""
    async with running_relay(books) as relay:
        await relay.add_tenant(quota_micros=0)
        account_id = await _account_id(relay)

        outcomes = await asyncio.gather(
            *(
                _top_up(relay.sessions, account_id, f"{currency} {number}", currency)
                for number in range(4)
                for currency in ("USD", "CNY")
            ),
            return_exceptions=True,
        )

        mismatches = [outcome for outcome in outcomes if isinstance(outcome, CurrencyMismatch)]
        assert len(mismatches) == 4
        assert outcomes.count(True) == 4
        assert await relay.account() == (20, 0)
        books_currency = (await relay.row("SELECT currency FROM books"))["currency"]
        async with relay.sessions() as session:
            await check_currency(session, books_currency)
            with pytest.raises(CurrencyMismatch):
                await check_currency(session, "points")


async def test_a_tenant_without_an_account_cannot_be_topped_up(books: str) -> None:
    """UnknownAccount, and neither an entry nor the books' currency is written."""
    engine = open_engine(books)
    sessions = open_sessions(engine)

    with pytest.raises(UnknownAccount):
        await _top_up(sessions, AccountId(4711), "invoice 7", "USD")

    async with sessions() as session:
        await check_currency(session, "any")
    await engine.dispose()


CHANGES = (
    "UPDATE entries SET amount_micros = 1",
    "UPDATE entries SET amount_micros = 1 WHERE false",
    "DELETE FROM entries",
    "TRUNCATE entries CASCADE",
)


async def test_entries_cannot_be_changed(books: str) -> None:
    """A trigger refuses UPDATE, DELETE and TRUNCATE of entries, by whomever."""
    async with running_relay(books) as relay:
        await relay.add_tenant(quota_micros=7)

        for statement in CHANGES:
            with pytest.raises(asyncpg.RaiseError, match="never changed"):
                await relay.rows(statement)

        assert (await relay.row("SELECT amount_micros FROM entries"))["amount_micros"] == 7


LOSSES = (
    "DELETE FROM accounts",
    "TRUNCATE accounts CASCADE",
    "UPDATE accounts SET id = id + 1",
)


async def test_accounts_stay(books: str) -> None:
    """Tasks name theirs without a foreign key, so that no account may go or be renumbered."""
    async with running_relay(books) as relay:
        for statement in LOSSES:
            with pytest.raises(asyncpg.RaiseError, match="tasks name it for ever"):
                await relay.rows(statement)


MISFITS = (
    # kind, amount, task, reference, reason
    "'topup', -5, NULL, 'r', NULL",
    "'topup', 5, NULL, NULL, NULL",
    "'adjust', 0, NULL, NULL, 'why'",
    "'adjust', 5, NULL, NULL, NULL",
    "'charge', 5, 1, NULL, NULL",
    "'charge', -5, NULL, NULL, NULL",
    "'refund', -5, 1, NULL, 'why'",
    "'refund', 5, 1, NULL, NULL",
    "'gift', 5, NULL, 'r', 'why'",
)


async def test_an_entry_that_does_not_fit_its_kind_is_refused(books: str) -> None:
    """Signs, references, tasks and reasons are checked by the database itself."""
    async with running_relay(books) as relay:
        await relay.add_channel()
        await relay.submit(await relay.add_tenant())

        for values in MISFITS:
            with pytest.raises(asyncpg.CheckViolationError):
                await relay.rows(
                    "INSERT INTO entries"
                    " (account_id, kind, amount_micros, task_id, reference, reason)"
                    f" SELECT id, {values} FROM tenants"
                )
