"""A second factor: six digits that an app on a phone makes anew each 30 seconds (RFC 6238)."""

import hmac
from datetime import datetime

import pyotp
from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from relay.database.sealed import SealedColumn
from relay.operators.tables import Operator

ISSUER = "Kling Relay"
STEPS_BESIDE = 1
"""Codes of the step before and after are taken too: phones' clocks differ, and people type."""


def new_second_factor() -> str:
    """Draw a secret of 160 bits, in base32 as apps take it."""
    return pyotp.random_base32()


def otpauth_uri(secret: str, *, name: str) -> str:
    """Spell it as apps read it off a QR code; whoever sees it has the secret."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def step_of(secret: str, code: str, at: datetime) -> int | None:
    """Tell which step of 30 seconds a code is of; None of none near `at`. Spaces are skipped."""
    app = pyotp.TOTP(secret)
    given = "".join(code.split()).encode(errors="surrogatepass")
    now = app.timecode(at)
    for step in range(now - STEPS_BESIDE, now + STEPS_BESIDE + 1):
        if hmac.compare_digest(app.generate_otp(step).encode(), given):
            return step
    return None


async def use_step(session: AsyncSession, operator_id: int, step: int) -> bool:
    """Use up an operator's codes up to this step; False if it was used up before."""
    used = await session.scalars(
        update(Operator)
        .where(
            Operator.id == operator_id,
            or_(Operator.totp_step.is_(None), Operator.totp_step < step),
        )
        .values(totp_step=step)
        .returning(Operator.id)
        .execution_options(synchronize_session=False)
    )
    return used.one_or_none() is not None


def secret_context(operator_id: int) -> str:
    return f"operators/{operator_id}/totp"


SEALED = (SealedColumn(Operator, "totp_sealed", secret_context),)
