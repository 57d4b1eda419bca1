"""Files of ours are found where Kling takes a URL, and nowhere else; all other bytes stay."""

import msgspec
import pytest

from relay.kling.body import read_fields
from relay.kling.endpoints import BY_NAME
from relay.kling.media import ANYWHERE, MEDIA, Media, swap_media, without_prefixes

ID = "5f0c1a2b-0000-4000-8000-00000000000a"
NAME = f"asset://{ID}"


def swapped(endpoint: str, body: bytes) -> bytes:
    fields = swap_media(endpoint, read_fields(body), lambda media, _: f"<{media.name}>")
    return msgspec.json.encode(fields)


def test_each_row_is_of_an_endpoint_there_is() -> None:
    """And every one that takes media by Kling's pages has a row."""
    assert MEDIA.keys() <= BY_NAME.keys()
    solutions = {name for name, one in BY_NAME.items() if one.path.startswith("/solutions/")}
    assert solutions == ANYWHERE


@pytest.mark.parametrize(
    ("endpoint", "body", "expected"),
    [
        ("image2video", b'{"image":"%b"}', b'{"image":"<image>"}'),
        ("image2video", rb'{"image":"asset:\/\/%b"}', b'{"image":"<image>"}'),
        (
            "omni-video",
            b'{"image_list": [{"image_url": "u"}, {"image_url": "%b", "n": 1.0}]}',
            b'{"image_list":[{"image_url": "u"},{"image_url":"<image_list.image_url>","n":1.0}]}',
        ),
        (
            "effects",
            b'{"input":{"images":["%b", "b"]}}',
            b'{"input":{"images":["<input.images>","b"]}}',
        ),
        (
            "image-to-video",
            b'{"contents":[{"type":"first_frame","url":"%b"}]}',
            b'{"contents":[{"type":"first_frame","url":"<contents.url>"}]}',
        ),
        (
            "solutions-virtual_try_on",
            b'{"cloths":[{"n":1.0,"url":"%b"},["%b"]],"who":"%b","options":{"x":"%b"}}',
            b'{"cloths":[{"n":1.0,"url":"<cloths>"},["<cloths>"]],"who":"<who>","options":{"x":"%b"}}',
        ),
    ],
)
def test_a_file_is_found_where_kling_takes_a_url(
    endpoint: str, body: bytes, expected: bytes
) -> None:
    """In texts, objects and lists of either, however its slashes are spelt."""
    given = (ID if rb"\/" in body else NAME).encode()

    assert swapped(endpoint, body.replace(b"%b", given)) == expected.replace(b"%b", given)


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("text2video", '{"prompt":"%s"}'),
        ("image2video", '{"image":"http://x/%s"}'),
        ("image2video", '{"image":["%s"]}'),
        ("omni-video", '{"image_list":{"image_url":"%s"}}'),
        ("omni-video", '{"image_list":["%s",null,7]}'),
        ("image2video", '{"image":"iVBOR/asset:","prompt":"%s \\ud83d"}'),
        ("video-extend", '{"image":"%s"}'),
        ("solutions-talking_agent", '{"prompt":"of %s","list":[["x %s"]],"options":{"u":"%s"}}'),
    ],
)
def test_it_is_a_text_like_any_other_elsewhere(endpoint: str, body: str) -> None:
    """The very fields come back, so that nothing of theirs is spelt anew."""
    fields = read_fields(body.replace("%s", NAME).encode())
    asked: list[Media] = []

    def swap(media: Media, text: str) -> str:
        asked.append(media)
        return text

    assert swap_media(endpoint, fields, swap) is fields
    assert asked == []


@pytest.mark.parametrize(
    ("endpoint", "given", "bare"),
    [
        ("image2video", b'{"image":"data:image/png;base64,AA=="}', b'{"image":"AA=="}'),
        ("image2video", b'{"image":"DATA:image\\/png;BASE64,AA=="}', b'{"image":"AA=="}'),
        (
            "advanced-lip-sync",
            b'{"face_choose":[{"n":1.50,"sound_file":"data:audio/mpeg;base64,AA"}]}',
            b'{"face_choose":[{"n":1.50,"sound_file":"AA"}]}',
        ),
        ("image2video", b'{"prompt":"data:image/png;base64,AA"}', None),
        ("image2video", b'{"image":"data:image/svg+xml,<svg/>"}', None),
        ("motion-control", b'{"video_url":"data:video/mp4;base64,AA"}', None),
        ("image2video", b'{"image":["data:image/png;base64,AA"]}', None),
    ],
)
def test_prefixes_of_browsers_are_taken_off(
    endpoint: str, given: bytes, bare: bytes | None
) -> None:
    """Where Kling takes base64, and nowhere else; all other bytes stay."""
    fields = read_fields(given)

    found = without_prefixes(endpoint, fields)

    if bare is None:
        assert found is fields
    else:
        assert msgspec.json.encode(found) == bare
