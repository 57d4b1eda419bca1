"""An installation of new-api's as it stands in one snapshot; tasks that ended are read apart."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from relay.new_api.rows import (
    ENABLED,
    ENDED,
    KLING,
    KLING_PLATFORMS,
    Channel,
    Key,
    OldCode,
    OldTask,
    Options,
    User,
    moment_of,
    read_channel,
    read_code,
    read_key,
    read_options,
    read_task,
    read_user,
)
from relay.new_api.source import Source, SourceError

NEEDED = ("users", "tokens", "channels", "options")
RUNNING_MAX = 1000
"""Tasks that run which are named."""
VERSIONS = (
    ("tokens", "auto_groups", "v1.0.0-rc.23"),
    ("users", "auth_version", "v1.0.0-rc.22"),
    ("users", "created_at", "v0.13.2"),
    ("user_subscriptions", "id", "v0.10.8"),
    ("tasks", "private_data", "v0.9.15"),
    ("tasks", "group", "v0.9.7"),
    ("channels", "settings", "v0.8.9.2"),
    ("channels", "channel_info", "v0.8.8"),
    ("tokens", "model_limits", "v0.6"),
)
"""By a column of a table: which version brought it. The newest first."""


class Installation(msgspec.Struct, frozen=True):
    """All that is moved, but for tasks that ended."""

    where: str
    version: str
    """By its own word or else by its columns."""
    options: Options
    users: list[User]
    keys: list[Key]
    channels: list[Channel]
    other_channels: int
    """Of other vendors than Kling."""
    running: list[str]
    """Ids of Kling's tasks that have not ended, `RUNNING_MAX` at most."""
    used_at: datetime | None
    """When a key was last used there, or a task last changed."""
    codes: list[OldCode]
    """That nobody has used, and that are on."""
    subscriptions: int


def read_installation(source: Source) -> Installation:
    """Read an installation.

    Raises:
        SourceError
    """
    tables = source.columns()
    missing = [name for name in NEEDED if name not in tables]
    if missing:
        raise SourceError(f"{source.shown} is no database of new-api's: it has no {missing[0]}")
    quoted = source.quoted

    def every(table: str, where: str = "") -> str:
        return f"SELECT * FROM {quoted(table)} {where} ORDER BY {quoted('id')}"  # noqa: S608

    def count(table: str, where: str) -> int:
        sql = f"SELECT count(*) AS number FROM {quoted(table)} WHERE {where}"  # noqa: S608
        return int(next(iter(list(source.rows(sql))))["number"]) if table in tables else 0

    columns = f"{quoted('key')}, {quoted('value')}"
    options = read_options(source.rows(f"SELECT {columns} FROM {quoted('options')}"))  # noqa: S608
    # Before new-api there were tasks, type 50 was another vendor's.
    has_kling = "tasks" in tables
    kling = f"{quoted('type')} = {KLING}"
    return Installation(
        where=source.shown,
        version=_version(source),
        options=options,
        users=[u for u in map(read_user, source.rows(every("users"))) if u is not None],
        keys=[k for k in map(read_key, source.rows(every("tokens"))) if k is not None],
        channels=[read_channel(row) for row in source.rows(every("channels", f"WHERE {kling}"))]
        if has_kling
        else [],
        other_channels=count("channels", f"NOT ({kling})" if has_kling else "1 = 1"),
        running=_running(source) if has_kling else [],
        used_at=_used_at(source),
        codes=[
            read_code(row)
            for row in source.rows(every("redemptions", f"WHERE {quoted('status')} = {ENABLED}"))
            if row.get("deleted_at") is None
        ]
        if "redemptions" in tables
        else [],
        subscriptions=count("user_subscriptions", f"{quoted('status')} = 'active'"),
    )


def read_ended_tasks(source: Source) -> Iterator[OldTask]:
    """Read Kling's tasks that ended, the oldest first."""
    if "tasks" not in source.columns():
        return
    ended = ", ".join(f"'{status}'" for status in ENDED)
    sql = f"SELECT * FROM {source.quoted('tasks')} WHERE {_of_kling(source)}"  # noqa: S608
    for row in source.rows(f"{sql} AND status IN ({ended}) ORDER BY id"):
        yield read_task(row)


def _running(source: Source) -> list[str]:
    over = ", ".join(f"'{status}'" for status in ENDED)
    sql = f"SELECT task_id FROM {source.quoted('tasks')} WHERE {_of_kling(source)}"  # noqa: S608
    rows = source.rows(f"{sql} AND status NOT IN ({over}) ORDER BY id LIMIT {RUNNING_MAX}")
    return [str(row["task_id"]) for row in rows]


def _of_kling(source: Source) -> str:
    listed = ", ".join(f"'{name}'" for name in KLING_PLATFORMS)
    return f"{source.quoted('platform')} IN ({listed})"


def _used_at(source: Source) -> datetime | None:
    tables = source.columns()
    newest = 0
    for table, column in (("tokens", "accessed_time"), ("tasks", "updated_at")):
        if column in tables.get(table, ()):
            sql = f"SELECT max({column}) AS newest FROM {source.quoted(table)}"  # noqa: S608
            newest = max(newest, *(int(row["newest"] or 0) for row in source.rows(sql)))
    return moment_of(newest) if newest else None


def _version(source: Source) -> str:
    tables = source.columns()
    if "version" in tables.get("setups", ()):
        rows = list(source.rows(f"SELECT version FROM {source.quoted('setups')}"))  # noqa: S608
        if rows and rows[-1]["version"]:
            return str(rows[-1]["version"])
    for table, column, version in VERSIONS:
        if column in tables.get(table, ()):
            return f"{version} or later, by its columns"
    return "one-api, or a new-api before v0.6"
