"""Options: what is refused, before anything is started, and in which words."""

import argparse
import sys
from pathlib import Path

import pytest

from tests.benchmarks.options import build_parser, read_options, rows_of


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--seconds", "0.5"), "0.5 is not a number of seconds from 2 to 3600"),
        (("--seconds", "0"), "from 2 to 3600"),
        (("--seconds", "nan"), "from 2 to 3600"),
        (("--seconds", "inf"), "from 2 to 3600"),
        (("--seconds", "soon"), "from 2 to 3600"),
        (("--polling-seconds", "1.9"), "from 2 to 3600"),
        (("--rounds", "0"), "0 is not a number from 1"),
        (("--rounds", "-1"), "from 1"),
        (("--growth-rounds", "0"), "from 1"),
        (("--growth", "10k"), "two different sizes at least, such as 10k,1M"),
        (("--growth", "10k,10000"), "two different sizes at least"),
        (("--growth", "999,1M"), "'999' is no number of rows from 1k to 10M: sizes such as"),
        (("--growth", "10k,11M"), "'11M' is no number of rows"),
        (("--growth", "10k,1G"), "sizes such as 10k,1M"),
        (("--growth", "10k,"), "sizes such as 10k,1M"),
        (("--growth", "1.00001k,1M"), "sizes such as 10k,1M"),
        (("--output", "/nowhere/at/all.json"), "the folder /nowhere/at does not exist"),
        (("--output", "/"), "/ is a folder"),
        pytest.param(
            ("--output", "/proc/all.json"),
            "/proc/all.json cannot be written: ",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc"),
        ),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_a_sentence(
    arguments: tuple[str, str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit code 2, and the option's name."""
    with pytest.raises(SystemExit) as refused:
        read_options(arguments)

    said = capsys.readouterr().err
    assert refused.value.code == 2
    assert f"argument {arguments[0]}: " in said
    assert sentence in said


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("10k,1M", [10_000, 1_000_000]),
        ("1.5m, 2.5K", [2_500, 1_500_000]),
        ("1000,10M,10k,1000", [1_000, 10_000, 10_000_000]),
    ],
)
def test_sizes_are_typed_short(typed: str, rows: list[int]) -> None:
    """Each once, and the fewest rows first."""
    assert rows_of(typed) == rows


def _lengths(*arguments: str) -> tuple[int, float, float]:
    options = read_options(arguments)
    return options.rounds, options.seconds, options.polling_seconds


def test_what_is_given_wins_over_quick() -> None:
    """`--quick` is one round of 3 s, but for what else is said."""
    assert _lengths() == (3, 5, 10)
    assert _lengths("--quick") == (1, 3, 6)
    assert _lengths("--quick", "--rounds", "2", "--seconds", "4") == (2, 4, 6)
    assert _lengths("--polling-seconds", "8", "--quick") == (1, 3, 8)


def test_full_is_everything_with_the_sizes_that_are_given() -> None:
    """LiteLLM, the profile, and three sizes up to ten million rows."""
    options = read_options(["--full"])

    assert options.with_litellm
    assert options.profile
    assert options.growth == [10_000, 1_000_000, 10_000_000]
    assert read_options(["--full", "--growth", "1k,2k"]).growth == [1_000, 2_000]


def test_the_output_is_where_we_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever folder the run is in at its end."""
    monkeypatch.chdir(tmp_path)

    assert read_options([]).output == tmp_path.resolve() / "benchmark.json"


def test_every_option_is_explained_with_its_default() -> None:
    """And how long it takes: nobody should have to read the source."""
    parser = build_parser()

    text = parser.format_help()

    for option in parser._actions:  # noqa: SLF001 - argparse shows its options nowhere else
        assert option.help, option
        is_told = "default: " in option.help or option.default == argparse.SUPPRESS
        assert is_told, option.option_strings
    assert "2.5 minutes" in text
    assert "about 25" in text


def test_asking_whether_the_output_can_be_written_leaves_what_is_there(tmp_path: Path) -> None:
    """An earlier run's figures, until there are others; and no empty file if there are none."""
    path = tmp_path / "figures.json"
    path.write_text("{}")

    read_options(["--output", str(path)])
    read_options(["--output", str(tmp_path / "other.json")])

    assert path.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [path]
