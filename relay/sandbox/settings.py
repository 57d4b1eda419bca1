"""What a sandbox is told: its accounts, its speed, its limits."""

from pathlib import Path
from typing import Self

import msgspec


class Account(msgspec.Struct, frozen=True):
    """One Kling account: both kinds of credential reach the same tasks.

    With a `webhook_secret` (`whsec_` and base64) its callbacks are signed by Standard Webhooks.
    """

    access_key: str
    secret_key: str
    api_key: str
    webhook_secret: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `AK|SK|API_KEY`, or `AK|SK|API_KEY|WEBHOOK_SECRET`.

        Raises:
            ValueError: a part is missing or empty. The text itself is not repeated: it is secret.
        """
        parts = [part.strip() for part in text.split("|")]
        if len(parts) not in {3, 4} or not all(parts):
            message = (
                "An account is written 'ACCESS_KEY|SECRET_KEY|API_KEY' (and '|WEBHOOK_SECRET' "
                f"where callbacks are signed); here are {len(parts)} parts, or one is empty."
            )
            raise ValueError(message)
        return cls(*parts)


DEFAULT_ACCOUNT = Account(
    access_key="sandbox-access-key",
    secret_key="sandbox-secret-key-not-for-production",  # noqa: S106  # documented, opens nothing
    api_key="api-key-kling-sandbox-not-for-production",
)
"""The account of a sandbox that was given none. Public: it protects nothing."""


class SandboxSettings(msgspec.Struct, frozen=True):
    """`task_seconds` is from acceptance to end; `concurrency` counts running tasks per account.

    `video_units` is what each account's video pack holds; creates that it pays for are refused
    (1102) once it is used up. None is a million, and refuses nothing.

    `public_url` is the base of result URLs; None takes scheme and Host of the create request.
    `log_path` gets one JSON line per ledger entry, appended.
    """

    accounts: tuple[Account, ...] = (DEFAULT_ACCOUNT,)
    task_seconds: float = 2.0
    concurrency: int = 20
    video_units: int | None = None
    log_path: Path | None = None
    public_url: str | None = None

    def __post_init__(self) -> None:
        """Refuse two accounts that share a key: nobody could say whose task it is."""
        for name in ("access_key", "api_key"):
            if len({getattr(account, name) for account in self.accounts}) < len(self.accounts):
                message = f"Two accounts of the sandbox have the same {name}."
                raise ValueError(message)
