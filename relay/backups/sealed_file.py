r"""A backup's bytes: a header that anybody may read, and behind it what the secret key has sealed.

    b"kling-relay backup 1\n" | length of the header, 4 bytes | header, JSON | pieces

Each piece is `piece_bytes` of the plaintext and 16 bytes more, the last one may be shorter. AES-GCM
authenticates with each its number, whether it is the last, and the header: so pieces that are cut
off, exchanged or of another file are found. Memory is bounded by one piece.
"""

import base64
import os
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from relay.secrets import NONCE_BYTES, KeyRing, SecretKeyError

MAGIC = b"kling-relay backup 1\n"
MAGIC_OF_ANY = b"kling-relay backup "
PIECE_BYTES = 1024 * 1024
PIECE_BYTES_MAX = 64 * 1024 * 1024
TAG_BYTES = 16
SALT_BYTES = 32
HEADER_BYTES_MAX = 64 * 1024
HEAD_BYTES_MAX = len(MAGIC) + 4 + HEADER_BYTES_MAX


class BackupUnusable(ValueError):
    """This is no backup, or not all of one, or not to be opened; the message says which."""


class Header(msgspec.Struct, frozen=True):
    """What a backup says of itself without a key."""

    made_at: datetime
    """By the database's clock: all that was committed before is in it."""
    relay: str
    """The version that made it."""
    revision: str
    """The schema's."""
    oldest_code: str | None
    """Code that knows this revision runs on it; None if the schema did not say so yet."""
    currency: str | None
    """The books'; None before the first entry."""
    deployment: str
    """The prefix of external ids that was current: backups of another database have another."""
    postgres: int
    """The server's major version."""
    schema: str
    """Which one the tables were in."""
    key_id: str
    key_proof: str
    salt: str
    piece_bytes: int


class FileKeyNamed(msgspec.Struct, frozen=True):
    """How a header names the key of a new file."""

    key_id: str
    key_proof: str
    salt: str


def name_new_key(keys: KeyRing) -> FileKeyNamed:
    salt = os.urandom(SALT_BYTES)
    proof = keys.file_key(salt, key_id=keys.current).proof
    return FileKeyNamed(keys.current, proof, base64.b64encode(salt).decode())


async def seal(
    header: Header, plaintext: AsyncIterator[bytes], keys: KeyRing
) -> AsyncIterator[bytes]:
    """Yield the file piece by piece; what `plaintext` raises ends it without a last piece."""
    encoded = msgspec.json.encode(header)
    assert len(encoded) <= HEADER_BYTES_MAX, "a header is short"
    head = MAGIC + len(encoded).to_bytes(4) + encoded
    cipher = keys.file_key(base64.b64decode(header.salt), key_id=header.key_id).cipher
    yield head
    number, pending = 0, bytearray()
    async for chunk in plaintext:
        pending += chunk
        # More than one piece: what is left may be the last, which is marked.
        while len(pending) > header.piece_bytes:
            piece = bytes(pending[: header.piece_bytes])
            del pending[: header.piece_bytes]
            yield cipher.encrypt(_nonce(number, is_last=False), piece, head)
            number += 1
    yield cipher.encrypt(_nonce(number, is_last=True), bytes(pending), head)


def read_header(head: bytes) -> Header:
    """Read it off the first bytes of a file, at most `HEAD_BYTES_MAX` of them.

    Raises:
        BackupUnusable: it is no backup, or one of a later relay.
    """
    return _split(head)[0]


def _split(head: bytes) -> tuple[Header, int]:
    """Read the header and where it ends."""
    if not head.startswith(MAGIC):
        if head.startswith(MAGIC_OF_ANY):
            raise BackupUnusable("it is of a later version of the relay: update the relay")
        raise BackupUnusable("it is no backup of a relay")
    end = len(MAGIC) + 4 + int.from_bytes(head[len(MAGIC) : len(MAGIC) + 4])
    try:
        if end > HEAD_BYTES_MAX or len(head) < end:
            raise BackupUnusable("it is cut off or damaged: its header is not whole")
        header = msgspec.json.decode(head[len(MAGIC) + 4 : end], type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupUnusable("it is damaged: its header cannot be read") from error
    if not 0 < header.piece_bytes <= PIECE_BYTES_MAX:
        raise BackupUnusable("it is damaged: its header cannot be read")
    return header, end


async def unseal(chunks: AsyncIterator[bytes], keys: KeyRing) -> AsyncIterator[bytes]:
    """Yield what was sealed, each piece only once it is known to be right.

    Who used all of it has to undo that, should this raise at the end: what is cut off may be so
    between two pieces.

    Raises:
        BackupUnusable
    """
    pending = bytearray()
    async for chunk in chunks:
        pending += chunk
        if len(pending) >= HEAD_BYTES_MAX:
            break
    header, end = _split(bytes(pending[:HEAD_BYTES_MAX]))
    head = bytes(pending[:end])
    del pending[:end]
    cipher = _open_cipher(header, keys)
    size = header.piece_bytes + TAG_BYTES
    number = 0
    while True:
        # One byte more tells that there is another piece.
        while len(pending) <= size and (more := await anext(chunks, None)) is not None:
            pending += more
        piece = bytes(pending[:size])
        del pending[:size]
        is_last = not pending
        try:
            plain = cipher.decrypt(_nonce(number, is_last=is_last), piece, head)
        except InvalidTag as error:
            if is_last and _opens(cipher, _nonce(number, is_last=False), piece, head):
                raise BackupUnusable("it is cut off: its end is missing") from error
            raise BackupUnusable(
                f"it is damaged or was changed, about {number * header.piece_bytes:,} bytes into it"
            ) from error
        yield plain
        if is_last:
            return
        number += 1


def _open_cipher(header: Header, keys: KeyRing) -> AESGCM:
    try:
        key = keys.file_key(base64.b64decode(header.salt), key_id=header.key_id)
    except SecretKeyError as error:
        raise BackupUnusable(
            f"it was sealed with the secret key '{header.key_id}', and the ones given are"
            f" {', '.join(map(repr, keys.names))}: put that one into RELAY_SECRET_KEY"
        ) from error
    except ValueError as error:
        raise BackupUnusable("it is damaged: its header cannot be read") from error
    if key.proof != header.key_proof:
        raise BackupUnusable(
            f"it was sealed with another secret key than the '{header.key_id}' that is given: put"
            " that one into RELAY_SECRET_KEY"
        )
    return key.cipher


def _opens(cipher: AESGCM, nonce: bytes, piece: bytes, head: bytes) -> bool:
    try:
        cipher.decrypt(nonce, piece, head)
    except InvalidTag:
        return False
    return True


def _nonce(number: int, *, is_last: bool) -> bytes:
    """Number a piece; the key is this file's alone, so no nonce is used twice."""
    return number.to_bytes(NONCE_BYTES - 1) + bytes([is_last])
