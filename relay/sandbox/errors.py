"""Kling's error table (docs/kling-api.md 8), and the exception that carries a row."""

HTTP_STATUS = {
    0: 200,
    1000: 401,
    1001: 401,
    1002: 401,
    1003: 401,
    1004: 401,
    1100: 429,
    1101: 429,
    1102: 429,
    1103: 403,
    1200: 400,
    1201: 400,
    1202: 404,
    1203: 404,
    1300: 400,
    1301: 400,
    1302: 429,
    1303: 429,
    1304: 429,
    5000: 500,
    5001: 503,
    5002: 504,
}

MESSAGES = {
    1000: "Authorization failed",
    1001: "Authorization is empty",
    1002: "Authorization is invalid",
    1003: "Authorization is not yet valid",
    1004: "Authorization has expired",
    1100: "account exception",
    1101: "account in arrears",
    1102: "Account balance not enough",
    1103: "no permission for the requested resource",
    1200: "invalid request parameters",
    1201: "invalid parameter value",
    1202: "the requested method is invalid",
    1203: "the requested resource does not exist",
    1300: "platform strategy triggered",
    1301: "content safety strategy triggered",
    1302: "request too fast, rate limit exceeded",
    1303: "parallel task over resource pack limit",
    1304: "ip whitelist strategy triggered",
    5000: "internal server error",
    5001: "server temporarily unavailable",
    5002: "server internal timeout",
}


class Refusal(Exception):
    """The request is answered with this row of the table; nothing was accepted."""

    def __init__(self, code: int, message: str | None = None) -> None:
        self.code = code
        self.message = message or MESSAGES[code]
        self.http_status = HTTP_STATUS[code]
        super().__init__(self.message)
