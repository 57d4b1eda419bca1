"""A URL with several places for one database: the one that is alive, and the primary, is found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from relay.cli.failure import Failure, WrongSettings
from relay.cli.revision import look_or_failure, refuse_other_pool, spelled
from relay.database.opener import NotWanted, Nowhere, Opener
from relay.database.url import Place, dsn, read_url
from tests.database.silent_wire import Wire, open_wire
from tests.relay_app import running_relay
from tests.waiting import wait_until

DEAD = "127.0.0.1:1"
"""Nothing listens there."""


@pytest.mark.parametrize(
    ("url", "places"),
    [
        ("postgresql://u:p@a,b/db", [("a", None), ("b", None)]),
        ("postgres://u:p@a:1,b:2/db?target_session_attrs=primary", [("a", 1), ("b", 2)]),
        ("postgresql+asyncpg://u:p@[::1]:5,b/db", [("::1", 5), ("b", None)]),
        ("postgresql://%2Frun%2Fpg:7,b/db", [("/run/pg", 7), ("b", None)]),
        ("postgresql:///db?host=/run/pg,b&port=7,8", [("/run/pg", 7), ("b", 8)]),
        ("postgresql:///db?host=a:1&host=b:2", [("a", 1), ("b", 2)]),
        ("postgresql:///db?host=a,b&port=3", [("a", 3), ("b", 3)]),
        ("postgresql://u:a/b#c?%40@h", [("h", None)]),
        ("postgresql:///db", []),
    ],
)
def test_the_places_of_a_url_are_read(url: str, places: list[tuple[str, int | None]]) -> None:
    """As libpq and asyncpg read them; and what asyncpg is given says the same."""
    read = read_url(url)

    assert read.places == tuple(Place(*place) for place in places)
    again = read_url(read.dsn)
    assert [place.host for place in again.places] == [place.host for place in read.places]
    assert (again.dsn, again.database, again.target) == (read.dsn, read.database, read.target)


@pytest.mark.parametrize(
    "url",
    [
        *("mysql://u:hunter2@h/db", "postgresql://u:hun@ter2@h/db", "postgresql://u:p@h:hunter2/d"),
        *("postgresql://u:hunter2@a,,b/db", "postgresql://u:p@a,b/db?port=1,2,3", "hunter2"),
    ],
)
def test_what_is_no_url_is_refused_without_a_word_of_it(url: str) -> None:
    """Any part may be one of the password."""
    with pytest.raises(
        ValueError, match=r"^(no postgresql:// URL|no host|as many ports as hosts)$"
    ):
        dsn(url)


def test_a_database_is_named_without_its_password() -> None:
    """By all of its places; nothing of the query is shown."""
    named = spelled("postgresql://u:hunter2@a:1,[::1]/my%20db?password=hunter3&sslmode=require")

    assert named == "the database 'my db' at a:1, [::1]"


@pytest.fixture
async def wires(database_url: str) -> AsyncIterator[tuple[Wire, Wire]]:
    """Two listeners of one database."""
    async with open_wire(database_url) as first, open_wire(database_url) as second:
        yield first, second


def joined(*urls: str, asked: str = "") -> str:
    """One URL of several; a place may stand alone."""
    hosts = ",".join(url.partition("@")[2].partition("/")[0] or url for url in urls)
    return urls[-1].replace(urls[-1].partition("@")[2].partition("/")[0], hosts) + asked


async def opened(opener: Opener) -> object:
    connection = await opener.open(statement_timeout_s=5)
    try:
        return (await connection.fetch("SELECT 1 AS one"))[0]["one"]
    finally:
        await connection.close()


async def test_a_dead_place_and_a_silent_one_are_passed_over_once(wires: tuple[Wire, Wire]) -> None:
    """The next connection begins where the database was found."""
    silent, alive = wires
    silent.fall_silent(for_good=True)
    opener = Opener(joined(DEAD, silent.url, alive.url))

    assert [await opened(opener) for _ in range(3)] == [1, 1, 1]
    assert (silent.taken, alive.taken) == (1, 3)


async def test_a_standby_is_passed_over_though_nobody_asked(wires: tuple[Wire, Wire]) -> None:
    """The relay writes: of several places it wants the primary, unless the URL says otherwise."""
    standby, primary = wires
    standby.is_standby = True

    assert await opened(Opener(joined(standby.url, primary.url))) == 1
    assert (standby.taken > 0, primary.taken) == (True, 1)
    asked = "?target_session_attrs=any"
    assert await opened(Opener(joined(standby.url, primary.url, asked=asked))) == 1
    assert primary.taken == 1
    with pytest.raises(NotWanted):
        await opened(Opener(primary.url + "?target_session_attrs=standby"))
    with pytest.raises(Nowhere, match=f"^{DEAD}: .*; .*: it is not what target_session_attrs"):
        await opened(Opener(joined(DEAD, standby.url)))


async def test_commands_name_every_place_and_no_password(wires: tuple[Wire, Wire]) -> None:
    """A sentence says why each of them will not do; one that will do is enough, and for a pool."""
    alive = wires[0]
    dead = joined(DEAD, "postgresql://u:hunter2@127.0.0.1:2/x")

    with pytest.raises(Failure) as raised:
        await asyncio.to_thread(look_or_failure, dead)
    said = str(raised.value)
    found = await asyncio.to_thread(look_or_failure, joined(DEAD, alive.url))
    await asyncio.to_thread(refuse_other_pool, alive.url, joined(DEAD, alive.url))
    with pytest.raises(WrongSettings, match="RELAY_DATABASE_URL is not a URL"):
        await asyncio.to_thread(look_or_failure, "postgresql://u:hunter2@a:1,b:x/y")

    assert said.startswith(f"the database 'x' at {DEAD}, 127.0.0.1:2 cannot be used: {DEAD}: ")
    assert "; 127.0.0.1:2: " in said
    assert "hunter2" not in said
    assert found.revision is not None


async def test_a_relay_goes_on_where_the_second_server_is(database_url: str) -> None:
    """By both URLs: a submit while the first one is there, and one after it was switched off."""
    async with AsyncExitStack() as first, open_wire(database_url) as second:
        wire = await first.enter_async_context(open_wire(database_url))
        pair = joined(wire.url, second.url)
        async with running_relay(pair, database_pool_url=pair) as relay:
            await relay.add_channel()
            token = await relay.add_tenant()
            before = await relay.submit(token)
            assert (before.status_code, second.taken) == (200, 0)
            await first.aclose()

            async def goes_on() -> bool:
                return (await relay.submit(token)).status_code == 200

            await wait_until(goes_on)
            assert second.taken > 0
