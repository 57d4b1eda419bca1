"""A backup that is not whole, not ours or not of this key is refused before its end is used."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest

from relay.backups.sealed_file import (
    MAGIC,
    TAG_BYTES,
    BackupUnusable,
    Header,
    name_new_key,
    read_header,
    seal,
    unseal,
)
from relay.secrets import KeyRing, new_secret_key

PIECE = 16
KEYS = KeyRing.parse(new_secret_key())


def header(keys: KeyRing = KEYS) -> Header:
    key = name_new_key(keys)
    return Header(
        made_at=datetime(2026, 11, 26, tzinfo=UTC),
        relay="0.1.0",
        revision="0117",
        oldest_code=None,
        currency="USD",
        deployment="r0123456789",
        postgres=18,
        schema="public",
        key_id=key.key_id,
        key_proof=key.key_proof,
        salt=key.salt,
        piece_bytes=PIECE,
    )


async def chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def sealed(data: bytes, of: Header | None = None) -> bytes:
    return b"".join([one async for one in seal(of or header(), chunks(data, 7), KEYS)])


async def opened(file: bytes, keys: KeyRing = KEYS) -> bytes:
    return b"".join([one async for one in unseal(chunks(file, 11), keys)])


async def test_what_was_sealed_comes_back() -> None:
    """Of any length, around the edges of pieces too; the header is read without a key."""
    for length in (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 100):
        data = bytes(range(length))
        file = await sealed(data)
        assert await opened(file) == data
        assert read_header(file).deployment == "r0123456789"
        assert length < PIECE or data[:PIECE] not in file


async def test_what_was_cut_or_changed_is_refused() -> None:
    """Wherever it was cut, whichever bit was turned; pieces in another order or of another file"""
    of = header()
    file = await sealed(bytes(range(4 * PIECE)), of)
    head = len(MAGIC) + 4 + len(msgspec.json.encode(of))
    size = PIECE + TAG_BYTES
    pieces = [file[start : start + size] for start in range(head, len(file), size)]
    other = await sealed(bytes(range(4 * PIECE)))

    assert len(pieces) == 4
    for end in range(len(file)):
        with pytest.raises(BackupUnusable):
            await opened(file[:end])
    for at in range(len(file)):
        with pytest.raises(BackupUnusable):
            await opened(file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :])
    for changed in (
        [pieces[1], pieces[0], *pieces[2:]],
        pieces[1:],
        [*pieces, pieces[-1]],
        [*pieces[:2], *pieces[3:]],
    ):
        with pytest.raises(BackupUnusable):
            await opened(file[:head] + b"".join(changed))
    with pytest.raises(BackupUnusable):
        await opened(file[:head] + other[-4 * size :])


async def test_a_refusal_says_which_it_is() -> None:
    """Cut off, damaged, another key, a key that is not given, a later relay, no backup at all."""
    file = await sealed(bytes(range(4 * PIECE)))
    others = {
        "its end is missing": (file[: -PIECE - TAG_BYTES], KEYS),
        "is damaged or was changed": (file[:-1] + bytes([file[-1] ^ 1]), KEYS),
        "sealed with another secret key than the 'k1'": (file, KeyRing.parse(new_secret_key())),
        "sealed with the secret key 'k1', and the ones given are 'k2'": (
            file,
            KeyRing.parse(new_secret_key("k2")),
        ),
        "later version of the relay": (b"kling-relay backup 2\n" + file[len(MAGIC) :], KEYS),
        "no backup of a relay": (b"PGDMP", KEYS),
        "header is not whole": (file[:40], KEYS),
    }
    for words, (given, keys) in others.items():
        with pytest.raises(BackupUnusable, match=words):
            await opened(given, keys)


async def test_what_fails_while_it_is_sealed_has_no_last_piece() -> None:
    """So it can never be opened to its end, wherever the bytes went."""

    async def failing() -> AsyncIterator[bytes]:
        yield bytes(3 * PIECE)
        raise OSError("pg_dump was killed")

    written: list[bytes] = []

    async def write() -> None:
        async for one in seal(header(), failing(), KEYS):
            written.append(one)  # noqa: PERF401 (what came before the failure counts)

    with pytest.raises(OSError, match="killed"):
        await write()
    with pytest.raises(BackupUnusable, match="end is missing"):
        await opened(b"".join(written))
