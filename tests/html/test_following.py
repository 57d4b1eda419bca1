"""Pages that live: what they are told, and until when."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from litestar.response import ServerSentEventMessage

from relay.desk.portal import end_sessions_of
from relay.desk.tokens import revoke_token
from relay.html.following import changes
from relay.logins.portal import find_tenant_visitor
from relay.logins.sessions import end_all_sessions, find_visitor
from tests.admin.office import act
from tests.console.visiting import visiting as operating
from tests.portal.visiting import visiting
from tests.relay_app import fixture_relay
from tests.waiting import wait_until


def each(values: Iterable[Any]) -> Callable[[], Awaitable[Any]]:
    left: Iterator[Any] = iter(values)

    async def look() -> Any:
        await asyncio.sleep(0)
        return next(left)

    return look


async def test_a_page_is_told_that_something_is_new() -> None:
    """By one word for each change, and for a while alone."""
    look, always = each([1, 1, 2, 2, 3, *[3] * 100]), each([True] * 100)

    told = [one async for one in changes(look, always, look_every_s=0.001, lasts_s=0.01)]

    assert [one.event for one in told if one.event] == ["changed", "changed"]
    assert isinstance(told[0], ServerSentEventMessage)


async def test_who_is_out_is_told_no_more() -> None:
    """At the next look, before anything is read: what is new then is not said."""
    look, in_twice = each([1, 2, 3, 4]), each([True, True, False])

    told = [one async for one in changes(look, in_twice, look_every_s=0.001, lasts_s=9)]

    assert [one.event for one in told if one.event] == ["changed", "changed", "over"]
    assert await look() == 4


@asynccontextmanager
async def following(client: Any, path: str) -> AsyncIterator[list[bytes]]:
    """Open a page's events, and yield what it is told, to which more is added meanwhile."""
    told: list[bytes] = []
    over = asyncio.Event()
    request = client.build_request("GET", path)
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 4711),
        "server": ("localhost", 80),
        "http_version": "1.1",
    }
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        for one in asked:
            return one
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        await asyncio.sleep(0)
        told.append(message.get("body", b""))
        if message["type"] == "http.response.body" and not message["more_body"]:
            over.set()

    going = asyncio.ensure_future(client._transport.app(scope, receive, send))  # noqa: SLF001
    try:
        await wait_until(lambda: b": here" in b"".join(told))
        yield told
        await going
    finally:
        going.cancel()


async def test_a_stream_ends_with_its_session(database_url: str) -> None:
    """Logged out, or its key revoked: within seconds, on both sites."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_tenant()
        await relay.add_tenant("other")
        async with (
            operating(relay) as office,
            visiting(relay) as ann,
            visiting(relay, "other") as eve,
            following(office.client, "/console/tasks/events") as of_office,
            following(ann.client, "/portal/tasks/events") as of_ann,
            following(eve.client, "/portal/tasks/events") as of_eve,
        ):
            await act(relay, end_sessions_of, "acme")
            await act(relay, revoke_token, eve.token_id)
            async with relay.sessions.begin() as session:
                await end_all_sessions(session)
        for told in (of_office, of_ann, of_eve):
            assert b"".join(told).count(b"event: over") == 1


async def test_looking_on_is_no_use(database_url: str) -> None:
    """A page that is left open keeps no session from ending; a page that is asked for does."""
    async with fixture_relay(database_url, portal=True) as relay:
        await relay.add_tenant()
        async with operating(relay) as office, visiting(relay) as ann:
            for client, find, table in (
                (office.client, find_visitor, "web_sessions"),
                (ann.client, find_tenant_visitor, "portal_sessions"),
            ):
                (secret,) = dict(client.cookies).values()
                await relay.rows(f"UPDATE {table} SET seen_at = now() - interval '1 hour'")
                for is_seen in (False, True):
                    async with relay.sessions.begin() as session:
                        assert await find(session, secret, is_seen=is_seen) is not None
                    row = await relay.row(f"SELECT now() - seen_at < '1 minute' FROM {table}")
                    assert row[0] == is_seen
