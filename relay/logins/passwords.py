"""Passwords: how they are kept, and how one that is shown is compared.

Argon2id with the parameters of RFC 9106 for machines with little memory, which are its library's:
64 MB and some 50 ms of a core for each. So a process does two at a time, whoever asks: the third
waits, and no flood of log-ins takes its memory.
"""

import asyncio
import unicodedata
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

CHARS_MIN = 10
BYTES_MAX = 1024
HASHER = PasswordHasher()
# Threads and not a semaphore: whoever goes away while his is compared still takes its memory.
THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")


def hash_password(password: str) -> str:
    """Hash one to be kept. Takes a core for tens of ms: `hashed` does it beside a loop.

    Raises:
        ValueError: it is too short or too long; with a sentence.
    """
    spelt = _spelt(password)
    if len(password.strip()) < CHARS_MIN:
        raise ValueError(f"a password has at least {CHARS_MIN} characters")
    if len(spelt) > BYTES_MAX:
        raise ValueError(f"a password has at most {BYTES_MAX} bytes")
    return HASHER.hash(spelt)


def is_password(password_hash: str | None, password: str) -> bool:
    """Compare one to what was kept; None is of nobody, and takes the same time."""
    spelt = _spelt(password)
    if len(spelt) > BYTES_MAX:
        password_hash, spelt = None, b""
    try:
        HASHER.verify(password_hash or NOBODYS, spelt)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


async def hashed(password: str) -> str:
    """Hash one in a thread; as `hash_password`."""
    return await asyncio.get_running_loop().run_in_executor(THREADS, hash_password, password)


async def compared(password_hash: str | None, password: str) -> bool:
    """Compare one in a thread; as `is_password`."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(THREADS, is_password, password_hash, password)


def _spelt(password: str) -> bytes:
    """Spell it in one way: keyboards compose an accent differently, and a paste ends in a space."""
    return unicodedata.normalize("NFC", password.strip()).encode(errors="surrogatepass")


def _nobodys() -> str:
    """Spell a hash of the same parameters that no password is known to have."""
    salt, end = (b64encode(bytes(length)).decode().rstrip("=") for length in (16, 32))
    cost = f"m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${end}"


NOBODYS = _nobodys()
