"""The sockets of `relay serve`, bound and not yet served. As processes: `tests/e2e`."""

import contextlib
import socket

import pytest

from relay.cli.failure import Failure
from relay.cli.listen import listen, url_of

CONNECTIONS = 40
"""That all of them go to one of two sockets happens once in a trillion runs."""


def accepted(listener: socket.socket) -> int:
    """How many connections wait there."""
    listener.setblocking(False)  # noqa: FBT003 (the name of the method says it)
    number = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            number += 1
    return number


def connect(listener: socket.socket) -> None:
    for _ in range(CONNECTIONS):
        socket.create_connection(listener.getsockname()[:2]).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_shared_port_gives_connections_to_those_that_listen(host: str) -> None:
    """Bound before the process can answer, a socket gets none of them; then its share."""
    with listen(host, 0, reuse_port=True) as first:
        first.listen()
        with listen(host, first.getsockname()[1], reuse_port=True) as second:
            connect(first)
            alone = accepted(first)
            second.listen()
            connect(first)
            shares = accepted(first), accepted(second)

    assert alone == CONNECTIONS
    assert sum(shares) == CONNECTIONS
    assert min(shares) > 0


@pytest.mark.parametrize("reuse_port", [False, True])
def test_a_port_that_is_not_shared_is_refused(*, reuse_port: bool) -> None:
    """By whoever has it alone, though the other would share."""
    with listen("127.0.0.1", 0, reuse_port=not reuse_port) as there:
        there.listen()
        port = there.getsockname()[1]

        with pytest.raises(Failure, match=f"cannot listen on 127.0.0.1:{port}: Address already"):
            listen("127.0.0.1", port, reuse_port=reuse_port)


@pytest.mark.parametrize("reuse_port", [False, True])
def test_a_port_that_nobody_serves_yet_refuses_connections(*, reuse_port: bool) -> None:
    """A client would wait in its queue for as long as the start takes."""
    with (
        listen("127.0.0.1", 0, reuse_port=reuse_port) as listener,
        pytest.raises(ConnectionRefusedError),
    ):
        socket.create_connection(listener.getsockname()[:2])


def test_a_url_is_one_that_can_be_dialled() -> None:
    """Of both families, with the port that was free."""
    with listen("127.0.0.1", 0) as four, listen("::1", 0) as six:
        assert url_of(four) == f"http://127.0.0.1:{four.getsockname()[1]}"
        assert url_of(six) == f"http://[::1]:{six.getsockname()[1]}"
