"""A row is read by position: each column must land in the field of its name."""

import re
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from relay.database.batch import Batcher
from relay.database.engine import dsn
from relay.database.ids import TenantId
from relay.database.line import Line, connector
from relay.tasks.statements import READ, TASK_COLUMNS, ReadRow
from relay.tasks.tables import TaskState
from relay.tasks.task import TaskRow

RELAY = Path(__file__).resolve().parent.parent.parent / "relay"
FIRST = re.compile(r"(SELECT|SELECT DISTINCT ON \(n\.ord\)|RETURNING) \{TASK_COLUMNS\}")
NAMED_OTHERWISE = {"endpoint_name": "endpoint", "quote_json": "quote"}
FILL = """
    INSERT INTO accounts (id) OVERRIDING SYSTEM VALUE VALUES (18);
    INSERT INTO tenants (id, name, account_id) OVERRIDING SYSTEM VALUE VALUES (11, 'acme', 18);
    INSERT INTO tokens (id, tenant_id, api_key_hash, api_key_hint)
        OVERRIDING SYSTEM VALUE VALUES (12, 11, 'hash', 'hint');
    INSERT INTO channels (id, name, base_url, api_key_sealed)
        OVERRIDING SYSTEM VALUE VALUES (13, 'main', 'http://kling', 'sealed');
    INSERT INTO tasks (id, tenant_id, account_id, token_id, channel_id, endpoint, state, kling_id,
        injected_id, tenant_external_id, callback_url, request_id, kling_request_id, quote,
        hold_micros, hold_ended_at, charged_micros, refunded_micros, created_at,
        submit_deadline_at, ended_at, ended_via, reply, is_reply_full, fail_message, refresh_at)
    OVERRIDING SYSTEM VALUE
    VALUES (14, 11, 18, 12, 13, 'text2video', 'succeed', 'kling-id', 'our-id',
        'their-id', 'http://hook', 'request-id', 'their-request-id', '{"quote":15}', 17,
        '2026-01-01T00:00:00Z', 16, 9, '2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z',
        '2026-01-04T00:00:00Z', 'callback', 'reply', true, 'message',
        '2026-01-05T00:00:00Z');
"""


async def test_every_column_lands_in_its_field(database_url: str) -> None:
    """One row, no two of its values alike, read as a poll reads it."""
    connection = await asyncpg.connect(dsn(database_url))
    await connection.execute(FILL)
    await connection.close()
    line = Line(connector(dsn(database_url)), durable=True)
    record: Any = await Batcher(line, READ, is_idempotent=True).run(
        ReadRow(TenantId(11), "kling-id")
    )
    await line.aclose()

    row = TaskRow.of(record)

    by_name: dict[str, Any] = {
        field: record[NAMED_OTHERWISE.get(field, field)] for field in TaskRow.__struct_fields__
    }
    assert msgspec.structs.asdict(row) == by_name
    told_apart = [value for value in by_name.values() if not isinstance(value, bool)]
    assert len({(type(value), value) for value in told_apart}) == len(told_apart)
    assert row.state is TaskState.SUCCEED
    assert (row.id, row.tenant_id, row.account_id, row.channel_id) == (14, 11, 18, 13)
    assert (row.hold_micros, row.charged_micros, row.refunded_micros) == (17, 16, 9)
    assert row.paid_micros == 7
    assert (row.kling_id, row.injected_id, row.tenant_external_id) == (
        *("kling-id", "our-id", "their-id"),
    )
    assert (row.created_at.day, row.submit_deadline_at.day) == (2, 3)
    assert (row.is_reply_full, row.is_unasked, row.is_followed) == (True, False, False)
    assert (row.endpoint_name, row.request_id, row.reply) == ("text2video", "request-id", "reply")
    assert (row.ended_via, row.fail_message, row.callback_url) == (
        *("callback", "message", "http://hook"),
    )
    assert row.quote_json == '{"quote": 15}'
    assert row.refreshed_s_ago == record["refreshed_s_ago"] > 0


def test_the_columns_stand_in_the_order_of_the_fields() -> None:
    """By their names in SQL: the column's, or what it is called in the answer."""
    names = [column.split()[-1].removeprefix("t.") for column in re.split(r",\s+", TASK_COLUMNS)]

    assert names == [NAMED_OTHERWISE.get(field, field) for field in TaskRow.__struct_fields__]


def test_every_statement_answers_with_the_columns_first() -> None:
    """Whatever else it answers with stands behind them."""
    used = {
        str(file.relative_to(RELAY)): (len(FIRST.findall(text)), text.count("{TASK_COLUMNS}"))
        for file in sorted(RELAY.rglob("*.py"))
        if "{TASK_COLUMNS}" in (text := file.read_text())
    }

    assert len(used) > 4
    assert {file: counts for file, counts in used.items() if counts[0] != counts[1]} == {}
