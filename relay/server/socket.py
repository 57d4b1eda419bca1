"""The server's protocol of WebSockets: uvicorn's, which lets a client go that has stopped reading.

uvicorn closes in good order, and waits for what was written to be read: by a client that reads
nothing more, for ever.
"""

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

UNREAD_S = 10.0


class Socket(WSProtocol):
    """One connection."""

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._let_go()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self._let_go()

    def shutdown(self) -> None:
        super().shutdown()
        self._let_go()

    def _let_go(self) -> None:
        """Give it a moment to read what was said last."""
        if not self.disconnected:
            self.loop.call_later(UNREAD_S, self.transport.abort)
