"""Kling's error codes; what they allow to conclude is decided by code, never by HTTP status.

Source: docs/kling-api.md 8: 22 rows, the same in three copies of the vendor's documentation.
"""

from enum import IntEnum


class Code(IntEnum):
    """A code; Kling's meaning stands under it."""

    OK = 0
    """Ok."""
    AUTH_FAILED = 1000
    """Auth failed."""
    AUTH_EMPTY = 1001
    """Authorization empty."""
    AUTH_INVALID = 1002
    """Authorization invalid."""
    AUTH_NOT_YET_VALID = 1003
    """Token not yet valid (nbf)."""
    AUTH_EXPIRED = 1004
    """Token expired (exp)."""
    ACCOUNT_ABNORMAL = 1100
    """Account abnormal."""
    ACCOUNT_IN_ARREARS = 1101
    """Account in arrears (postpaid)."""
    RESOURCE_PACK_USED_UP = 1102
    """Resource pack used up/expired (prepaid)."""
    NO_PERMISSION = 1103
    """No permission for the API/model."""
    INVALID_REQUEST = 1200
    """Invalid request parameters."""
    INVALID_PARAMETER = 1201
    """Invalid parameter key/value (see message)."""
    INVALID_METHOD = 1202
    """Invalid method."""
    NO_SUCH_RESOURCE = 1203
    """Resource (e.g. model) does not exist."""
    PLATFORM_POLICY = 1300
    """Platform policy."""
    CONTENT_POLICY = 1301
    """Content safety policy."""
    RATE_LIMITED = 1302
    """Too fast, rate limit."""
    CONCURRENCY_LIMITED = 1303
    """Concurrency/QPS over resource pack."""
    IP_NOT_ALLOWED = 1304
    """IP allow-list policy."""
    INTERNAL_ERROR = 5000
    """Internal error."""
    UNAVAILABLE = 5001
    """Unavailable (maintenance)."""
    INTERNAL_TIMEOUT = 5002
    """Internal timeout (backlog)."""

    @property
    def http_status(self) -> int:
        """Look up the status Kling answers with; 429 also stands for an empty account."""
        return _HTTP_STATUSES[self]


_HTTP_STATUSES = {
    Code.OK: 200,
    Code.AUTH_FAILED: 401,
    Code.AUTH_EMPTY: 401,
    Code.AUTH_INVALID: 401,
    Code.AUTH_NOT_YET_VALID: 401,
    Code.AUTH_EXPIRED: 401,
    Code.ACCOUNT_ABNORMAL: 429,
    Code.ACCOUNT_IN_ARREARS: 429,
    Code.RESOURCE_PACK_USED_UP: 429,
    Code.NO_PERMISSION: 403,
    Code.INVALID_REQUEST: 400,
    Code.INVALID_PARAMETER: 400,
    Code.INVALID_METHOD: 404,
    Code.NO_SUCH_RESOURCE: 404,
    Code.PLATFORM_POLICY: 400,
    Code.CONTENT_POLICY: 400,
    Code.RATE_LIMITED: 429,
    Code.CONCURRENCY_LIMITED: 429,
    Code.IP_NOT_ALLOWED: 429,
    Code.INTERNAL_ERROR: 500,
    Code.UNAVAILABLE: 503,
    Code.INTERNAL_TIMEOUT: 504,
}


RESIGN = frozenset({Code.AUTH_NOT_YET_VALID, Code.AUTH_EXPIRED})
"""A bearer of ours came too early or too late: sign a fresh one and try the same channel once."""

RESELLERS_BUSINESS = frozenset(
    {
        Code.AUTH_FAILED,
        Code.AUTH_EMPTY,
        Code.AUTH_INVALID,
        Code.AUTH_NOT_YET_VALID,
        Code.AUTH_EXPIRED,
        Code.ACCOUNT_ABNORMAL,
        Code.ACCOUNT_IN_ARREARS,
        Code.RESOURCE_PACK_USED_UP,
        Code.NO_PERMISSION,
        Code.IP_NOT_ALLOWED,
    }
)
"""About the channel's account, which is not the tenant's: the tenant sees 503/5001 (promise T3)."""

ABOUT_THE_ACCOUNT = RESELLERS_BUSINESS | {Code.RATE_LIMITED, Code.CONCURRENCY_LIMITED}
"""No task exists and another channel may take the same request."""

NOT_FOUND = frozenset({Code.INVALID_PARAMETER, Code.NO_SUCH_RESOURCE})
"""With one of these Kling says that it has no such task; its words must say so too."""

TROUBLE_MIN = Code.INTERNAL_ERROR
"""From this one on Kling itself failed, whatever the HTTP status: a task may exist."""


_WORDS = {code.value: str(code.value) for code in Code}


def code_word(code: int) -> str:
    """Spell a code for the counts: whoever answers in Kling's place may invent any number."""
    return _WORDS.get(code, "other")


def http_status(code: int) -> int:
    """Look up the HTTP status that Kling sends with `code`; ValueError if it has no such code."""
    return Code(code).http_status
