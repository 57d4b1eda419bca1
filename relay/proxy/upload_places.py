"""Places for uploads under way: each holds its file on disk until it is put away.

An account has some of those that a process has, and the last ones are for accounts that have none.
Who sends slowly is left alone while there are places; one that is behind its pace loses its own to
whoever finds none. Time counts only while a sender is waited for, not while we write.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from relay.body_budget import BEHIND_S, BYTES_PER_S_MIN
from relay.errors import TooManyCalls, TooSlow
from relay.proxy.body import ClientGone

if TYPE_CHECKING:
    from litestar.types import Receive

OF_ACCOUNT_MAX, IN_ALL_MAX = 4, 16
FOR_OTHERS = 4
"""Of all places; who has one already gets none of them."""
SILENCE_S = 20.0
"""Without one byte."""
AGAIN_S = "5"


class UploadPlaces:
    """The places of a process."""

    def __init__(self, *, behind_s: float = BEHIND_S, silence_s: float = SILENCE_S) -> None:
        self._behind_s = behind_s
        self._silence_s = silence_s
        self.taken: list[UploadPlace] = []
        """The oldest first."""

    @contextmanager
    def take(self, account_id: int) -> Iterator["UploadPlace"]:
        """Have a place until it is left.

        Raises:
            TooManyCalls: there is none, and nobody who has one is late.
        """
        while in_the_way := self._in_the_way(account_id):
            latest = min(in_the_way, key=lambda place: place.left_s)
            if latest.left_s > 0:
                raise TooManyCalls(AGAIN_S)
            self.taken.remove(latest)
            latest.let_go()
        place = UploadPlace(account_id, behind_s=self._behind_s, silence_s=self._silence_s)
        self.taken.append(place)
        try:
            yield place
        finally:
            if place in self.taken:
                self.taken.remove(place)

    def _in_the_way(self, account_id: int) -> list["UploadPlace"]:
        """List those of whom one has to go before another one is taken; none if there is room."""
        own = [place for place in self.taken if place.account_id == account_id]
        if len(own) >= OF_ACCOUNT_MAX:
            return own
        most = IN_ALL_MAX - (FOR_OTHERS if own else 0)
        return self.taken if len(self.taken) >= most else []


class UploadPlace:
    """One of them."""

    def __init__(self, account_id: int, *, behind_s: float, silence_s: float) -> None:
        self.account_id = account_id
        self._behind_s = behind_s
        self._silence_s = silence_s
        self._left_s = behind_s
        self._clock: asyncio.Timeout | None = None
        """Runs while its sender is waited for."""
        self._asked_s = 0.0
        self._is_over = False

    @property
    def left_s(self) -> float:
        """For how long it will not be late, if nothing more comes."""
        if self._clock is None:
            return self._left_s
        return self._left_s - (_now_s() - self._asked_s)

    def let_go(self) -> None:
        """End the reading of it."""
        self._is_over = True
        if self._clock is not None:
            self._clock.reschedule(_now_s())

    async def received(self, receive: "Receive") -> AsyncIterator[bytes]:
        """Pass a body on as it comes.

        Raises:
            ClientGone
            TooSlow: nothing came for too long, or it came slowly, and others had no place.
        """
        while True:
            if self._is_over:
                raise TooSlow
            self._asked_s = _now_s()
            try:
                async with asyncio.timeout(self._silence_s) as self._clock:
                    message = await receive()
            except TimeoutError as error:
                raise TooSlow from error
            finally:
                waited_s, self._clock = _now_s() - self._asked_s, None
            if message["type"] != "http.request":
                raise ClientGone
            piece = message.get("body", b"")
            # What it was ahead of its pace counts no more: who stops is late soon.
            left_s = self._left_s - waited_s + len(piece) / BYTES_PER_S_MIN
            self._left_s = min(left_s, self._behind_s)
            if piece:
                yield piece
            if not message.get("more_body", False):
                # What is still to be done is ours: nobody takes its place for that.
                self._left_s = self._behind_s
                return


def _now_s() -> float:
    return asyncio.get_running_loop().time()
