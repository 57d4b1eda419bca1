"""Which part of a file is asked for. On sockets: `tests/server/test_streams_on_sockets.py`."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar, Request, Response, get

from relay.pages.ranged_file import PIECE_BYTES, find_part, ranged_file

SIZE = PIECE_BYTES * 2 + 100
CONTENT = bytes(n % 251 for n in range(SIZE))


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=2-5", range(2, 6)),
        ("bytes=5-", range(5, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-30", range(10)),
        ("bytes=0-99", range(10)),
        ("bytes=9-99", range(9, 10)),
    ],
)
def test_one_range_is_found(asked: str, part: range) -> None:
    """Of ten bytes; what reaches beyond the end ends there."""
    assert find_part(asked, size=10) == part


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=999999999999-"])
def test_a_range_behind_the_end_has_no_bytes(asked: str) -> None:
    """Of ten; of an empty file there are none at all."""
    assert find_part(asked, size=10) == range(0)
    assert find_part("bytes=0-", size=0) == find_part("bytes=-5", size=0) == range(0)


@pytest.mark.parametrize(
    "asked",
    [
        *("", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=1-2,4-5"),
        *("bytes= 1-2", "bytes=1-2 ", "bytes=--1", f"bytes=0-{'9' * 30}"),
    ],
)
def test_what_is_no_one_range_is_passed_over(asked: str) -> None:
    """As RFC 9110 has it: the whole is answered."""
    assert find_part(asked, size=10) is None


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    path = tmp_path / "clip.mp4"
    path.write_bytes(CONTENT)

    @get("/clip")
    async def clip(request: Request[Any, Any, Any]) -> Response[Any]:
        return await ranged_file(request, path, media_type="video/mp4")

    app = Litestar([clip], openapi_config=None, logging_config=None)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]  # a Litestar is an ASGI app
    async with httpx.AsyncClient(transport=transport, base_url="http://office") as opened:
        yield opened


async def test_a_part_longer_than_a_piece_is_exact(client: httpx.AsyncClient) -> None:
    """From the middle of the first piece into the third."""
    first, last = PIECE_BYTES - 1, PIECE_BYTES * 2 + 1

    answer = await client.get("/clip", headers={"Range": f"bytes={first}-{last}"})

    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-length"] == str(PIECE_BYTES + 3)
    assert answer.headers["content-type"] == "video/mp4"


async def test_a_part_of_another_version_is_never_given(client: httpx.AsyncClient) -> None:
    """`If-Range` names the version that the client has a part of; of another it gets the whole."""
    headers = {"Range": "bytes=1-2", "If-Range": '"another"'}

    answer = await client.get("/clip", headers=headers)
    again = await client.get("/clip", headers=headers | {"If-Range": answer.headers["etag"]})

    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert (again.status_code, again.content) == (206, CONTENT[1:3])
