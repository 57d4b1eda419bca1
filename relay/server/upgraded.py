"""Connections that become WebSockets, where there is one; all other offers are for who reads on."""

import asyncio

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Upgraded(HttpToolsProtocol):
    """uvicorn's protocol, which knows one kind of upgrade."""

    _timer: asyncio.TimerHandle | None = None
    """Of the request that is being read."""

    @staticmethod
    def is_socket(raw_path: bytes, /) -> bool:  # noqa: ARG004 (a listener says otherwise)
        """Tell whether the path may be opened as a WebSocket."""
        return False

    def _opens_a_socket(self) -> bool:
        """Tell whether a request is for a WebSocket that there is, and nobody waits before it."""
        if self.pipeline or not (self.cycle is None or self.cycle.response_complete):
            return False
        wanted = [value.lower() for name, value in self.headers if name == b"upgrade"]
        if self.scope["method"] != "GET" or wanted != [b"websocket"]:
            return False
        try:
            return self.is_socket(httptools.parse_url(self.url).path)
        except httptools.HttpParserInvalidURLError:
            return False

    def _become_socket(self, rest: bytes) -> None:
        """Give the connection to a protocol of WebSockets, which reads the request once more."""
        # Few processes ever have one.
        from relay.server.socket import Socket  # noqa: PLC0415

        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        lines = [b"GET %b HTTP/1.1" % self.url]
        lines += [b"%b: %b" % header for header in self.headers]
        socket = Socket(self.config, self.server_state, self.app_state)
        socket.connection_made(self.transport)
        self.transport.set_protocol(socket)
        self.parser = None  # type: ignore[assignment]  # as uvicorn's: it holds us
        socket.data_received(b"\r\n".join([*lines, b"", rest]))
