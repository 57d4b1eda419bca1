"""What is sealed opens only with its key and in its place."""

import base64
import hmac
import os

import pytest

from relay.secrets import MAC_CHARS, KeyRing, SecretKeyError, new_secret_key

PLACE = "channels/7/secret_key"


def test_what_was_sealed_opens_in_its_place() -> None:
    """Text beyond ASCII too; twice sealed it looks different, and never like the text."""
    keys = KeyRing.parse(new_secret_key())

    first, second = (keys.seal("géheim 🦊", context=PLACE) for _ in range(2))

    assert keys.open(first, context=PLACE) == keys.open(second, context=PLACE) == "géheim 🦊"
    assert first != second
    assert "heim" not in first


def test_it_does_not_open_elsewhere() -> None:
    """Copied into another row or column by somebody with the database, it stays closed."""
    keys = KeyRing.parse(new_secret_key())
    sealed = keys.seal("x", context=PLACE)

    for other in ("channels/8/secret_key", "channels/7/api_key", "tokens/7/secret_key", ""):
        with pytest.raises(SecretKeyError, match="does not open"):
            keys.open(sealed, context=other)


def test_another_key_of_the_same_id_does_not_open_it() -> None:
    """And a ring without its id says which key it needs."""
    sealed = KeyRing.parse(new_secret_key("k1")).seal("x", context=PLACE)

    with pytest.raises(SecretKeyError, match="'k1' does not open"):
        KeyRing.parse(new_secret_key("k1")).open(sealed, context=PLACE)
    with pytest.raises(SecretKeyError, match="'k1' is needed for channels/7/secret_key"):
        KeyRing.parse(new_secret_key("k2")).open(sealed, context=PLACE)


def test_a_changed_byte_does_not_open() -> None:
    """Of the nonce, the text or the tag; truncated and garbled values say so too."""
    keys = KeyRing.parse(new_secret_key("k1"))
    blob = base64.b64decode(keys.seal("secret", context=PLACE).partition(":")[2])

    for place in range(len(blob)):
        changed = bytearray(blob)
        changed[place] ^= 1
        with pytest.raises(SecretKeyError):
            keys.open(f"k1:{base64.b64encode(changed).decode()}", context=PLACE)
    for garbled in ("k1:", "k1:AAAA", "k1:é", "k1:A", "", "k1"):
        with pytest.raises(SecretKeyError):
            keys.open(garbled, context=PLACE)


def test_rotation_reads_the_old_and_writes_the_new() -> None:
    """`new,old`: what the old key sealed opens, what is sealed now needs the new one only."""
    old, new = new_secret_key("k1"), new_secret_key("k2")
    before = KeyRing.parse(old).seal("x", context=PLACE)
    rotated = KeyRing.parse(f"{new},{old}")

    after = rotated.seal(rotated.open(before, context=PLACE), context=PLACE)

    assert after.startswith("k2:")
    assert KeyRing.parse(new).open(after, context=PLACE) == "x"
    assert rotated.current == "k2"


def test_a_mac_is_of_its_message_and_key() -> None:
    """128 bits in hex; another message, key or id gives another one or none."""
    ring = KeyRing.parse(f"{new_secret_key('k1')},{new_secret_key('k2')}")

    mac = ring.mac("task", key_id="k1")

    assert mac is not None
    assert len(mac) == 32
    assert mac == ring.mac("task", key_id="k1")
    assert len({mac, ring.mac("tasks", key_id="k1"), ring.mac("task", key_id="k2")}) == 3
    assert ring.mac("task", key_id="k3") is None


def test_a_mac_key_is_not_the_sealing_key() -> None:
    """Both are derived for their purpose: neither is the configured key itself."""
    raw = os.urandom(32)
    ring = KeyRing.parse(f"k1:{base64.b64encode(raw).decode()}")

    assert ring.mac("task", key_id="k1") != hmac.digest(raw, b"task", "sha256").hex()[:MAC_CHARS]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no key"),
        (" , ,", "key 1"),
        ("k1", "id:key"),
        (":abc", "id:key"),
        ("k-1:abc", "id:key"),
        ("ключ:" + "A" * 43 + "=", "id:key"),
        ("k1:marker", "'k1' is not 32 bytes"),
        ("k1:markér", "'k1' is not 32 bytes"),
        ("k1:" + base64.b64encode(b"x" * 31).decode(), "'k1' is not 32 bytes"),
        ("k1:" + base64.b64encode(b"x" * 32).decode() + "!", "'k1' is not 32 bytes"),
    ],
)
def test_a_wrong_key_is_said_without_showing_it(text: str, says: str) -> None:
    """One sentence that counts or names the key."""
    with pytest.raises(SecretKeyError, match=says) as raised:
        KeyRing.parse(text)

    assert "mark" not in str(raised.value)


def test_an_id_that_stands_twice_is_refused() -> None:
    """Which of the two would read?"""
    with pytest.raises(SecretKeyError, match="twice"):
        KeyRing.parse(f"{new_secret_key('k1')},{new_secret_key('k1')}")


def test_keys_may_stand_on_lines_of_a_file() -> None:
    """As the file beside the embedded database has them, with a line break at its end."""
    text = f"{new_secret_key('b')}\n{new_secret_key('a')}\n"

    assert KeyRing.parse(text).current == "b"
