"""Keys that protect what is stored, and what is derived from them.

`RELAY_SECRET_KEY` is a list of `id:key`, separated by commas; a key is 32 bytes in base64. The
first one writes, all of them read, so a key is rotated online: put a new one in front, re-save what
the old one wrote, and drop the old one when no live task names it.

Guarantees:
- A sealed value opens only in the place it was sealed for (its context is authenticated).
- A callback path, or a link to a kept file, can be made only with one of the keys.
"""

import base64
import hmac
import os
import secrets as entropy
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
"""What AES-GCM takes; random ones are safe for 2^32 values under one key."""
MAC_CHARS = 32
"""128 bits in hex: enough against guessing, short enough for a path."""


class FileKey(NamedTuple):
    """What seals one file."""

    cipher: AESGCM
    proof: str
    """Of the key that it was derived from; it may stand beside what is sealed."""


class SecretKeyError(ValueError):
    """The configured keys cannot be used, or cannot open what is stored. The message says why."""


class KeyRing:
    """The operator's secret keys, newest first."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._ciphers = {name: AESGCM(_derive(key, b"seal")) for name, key in keys.items()}
        # Keyed once: a copy of it costs half of a fresh one, and each submit has a path.
        self._macs = {
            name: hmac.new(_derive(key, b"callback"), digestmod="sha256")
            for name, key in keys.items()
        }
        self._links = {
            name: hmac.new(_derive(key, b"asset"), digestmod="sha256") for name, key in keys.items()
        }
        self._inputs = hmac.new(_derive(next(iter(keys.values())), b"inputs"), digestmod="sha256")
        self._files = {name: _derive(key, b"file") for name, key in keys.items()}
        self.names = tuple(keys)
        self.current = self.names[0]

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read `id:key,id:key`.

        Raises:
            SecretKeyError: not of that shape. The key itself is never in the message.
        """
        keys: dict[str, bytes] = {}
        for position, part in enumerate(filter(None, text.replace("\n", ",").split(",")), start=1):
            name, separator, encoded = part.strip().partition(":")
            # ASCII, since the id stands in the path of a callback.
            if not separator or not (name.isascii() and name.isalnum()):
                raise SecretKeyError(
                    f"key {position} is not of the form id:key (id: letters and digits)"
                )
            try:
                key = base64.b64decode(encoded, validate=True)
            except ValueError:  # binascii's Error, or characters beyond ASCII
                key = b""
            if len(key) != 32:  # noqa: PLR2004 (AES-256's key length)
                raise SecretKeyError(f"key '{name}' is not 32 bytes in base64")
            if name in keys:
                raise SecretKeyError(f"key id '{name}' stands twice")
            keys[name] = key
        if not keys:
            raise SecretKeyError("no key in it")
        return cls(keys)

    def seal(self, plaintext: str, *, context: str) -> str:
        """Encrypt for one place, such as `channels/7/secret_key`, as `id:base64`."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self.current].encrypt(nonce, plaintext.encode(), context.encode())
        return f"{self.current}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, context: str) -> str:
        """Decrypt what `seal` wrote for the same context.

        Raises:
            SecretKeyError: its key is not configured, or the value belongs elsewhere.
        """
        name, _, encoded = sealed.partition(":")
        if name not in self._ciphers:
            raise SecretKeyError(f"key '{name}' is needed for {context} and is not configured")
        try:
            blob = base64.b64decode(encoded)
            plaintext = self._ciphers[name].decrypt(
                blob[:NONCE_BYTES], blob[NONCE_BYTES:], context.encode()
            )
        except (InvalidTag, ValueError) as error:  # ValueError: not even of the right shape
            raise SecretKeyError(f"key '{name}' does not open {context}") from error
        return plaintext.decode()

    def file_key(self, salt: bytes, *, key_id: str) -> FileKey:
        """Derive the key of one file, whose `salt` of 32 random bytes is no other file's.

        Raises:
            SecretKeyError: the key is not configured.
        """
        if key_id not in self._files:
            raise SecretKeyError(f"key '{key_id}' is needed and is not configured")
        both = HKDF(algorithm=SHA256(), length=48, salt=salt, info=b"kling-relay/file").derive(
            self._files[key_id]
        )
        return FileKey(AESGCM(both[:32]), both[32:].hex())

    def mac(self, message: str, *, key_id: str) -> str | None:
        """Authenticate a callback path under one key; None if that key is not configured."""
        return _mac(self._macs.get(key_id), message)

    def asset_mac(self, message: str, *, key_id: str) -> str | None:
        """Authenticate a link to a kept file, as `mac` a callback path, and never the same."""
        return _mac(self._links.get(key_id), message)

    def inputs_mac(self, message: bytes) -> bytes:
        """Stand for what somebody asked for: without the newest key, nobody can try texts."""
        mac = self._inputs.copy()
        mac.update(message)
        return mac.digest()

    def macs(self, message: str) -> list[str]:
        """Authenticate it under each key: one of them is what a path of any age has."""
        return [mac for key_id in self._macs if (mac := self.mac(message, key_id=key_id))]


def new_secret_key(name: str = "k1") -> str:
    """Make one fresh `id:key`."""
    return f"{name}:{base64.b64encode(entropy.token_bytes(32)).decode()}"


def _mac(keyed: hmac.HMAC | None, message: str) -> str | None:
    if keyed is None:
        return None
    mac = keyed.copy()
    mac.update(message.encode())
    return mac.hexdigest()[:MAC_CHARS]


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"kling-relay/" + purpose).derive(
        key
    )
