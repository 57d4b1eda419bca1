"""Large bodies, eight at a time, from clients that are quicker than the relay."""

import asyncio
import itertools
import json
import math
from collections.abc import Iterator, Sequence

from tests.benchmarks.machine import cpu_s, memory_peak_mb
from tests.benchmarks.servers import Server
from tests.benchmarks.wrk import Measured, VoidRoundError, together
from tests.relay_app import CLIP

AT_A_TIME = 8
PATIENCE_S = 300.0
PATH = "/v1/videos/image2video"


async def offer(
    relay: Server,
    api_keys: Sequence[str],
    *,
    size: int,
    bodies: int,
    patience_s: float = PATIENCE_S,
) -> Measured:
    """Send so many bodies of this size, of all keys in turn.

    Raises:
        VoidRoundError: one was not accepted, or all took too long.
    """
    fields = CLIP | {"image": "A" * size}
    body = json.dumps(fields).encode()
    numbers = iter(range(bodies))
    taken: list[float] = []
    before_s = cpu_s(relay.pid)
    loop = asyncio.get_running_loop()
    began = loop.time()
    keys = itertools.cycle(api_keys)
    clients = [_send(relay.port, next(keys), body, numbers, taken) for _ in range(AT_A_TIME)]
    try:
        async with asyncio.timeout(patience_s):
            await together(clients)
    except OSError as error:
        reason = str(error) or f"they have not ended after {patience_s:.0f} s"
        raise VoidRoundError(f"bodies of {size} bytes: {reason}") from error
    seconds = loop.time() - began
    taken.sort()
    return Measured(
        requests=len(taken),
        seconds=seconds,
        p50_ms=taken[len(taken) // 2] * 1000,
        p99_ms=math.nan,  # of two dozen it would be the longest
        cpu_s=cpu_s(relay.pid) - before_s,
        memory_mb=memory_peak_mb(relay.pid),
    )


async def _send(
    port: int, api_key: str, body: bytes, numbers: Iterator[int], taken: list[float]
) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer {api_key}\r\n"
        f"Content-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    for _ in numbers:
        began = loop.time()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(head)
            view = memoryview(body)
            for start in range(0, len(body), 1 << 18):
                writer.write(view[start : start + (1 << 18)])
                await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
        if b"200 OK" not in answer[:32]:
            raise VoidRoundError(f"a body of {len(body)} bytes got {answer[:300]!r}")
        taken.append(loop.time() - began)
