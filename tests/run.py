"""What makes a run short: how many tests go at once, which come first, what none does again."""

import gc
import multiprocessing
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.assertion import rewrite
from cryptography import x509

from tests.kling.certificates import self_signed

ROOT = Path(__file__).parents[1]
FIRST = (
    "tests/benchmarks/test_plans.py",
    "tests/e2e/",
    "tests/month/",
    "tests/console/test_browser.py",
    "tests/portal/test_browser.py",
    "tests/console/test_day.py",
    "tests/portal/test_day.py",
    "tests/desk/test_locks.py",
    "tests/desk/test_changes.py",
    "tests/deploy/",
    "tests/backups/",
    "tests/admin/test_document.py",
    "tests/test_private_parts.py",
    "tests/cli/test_processes.py",
    "tests/cli/test_import_new_api.py",
    "tests/portal/test_isolation.py",
    "tests/logins/test_log_in.py",
    "tests/cli/test_backup.py",
    "tests/portal/test_examples.py",
    "tests/server/test_as_uvicorn.py",
    "tests/conventions/",
    "tests/console/test_roles.py",
    "tests/desk/test_roles.py",
    "tests/html/test_pressed_twice.py",
    "tests/portal/test_flood.py",
    "tests/tasks/test_plans_made_early.py",
)
"""Files of minutes in few tests. Begun last, one of them would have a core for itself."""


def workers() -> int:
    """Two for each core: while one waits for a process or a clock, another has its core."""
    return 2 * (os.cpu_count() or 1)


def longest_first(items: list[pytest.Item]) -> None:
    """Begin with the slow files, and go on with those of many tests; each stays in its order."""
    sizes = Counter(_file_of(item) for item in items)
    ranks = {file: (_rank(file), -size) for file, size in sizes.items()}
    items.sort(key=lambda item: ranks[_file_of(item)])


def _file_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _rank(file: str) -> int:
    return next((at for at, start in enumerate(FIRST) if file.startswith(start)), len(FIRST))


def set_up_processes(config: pytest.Config, kept: Path) -> Callable[[], None]:
    """Spare the workers, and the commands that tests start, what takes most of a start.

    Returns what cleans up. An environment may forbid to keep compiled code. It is kept in `kept`
    then, from run to run, or each of the workers and of a hundred commands would compile all of it:
    29 s of a core where 9 are enough. And they trust one certificate of nobody's: to read a
    machine's takes 20 ms, for each relay.
    """
    top = tempfile.TemporaryDirectory(prefix="kling-relay-run-")
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        os.environ["PYTHONPYCACHEPREFIX"] = str(kept)
        if not any(kept.iterdir()):
            _compile()
            _rewrite_asserts(config, kept)
    trusted = Path(top.name, "trusted.pem")
    self_signed(trusted, x509.DNSName("nobody.invalid"))
    os.environ["SSL_CERT_FILE"] = str(trusted)

    def clean_up() -> None:
        top.cleanup()
        # What tests installed somewhere for a moment has a path of its own in each run.
        passing = Path(tempfile.gettempdir()).relative_to("/")
        shutil.rmtree(kept / passing, ignore_errors=True)

    return clean_up


def _compile() -> None:
    """Compile ourselves and all libraries, by all cores, before several workers do so each."""
    places = [*(ROOT / name for name in ("relay", "tests")), sysconfig.get_path("purelib")]
    command = [sys.executable, "-m", "compileall", "-q", "-j", "0", *map(str, places)]
    # What some library ships that is no Python of this version is none of ours.
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _rewrite_asserts(config: pytest.Config, kept: Path) -> None:
    """Have pytest compile the tests as it runs them, by all cores: each worker would do all of it.

    That takes 10 s of a core, as long as all else of collecting them.
    """
    tests = ROOT / "tests"
    files = sorted([*tests.rglob("test_*.py"), *tests.rglob("conftest.py")])

    def rewrite_some(some: list[Path]) -> None:
        for file in some:
            digest, code = rewrite._rewrite_test(file, config)  # noqa: SLF001 (there is no other way)
            directory = kept.joinpath(*file.parts[1:-1])  # where pytest looks, by this prefix
            directory.mkdir(parents=True, exist_ok=True)
            compiled = directory / f"{file.stem}{rewrite.PYC_TAIL}"
            rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, digest, compiled)  # noqa: SLF001

    cores = os.cpu_count() or 1
    forking = multiprocessing.get_context("fork")
    running = [
        forking.Process(target=rewrite_some, args=(files[at::cores],)) for at in range(cores)
    ]
    for one in running:
        one.start()
    for one in running:
        one.join()


def spare_the_collector() -> None:
    """Leave out of all later collections what collecting the tests has made: it stays anyway."""
    gc.collect()
    gc.freeze()
