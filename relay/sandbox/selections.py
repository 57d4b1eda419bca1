"""Marks of a multi-elements edit (docs/kling-api.md 4.11): five free steps in a session."""

from typing import Any

from relay.sandbox.books import Asked, Books
from relay.sandbox.fields import Fields
from relay.sandbox.recognition import open_session
from relay.sandbox.things import Thing

FPS = 30
WIDTH, HEIGHT = 1280, 720
MARKS_MAX = 10
"""Frames in a session, and points in a frame."""

_NO_REJECTION = 0
_PNG = "iVBORw0KGgo="
"""Stands for a mask's picture; nobody here draws one."""


def init_selection(books: Books, asked: Asked) -> dict[str, Any]:
    """Begin a session on a video."""
    session = open_session(books, asked)
    return {
        "status": _NO_REJECTION,
        "session_id": session.id,
        "fps": float(FPS),
        "original_duration": session.seconds * 1000,
        "width": WIDTH,
        "height": HEIGHT,
        "total_frame": session.seconds * FPS,
        "normalized_video": asked.file(session.id, "mp4"),
    }


def add_selection(books: Books, asked: Asked) -> dict[str, Any]:
    """Mark points in one frame more, or more points in one."""
    _ = books
    session, (index, points) = _session_of(asked), _marked(asked.fields)
    kept = session.marks.get(index, [])
    if len(session.marks) == MARKS_MAX and index not in session.marks:
        raise asked.fields.refusal("frame_index", f"is one more than {MARKS_MAX} marked frames")
    if len(kept) + len(points) > MARKS_MAX:
        raise asked.fields.refusal("points", f"are more than {MARKS_MAX} in one frame")
    session.marks[index] = kept + points
    return _shown(session, index)


def delete_selection(books: Books, asked: Asked) -> dict[str, Any]:
    """Take points away; they must be where they were marked."""
    _ = books
    session, (index, points) = _session_of(asked), _marked(asked.fields)
    kept = session.marks.get(index, [])
    if any(point not in kept for point in points):
        raise asked.fields.refusal("points", "are not all marked in this frame")
    session.marks[index] = [point for point in kept if point not in points]
    if not session.marks[index]:
        del session.marks[index]
    return _shown(session, index)


def clear_selection(books: Books, asked: Asked) -> dict[str, Any]:
    """Take all marks away."""
    _ = books
    session = _session_of(asked)
    session.marks.clear()
    return {"status": _NO_REJECTION, "session_id": session.id}


def preview_selection(books: Books, asked: Asked) -> dict[str, Any]:
    """Show the marks in a video."""
    _ = books
    session = _session_of(asked)
    shown = {
        "video": asked.file(f"{session.id}1", "mp4"),
        "video_cover": asked.file(f"{session.id}2", "png"),
        "tracking_output": asked.file(f"{session.id}3", "mp4"),
    }
    return {"status": _NO_REJECTION, "session_id": session.id, "res": shown}


def _session_of(asked: Asked) -> Thing:
    """Take the session that the body names; with `[any ids]` one that nobody keeps."""
    if asked.things:
        return asked.things[0]
    return Thing("session", str(asked.values["session_id"]), asked.now_ms)


def _marked(fields: Fields) -> tuple[int, list[dict[str, float]]]:
    index = fields.whole("frame_index", range(100_000), 0)
    points = [
        {axis: point.number(axis, lowest=0, highest=1) for axis in ("x", "y")}
        for point in fields.parts("points", most=MARKS_MAX)
    ]
    return index, points


def _shown(session: Thing, index: int) -> dict[str, Any]:
    size = [HEIGHT, WIDTH]
    mask = {
        "object_id": 0,
        "rle_mask": {"size": size, "counts": "0"},
        "png_mask": {"size": size, "base64": _PNG},
    }
    masks = [mask] if index in session.marks else []
    return {
        "status": _NO_REJECTION,
        "session_id": session.id,
        "res": {"frame_index": index, "rle_mask_list": masks},
    }
