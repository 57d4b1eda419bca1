"""Passwords and codes: what is right, what is refused, and that nobody's takes as long."""

from datetime import UTC, datetime

import pyotp
import pytest

from relay.logins.passwords import HASHER, NOBODYS, hash_password, is_password
from relay.logins.second_factor import new_second_factor, otpauth_uri, step_of

AT = datetime(2026, 11, 27, 12, 0, 10, tzinfo=UTC)


def test_a_password_is_known_by_its_hash_however_a_keyboard_composes_it() -> None:
    """Two hashes of one differ; nobody's has none, is of the same cost, and long ones are no."""
    kept = hash_password("Zoë 的密码 2026 ")

    assert kept.startswith("$argon2id$")
    assert "2026" not in kept
    assert is_password(kept, "Zoe\u0308 的密码 2026")
    for wrong in ("Zoe 的密码 2026", "\ud800", "x" * 100_000):
        assert not is_password(kept, wrong)
    assert not is_password(None, "")
    assert not HASHER.check_needs_rehash(NOBODYS)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        (" nine char ", "a password has at least 10 characters"),
        ("密码" * 4, "a password has at least 10 characters"),
        ("密" * 342, "a password has at most 1024 bytes"),
    ],
)
def test_a_password_that_is_too_short_or_too_long_is_refused(password: str, said: str) -> None:
    """With a sentence, which does not repeat it."""
    with pytest.raises(ValueError, match=said):
        hash_password(password)


def test_a_code_is_of_its_step_and_of_those_beside_it() -> None:
    """Half a minute early and late; with a space as apps show it, and nothing else."""
    secret = new_second_factor()
    app = pyotp.TOTP(secret)
    now = app.timecode(AT)

    for beside in (-1, 0, 1):
        code = app.generate_otp(now + beside)
        assert step_of(secret, f" {code[:3]} {code[3:]} ", AT) == now + beside
    for wrong in (app.generate_otp(now - 2), app.generate_otp(now + 2), "", "12345", "١٢٣٤٥٦"):
        assert step_of(secret, wrong, AT) is None
    assert len(secret) == 32
    assert otpauth_uri(secret, name="ann li") == (
        f"otpauth://totp/Kling%20Relay:ann%20li?secret={secret}&issuer=Kling%20Relay"
    )
