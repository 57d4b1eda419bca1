"""How codes are spelled: to be read out, typed and mistyped; and hashed."""

import secrets as entropy
from hashlib import sha256

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's, without the letters that are taken for digits or for each other."""
GROUPS, GROUP_CHARS = 5, 5
"""125 random bits: at a thousand million guesses a second, longer than there is time."""
CHARS_MIN = 16
"""Of codes that were made elsewhere: shorter ones could be guessed."""
CHARS_MAX = 200
HINT_CHARS = 4
_SAME = str.maketrans("OIL", "011")


def new_code() -> str:
    """Make a code, such as 7K3QM-0XVB2-N8RTA-5HC1D-W94EZ."""
    groups = ("".join(entropy.choice(ALPHABET) for _ in range(GROUP_CHARS)) for _ in range(GROUPS))
    return "-".join(groups)


def read_code(given: str) -> str:
    """Read a code as it was meant, in either case, with or without dashes and spaces.

    Codes of new-api, 32 hexadecimal digits, read as themselves.
    """
    return "".join(one for one in given.upper() if one.isascii() and one.isalnum()).translate(_SAME)


def is_code(given: str) -> bool:
    """Tell what can be a code from what can be none."""
    return len(given) <= CHARS_MAX and len(read_code(given)) >= CHARS_MIN


def hash_code(given: str) -> bytes:
    return sha256(read_code(given).encode()).digest()


def hint_of(given: str) -> str:
    """Keep of a code what tells it from others."""
    return read_code(given)[-HINT_CHARS:]
