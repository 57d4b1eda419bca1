"""No test patches or mocks."""

import pytest

from tests.conventions.names import TESTS, find_in
from tests.conventions.patches import patches_in


def test_no_test_patches_or_mocks() -> None:
    """Time is an argument and Kling a transport; constants are arguments of constructors."""
    assert find_in(TESTS, patches_in) == {}


def test_there_are_tests_to_check() -> None:
    """They are where this looks for them."""
    assert len(TESTS) > 200


@pytest.mark.parametrize(
    "source",
    [
        "import unittest.mock",
        "import unittest.mock as m",
        "from unittest import mock",
        "from unittest import mock as m",
        "from unittest.mock import AsyncMock as Fake",
        "import unittest\nunittest.mock.patch('relay.money.MICROS', 1)",
        "import mock",
        "from mock import patch",
        "import importlib\nm = importlib.import_module('unittest.mock')",
        "from importlib import import_module as load\nload('freezegun')",
        "m = __import__('mock')",
        "import pytest\nrespx = pytest.importorskip('respx')",
        "pytest_plugins = ('x',)\nimport pytest_mock",
        "def test(mocker): ...",
        "import pytest\n@pytest.mark.usefixtures('freezer')\ndef test(): ...",
        "def test(request): request.getfixturevalue('mocker')",
        "from freezegun import freeze_time",
        "import time_machine",
        "import responses",
        (
            "from relay.kling import transport\ndef test(monkeypatch):\n"
            "    monkeypatch.setattr(transport, 'JOIN_BYTES_MAX', 1)"
        ),
        "def test(monkeypatch): monkeypatch.setattr('relay.kling.transport.JOIN_BYTES_MAX', 1)",
        "import pytest\nwith pytest.MonkeyPatch.context() as p: p.setattr('time.time', None)",
        "import time\ndef test(monkeypatch): monkeypatch.delattr(time, 'time')",
        "def test(monkeypatch, relay): monkeypatch.setattr(relay.parts, 'keys', None)",
        "import asyncio\ndef test(mp): mp.setattr(asyncio, 'sleep', None)",
        "import relay.cli\ndef test(mp): mp.setitem(relay.cli.COMMANDS, 'serve', None)",
        "import sys\ndef test(mp): mp.setitem(sys.modules, 'relay.money', None)",
        "import sys\ndef test(mp): mp.delitem(sys.modules, 'relay.money')",
        "import builtins\nbuiltins.open = None",
        "import random\nrandom.random = lambda: 4",
        "from relay.server import exchange\nexchange.DRAINED_S = 0.2",
        "from relay.server import exchange\nexchange.DRAINED_S += 1",
        "from relay.server import exchange\ndel exchange.DRAINED_S",
        "import relay.server.exchange\nrelay.server.exchange.DRAINED_S: float = 0.2",
        "from relay.server import exchange\nfor exchange.DRAINED_S in (1, 2): ...",
        "from relay.server import exchange\nsetattr(exchange, 'DRAINED_S', 0.2)",
        "from relay import cli\ndef f():\n    cli.COMMANDS['serve'] = None",
        "from relay.server.exchange import Exchange\nExchange.send = None",
    ],
)
def test_a_patch_or_a_mock_is_found(source: str) -> None:
    """In every spelling."""
    assert list(patches_in(source))


@pytest.mark.parametrize(
    "source",
    [
        "def test(monkeypatch): monkeypatch.setenv('RELAY_PORT', '1'); monkeypatch.delenv('X')",
        "def test(monkeypatch, tmp_path): monkeypatch.chdir(tmp_path)",
        "import sys\ndef test(monkeypatch): monkeypatch.setattr(sys, 'argv', ['relay'])",
        "import os\ndef test(monkeypatch): monkeypatch.setitem(os.environ, 'X', '1')",
        "class A: ...\nA.x = 1\na = A()\na.y = 2\na.z['b'] = 3",
        "from tests.server.peer import Served\nServed.as_pages = True",
        "import importlib\nimportlib.import_module('relay.money')",
    ],
)
def test_what_a_process_is_started_with_is_no_patch(source: str) -> None:
    """Nor are objects of the test's own."""
    assert list(patches_in(source)) == []
