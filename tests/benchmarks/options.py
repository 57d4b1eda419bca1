"""The benchmark's options, and what they may be: all is refused before anything is started."""

import argparse
import math
import re
import tempfile
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

ROUNDS, SECONDS, POLLING_SECONDS = 3, 5.0, 10.0
QUICK_ROUNDS, QUICK_SECONDS, QUICK_POLLING_SECONDS = 1, 3.0, 6.0
SECONDS_MIN = 2.0
"""The shortest loads take half of this; wrk and pgbench take whole seconds, at least one."""
FULL_GROWTH = [10_000, 1_000_000, 10_000_000]
ROWS_MIN, ROWS_MAX = 1_000, 10_000_000
SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([km]?)", re.IGNORECASE)
TIMES = {"": 1, "k": 1_000, "m": 1_000_000}
DESCRIPTION = """
Measure the relay beside nginx, pgbench and LiteLLM (docs/speed.md): tables in markdown on
standard output, what is going on meanwhile on standard error. With two cores, --quick takes about
2.5 minutes, no options about 10, and --full about 25.
"""


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Of the command line; with an option that cannot be, exit with 2 and a sentence."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    short = options.quick
    options.rounds = options.rounds or (QUICK_ROUNDS if short else ROUNDS)
    options.seconds = options.seconds or (QUICK_SECONDS if short else SECONDS)
    options.polling_seconds = options.polling_seconds or (
        QUICK_POLLING_SECONDS if short else POLLING_SECONDS
    )
    if options.full:
        options.with_litellm = options.profile = True
        options.growth = options.growth or FULL_GROWTH
    return options


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=DESCRIPTION, allow_abbrev=False
    )
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help=f"{QUICK_ROUNDS} round of {QUICK_SECONDS:g} s a load, {QUICK_POLLING_SECONDS:g} s of"
        " polls at 1 Hz; what is given of these wins (default: no)",
    )
    add(
        "--full",
        action="store_true",
        help="--with-litellm, --profile, and growth with 10k,1M,10M rows (default: no)",
    )
    add("--rounds", type=whole, help=f"how many rounds of all contenders (default: {ROUNDS})")
    add("--seconds", type=seconds, help=f"of each load, at least 2 (default: {SECONDS:g})")
    add(
        "--polling-seconds",
        type=seconds,
        metavar="SECONDS",
        help=f"of the polls at 1 Hz, at least 2 (default: {POLLING_SECONDS:g})",
    )
    add("--with-litellm", action="store_true", help="install and measure LiteLLM (default: no)")
    add(
        "--litellm-home",
        type=Path,
        default=Path(tempfile.gettempdir()) / "kling-relay-litellm",
        metavar="FOLDER",
        help="where it is installed, and py-spy beside it (default: %(default)s)",
    )
    add("--profile", action="store_true", help="say where a submit's time goes (default: no)")
    add(
        "--growth",
        type=rows_of,
        default=[],
        metavar="SIZES",
        help="rows before (a) to (e), such as 10k,1M (default: no growth)",
    )
    add(
        "--growth-rounds",
        type=whole,
        default=2,
        metavar="ROUNDS",
        help="how many of each size (default: %(default)s)",
    )
    add(
        "--output",
        type=file_to_write,
        default="benchmark.json",
        metavar="FILE",
        help="every figure of every round, as JSON (default: %(default)s)",
    )
    add("--keep", action="store_true", help="keep logs, loads and databases (default: no)")
    return parser


def whole(text: str) -> int:
    """A count of one or more."""
    if not re.fullmatch(r"[1-9]\d{0,3}", text):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 9999")
    return int(text)


def seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not SECONDS_MIN <= found <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds from 2 to 3600")
    return found


def rows_of(text: str) -> list[int]:
    """`10k,1.5M` as numbers, each once, the fewest first."""
    found = set()
    for part in text.split(","):
        size = SIZE.fullmatch(part.strip())
        rows = Decimal(size[1]) * TIMES[size[2].lower()] if size else Decimal(0)
        if rows != int(rows) or not ROWS_MIN <= rows <= ROWS_MAX:
            raise argparse.ArgumentTypeError(
                f"{part!r} is no number of rows from 1k to 10M: sizes such as 10k,1M"
            )
        found.add(int(rows))
    if len(found) < 2:
        raise argparse.ArgumentTypeError("two different sizes at least, such as 10k,1M")
    return sorted(found)


def file_to_write(text: str) -> Path:
    path = Path(text).resolve()
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"the folder {path.parent} does not exist")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder")
    try:  # asking for permissions would not do: root has them on a read-only disk too
        if path.exists():
            path.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        reason = f"{path} cannot be written: {error.strerror}"
        raise argparse.ArgumentTypeError(reason) from error
    return path
