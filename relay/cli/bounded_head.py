"""The server's HTTP protocol, with a bound on what comes before a body.

httptools takes a request line and headers of any length, and uvicorn keeps all of it: a client that
never ends its headers would fill the memory before any code of ours is asked.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 256 * 1024
"""Far above any credential: a header of 100 KB is still answered with 401."""


class BoundedHead(HttpToolsProtocol):
    """Closes the connection of a client whose headers do not end."""

    _head_bytes = 0
    _is_in_body = False

    def data_received(self, data: bytes) -> None:
        if not self._is_in_body:
            self._head_bytes += len(data)
            if self._head_bytes - len(data) > HEAD_BYTES_MAX and self.transport is not None:
                self.transport.close()
                return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._is_in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_in_body = False
        self._head_bytes = 0
