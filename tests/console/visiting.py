"""A browser's session at the console of a relay in process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

import httpx

from relay.console.gate import SITE
from relay.desk.operators import add_operator
from relay.logins.sessions import find_visitor, open_session
from relay.operators.tables import Role
from tests.admin.office import act
from tests.relay_app import Relay

ORIGIN = "http://localhost"


class Visit:
    """What one browser does; its forms are sent as those of our own pages are."""

    def __init__(self, client: httpx.AsyncClient, csrf: str) -> None:
        self.client = client
        self.csrf = csrf

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(f"/console{path}", params=query)

    async def read(self, path: str, **query: Any) -> str:
        """Read a page that must be there, as a person does: without what marks it up."""
        answer = await self.get(path, **query)
        assert answer.status_code == 200, (path, answer.status_code)
        return unescape(answer.text)

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        return await self.client.post(
            f"/console{path}",
            data={"csrf": self.csrf, **fields},
            headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"},
        )


def version_of(page: str) -> str:
    """Which state of a thing a form was opened on."""
    given = page.partition('name="version" value="')[2].partition('"')
    return unescape(given[0]) or f'"{given[2].partition(chr(34))[0]}"'


@asynccontextmanager
async def browser(relay: Relay, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=relay.app.state.office, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


@asynccontextmanager
async def visiting(
    relay: Relay, name: str = "ann", role: Role = Role.OWNER
) -> AsyncIterator[Visit]:
    """Be a new operator of a role, who has logged in."""
    operator = await act(relay, add_operator, name, role=role)
    async with relay.sessions.begin() as session:
        secret = await open_session(
            session, operator_id=operator.id, address="127.0.0.1", agent="tests"
        )
    async with relay.sessions.begin() as session:
        visitor = await find_visitor(session, secret)
    assert visitor is not None
    async with browser(relay) as client:
        client.cookies.set(SITE.cookie("http"), secret)
        yield Visit(client, visitor.csrf)
