"""The office of a relay in process, and operators to ask it."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from relay.desk.operators import add_operator, issue_operator_token
from relay.operators.tables import Role
from tests.relay_app import ACTOR, Relay


@asynccontextmanager
async def office(relay: Relay, address: str = "10.1.2.3") -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=relay.app.state.office, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def act(relay: Relay, do: Any, *args: Any, **values: Any) -> Any:
    async with relay.sessions.begin() as session:
        return await do(session, ACTOR, *args, **values)


async def token_of(relay: Relay, name: str, role: Role, **of: Any) -> tuple[int, dict[str, str]]:
    await act(relay, add_operator, name, role=role)
    issued = await act(relay, issue_operator_token, name, **of)
    return issued.id, {"authorization": f"Bearer {issued.token}"}


class Asking:
    """One operator's program."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    async def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        if_match: str | None = None,
        accept: str | None = None,
        **query: Any,
    ) -> httpx.Response:
        given = {"idempotency-key": key, "if-match": if_match, "accept": accept}
        return await self.client.request(
            method,
            f"/admin/v1/{path}",
            json=body,
            params=query,
            headers=self.headers | {name: value for name, value in given.items() if value},
        )


async def asking(relay: Relay, client: httpx.AsyncClient, name: str, role: Role) -> Asking:
    return Asking(client, (await token_of(relay, name, role))[1])


async def every_page(ann: Asking, noun: str, limit: int, **query: Any) -> list[Any]:
    found, cursor = [], None
    while True:
        more: dict[str, Any] = {} if cursor is None else {"cursor": cursor}
        page = (await ann("GET", noun, limit=limit, **query, **more)).json()
        found += page[noun.rpartition("/")[2]]
        assert cursor is None or page["next_cursor"] != cursor, "it goes on"
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def read_csv(ann: Asking, noun: str, **query: Any) -> list[dict[str, str]]:
    answer = await ann("GET", noun, accept="text/csv", **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    rows = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    names = rows.fieldnames or []
    assert len(set(names)) == len(names), noun
    return list(rows)
