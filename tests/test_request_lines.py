"""A request's line goes past structlog's processors, and nobody who reads the log can tell."""

import asyncio
import io
import json
import re
import subprocess
import sys
from typing import Any

import pytest
import structlog

from relay import logs
from relay.logs import RequestLine, configure_logs, log_request
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.usefixtures("stream")  # everything is put back
SPELT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


class Counted(io.StringIO):
    """A stream that counts its writes, and may fail the first ones."""

    def __init__(self, *, fails: int = 0, is_terminal: bool = False) -> None:
        super().__init__()
        self.times = 0
        self._fails = fails
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        self.times += 1
        if self.times <= self._fails:
            raise OSError("no space left")
        return super().write(text)


def line_of(route: str = "text2video.query") -> RequestLine:
    return RequestLine(
        request_id="r-1",
        method="GET",
        client="10.0.0.1",
        route=route,
        status=200,
        code=1201,
        error="Ünused",
        tenant="acmé",
        token_id=7,
        channel="main",
        ms=1.5,
    )


def lines_in(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def log() -> Any:
    return structlog.get_logger().bind()  # of the configuration as it is now


def test_a_request_line_is_spelt_as_structlog_would() -> None:
    """The same keys and values, the time as well; what is unknown is null in both."""
    stream = Counted()
    configure_logs(stream=stream, is_final=False)

    log_request(line_of())
    logs._log_by_structlog(line_of())  # noqa: SLF001 (as where a terminal shows it)

    short, long = lines_in(stream)
    for line in (short, long):
        assert SPELT.fullmatch(line.pop("timestamp"))
    assert short == long
    assert (short["event"], short["level"], short["id"]) == ("request.answered", "info", None)


@pytest.mark.parametrize(("level", "lines"), [("debug", 1), ("info", 1), ("warning", 0)])
@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_request_line_is_of_level_info(level: str, lines: int, *, is_terminal: bool) -> None:
    """The operator's level hides it, and shows it."""
    stream = Counted(is_terminal=is_terminal)
    configure_logs(level=level, stream=stream, is_final=False)

    log_request(line_of())

    assert stream.getvalue().count("request.answered") == lines


def test_on_a_terminal_it_is_as_readable_as_the_others() -> None:
    """Not JSON: the event, and `name=value` behind it."""
    stream = Counted(is_terminal=True)
    configure_logs(stream=stream, is_final=False)

    log_request(line_of())

    text = re.sub(r"\x1b\[\d*m", "", stream.getvalue())
    assert "{" not in text
    assert re.search(r"\[info *\] request\.answered ", text)
    assert "route=text2video.query" in text


async def test_lines_of_one_turn_are_one_write_in_their_order() -> None:
    """Request lines and structlog's, mixed; the next turn writes anew."""
    stream = Counted()
    configure_logs(stream=stream, is_final=False)

    log_request(line_of("1"))
    log().info("2")
    log_request(line_of("3"))
    log().warning("4")
    before = stream.getvalue()
    await asyncio.sleep(0)
    log_request(line_of("5"))
    await asyncio.sleep(0)

    told = [line["route"] if "route" in line else line["event"] for line in lines_in(stream)]
    assert (before, told, stream.times) == ("", ["1", "2", "3", "4", "5"], 2)


async def test_an_error_is_written_at_once_behind_what_waits() -> None:
    """Whoever logs it may be about to end; the line that waited is not written twice."""
    stream = Counted()
    configure_logs(stream=stream, is_final=False)

    log_request(line_of("1"))
    log().error("2")
    told = len(lines_in(stream))
    await asyncio.sleep(0)

    assert (told, len(lines_in(stream))) == (2, 2)
    assert [line["event"] for line in lines_in(stream)] == ["request.answered", "2"]


def test_outside_a_loop_each_line_is_written_at_once() -> None:
    """Commands log so, and a crash loses nothing."""
    stream = Counted()
    configure_logs(stream=stream, is_final=False)

    log_request(line_of())
    first = len(lines_in(stream))
    log().info("second")

    assert (first, len(lines_in(stream))) == (1, 2)


async def test_a_stream_that_recovers_has_the_lines_that_come_then() -> None:
    """What was lost is lost; nothing was raised."""
    stream = Counted(fails=1)
    configure_logs(stream=stream, is_final=False)

    log_request(line_of("lost"))
    await asyncio.sleep(0)
    log_request(line_of("kept"))
    await asyncio.sleep(0)

    assert [line["route"] for line in lines_in(stream)] == ["kept"]


def test_a_process_that_ends_within_a_turn_has_said_everything() -> None:
    """The loop never comes to write: the lines are written at exit."""
    program = """
import asyncio
import structlog
from relay.logs import RequestLine, configure_logs, log_request

async def end():
    structlog.get_logger().info("first")
    log_request(RequestLine("r-1", "GET", ""))
    raise SystemExit(3)

configure_logs()
asyncio.new_event_loop().run_until_complete(end())
"""

    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    told = [json.loads(line)["event"] for line in ended.stderr.splitlines() if line[:1] == "{"]
    assert (ended.returncode, told) == (3, ["first", "request.answered"])
