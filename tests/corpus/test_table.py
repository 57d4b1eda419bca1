"""The table in docs/endpoints.md says what was seen to work."""

from relay.kling.endpoints import ENDPOINTS
from tests.corpus.play import Recording
from tests.corpus.table import BEGIN, END, NOT, PAGE, render, replaced


async def test_the_page_has_the_table_of_what_was_seen(recording: Recording) -> None:
    """Stale? `uv run python -m tests.corpus.table` writes it anew."""
    table = render(recording)
    page = PAGE.read_text()

    assert BEGIN + page.partition(BEGIN)[2].partition(END)[0] + END == table


async def test_every_endpoint_has_a_row_and_no_cell_fails(recording: Recording) -> None:
    """A check that found a difference shows as **no**: then this is what to mend."""
    lines = render(recording).splitlines()
    rows = [line for line in lines if line.startswith("| `")]

    assert [row.split("`")[1] for row in rows] == [
        f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS
    ]
    assert [row for row in rows if NOT in row] == []


async def test_a_cell_of_what_does_not_hold_is_no(recording: Recording) -> None:
    """The checks can fail: a reply, a charge, a refusal and a delivery that differ."""
    one = recording.examples["video-extend"]
    kept = one.sent, one.row["charged_micros"], one.foreign, one.deliveries
    told = []
    try:
        one.sent = kept[0].replace(b"5.0", b"5")
        told.append(NOT in _row(recording))
        one.sent, one.row["charged_micros"] = kept[0], kept[1] + 1
        told.append(NOT in _row(recording))
        one.row["charged_micros"], one.foreign = kept[1], {"VIDEO": (200, 0)}
        told.append(NOT in _row(recording))
        one.foreign, one.deliveries = kept[2], []
        told.append(NOT in _row(recording))
    finally:
        one.sent, one.row["charged_micros"], one.foreign, one.deliveries = kept

    assert told == [True, True, True, True]
    assert NOT not in _row(recording)


def test_the_table_is_put_between_its_marks() -> None:
    """What stands around it stays."""
    assert replaced(f"a\n{BEGIN}old\n{END}b\n", f"{BEGIN}new\n{END}") == f"a\n{BEGIN}new\n{END}b\n"


def _row(recording: Recording) -> str:
    return next(
        line for line in render(recording).splitlines() if "/v1/videos/video-extend" in line
    )
