"""What stands in a request where no page of Kling's has it."""

import json
import time

import pytest

from relay.errors import BadRequest, InvalidParameter
from relay.kling.body import join_fields, read_fields
from relay.kling.references import NAMED_MAX
from relay.kling.strays import TEXT_MAX, drop_ours, find_things


def found(body: str) -> set[tuple[str, str]]:
    return {(one.kind.value, one.id) for one in find_things(read_fields(body.encode()))}


@pytest.mark.parametrize(
    ("body", "things"),
    [
        ('{"video_id":"1"}', {("video", "1")}),
        ('{"Audio-IDs":["1",2]}', {("audio", "1"), ("audio", "2")}),
        ('{"a":[{"elementIds":{"b":[829836802793406551]}}]}', {("element", "829836802793406551")}),
        ('{"a":{"parent_session_id":"1"}}', {("session", "1")}),
        ('{"a":{"v\\u006fice\\u005fid":"1"}}', {("voice", "1")}),
        ('{"a":{"voice_id":"1","voice_id":"2"}}', {("voice", "1"), ("voice", "2")}),
        ('{"a":{"voice_id":"\\ud83d","b":1e400}}', {("voice", "?")}),
        ('{"a":{"voice_id":null,"video_id":"","audio_id":true}}', set()),
        ('{"a":{"voice_id":829.0}}', {("voice", "829.0"), ("voice", "829")}),
        ('{"a":{"voice_id":" 0829 "}}', {("voice", n) for n in (" 0829 ", "0829", "829")}),
        ('{"a":{"voice_id":1e999999}}', {("voice", "1e999999")}),
        ('{"a":{"id":"1","video_url":"2","kid":"3","video_idea":"4"}}', set()),
        ('{"prompt":"\\"video_id\\":1","a":["video_id","1"]}', set()),
        ('{"a":[{"b":"' + r"x\\\"" * 600 + '","video_id":"1"}]}', {("video", "1")}),
    ],
)
def test_things_are_found_in_every_spelling(body: str, things: set[tuple[str, str]]) -> None:
    """Case, `_` and `-`, plural, escapes, twice in one object, behind a text of some kilobytes."""
    assert found(body) == things


def test_a_text_above_a_kilobyte_is_stepped_over() -> None:
    """What is no id is no thing's, however its bytes read; what stands around it is found."""
    text = json.dumps('{"video_id":"0"} \\" [' * 200)
    assert len(text) > TEXT_MAX

    assert found(f'{{"a":[{{"image":{text},"video_id":"1"}}],"voice_id":{text}}}') == {
        ("video", "1")
    }


def test_an_image_of_13_mb_costs_a_few_milliseconds() -> None:
    """It is searched for its end, not read: 1.4 ms where this was written."""
    fields = read_fields(b'{"image_list":[{"image":"%b","image_id":"1"}]}' % (b"A" * 13_000_000))

    began = time.perf_counter()
    assert find_things(fields) == []
    assert time.perf_counter() - began < 0.5


def test_too_many_and_too_deep_are_refused() -> None:
    """More than anybody needs, and what no stack holds."""
    many = json.dumps({"a": {"video_ids": list(range(NAMED_MAX + 1))}})
    deep = '{"a":' + '[{"video_id":1,"b":' * 40_000 + "1" + "}]" * 40_000 + "}"

    with pytest.raises(InvalidParameter, match="video_id"):
        found(many)
    with pytest.raises(BadRequest):
        found(deep)


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ('{"a":1,"callback_url":"u"}', '{"a":1}'),
        ('{"CallbackUrl":"u","EXTERNAL-TASK-ID":"e","external_id":"e","a":1}', '{"a":1}'),
        ('{"options":{"callback_url":"u","a":1}}', '{"options":{"a":1}}'),
        (
            '{"Options":{"call_backURL":"u"},"options":{"a": 1}}',
            '{"Options":{},"options":{"a": 1}}',
        ),
        ('{"options":{"c\\u0061llbackUrl":"u","a":5.0}}', '{"options":{"a":5.0}}'),
        ('{"options":{"callback_url":"\\ud83d","a":1}}', '{"options":{"a":1}}'),
        ('{"options":"callback_url","callback":"c"}', '{"options":"callback_url","callback":"c"}'),
        ('{"prompt":"callback_url"}', '{"prompt":"callback_url"}'),
    ],
)
def test_fields_that_are_ours_are_taken_out_in_every_spelling(body: str, left: str) -> None:
    """At the top and in `options`, of both generations; all other bytes stay."""
    fields = read_fields(body.encode())

    drop_ours(fields)

    joined = join_fields(fields)
    assert (joined if isinstance(joined, bytes) else b"".join(joined)) == left.encode()
