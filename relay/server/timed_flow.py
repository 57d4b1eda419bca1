"""When a connection is read and written: uvicorn's flow control, with clocks."""

import asyncio
from collections.abc import Sized

from uvicorn.protocols.http.flow_control import FlowControl


class TimedFlow(FlowControl):
    """Reads nothing while a request waits its turn; waits for no client that stopped reading."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        pipeline: Sized,
        *,
        unread_s: float,
    ) -> None:
        """Take the requests that wait, and how long a client may read nothing of an answer."""
        super().__init__(transport)
        self._loop = loop
        self._pipeline = pipeline
        self._unread_s = unread_s
        self.resumed_s = 0.0

    def resume_reading(self) -> None:
        if self.read_paused and not self._pipeline:
            self.resumed_s = self._loop.time()
            super().resume_reading()

    async def drain(self) -> None:
        """Wait for the client to read; one that has stopped is let go, and one that is slow not."""
        while self.write_paused:
            left = self._transport.get_write_buffer_size()
            try:
                async with asyncio.timeout(self._unread_s):
                    await super().drain()
            except TimeoutError:
                if self._transport.get_write_buffer_size() >= left:
                    self._transport.abort()
                    await super().drain()  # until the connection is known to be lost
