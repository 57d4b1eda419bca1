"""Calls that look, listen or speak at once (docs/kling-api.md 4.8, 4.14, 4.15): each is paid."""

from typing import Any

from relay.sandbox.books import Asked, Books
from relay.sandbox.errors import Refusal
from relay.sandbox.orders import input_seconds
from relay.sandbox.things import Thing

TEXT_MAX = 1000
SEGMENTS = ("object_seg", "head_seg", "face_seg", "cloth_seg")


def identify_face(books: Books, asked: Asked) -> dict[str, Any]:
    """Find one face in a video; the session remembers how long it is."""
    session = open_session(books, asked)
    name = books.ids.other(asked.now_ms, "6")
    face = {
        "face_id": "0",
        "face_image": asked.file(name, "png"),
        "start_time": 0,
        "end_time": session.seconds * 1000,
    }
    return {"session_id": session.id, "face_data": [face]}


def recognize_image(books: Books, asked: Asked) -> dict[str, Any]:
    """Cut four masks; a face is in every image."""
    asked.fields.picture("image")
    name = books.ids.other(asked.now_ms, "6")
    images = [
        {"type": segment, "is_contain": True, "url": asked.file(f"{name}{i}", "png")}
        for i, segment in enumerate(SEGMENTS)
    ]
    return {"task_result": {"images": images}}


def speak(books: Books, asked: Asked) -> dict[str, Any]:
    """Make an audio, which avatar and lip-sync can name for 30 days; there is no query."""
    _need_voice(books, asked)
    asked.fields.text("text", longest=TEXT_MAX)
    asked.fields.choice("voice_language", ("zh", "en"), "zh")
    asked.fields.number("voice_speed", lowest=0.8, highest=2, default=1)
    seconds, task_id = input_seconds(asked.faults), books.ids.task(asked.now_ms)
    audio = Thing("audio", f"{task_id[::-1]}0", asked.now_ms, seconds)
    books.things.add(asked.owner, audio)
    shown = {"id": audio.id, "url": asked.file(audio.id, "mp3"), "duration": f"{seconds}.1"}
    return {
        "task_id": task_id,
        "task_status": "succeed",
        "task_status_msg": "",
        "task_result": {"audios": [shown]},
        "created_at": asked.now_ms,
        "updated_at": asked.now_ms,
    }


def _need_voice(books: Books, asked: Asked) -> None:
    """Look for a voice that is a number; those of the vendor's fixed table are names, and pass.

    Raises:
        Refusal: 1201 it is neither the account's nor a preset; the words are section 17's.
    """
    name = str(asked.values["voice_id"])
    if not name.isdigit() or "any ids" in asked.faults:
        return
    if books.things.find(asked.owner, "voice", name, now_ms=asked.now_ms) is None:
        raise Refusal(1201, "Voice id not found")


def open_session(books: Books, asked: Asked) -> Thing:
    """Begin a session on `video_id` or `video_url`; it can be named for 24 hours."""
    fields = asked.fields
    if fields.has("video_id") and fields.has("video_url"):
        raise fields.refusal("video_id", "excludes video_url")
    fields.text("video_url")
    seconds = asked.things[0].seconds if asked.things else input_seconds(asked.faults)
    name = books.ids.other(asked.now_ms, "7")
    return books.things.add(asked.owner, Thing("session", name, asked.now_ms, seconds))
