"""No test sleeps, or has a limit of its own, but the one module that all of them wait by."""

import pytest

from tests.conventions.names import TESTS, TOP, find_in
from tests.conventions.waits import limits_in, sleeps_in

WAITING = TOP / "tests" / "waiting.py"
OTHERS = [file for file in TESTS if file != WAITING]


def test_no_test_sleeps() -> None:
    """It waits for a state, or says why time must pass: `tests/waiting.py` has both."""
    assert find_in(OTHERS, sleeps_in) == {}


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio\nasyncio.sleep(0.1)",
        "import asyncio as a\na.sleep(1)",
        "from asyncio import sleep\nsleep(0.1)",
        "from time import sleep as nap\nnap(0.1)",
        "import time\ntime.sleep(0)",
        "import asyncio\nPAUSE_S = 0\nasyncio.sleep(PAUSE_S)",
        "import asyncio, time\nasyncio.to_thread(time.sleep, 1)",
        "import anyio\nanyio.sleep(1)",
    ],
)
def test_a_sleep_is_found(source: str) -> None:
    """By whatever name."""
    assert list(sleeps_in(source))


def test_a_turn_of_the_loop_is_no_sleep() -> None:
    """It takes no time."""
    assert list(sleeps_in("import asyncio\nasyncio.sleep(0)")) == []


def test_no_test_has_a_limit_of_its_own() -> None:
    """PATIENCE_S is for all that must come; a limit that a proof needs has a name."""
    assert find_in(OTHERS, limits_in) == {}


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio\nasyncio.timeout(5)",
        "import asyncio\nasyncio.wait_for(f(), 20)",
        "import asyncio\nasyncio.wait_for(f(), timeout=20.0)",
        "from asyncio import timeout\ntimeout(1)",
        "import subprocess\nsubprocess.run(['relay'], timeout=30)",
        "process.communicate(timeout=10)",
        "import httpx\nhttpx.AsyncClient(timeout=30)",
        "import httpx\nhttpx.AsyncClient()",
        "import httpx\nhttpx.post('http://127.0.0.1', json={})",
    ],
)
def test_a_limit_is_found(source: str) -> None:
    """Of whatever waits."""
    assert list(limits_in(source))


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio\nfrom tests.waiting import PATIENCE_S\nasyncio.timeout(PATIENCE_S)",
        "import asyncio\nasyncio.wait_for(f(), 0.2)",
        "import httpx\nhttpx.AsyncClient(transport=httpx.ASGITransport(app))",
    ],
)
def test_a_proof_that_nothing_comes_may_be_short(source: str) -> None:
    """As may one in process, where httpx has no clock."""
    assert list(limits_in(source)) == []
