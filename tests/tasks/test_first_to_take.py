"""The one failover loop: who is tried after whom, and what is left when nobody takes it."""

import asyncio
import io
import itertools
import json
from collections.abc import Iterable

import pytest

from relay.channels.opened import OpenedChannel
from relay.database.ids import TaskId
from relay.tasks.failover import PassedOn, first_to_take

Said = str | PassedOn[str] | Exception
"""What a channel makes of it: takes it, passes it on, or leaves it in doubt."""


def channels(count: int) -> list[OpenedChannel]:
    return [
        OpenedChannel(
            id=number,
            name=f"c{number}",
            base_url="http://kling",
            access_key=None,
            secret_key=None,
            api_key="key",
        )
        for number in range(1, count + 1)
    ]


class Attempts:
    """Says what each channel says, and keeps who was tried after what."""

    def __init__(self, *said: Said) -> None:
        self._said = list(said)
        self.tried: list[str] = []
        self.before: list[PassedOn[str] | None] = []

    async def __call__(
        self, channel: OpenedChannel, before: PassedOn[str] | None
    ) -> str | PassedOn[str]:
        self.tried.append(channel.name)
        self.before.append(before)
        said = self._said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    async def take(self, among: Iterable[OpenedChannel] | None = None) -> str | PassedOn[str]:
        given = channels(len(self._said)) if among is None else among
        return await first_to_take(given, self, what="test")


async def test_the_first_that_takes_it_ends_the_turn() -> None:
    """Nobody is tried behind it, and nobody was before the first."""
    attempts = Attempts("taken", "not asked")

    assert await attempts.take() == "taken"
    assert (attempts.tried, attempts.before) == (["c1"], [None])


async def test_each_attempt_knows_how_the_one_before_passed_on() -> None:
    """With its own reason, for the row that names the next channel before it is tried (D1)."""
    attempts = Attempts(PassedOn("busy"), PassedOn("down"), "taken")

    assert await attempts.take() == "taken"
    assert attempts.tried == ["c1", "c2", "c3"]
    assert attempts.before == [None, PassedOn("busy"), PassedOn("down")]


@pytest.mark.parametrize(
    ("refusals", "kept"),
    [
        ((None, None), None),
        (("first", None), "first"),
        ((None, "second"), "second"),
        (("first", "second"), "second"),
        (("first", None, None), "first"),
    ],
)
async def test_the_last_refusal_is_kept(refusals: tuple[str | None, ...], kept: str | None) -> None:
    """Also behind passes that have none, which say why nobody took it at last."""
    passes = [PassedOn(f"no {number}", one) for number, one in enumerate(refusals)]

    outcome = await Attempts(*passes).take()

    assert outcome == PassedOn(f"no {len(refusals) - 1}", kept)


async def test_what_is_in_doubt_ends_the_turn() -> None:
    """The error goes up, and no other channel gets it (D2)."""
    attempts = Attempts(PassedOn("busy"), TimeoutError("in doubt"), "not asked")

    with pytest.raises(TimeoutError, match="in doubt"):
        await attempts.take()

    assert attempts.tried == ["c1", "c2"]


async def test_when_the_time_is_over_no_further_one_is_tried() -> None:
    """Channels are drawn one by one, each when it is its turn; without any there was no time."""
    attempts = Attempts(PassedOn("busy"), "not asked")
    in_time = itertools.takewhile(lambda _: not attempts.tried, channels(2))

    outcome = await attempts.take(in_time)
    nothing = await Attempts().take([])

    assert outcome == PassedOn("busy")
    assert attempts.tried == ["c1"]
    assert nothing == PassedOn("no time left")


async def test_a_pass_is_logged_with_its_task_and_without_keys(logged: io.StringIO) -> None:
    """Who looks for a task finds why it went elsewhere."""
    attempts = Attempts(PassedOn("c1: busy"), "taken")

    await first_to_take(channels(2), attempts, what="submit", task_id=TaskId(7))
    await asyncio.sleep(0)  # lines of one turn are written at its end

    line = json.loads(logged.getvalue())
    told = {name: line[name] for name in ("event", "what", "id", "channel", "reason")}
    assert told == {
        "event": "channel.passed_on",
        "what": "submit",
        "id": 7,
        "channel": "c1",
        "reason": "c1: busy",
    }
    assert set(line) == {*told, "level", "timestamp"}
