"""The office in process: what is there, and under which names. On sockets: `tests/cli`."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import get
from litestar.datastructures import State
from litestar.di import Provide

from relay.office import MISDIRECTED, OfficeSite
from relay.pages.health import Readiness, health_live, health_ready
from tests.relay_app import Relay, fixture_relay

OURS = (
    *("127.0.0.1", "127.0.0.1:8790", "localhost", "LocalHost:8790", "[::1]:8790", "[::1]"),
    *("127.8.9.10", "10.20.0.5:80", "admin.localhost:8790", "office.internal", "OFFICE.internal:1"),
)
OTHERS = (
    *("evil.example", "evil.example:8790", "localhost.evil.example", "notlocalhost", "2130706433"),
    *("127.0.0.1.evil.example", "", ":8790", "[::1", "other.internal", "0x7f.0.0.1", "\xff"),
)


@get("/told")
async def told(state: State) -> bool:
    """Whether the process stops."""
    stopping: asyncio.Event = state.stopping
    return stopping.is_set()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    stopping = asyncio.Event()
    office = OfficeSite(
        [health_live, health_ready, told],
        host="office.internal",
        dependencies={"readiness": Provide(Readiness, sync_to_thread=False)},
        stopping=stopping,
    )
    transport = httpx.ASGITransport(app=office)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8790") as opened:
        yield opened


async def test_the_first_page_says_what_is_here(client: httpx.AsyncClient) -> None:
    """Each page with the first line of its docstring; what is added later too."""
    answer = await client.get("/")

    lines = dict(line.split(None, 1) for line in answer.text.splitlines()[2:])
    assert answer.headers["content-type"].startswith("text/plain")
    assert lines == {
        "/": "What is here.",
        "/health/live": "Whether the process answers at all.",
        "/health/ready": (
            "Whether it can do its work: a submit could run, and the worker's loops do."
        ),
        "/told": "Whether the process stops.",
    }


@pytest.mark.parametrize("path", ["/", "/health/live", "/nothing"])
@pytest.mark.parametrize("host", OURS)
async def test_it_answers_to_addresses_and_its_own_names(
    client: httpx.AsyncClient, host: str, path: str
) -> None:
    """No name leads to an address: whoever says one has dialled it."""
    answer = await client.get(path, headers={"Host": host})

    assert answer.status_code == (404 if path == "/nothing" else 200)


@pytest.mark.parametrize("path", ["/", "/health/live", "/nothing"])
@pytest.mark.parametrize("host", OTHERS)
async def test_it_answers_to_no_other_name(client: httpx.AsyncClient, host: str, path: str) -> None:
    """A page of an attacker's could else read it: his name leads to 127.0.0.1 when he likes."""
    answer = await client.get(path, headers={b"Host": host.encode("latin-1")})

    assert (answer.status_code, answer.content) == (421, MISDIRECTED)


async def test_of_two_names_both_must_be_its_own(client: httpx.AsyncClient) -> None:
    """Whichever a proxy before it went by."""
    request = client.build_request("GET", "/")
    request.headers = httpx.Headers([("Host", "localhost"), ("Host", "evil.example")])

    answer = await client.send(request)

    assert answer.status_code == 421


async def test_pages_know_whether_the_process_stops(client: httpx.AsyncClient) -> None:
    """The signal stands in the state of the application."""
    assert (await client.get("/told")).json() is False


async def test_a_process_that_is_not_connected_is_not_ready(client: httpx.AsyncClient) -> None:
    """As before its start and behind its end."""
    answer = await client.get("/health/ready")

    assert (answer.status_code, answer.json()["why"]) == (503, "not connected")


async def test_health_in_the_office_is_that_of_the_process(database_url: str) -> None:
    """Of the same database and the same loops; not when they have ended."""
    async with fixture_relay(database_url, with_worker=True) as relay:
        ready = await health_of(relay)
        loops = relay.app.state.readiness.loops
        assert loops is not None
        loops.cancel()
        await asyncio.wait([loops])
        ended = await health_of(relay)

    assert ready == (200, {"status": "ready"})
    assert ended == (503, {"status": "not ready", "why": "the loops have ended"})


async def health_of(relay: Relay) -> tuple[int, object]:
    """As both listeners tell it, in one word."""
    transport = httpx.ASGITransport(app=relay.app.state.office)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as office:
        inside = await office.get("/health/ready")
    outside = await relay.client.get("/health/ready")
    assert (inside.status_code, inside.json()) == (outside.status_code, outside.json())
    return inside.status_code, inside.json()
