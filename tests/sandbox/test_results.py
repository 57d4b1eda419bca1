import struct

import httpx

from relay.sandbox.settings import SandboxSettings
from tests.sandbox.client import Caller
from tests.sandbox.conftest import Opened


def _boxes(content: bytes) -> dict[bytes, bytes]:
    """Walk the boxes of an mp4 level; sizes must add up to the whole."""
    boxes, at = {}, 0
    while at < len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        assert 8 <= size <= len(content) - at
        boxes[kind] = content[at + 8 : at + size]
        at += size
    return boxes


async def test_a_video_result_is_a_real_mp4(served: Caller) -> None:
    """ftyp, moov and mdat; one H.264 track of 5 frames, whose sample sizes fill mdat."""
    task = await served.accepted(prompt="a cat")
    (video,) = (await served.ended(task["task_id"]))["task_result"]["videos"]

    response = await served.http.get(video["url"])

    boxes = _boxes(response.content)
    media = _boxes(_boxes(_boxes(boxes[b"moov"])[b"trak"])[b"mdia"])
    table = _boxes(_boxes(media[b"minf"])[b"stbl"])
    uniform, count = struct.unpack(">II", table[b"stsz"][4:12])
    sizes = struct.unpack(f">{count}I", table[b"stsz"][12 : 12 + 4 * count])
    assert response.headers["content-type"] == "video/mp4"
    assert video["url"].endswith(f"/sandbox/files/{video['id']}.mp4")
    assert list(boxes)[:2] == [b"ftyp", b"moov"]
    assert b"avc1" in table[b"stsd"]
    assert (uniform, count) == (0, 5)
    assert sum(sizes) == len(boxes[b"mdat"])


async def test_an_image_task_has_as_many_real_images_as_were_asked_for(kling: Caller) -> None:
    """5.3: index from 0, a png behind each URL; 8 image units each."""
    task = await kling.accepted("/v1/images/generations", prompt="a cat", n=3)

    data = await kling.ended(task["task_id"], "/v1/images/generations")

    images = data["task_result"]["images"]
    files = [await kling.http.get(image["url"]) for image in images]
    assert [image["index"] for image in images] == [0, 1, 2]
    assert all(file.content.startswith(b"\x89PNG\r\n") for file in files)
    assert data["final_unit_deduction"] == "24"


async def test_an_audio_task_has_both_files_and_its_source(kling: Caller) -> None:
    """5.3: url_mp3 and url_wav; task_info names the parent video (5.2)."""
    path = "/v1/audio/video-to-audio"
    task = await kling.accepted(path, video_url="https://example.com/a.mp4")

    data = await kling.ended(task["task_id"], path)

    (audio,) = data["task_result"]["audios"]
    wav = await kling.http.get(audio["url_wav"])
    assert wav.content[:4] == b"RIFF"
    assert (await kling.http.get(audio["url_mp3"])).headers["content-type"] == "audio/mpeg"
    assert set(data["task_info"]["parent_video"]) == {"id", "url", "duration"}


async def test_results_are_named_under_the_public_url(opened: Opened) -> None:
    """Behind a proxy the Host of the request is not where results are."""
    settings = SandboxSettings(task_seconds=0.05, public_url="https://sandbox.example.com/")
    async with opened(settings) as kling:
        task = await kling.accepted(prompt="a cat")
        data = await kling.ended(task["task_id"])

    url = httpx.URL(data["task_result"]["videos"][0]["url"])
    assert (url.host, url.path[:15]) == ("sandbox.example.com", "/sandbox/files/")


async def test_another_name_is_no_file(kling: Caller) -> None:
    """Only digits and the four kinds are served."""
    names = ["x.mp4", "1.exe", "1", "..%2Fclip.mp4"]

    answers = [await kling.http.get(f"/sandbox/files/{name}") for name in names]

    assert {answer.status_code for answer in answers} == {404}


async def test_sound_for_a_video_is_both_video_and_audio(kling: Caller) -> None:
    """5.3: videos and audios, each with an id of its own."""
    path = "/v1/audio/video-to-audio"

    data = await kling.finished(path, video_url="https://example.com/a.mp4")

    (video,), (audio,) = data["task_result"]["videos"], data["task_result"]["audios"]
    assert set(video) == {"id", "url", "duration"}
    assert set(audio) == {"id", "url_mp3", "url_wav", "duration_mp3", "duration_wav"}
    assert video["id"] != audio["id"]


async def test_a_multi_shot_has_three_urls_and_a_series_its_own_list(kling: Caller) -> None:
    """5.3: url_1 to url_3 for 20 units; omni-image says result_type, series_images for series."""
    image = {"element_frontal_image": "https://example.com/a.png"}
    shots = await kling.finished("/v1/general/ai-multi-shot", **image)
    single = await kling.finished("/v1/images/omni-image", prompt="a cat")
    series = await kling.finished(
        "/v1/images/omni-image", prompt="a cat", result_type="series", series_amount=3
    )

    assert set(shots["task_result"]["images"][0]) == {"index", "url_1", "url_2", "url_3"}
    assert shots["final_unit_deduction"] == "20"
    assert single["task_result"]["result_type"] == "single"
    assert len(single["task_result"]["images"]) == 1
    assert series["task_result"]["result_type"] == "series"
    assert len(series["task_result"]["series_images"]) == 3
