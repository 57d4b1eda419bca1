"""What the sandbox did, as it happened: the truth that tests compare the relay's books with."""

import hashlib
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import msgspec

REQUESTS_MAX = 1_000
BODY_TEXT_MAX = 64 * 1024


def now_ms() -> int:
    """Read the clock as Kling writes it: unix milliseconds."""
    return time.time_ns() // 1_000_000


class Ledger:
    """Entries in the order they happened, each with `event` and `at_ms`.

    accepted: account (its access key), endpoint, task_id, external_task_id, units (what a success
    will deduct, null for none). ended: task_id, status, units (null if nothing was deducted).
    answered: account, endpoint, units (null as before), for each paid synchronous call.
    callback: task_id, status, host, attempt, http_status (null if no answer came), one for each
    attempt. With a path every entry is appended there as one JSON line before the call returns.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[dict[str, object]] = []
        self._path = path

    def add(self, event: str, **fields: object) -> None:
        """Append one entry, to memory and file."""
        entry = {"event": event, "at_ms": now_ms(), **fields}
        self.entries.append(entry)
        if self._path is not None:
            # Opened each time: nothing to close when a server is killed, nothing left in a buffer.
            with self._path.open("ab") as file:
                file.write(msgspec.json.encode(entry) + b"\n")

    def of(self, event: str) -> list[dict[str, object]]:
        """List the entries of one kind."""
        return [entry for entry in self.entries if entry["event"] == event]

    def clear(self) -> None:
        """Forget every entry; the file is emptied too."""
        self.entries.clear()
        if self._path is not None:
            self._path.write_bytes(b"")


class Requests:
    """The last thousand requests as they arrived, for comparing bytes. Bodies are cut at 64 KB."""

    def __init__(self) -> None:
        self.entries: deque[dict[str, object]] = deque(maxlen=REQUESTS_MAX)

    def add(
        self,
        *,
        method: str,
        path: str,
        query: str,
        headers: Iterable[tuple[bytes, bytes]],
        body: bytes,
    ) -> None:
        """Keep one request; header order and case are the server's, Authorization's value is not.

        `body` is text with U+FFFD for broken UTF-8; sha256 and length are of all of it.
        """
        self.entries.append(
            {
                "at_ms": now_ms(),
                "method": method,
                "path": path,
                "query": query,
                "headers": [
                    [name, "…" if name.lower() == "authorization" else value]
                    for name, value in (
                        (name.decode("latin-1"), value.decode("latin-1")) for name, value in headers
                    )
                ],
                "body": body[:BODY_TEXT_MAX].decode(errors="replace"),
                "body_sha256": hashlib.sha256(body).hexdigest(),
                "body_bytes": len(body),
            }
        )
