"""The command in this process, on a database of the test's own."""

from collections.abc import Iterator

import pytest

from relay.secrets import new_secret_key
from tests.cli.command import Command
from tests.sandbox.conftest import serve_sandbox


@pytest.fixture
def relay(database_url: str) -> Command:
    """Runs `relay ARGS…` on a fresh migrated database."""
    return Command({"RELAY_DATABASE_URL": database_url, "RELAY_SECRET_KEY": new_secret_key()})


@pytest.fixture
def sandbox_url() -> Iterator[str]:
    """A Kling on a real socket, with its default account."""
    with serve_sandbox() as url:
        yield url
