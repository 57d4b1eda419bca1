"""A tenant's money under `/relay/`: what it has, what was used, every entry, and its months.

    GET /relay/balance
    GET /relay/usage?by=day&by=model&month=2026-11          or from=2026-11-01&to=2026-11-07
    GET /relay/usage?table=day&table=endpoint,model&…       several at once, of one reading
    GET /relay/entries?month=2026-11&kind=…&pageSize=…&before=…       newest first
    GET /relay/statement?month=2026-11&format=json|csv|xlsx|html

All of it is summed up from entries and tasks while it is asked for, by what operators' commands sum
it up with. A key of scope `call` is told what it spent itself, and no statement. Who has
sub-tenants is told what these came to, each by its name; they are told their own alone, at their
own prices (`own_money.py`), and no statement, which is of the account. What Kling took,
the channels and the operator's reasons are told to nobody.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from relay.assets.storage import read_stored
from relay.database.engine import Sessions
from relay.errors import InvalidParameter, Withheld
from relay.ledger.tables import EntryKind
from relay.moments import MS_MAX, moment_of, ms_of
from relay.money import decimal_of, plain
from relay.months import Month, Window, month_of, read_month
from relay.proxy.account import Accounts
from relay.proxy.answers import Document
from relay.proxy.asked import Asked
from relay.proxy.own_money import read_money
from relay.proxy.own_window import NAMES, Given, last_of, read_own_window
from relay.proxy.query import read_number
from relay.proxy.query_string import read_query
from relay.settings import Settings
from relay.tenants.caller import Caller
from relay.tenants.read import own_name
from relay.usage.documents import MOVES, statement_sheet
from relay.usage.sheet import WRITERS
from relay.usage.statement import Summary, begin_snapshot, read_statement, read_summary
from relay.usage.sums import Usage, UsageKey, read_tables

SIZE_DEFAULT, SIZE_MAX = 50, 500
AT_ONCE = 1
"""Of one process: each may read all entries of an account, on one of a few connections."""
KEYS = (
    *(UsageKey.DAY, UsageKey.MONTH, UsageKey.TENANT, UsageKey.TOKEN),
    *(UsageKey.MODEL, UsageKey.ENDPOINT),
)
TABLES_MAX = 6
USED = ("tasks", "succeeded", "failed", "refused", "seconds", "images")
TYPES = {
    "csv": b"text/csv; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "xlsx": b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class OwnBooks:
    """Answers a tenant about its money, each with what is to stand in `data`."""

    def __init__(self, sessions: Sessions, accounts: Accounts, settings: Settings) -> None:
        self._sessions = sessions
        self._accounts = accounts
        self._currency = settings.currency
        self._timezone = settings.timezone
        self._zone = settings.zone
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def balance(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        """Say what the account has or owes, what is held for open tasks, and what is free."""
        _ = asked
        async with self._sessions() as session:
            found = await read_money(session, caller)
        return {
            "currency": self._currency,
            "quota": _amount(found.quota_micros),
            "credit": _amount(found.credit_micros),
            "owed": _amount(found.owed_micros),
            "held": decimal_of(found.held_micros),
            "available": _amount(found.available_micros),
        }

    async def usage(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        given = read_query(asked.query)
        tables = _tables(given)
        window = read_own_window(given, self._zone)
        async with self._turn, self._sessions.begin() as session:
            await session.execute(text("SET TRANSACTION READ ONLY"))
            found = await read_tables(
                *(session, tables, window),
                zone=self._zone,
                currency=self._currency,
                tenant_id=caller.tenant_id,
                token_id=None if caller.scope.sees_all else caller.token_id,
            )
            stored = await read_stored(
                session,
                caller.tenant_id,
                first=window.start.astimezone(self._zone).date(),
                until=window.until.astimezone(self._zone).date(),
            )
        told = [[_used(one, caller) for one in lines] for lines in found]
        return {
            "currency": self._currency,
            "timezone": self._timezone,
            "since": ms_of(window.start),
            "until": ms_of(window.until),
            "gb_months": plain(stored.gb_months),
            **(
                {
                    "tables": [
                        {"by": [key.value for key in keys], "usage": lines}
                        for keys, lines in zip(tables, told, strict=True)
                    ]
                }
                if "table" in given
                else {"usage": told[0]}
            ),
        }

    async def entries(self, caller: Caller, asked: Asked) -> dict[str, Any]:
        given = read_query(asked.query)
        kind = last_of(given, "kind")
        if kind is not None and kind not in set(EntryKind):
            raise InvalidParameter("kind", f"must be one of {', '.join(EntryKind)}")
        size = read_number(dict(given), "pageSize", default=SIZE_DEFAULT, largest=SIZE_MAX)
        before = read_number(dict(given), "before", default=2**63 - 1, largest=2**63 - 1)
        window = read_own_window(given, self._zone) if given.keys() & NAMES else EVER
        lines, has_more = await self._accounts.read_lines(
            caller, window, before_id=before, kind=kind, limit=size
        )
        family = await self._accounts.family(caller)
        return {
            "currency": self._currency,
            "entries": [
                {
                    "id": record["id"],
                    "created_at": ms_of(record["created_at"]),
                    "kind": record["kind"],
                    "topup_kind": record["topup_kind"],
                    "amount": decimal_of(-record["deducted"]),
                    "quota_after": _amount(after) if caller.scope.sees_all else None,
                    "tenant": family.get(record["tenant_id"]),
                    "task_id": record["shown_id"],
                    "token_id": record["token_id"],
                    "model_name": record["model"],
                    "reference": record["reference"],
                }
                for record, after in lines
            ],
            "next_before": lines[-1][0]["id"] if has_more else None,
        }

    async def statement(self, caller: Caller, asked: Asked) -> dict[str, Any] | Document:
        if caller.parent_id is not None:
            raise Withheld("there are no statements here; ask /relay/usage")
        given = read_query(asked.query)
        month = self._month(given)
        form = last_of(given, "format") or "json"
        if form != "json" and form not in TYPES:
            raise InvalidParameter("format", f"must be one of json, {', '.join(TYPES)}")
        of: dict[str, Any] = {"zone": self._zone, "currency": self._currency}
        async with self._turn, self._sessions.begin() as session:
            await begin_snapshot(session)
            if form == "json":
                return _stated(await read_summary(session, caller.account_id, month, **of))
            statement = await read_statement(session, caller.account_id, month, **of)
        content = await asyncio.to_thread(WRITERS[form], statement_sheet(statement))
        return Document(content, TYPES[form])

    def _month(self, given: Given) -> Month:
        spelt = last_of(given, "month")
        if spelt is None:
            return month_of(datetime.now(UTC), self._zone)
        try:
            return read_month(spelt)
        except ValueError as error:
            raise InvalidParameter("month", "must be a month such as 2026-11") from error


EVER = Window(moment_of(0), moment_of(MS_MAX))


def _tables(given: Given) -> list[list[UsageKey]]:
    """Say what tables are asked for, each by its keys: those of `table`, else the one of `by`."""
    spelt = given.get("table")
    if spelt is None:
        return [_keys("by", given.get("by", []))]
    if "by" in given:
        raise InvalidParameter("table", "excludes by")
    if len(spelt) > TABLES_MAX:
        raise InvalidParameter("table", f"may be given {TABLES_MAX} times")
    return [_keys("table", one.split(",")) for one in dict.fromkeys(spelt)]


def _keys(field: str, names: Sequence[str]) -> list[UsageKey]:
    if not set(names) <= set(KEYS):
        raise InvalidParameter(field, f"must be of {', '.join(KEYS)}")
    return [UsageKey(name) for name in dict.fromkeys(names)]


def _used(one: Usage, caller: Caller) -> dict[str, Any]:
    """Spell a sum: to a sub-tenant at its own prices, and to its parent also what that came to."""
    told = dict(one.keys)
    if (tenant := told.get(UsageKey.TENANT)) is not None:
        told[UsageKey.TENANT] = None if tenant == caller.tenant else own_name(tenant)
    for name in USED:
        told[name] = getattr(one, name)
    if caller.parent_id is not None:
        return {**told, "charged": decimal_of(one.resold_micros)}
    told["charged"] = decimal_of(one.charged_micros)
    if one.resold_micros != one.charged_micros:
        told["resold"] = decimal_of(one.resold_micros)
    return told


def _amount(micros: int | None) -> str | None:
    return None if micros is None else decimal_of(micros)


def _stated(statement: Summary) -> dict[str, Any]:
    figures = statement.figures
    storage = [
        {
            "tenant": own_name(one.tenant),
            "month": one.month,
            "gb_months": plain(one.gb_months),
            "amount": decimal_of(one.amount_micros),
        }
        for one in statement.storage
    ]
    moves = {name.replace(" ", "_"): getattr(figures, field) for name, field, _ in MOVES}
    return {
        "month": statement.month,
        "timezone": statement.timezone,
        "since": ms_of(statement.start_at),
        "until": ms_of(statement.until_at),
        "storage": storage,
        "currency": statement.currency,
        "opening": decimal_of(figures.opening_micros),
        **{name: decimal_of(micros) for name, micros in moves.items()},
        "closing": decimal_of(figures.closing_micros),
        "owed": decimal_of(statement.owed_micros),
        "charges": [
            {
                "tenant": None if one.is_payers else own_name(one.tenant),
                "token_id": one.token_id,
                "model_name": one.model,
                "tasks": one.tasks,
                "amount": decimal_of(one.amount_micros),
            }
            for one in statement.charges
        ],
        "held_now": decimal_of(statement.held_now_micros),
        "credit_now": decimal_of(statement.credit_now_micros),
        "is_over": statement.is_over,
        "closed_at": None if statement.closed_at is None else ms_of(statement.closed_at),
        "made_at": ms_of(statement.recomputed_at),
    }
