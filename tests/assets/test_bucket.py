"""The store in a bucket of somebody else's server: moto's, which nobody here wrote.

`uv run --group store pytest` has it; without it these are skipped.
"""

import asyncio
import hashlib
import importlib.util
import io
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest

from relay.assets.read import StoredObject
from relay.assets.store import PART_BYTES, AssetStore, ContentMissing, StoreFailed, key_of
from relay.assets.verify import verify_object
from tests.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("moto") is None, reason="there is no moto here"
)
REACH = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
}
LARGE = os.urandom(1024) * ((PART_BYTES * 2 + 300_000) // 1024)
"""Three parts."""


@pytest.fixture(scope="module")
async def reach() -> AsyncIterator[Mapping[str, str]]:
    """A server with one bucket, and how it is reached."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "MOTO_S3_CUSTOM_ENDPOINTS": f"http://127.0.0.1:{port}"},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:

            async def is_made() -> bool:
                try:
                    return (await client.put(f"{url}/files")).status_code == 200
                except httpx.TransportError:
                    return False

            await wait_until(is_made)
        yield {**REACH, "AWS_ENDPOINT_URL": url}
    finally:
        server.terminate()
        await server.wait()


def store_at(reach: Mapping[str, str], place: str = "s3://files/kept") -> AssetStore:
    return AssetStore(place, lambda: reach)


async def put(store: AssetStore, content: bytes, object_id: int) -> str:
    key = key_of(7, hashlib.sha256(content).hexdigest(), object_id)
    await store.put(key, io.BytesIO(content), size=len(content), content_type="image/png")
    return key


async def read(store: AssetStore, key: str, first: int, last: int) -> bytes:
    return b"".join([piece async for piece in store.read(key, first=first, last=last)])


async def test_what_is_put_is_read_in_part_and_by_its_own_link(reach: Mapping[str, str]) -> None:
    """Small and in parts; and put again, as after a lease was lost, it is the same."""
    store = store_at(reach)
    await store.check()
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        for number, content in enumerate((b"x", LARGE)):
            await put(store, content, number)
            key = await put(store, content, number)
            last = len(content) - 1
            assert await read(store, key, 0, last) == content
            assert await read(store, key, last, last) == content[-1:]
            middle = (last // 2, last * 2 // 3)
            assert await read(store, key, *middle) == content[middle[0] : middle[1] + 1]
            wanted = StoredObject(1, key, len(content), hashlib.sha256(content).hexdigest())
            assert (await verify_object(store, wanted)).why_not is None

            link = await store.link(key, good_for_s=60)
            assert link is not None
            whole = await client.get(link)
            assert (whole.content, whole.headers["content-type"]) == (content, "image/png")
            part = await client.get(link, headers={"range": f"bytes={last}-{last}"})
            assert (part.status_code, part.content) == (206, content[-1:])
    keys = await store.keys()
    assert sorted(keys.values()) == [1, len(LARGE)]
    await asyncio.gather(*(put(store, LARGE, 1) for _ in range(2)))
    for one in keys:
        for _ in range(2):
            await store.delete(one)
    assert await store.keys() == {}


async def test_what_is_wrong_is_said(reach: Mapping[str, str]) -> None:
    """What is not there, what is shorter than its row says, and a bucket that there is not."""
    store = store_at(reach)
    key = await put(store, b"four", 1)
    await store.delete(key)
    with pytest.raises(ContentMissing):
        await read(store, key, 0, 3)
    longer: Any = io.BytesIO(b"four")
    with pytest.raises(StoreFailed, match="4 bytes there, and 5 were put"):
        await store.put(key, longer, size=5, content_type="image/png")
    told = await verify_object(store, StoredObject(1, key, 9, "0"))
    assert told.why_not is not None
    with pytest.raises(StoreFailed):
        await put(store_at(reach, "s3://nobodys/kept"), b"four", 1)
    with pytest.raises(StoreFailed):
        await store_at(reach, "s3://nobodys/kept").keys()
    await store.delete(key)
