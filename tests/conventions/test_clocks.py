"""Nothing is timed from import."""

import ast

import pytest

from tests.conventions.clocks import Modules, clocks_read_at_import
from tests.conventions.names import TESTS, TOP


def test_nothing_is_timed_from_import() -> None:
    """What is made at collection may be minutes old when its test runs."""
    modules = Modules.of_files(TOP, [*TESTS, *(TOP / "relay").rglob("*.py")])

    assert list(clocks_read_at_import(modules, within="tests")) == []


SIGN = "import time\ndef sign(): return stamp()\ndef stamp(): return time.time()\n"


@pytest.mark.parametrize(
    "source",
    [
        "import time\nNOW_S = time.time()",
        "from time import monotonic as now\nBEGAN = now()",
        "from datetime import UTC, datetime\nNOW = datetime.now(UTC)",
        "import datetime as dt\nTODAY = dt.date.today()",
        "import time\ndef f(now_s=time.time()): ...",
        "import time\nclass A:\n    now_s = time.time()",
        "import pytest, time\n@pytest.mark.parametrize('x', [time.time()])\ndef test(x): ...",
        "import time\nCASES = [time.time() for _ in range(3)]",
        (
            "import pytest\nfrom tests.client import sign\n"
            "@pytest.mark.parametrize('x', [f'Bearer {sign()}'])\ndef test(x): ..."
        ),
        "from tests import client\nTOKEN = client.sign()",
        "import tests.client\nTOKEN = tests.client.sign()",
        SIGN + "TOKEN = sign()",
        SIGN + "class Token:\n    def __init__(self): self.text = sign()\nTOKEN = Token()",
        "import time\nif True:\n    NOW_S = time.time()",
    ],
)
def test_a_clock_that_is_read_at_import_is_found(source: str) -> None:
    """By a decorator, a default, a class body; also behind functions of other modules."""
    modules = Modules({"tests.client": ast.parse(SIGN), "tests.test_made": ast.parse(source)})

    assert list(clocks_read_at_import(modules, within="tests.test_made"))


@pytest.mark.parametrize(
    "source",
    [
        "import time\ndef f(): return time.time()",
        "import time\nCLOCK = time.monotonic",
        "import time\nCASES = [lambda: time.time()]",
        "import time\nif __name__ == '__main__':\n    print(time.time())",
        (
            "import pytest\nfrom tests.client import sign\n"
            "@pytest.mark.parametrize('how', [sign])\ndef test(how): how()"
        ),
    ],
)
def test_a_clock_that_a_test_will_read_is_none_of_it(source: str) -> None:
    """It is read when the test runs."""
    modules = Modules({"tests.client": ast.parse(SIGN), "tests.test_made": ast.parse(source)})

    assert list(clocks_read_at_import(modules, within="tests.test_made")) == []
