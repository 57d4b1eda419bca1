"""Databases of new-api's: its tables as versions of it made them, on each of its three engines."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

LONG_AGO = 1_790_000_000
FAR_AWAY = 4_102_444_800
CODE = "code" * 8
"""2026-09-21: what an installation that is stopped last wrote."""
TASK = "task_AbCdEfGhIjKlMnOpQrStUvWxYz012345"


def key_of(number: int) -> str:
    """A key of 48 characters, as new-api makes them."""
    return f"aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bD1fG3hJ5kL7nP9rS{number:04d}"


class Column(NamedTuple):
    """A column, and from which of the versions on there is one."""

    name: str
    type: str
    since: int = 0


VERSIONS = (
    "v0.6.3",
    "v0.8.6",
    "v0.8.8",
    "v0.8.9.2",
    "v0.9.7",
    "v0.9.15",
    "v0.11.0",
    "v0.13.2",
    "v1.0.0-rc.24",
)
NEWEST = len(VERSIONS) - 1
KLING_SINCE, INFO_SINCE, GROUP_SINCE, PRIVATE_SINCE, OWN_IDS_SINCE = 1, 2, 4, 5, 6
TABLES: Mapping[str, Sequence[Column]] = {
    "users": (
        Column("id", "int"),
        Column("username", "varchar(64)"),
        Column("password", "varchar(64)"),
        Column("role", "int"),
        Column("status", "int"),
        Column("quota", "int"),
        Column("used_quota", "int"),
        Column("group", "varchar(64)"),
        Column("aff_quota", "int"),
        Column("deleted_at", "moment"),
        Column("remark", "varchar(255)", 3),
        Column("created_at", "bigint", 7),
        Column("auth_version", "bigint", 8),
    ),
    "tokens": (
        Column("id", "int"),
        Column("user_id", "int"),
        Column("key", "char(64)"),
        Column("status", "int"),
        Column("name", "varchar(64)"),
        Column("created_time", "bigint"),
        Column("accessed_time", "bigint"),
        Column("expired_time", "bigint"),
        Column("remain_quota", "bigint"),
        Column("unlimited_quota", "bool"),
        Column("model_limits_enabled", "bool"),
        Column("model_limits", "varchar(1024)"),
        Column("allow_ips", "text"),
        Column("used_quota", "bigint"),
        Column("group", "varchar(64)"),
        Column("deleted_at", "moment"),
        Column("auto_groups", "text", 8),
    ),
    "channels": (
        Column("id", "int"),
        Column("type", "int"),
        Column("key", "text"),
        Column("status", "int"),
        Column("name", "varchar(64)"),
        Column("weight", "int"),
        Column("base_url", "varchar(191)"),
        Column("models", "text"),
        Column("group", "varchar(64)"),
        Column("model_mapping", "text"),
        Column("priority", "bigint"),
        Column("setting", "text"),
        Column("channel_info", "json", 2),
        Column("settings", "text", 3),
    ),
    "options": (Column("key", "varchar(64)"), Column("value", "text")),
    "redemptions": (
        Column("id", "int"),
        Column("key", "char(32)"),
        Column("status", "int"),
        Column("name", "varchar(64)"),
        Column("quota", "int"),
        Column("expired_time", "bigint", INFO_SINCE),
        Column("deleted_at", "moment"),
    ),
    "tasks": (
        Column("id", "bigint"),
        Column("created_at", "bigint"),
        Column("updated_at", "bigint"),
        Column("task_id", "varchar(191)"),
        Column("platform", "varchar(30)"),
        Column("user_id", "int"),
        Column("channel_id", "int"),
        Column("quota", "int"),
        Column("action", "varchar(40)"),
        Column("status", "varchar(20)"),
        Column("fail_reason", "text"),
        Column("submit_time", "bigint"),
        Column("start_time", "bigint"),
        Column("finish_time", "bigint"),
        Column("progress", "varchar(20)"),
        Column("properties", "json"),
        Column("data", "json"),
        Column("group", "varchar(50)", GROUP_SINCE),
        Column("private_data", "json", PRIVATE_SINCE),
    ),
}
TYPES = {
    "sqlite": {"bool": "numeric", "moment": "datetime", "json": "json"},
    "postgresql": {"bool": "boolean", "moment": "timestamptz", "json": "json"},
    "mysql": {"bool": "tinyint(1)", "moment": "datetime(3)", "json": "json"},
}


def rows_of(
    version: int, base_url: str, *, is_running: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """What stands in an installation of a version; what that has no column for is left out."""
    users = [
        {"id": 1, "username": "root", "role": 100, "quota": 0, "group": "default"},
        {"id": 2, "username": "alice", "quota": 1_234_567, "group": "default", "aff_quota": 9},
        {"id": 3, "username": "bob", "quota": -250, "group": "vip"},
        {"id": 4, "username": "carol", "quota": 5_000_000, "group": "vip", "status": 2},
        {"id": 5, "username": "gone", "quota": 77, "deleted_at": "2026-01-01 00:00:00"},
    ]
    tokens = [
        {"id": 1, "user_id": 2, "key": key_of(1), "name": "shop"},
        {"id": 2, "user_id": 2, "key": key_of(2), "name": "off", "status": 2},
        {
            "id": 3,
            "user_id": 3,
            "key": key_of(3),
            "name": "limited",
            "group": "default",
            "unlimited_quota": False,
            "remain_quota": 500_000,
            "allow_ips": "10.0.0.1\n10.0.0.2",
            "model_limits_enabled": True,
            "model_limits": "kling-v1-6,clip",
        },
        {"id": 4, "user_id": 3, "key": key_of(4), "name": "old", "expired_time": LONG_AGO},
        {"id": 5, "user_id": 3, "key": key_of(5), "name": "vip"},
        {"id": 6, "user_id": 2, "key": key_of(6), "deleted_at": "2026-01-01 00:00:00"},
    ]
    channels = [
        {"id": 1, "type": 1, "key": "sk-openai", "name": "openai", "models": "gpt"},
        {
            "id": 2,
            "type": 50,
            "key": "access-1|secret-1\nsandbox-access|sandbox-secret",
            "name": "kling",
            "base_url": base_url,
            "models": "kling-v1-6,clip,kling-v2-master",
            "model_mapping": '{"clip": "kling-v2-1-master"}',
            "priority": 5,
            "weight": 0,
            "channel_info": '{"is_multi_key": true, "multi_key_status_list": {"0": 2}}',
            "setting": '{"proxy": "http://user:proxy-password@127.0.0.1:9"}'
            if version == 3
            else "{}",
        },
        {
            "id": 3,
            "type": 50,
            "key": "sandbox-access|sandbox-secret",
            "name": "same again",
            "base_url": base_url,
            "models": "kling-v1-6",
            "group": "vip,test",
        },
        {"id": 4, "type": 50, "key": "sk-upstream", "name": "other relay", "models": "kling-v1"},
    ]
    options = {
        "QuotaPerUnit": "500000",
        "GroupRatio": '{"default": 1, "vip": 0.8}',
        "GroupGroupRatio": '{"vip": {"default": 0.9}}',
        "ModelPrice": '{"kling-v1-6": 0.3, "clip": 1.1}',
        "USDExchangeRate": "7.3",
    }
    reply = (
        '{"code": 0, "data": {"task_id": "8412", "task_status": "succeed",'
        ' "final_unit_deduction": "3.5", "task_result": {"videos":'
        ' [{"id": "v-1", "url": "https://kling.test/v.mp4", "duration": "5.1"}]}}}'
    )
    is_own = version >= OWN_IDS_SINCE
    tasks = [
        {
            "id": 1,
            "task_id": TASK if is_own else "8412",
            "user_id": 2,
            "status": "SUCCESS",
            "action": "textGenerate",
            "data": reply,
            "fail_reason": "https://kling.test/v.mp4",
            "private_data": '{"upstream_task_id": "8412", "result_url": "https://kling.test/v.mp4"}',
        },
        {"id": 2, "task_id": "task_failed", "user_id": 3, "status": "FAILURE", "fail_reason": "no"},
        {"id": 3, "task_id": "task_suno", "platform": "suno", "user_id": 2, "status": "SUCCESS"},
    ]
    if is_running:
        tasks.append({"id": 4, "task_id": "task_runs", "user_id": 2, "status": "IN_PROGRESS"})
    found: dict[str, list[dict[str, Any]]] = {
        "users": [
            {"status": 1, "group": "default", "aff_quota": 0, "password": "-"} | one
            for one in users
        ],
        "tokens": [
            {"status": 1, "expired_time": -1, "unlimited_quota": True, "remain_quota": 0}
            | {"model_limits_enabled": False, "accessed_time": LONG_AGO, "group": "", "name": ""}
            | one
            for one in tokens
        ],
        "channels": [
            {"status": 1, "group": "default", "base_url": "", "setting": "{}", "weight": 1} | one
            for one in channels
            if version >= KLING_SINCE or one["type"] != 50
        ],
        "options": [{"key": key, "value": value} for key, value in options.items()],
        "redemptions": [
            {"status": 1, "quota": 2_500_000, "expired_time": 0} | one
            for one in (
                {"id": 1, "key": CODE},
                {"id": 2, "key": "cafe" * 8, "status": 3},
                {"id": 3, "key": "feed" * 8, "expired_time": LONG_AGO},
                {"id": 4, "key": "spring50"},
                {"id": 5, "key": "beef" * 8, "deleted_at": "2026-01-01 00:00:00"},
                {"id": 6, "key": "face" * 8, "expired_time": FAR_AWAY},
            )
        ],
        "tasks": [
            {"platform": "50" if version >= INFO_SINCE else "kling", "submit_time": LONG_AGO}
            | {"created_at": LONG_AGO, "updated_at": LONG_AGO, "finish_time": LONG_AGO + 60}
            | {"action": "generate", "properties": '{"origin_model_name": "kling-v1-6"}'}
            | one
            for one in tasks
            if version >= KLING_SINCE
        ],
    }
    return found


def statements(
    dialect: str, version: int, rows: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[str]:
    """What makes the tables of a version and fills them, in an engine's SQL."""
    quote = "`" if dialect == "mysql" else '"'
    types = TYPES[dialect]
    made = []
    for table, columns in TABLES.items():
        there = [column for column in columns if column.since <= version]
        spelled = [f"{quote}{one.name}{quote} {types.get(one.type, one.type)}" for one in there]
        made.append(f"CREATE TABLE {table} ({', '.join(spelled)})")
        names = {one.name: one.type for one in there}
        for row in rows[table]:
            kept = {name: value for name, value in row.items() if name in names}
            listed = ", ".join(f"{quote}{name}{quote}" for name in kept)
            values = ", ".join(_spelt(value, dialect) for name, value in kept.items())
            made.append(f"INSERT INTO {table} ({listed}) VALUES ({values})")
    return made


def make_file(path: Path, version: int, base_url: str, **options: Any) -> str:
    """Make a SQLite file of a version."""
    connection = sqlite3.connect(path)
    for statement in statements("sqlite", version, rows_of(version, base_url, **options)):
        connection.execute(statement)
    connection.commit()
    connection.close()
    return str(path)


def _spelt(value: object, dialect: str) -> str:
    if isinstance(value, bool):
        if dialect == "postgresql":
            return "true" if value else "false"
        return str(int(value))
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("'", "''")
    return (
        "'"
        + (text.replace("\\", "\\\\").replace("\n", "\\n") if dialect == "mysql" else text)
        + "'"
    )
