"""Refusals of who asks."""

from relay.errors.refusal import RelayError
from relay.kling.codes import Code


class Unauthorized(RelayError):
    """Nothing about the tenant may be told from the message: bad credentials look alike."""


class TenantDisabled(Unauthorized, code=Code.AUTH_FAILED):
    words = "Authentication failed"


class CredentialMissing(Unauthorized, code=Code.AUTH_EMPTY):
    words = "Authorization is empty"


class CredentialUnknown(Unauthorized, code=Code.AUTH_INVALID):
    """One answer for all of them, in Kling's words (docs/kling-api.md 5.6)."""

    words = "api key not found"


class SignatureInvalid(Unauthorized, code=Code.AUTH_INVALID):
    """One answer for all of them too: who forges learns not which access keys there are."""

    def __init__(self) -> None:
        super().__init__(
            "Authorization is invalid: access key not found, or the signature does not match"
        )


class CredentialNotYetValid(Unauthorized, code=Code.AUTH_NOT_YET_VALID):
    words = "Authorization is not yet valid"


class CredentialExpired(Unauthorized, code=Code.AUTH_EXPIRED):
    words = "Authorization has expired"


class AccessExpired(Unauthorized, code=Code.AUTH_EXPIRED):
    """Told to who has the credential alone."""

    def __init__(self, at: str) -> None:
        super().__init__(f"Authorization has expired: this key was valid until {at}")
