"""A Kling that reads every byte of a body, waits, and accepts: `python -m … PORT DELAY_MS`.

nginx answers before it has read a large body, and cannot wait.
"""

import asyncio
import itertools
import re
import sys
from typing import cast

import uvloop

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
NUMBERS = itertools.count(1)


class Connection(asyncio.Protocol):
    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._head = b""
        self._left: int | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._left is None:
            self._head += data
            head, found, body = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            length = LENGTH.search(head)
            self._left = (int(length[1]) if length else 0) - len(body)
            self._head = b""
        else:
            self._left -= len(data)
        if self._left <= 0:
            self._left = None
            asyncio.get_running_loop().call_later(self._delay_s, self._answer)

    def _answer(self) -> None:
        if self._transport is None:
            return
        body = (
            b'{"code":0,"message":"SUCCEED","request_id":"r-%d","data":{"task_id":"slow-%d",'
            b'"task_status":"submitted","task_info":{},"created_at":1,"updated_at":1}}'
        ) % ((number := next(NUMBERS)), number)
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )


async def serve(port: int, delay_s: float) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(delay_s), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]) / 1000))
