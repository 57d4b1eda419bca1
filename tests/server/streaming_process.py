"""`python -m tests.server.streaming_process DRAIN_S`: the streaming application, on two listeners.

Served as `relay serve` serves; prints both ports when it listens, and has one event to send.
"""

import json
import signal
import socket
import sys

from relay.server.run import Listener, run_server
from relay.settings import Settings
from tests.server.streaming import Told, streaming_app


def main(drain_s: float) -> None:
    # As `relay serve` does: uvicorn raises the signal once more when it has ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    told = Told(drain_s)
    told.to_send.put_nowait("first")
    app = streaming_app(told)
    with (
        socket.create_server(("127.0.0.1", 0)) as front,
        socket.create_server(("127.0.0.1", 0)) as office,
    ):
        ports = [listener.getsockname()[1] for listener in (front, office)]
        run_server(
            Listener(front, app, is_page=lambda _: True),
            Listener(office, app, is_page=lambda _: True),
            settings=Settings(drain_s=drain_s),
            stopping=told.stopping,
            on_started=lambda _: print(json.dumps(ports), flush=True),  # noqa: T201 (the test reads it)
        )


if __name__ == "__main__":
    main(float(sys.argv[1]))
