"""Replies as servers send them, and as broken ones might, drawn from a seed."""

import random
from dataclasses import dataclass

STATUSES = (200, 200, 200, 201, 202, 204, 301, 304, 400, 401, 413, 429, 500, 503, 599, 999)
EXTRA = (
    (b"Server", b"nginx"),
    (b"X-Empty", b""),
    (b"X-Latin", b"caf\xe9"),
    (b"X-Utf8", "caf\u00e9".encode()),
    (b"Set-Cookie", b"a=1; Path=/"),
    (b"Connection", b"close"),
    (b"Connection", b"keep-alive"),
    (b"Connection", b"Keep-Alive, X-Other"),
    (b"Content-Encoding", b"gzip"),
    (b"Upgrade", b"h2c"),
    (b"X-Long", b"y" * 3000),
)
TYPES = (b"application/json", b"text/html; charset=utf-8", b"caf\xe9", b"", b"a/b ,c/d\t")
EARLY = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\nX-A: b\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Type: not/this\r\n\r\n",
)


@dataclass(frozen=True)
class RawReply:
    pieces: tuple[bytes, ...]
    """Written one by one, with a pause between."""
    is_closed: bool
    """Whether the peer closes afterwards; else it waits for the next request."""


def draw_reply(seed: int) -> RawReply:
    """Draw one reply; about a third of them is broken in some way."""
    dice = random.Random(seed)
    raw, must_close = _draw_message(dice)
    if dice.random() < 0.15:
        raw = dice.choice(EARLY) * dice.randint(1, 2) + raw
    if dice.random() < 0.3:
        raw, must_close = _break(dice, raw), True
    cuts = sorted(dice.randrange(len(raw) + 1) for _ in range(dice.choice((0, 0, 1, 3))))
    starts, ends = [0, *cuts], [*cuts, len(raw)]
    pieces = tuple(raw[start:end] for start, end in zip(starts, ends, strict=True))
    return RawReply(pieces, must_close or dice.random() < 0.3)


def _draw_message(dice: random.Random) -> tuple[bytes, bool]:
    status = dice.choice(STATUSES)
    version = b"1.0" if dice.random() < 0.1 else b"1.1"
    reason = dice.choice((b" OK", b" Too Many Requests", b" ", b"", b" caf\xe9"))
    body = dice.randbytes(dice.choice((0, 1, 2, 30, 200, 999)))
    headers = dice.sample(EXTRA, k=dice.randint(0, 3))
    headers += [(b"Content-Type", dice.choice(TYPES)) for _ in range(dice.choice((0, 1, 1, 2)))]
    headers += [
        (b"Retry-After", value) for value in dice.sample((b"7", b" 30 "), k=dice.randint(0, 2))
    ]
    framing = dice.choice(("length", "length", "chunked", "chunked", "close"))
    if status in {204, 304} and framing != "length":
        body = b""
    payload = body
    if framing == "length":
        headers.append((b"Content-Length", str(len(body)).encode()))
        payload = b"" if status in {204, 304} else body
    elif framing == "chunked" and status not in {204, 304}:
        headers.append(
            (b"Transfer-Encoding", dice.choice((b"chunked", b"Chunked", b"gzip, chunked")))
        )
        payload = _cut_into_chunks(dice, body)
    dice.shuffle(headers)
    lines = [b"HTTP/" + version + b" " + str(status).encode() + reason]
    lines += [_spell(dice, name, value) for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + payload, framing == "close"


def _spell(dice: random.Random, name: bytes, value: bytes) -> bytes:
    name = dice.choice((name, name, name.lower(), name.upper()))
    if (
        dice.random() < 0.05
        and value
        and name.lower() not in {b"content-length", b"transfer-encoding"}
    ):
        middle = len(value) // 2
        value = value[:middle] + b"\r\n " + value[middle:]
    return name + dice.choice((b": ", b": ", b":", b":\t ")) + value


def _cut_into_chunks(dice: random.Random, body: bytes) -> bytes:
    chunks = b""
    while body:
        size = dice.randint(1, len(body))
        extension = dice.choice((b"", b"", b"", b";a=b", b';a="c d"'))
        spelt = dice.choice((b"%x", b"%X", b"0%x")) % size
        chunks += spelt + extension + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    return (
        chunks
        + b"0\r\n"
        + dice.choice((b"", b"", b"X-Trailer: 1\r\nContent-Type: no/t\r\n"))
        + b"\r\n"
    )


def _break(dice: random.Random, raw: bytes) -> bytes:
    place = dice.randrange(len(raw))
    before, byte, after = raw[:place], raw[place], raw[place + 1 :]
    stray = dice.choice((b"\x00", b"\r", b"\n", b"\r\n\r\n", b" "))
    broken = {
        "cut": before,
        "bit": before + bytes([byte ^ (1 << dice.randrange(8))]) + after,
        "more": raw + dice.randbytes(5),
        "twice": raw + raw,
        "newlines": raw.replace(b"\r\n", b"\n"),
        "stray": before + stray + raw[place:],
        "garbage": dice.randbytes(dice.randint(1, 60)),
    }
    return dice.choice((broken["cut"], *broken.values()))
