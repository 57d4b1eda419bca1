"""What all tests of the transports share; each such test runs over both."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from relay.kling.http1_transport import Http1Transport
from relay.kling.httpx_transport import HttpxTransport
from relay.kling.transport import Transport
from tests.kling.transport_peer import Kind


@pytest.fixture(params=[Http1Transport, HttpxTransport])
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture
async def transport(kind: Kind) -> AsyncIterator[Transport]:
    async with aclosing(kind(reply_bytes_max=1000)) as made:
        yield made
