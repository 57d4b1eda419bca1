"""Our client and aiohttp judge the same replies alike, whole or broken, on real sockets."""

import asyncio
import re
from collections.abc import Callable
from contextlib import aclosing, suppress

import httptools
import pytest
import uvloop

from relay.kling.http1_transport import Http1Transport
from relay.kling.proxy import Proxy
from relay.kling.transport import MaybeSent, NotSent, Reply, Transport
from tests.kling.aiohttp_reference import AiohttpReference
from tests.kling.proxy_peer import listen_as_proxy
from tests.kling.raw_replies import draw_reply
from tests.kling.transport_peer import Connection, listen
from tests.waiting import PATIENCE_S, play_slow, settle_for

LANES = 12
Outcome = Reply | type[NotSent] | type[MaybeSent]


class Lane:
    """A peer that answers one request after the other with the reply whose seed its path names."""

    def __init__(self) -> None:
        self._has_said_all: dict[str, asyncio.Event] = {}

    async def serve(self, connection: Connection) -> None:
        while True:
            await connection.receive()
            path = connection.last_path
            drawn = draw_reply(int(path.split("/")[1]))
            for number, piece in enumerate(drawn.pieces):
                if number:
                    await play_slow(0.001)
                with suppress(RuntimeError):  # of uvloop, where asyncio is silent: they left before
                    await connection.answer(piece)
            if drawn.is_closed:
                return
            self._has_said_all[path].set()

    async def judge(self, transport: Transport, url: str) -> Outcome:
        """Ask, and wait for the outcome; or until nothing more comes, which ends in a timeout.

        That is not waited for, since by the clock a busy machine would time out whole replies too:
        what was said and has changed nothing in so many turns of the loop will change nothing.
        """
        said_all = self._has_said_all["/" + url.split("/", 3)[3]] = asyncio.Event()
        call = asyncio.create_task(
            transport.send("POST", url, bearer="b", body=b"{}", timeout_s=PATIENCE_S)
        )
        hush = asyncio.create_task(_hush(said_all))
        await asyncio.wait({call, hush}, return_when=asyncio.FIRST_COMPLETED)
        hush.cancel()
        if not call.done():
            call.cancel()
            await asyncio.wait({call})
        try:
            return MaybeSent if call.cancelled() else call.result()
        except (NotSent, MaybeSent) as error:
            return type(error)


async def _hush(said_all: asyncio.Event) -> None:
    await said_all.wait()
    for _ in range(25):
        await settle_for(0.002, because="the loop looks at its sockets after each")


async def find_differences(
    seeds: range, *, proxy: Proxy | None = None
) -> dict[int, tuple[Outcome, Outcome]]:
    """Ask both for each seed; lanes have servers of their own, so that no two replies meet."""
    different: dict[int, tuple[Outcome, Outcome]] = {}

    async def run(number: int) -> None:
        lane = Lane()
        async with listen(lane.serve) as peer:
            for seed in seeds[number::LANES]:
                outcomes = (
                    await lane.judge(ours, f"{peer.url}/{seed}/ours"),
                    await lane.judge(theirs, f"{peer.url}/{seed}/theirs"),
                )
                if outcomes[0] != outcomes[1]:
                    different[seed] = outcomes
                for _ in range(5):
                    await settle_for(
                        0.001, because="a close must be seen before the next POST meets it"
                    )

    transport = Http1Transport(connect_timeout_s=PATIENCE_S, proxy=proxy)
    async with aclosing(transport) as ours, aclosing(AiohttpReference()) as theirs:
        await asyncio.gather(*map(run, range(LANES)))
    return different


class _End:
    """Notes where the final reply ends."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self.is_reached = False

    def on_message_begin(self) -> None:
        """Required by httptools."""

    def on_message_complete(self) -> None:
        self.is_reached = self.parser.get_status_code() >= 200


def has_bytes_after(raw: bytes) -> bool:
    """Whether the reply ends before `raw` does."""
    end = _End()
    for place in range(len(raw)):
        with suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
            end.parser.feed_data(raw[place : place + 1])
        if end.is_reached:
            return place + 1 < len(raw)
    return False


def is_meant(seed: int, ours: Outcome, theirs: Outcome) -> bool:
    """Whether the two differ on purpose."""
    raw = b"".join(draw_reply(seed).pieces)
    if isinstance(ours, Reply) and theirs is MaybeSent:
        # A whole reply counts whatever follows; aiohttp drops it if both came in one read.
        return has_bytes_after(raw)
    # Of a transfer coding other than chunked, aiohttp takes what comes until the close.
    codings: list[bytes] = re.findall(rb"(?im)^transfer-encoding:(.*(?:\n[ \t].*)*)$", raw)
    return (
        ours is MaybeSent
        and isinstance(theirs, Reply)
        and any(
            coding.rpartition(b",")[2].strip(b" \t\r").lower() != b"chunked" for coding in codings
        )
    )


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(600), id="some"),
        pytest.param(range(600, 40_000), id="many", marks=pytest.mark.soak),
    ],
)
def test_outcomes_equal_those_of_aiohttp(
    seeds: range, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Status, two headers and body, or the kind of failure; a seed in the message reproduces it."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        different = runner.run(find_differences(seeds))

    assert {seed: pair for seed, pair in different.items() if not is_meant(seed, *pair)} == {}
    assert len(different) < len(seeds) / 10


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_outcomes_through_a_proxy_are_the_same(scheme: str) -> None:
    """Ours through a proxy's tunnel, aiohttp's without one: a hundred seeds each."""

    async def find() -> dict[int, tuple[Outcome, Outcome]]:
        async with listen_as_proxy() as proxy:
            return await find_differences(range(100), proxy=proxy.proxy(scheme))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        different = runner.run(find())

    assert {seed: pair for seed, pair in different.items() if not is_meant(seed, *pair)} == {}
