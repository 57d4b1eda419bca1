"""A task found by an id of new-api's paths, and answers in new-api's shapes."""

from urllib.parse import unquote_to_bytes

import msgspec

from relay.errors import TaskNotFound
from relay.kling.task_object import moved_at, read_task
from relay.new_api import unified
from relay.proxy.answers import Sent
from relay.proxy.query import Queries
from relay.tenants.caller import Caller


async def find_seen(queries: Queries, caller: Caller, segment: bytes) -> unified.Seen:
    """Find a task by a part of a path: one of ours, or one of before its tenant moved here.

    Raises:
        TaskNotFound, Unavailable
    """
    key = unquote_to_bytes(segment).decode(errors="replace").replace("\x00", "\ufffd")
    own = key.removeprefix(unified.PREFIX)
    task = await queries.find(caller, own)
    if task is None and (moved := await queries.moved(caller, key)) is not None:
        data = str(moved["shown"]).encode()
        return unified.Seen(
            id=key,
            endpoint=moved["endpoint"],
            model=moved["model"],
            news=read_task(data),
            data=data,
            created_at=moved["created_at"],
            ended_at=moved["ended_at"],
            result_url=moved["result_url"],
        )
    data = await queries.query(caller, None, own)
    task = await queries.find(caller, own)
    if task is None:
        raise TaskNotFound
    news = read_task(data)
    return unified.Seen(
        id=unified.PREFIX + own,
        endpoint=task.endpoint_name,
        model=task.quote.wanted.model,
        news=news,
        data=data,
        created_at=task.created_at,
        ended_at=moved_at(news),
        result_url=next(iter(news.result_urls), None),
        channel_id=task.channel_id,
    )


def sent_as(status: int, value: object) -> Sent:
    return Sent(status, msgspec.json.encode(value))
