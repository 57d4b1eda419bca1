"""What a success made: files by the family's shape (docs/kling-api.md 5.3), and ids for later."""

import zlib
from typing import Any

from relay.sandbox.settings import Account
from relay.sandbox.tasks import Task
from relay.sandbox.things import Thing

_MULTI_SHOT = "/v1/general/ai-multi-shot"
_VIDEO_TO_AUDIO = "/v1/audio/video-to-audio"


def part_id(task: Task, index: int) -> str:
    """Make the id of one file: the task's backwards, and a digit that tells its files apart."""
    return f"{task.id[::-1]}{index}"


def file_of(task: Task, index: int, extension: str) -> str:
    """Make the URL of one file."""
    return f"{task.base_url}/sandbox/files/{part_id(task, index)}.{extension}"


def _duration_of(task: Task) -> str:
    """Write how long a result is: a string, and not whole (5.2)."""
    return f"{task.order.seconds}.1"


def owner_of(account: Account) -> str:
    """Make up the number by which `owned_by` names who created an element or a voice."""
    return str(zlib.crc32(account.access_key.encode()))


def things_of(task: Task) -> list[Thing]:
    """List the ids that a success makes known to its account; images have none."""
    order, made = task.order, task.updated_ms
    match order.endpoint.results:
        case "videos":
            video = Thing("video", part_id(task, 0), made, order.seconds, order.model, order.mode)
            return [video]
        case "audios":
            audio = Thing("audio", part_id(task, 0), made, order.seconds)
            if order.endpoint.path != _VIDEO_TO_AUDIO:
                return [audio]
            return [audio, Thing("video", part_id(task, 1), made, order.seconds)]
        case "elements":
            return [Thing("element", f"8{task.id[1:]}", made)]
        case "voices":
            return [Thing("voice", f"9{task.id[1:]}", made)]
        case "images":
            return []


def result_of(task: Task, *, for_callback: bool) -> dict[str, Any]:
    """Write a legacy `task_result`; {} before the end, and for kinds that callbacks do not show."""
    results = task.order.endpoint.results
    if task.status != "succeed" or (for_callback and results not in {"videos", "images"}):
        return {}  # section 6 shows images and videos only
    marked = task.order.watermark and not for_callback
    match results:
        case "videos":
            return {"videos": [_video(task, marked=marked)]}
        case "images":
            return _images(task, marked=marked)
        case "audios":
            return _audios(task)
        case "elements":
            return {"elements": [_element(task)]}
        case "voices":
            return {"voices": [] if task.things[0].is_deleted else [_voice(task)]}


_NEW_NAMES = {
    "url_mp3": "mp3_url",
    "url_wav": "wav_url",
    "duration_mp3": "mp3_duration",
    "duration_wav": "wav_duration",
}


def outputs_of(task: Task) -> list[dict[str, Any]]:
    """Write `outputs` of API 2.0 and the solutions (5.5); [] before the end."""
    if task.status != "succeed":
        return []
    if task.order.endpoint.generation == "legacy":
        return _legacy_outputs(task)
    extension = "png" if task.order.endpoint.results == "images" else "mp4"
    output: dict[str, Any] = {"type": "image" if extension == "png" else "video"}
    if extension == "mp4":
        output["id"] = part_id(task, 0)
    output["url"] = file_of(task, 0, extension)
    if task.order.watermark:
        output["watermark_url"] = file_of(task, 1, extension)
    if extension == "mp4":
        output["duration"] = _duration_of(task)
    return [output]


def _legacy_outputs(task: Task) -> list[dict[str, Any]]:
    """Write what a legacy task made as API 2.0 would: its own items, by type."""
    return [
        {
            "type": name.removeprefix("series_").removesuffix("s"),
            **{_NEW_NAMES.get(one, one): value for one, value in item.items() if one != "index"},
        }
        for name, items in result_of(task, for_callback=False).items()
        if isinstance(items, list)
        for item in items
    ]


def _video(task: Task, *, marked: bool) -> dict[str, Any]:
    video: dict[str, Any] = {"id": part_id(task, 0), "url": file_of(task, 0, "mp4")}
    if marked:
        video["watermark_url"] = file_of(task, 1, "mp4")
    if task.order.endpoint.path != "/v1/videos/effects":
        video["duration"] = _duration_of(task)
    return {**video, **task.order.repeats}


def _images(task: Task, *, marked: bool) -> dict[str, Any]:
    if task.order.endpoint.path == _MULTI_SHOT:
        urls = {f"url_{i}": file_of(task, i, "png") for i in (1, 2, 3)}
        return {"images": [{"index": 0, **urls}]}
    images = [_image(task, i, marked=marked) for i in range(task.order.images_out)]
    if task.order.endpoint.path != "/v1/images/omni-image":
        return {"images": images}
    if task.order.is_series:
        return {"result_type": "series", "series_images": images}
    return {"result_type": "single", "images": images}


def _image(task: Task, index: int, *, marked: bool) -> dict[str, Any]:
    image: dict[str, Any] = {"index": index, "url": file_of(task, index, "png")}
    if marked:
        image["watermark_url"] = file_of(task, index, "png")
    return image


def _audios(task: Task) -> dict[str, Any]:
    seconds = _duration_of(task)
    audio = {
        "id": part_id(task, 0),
        "url_mp3": file_of(task, 0, "mp3"),
        "url_wav": file_of(task, 0, "wav"),
        "duration_mp3": seconds,
        "duration_wav": seconds,
    }
    if task.order.endpoint.path != _VIDEO_TO_AUDIO:
        return {"audios": [audio]}
    video = {"id": part_id(task, 1), "url": file_of(task, 1, "mp4"), "duration": seconds}
    return {"videos": [video], "audios": [audio]}


def _element(task: Task) -> dict[str, Any]:
    """Say an element again; its id is an int beyond 2^53 (5.3)."""
    said, thing = task.order.repeats, task.things[0]
    voice_id = said.get("element_voice_id")
    return {
        "element_id": int(thing.id),
        "element_name": said["element_name"],
        "element_description": said["element_description"],
        "reference_type": said["reference_type"],
        "element_image_list": _as_urls(said.get("element_image_list", {}), task),
        "element_video_list": _as_urls(said.get("element_video_list", {}), task),
        "element_voice_info": {"voice_id": voice_id} if voice_id else {},
        "tag_list": said.get("tag_list", []),
        "owned_by": owner_of(task.account),
        "status": "deleted" if thing.is_deleted else "succeed",
    }


def _voice(task: Task) -> dict[str, Any]:
    return {
        "voice_id": task.things[0].id,
        "voice_name": task.order.repeats["voice_name"],
        "trial_url": file_of(task, 0, "mp3"),
        "owned_by": owner_of(task.account),
    }


def _as_urls(value: object, task: Task) -> object:
    """Say a list of images again, with a URL of ours for each that came as base64."""
    if isinstance(value, dict):
        return {name: _as_urls(part, task) for name, part in value.items()}
    if isinstance(value, list):
        return [_as_urls(part, task) for part in value]
    if isinstance(value, str) and not value.startswith(("http://", "https://")):
        return file_of(task, 2, "png")
    return value
