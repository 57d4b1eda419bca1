"""Request bodies: split, joined and priced without touching a value."""

import json
import random
import time
from typing import Any

import msgspec
import pytest

from relay.errors import BadRequest, InvalidParameter
from relay.kling.alike import Reading
from relay.kling.body import (
    FIELDS_MAX,
    HALF_SURROGATES_MAX,
    VALUES_MAX,
    Utf8Check,
    join_fields,
    put_text,
    read_fields,
    take_text,
)
from relay.kling.endpoint import Endpoint, Field, Generation, Pricing
from relay.kling.endpoints import BY_NAME
from relay.kling.transport import JOIN_BYTES_MAX, count_bytes, cut_into_writes
from relay.kling.wanted import Wanted, read_wanted

TEXT = BY_NAME["text2video"]
OMNI = BY_NAME["omni-video"]
MULTI = BY_NAME["multi-image2video"]
NESTED = Endpoint(
    name="new",
    path="/text-to-video/new",
    generation=Generation.NEW,
    callback_field=("options", "callback_url"),
    external_id_field=("options", "external_task_id"),
    pricing=Pricing(duration=Field("duration", default="5")),
)


LONG = msgspec.Raw(b'"%b"' % (b"A" * JOIN_BYTES_MAX))


def joined(fields: dict[str, msgspec.Raw]) -> bytes:
    """Spell them at once; with a long value beside them, in parts that spell the same."""
    whole = join_fields(fields)
    parts = join_fields({**fields, "~": LONG})
    assert isinstance(whole, bytes)
    assert isinstance(parts, list)
    separator = b"," if fields else b""
    assert b"".join(parts) == whole[:-1] + separator + b'"~":' + bytes(LONG) + b"}"
    return whole


def wanted(endpoint: Endpoint, **body: Any) -> Wanted:
    return read_wanted(endpoint, Reading(read_fields(json.dumps(body).encode()))).wanted[0]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"a":1e400,"b":-0,"c":1.50,"d":18446744073709551616123}',
        b'{"a":{ "x" :[1 , 2]},"b":"\\u00e9\\/","c":null}',
        '{"ключ":"🦊"}'.encode(),
        rb'{"a":"\ud800","b":["\udfff","\ud83d\ude00"],"c":"\\ud800"}',
        b'{"":0,"a\\"\\\\b":1,"\\u0000\\n":2,"/~\x7f":3}',
    ],
)
def test_what_is_split_and_joined_is_the_same(body: bytes) -> None:
    """Byte for byte, where the names have plain spellings and nothing stands between fields."""
    assert joined(read_fields(body)) == body
    assert joined(read_fields(bytearray(body))) == body


def test_values_are_views_and_not_copies() -> None:
    """An image of 20 MB is split and joined within some milliseconds of work."""
    body = b'{"image":"%b","prompt":"x"}' % (b"A" * 20_000_000)
    began = time.process_time()

    parts = join_fields(read_fields(body))

    assert time.process_time() - began < 1.0
    assert isinstance(parts, list)
    views = [part for part in parts if isinstance(part, memoryview)]
    assert max(len(view) for view in views) == 20_000_002
    assert all(view.obj is not None for view in views)


def test_half_surrogates_keep_every_byte_wherever_they_stand() -> None:
    """Random strings of escapes, pairs, halves and backslashes, judged by another parser."""
    chance = random.Random(7)
    escapes = (r"\ud83d\ude00", r"\ud800", r"\udc00", r"\\", r"\"", r"\n", r"\u0041")
    pieces = [*escapes, "a", "🦊", "ud800"]
    for _ in range(500):
        text = "".join(chance.choices(pieces, k=chance.randrange(12)))
        body = f'{{"p":"{text}","q":{{"r":["{text}"]}},"z":1}}'.encode()
        json.loads(body)

        assert joined(read_fields(body)) == body


def test_a_body_of_half_surrogates_or_backslashes_costs_little() -> None:
    """Broken on purpose: 10 MB are refused after a second of work, more than a thousand too."""
    for body in (b'{"a":"' + b"\\\\" * 5_000_000, b'{"a":"' + b"\\ud800" * 1_700_000):
        began = time.process_time()
        with pytest.raises(BadRequest):
            read_fields(body)
        assert time.process_time() - began < 2.0
    many = b'{"a":"%b"}' % (b"\\ud800" * (HALF_SURROGATES_MAX + 1))
    with pytest.raises(BadRequest):
        read_fields(many)


def test_a_half_surrogate_in_a_name_is_refused() -> None:
    """A name is decoded, so its bytes would not survive."""
    with pytest.raises(BadRequest):
        read_fields(rb'{"\ud800":1,"padding":"padding"}')


def test_broken_utf8_is_found_wherever_chunks_are_cut() -> None:
    """Every cut of every broken sequence; whole characters pass at every cut."""
    good = "é中🦊".encode()
    for broken in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", good[:-1]):
        for cut in range(len(broken) + 1):
            check = Utf8Check()
            with pytest.raises(BadRequest):
                feed(check, b"ok" + broken[:cut], broken[cut:])
    for cut in range(len(good) + 1):
        feed(Utf8Check(), good[:cut], good[cut:])


def feed(check: Utf8Check, first: bytes, second: bytes) -> None:
    check.feed(first)
    check.feed(second, is_last=True)


def test_a_text_is_taken_out_and_put_in() -> None:
    """At the top, and inside an object, whose other values keep their bytes."""
    fields = read_fields(b'{"external_task_id":"a","options":{"n":1.50,"external_task_id":"b"}}')

    assert take_text(fields, ("external_task_id",), chars_max=10) == "a"
    assert take_text(fields, ("options", "external_task_id"), chars_max=10) == "b"
    put_text(fields, ("options", "external_task_id"), 'x"y')
    put_text(fields, ("made", "on", "the", "way"), "z")

    assert joined(fields) == (
        b'{"options":{"n":1.50,"external_task_id":"x\\"y"},"made":{"on":{"the":{"way":"z"}}}}'
    )


@pytest.mark.parametrize("body", [b"{}", b'{"x":null}', b'{"x":""}', b'{"options":{}}'])
def test_nothing_is_none(body: bytes) -> None:
    """Absent, null and "" say nothing, at any depth."""
    assert take_text(read_fields(body), ("x",), chars_max=10) is None
    assert take_text(read_fields(body), ("options", "x"), chars_max=10) is None


@pytest.mark.parametrize("options", [b"5", b"[]", b'"x"', b"null"])
def test_an_object_of_another_type_is_named(options: bytes) -> None:
    """`options` must be an object where the id stands inside it."""
    with pytest.raises(InvalidParameter, match="options"):
        take_text(read_fields(b'{"options":%b}' % options), ("options", "x"), chars_max=10)


@pytest.mark.parametrize("value", [5, 5.0, "5", " 5 ", "5.0", "5e0", None, ""])
def test_five_seconds_in_every_spelling(value: object) -> None:
    """As Kling reads it."""
    assert wanted(TEXT, duration=value).seconds == 5


@pytest.mark.parametrize(
    ("value", "sound"),
    [
        *((word, True) for word in ("on", "ON", True, "true", "True", "native")),
        *((word, False) for word in ("off", False, "false", None, "")),
    ],
)
def test_sound_in_every_spelling(value: object, sound: bool) -> None:  # noqa: FBT001 (a case)
    """Strings and booleans alike."""
    assert wanted(TEXT, sound=value).sound is sound


def test_absent_fields_are_priced_by_kling_s_defaults() -> None:
    """Section 4: text2video is kling-v1 std 5 s silent; omni is kling-video-o1 in pro."""
    assert wanted(TEXT) == Wanted(
        endpoint="text2video",
        model="kling-v1",
        mode="std",
        sound=False,
        voice=False,
        seconds=5,
        seconds_max=15,
    )
    omni = wanted(OMNI)
    assert (omni.model, omni.mode, omni.video_input, omni.seconds) == (
        *("kling-video-o1", "pro", False),
        5,
    )
    assert wanted(MULTI).sound is None


@pytest.mark.parametrize(
    ("body", "voice"),
    [
        ({"voice_list": [{"voice_id": "1"}], "prompt": "<<<voice_1>>> says"}, True),
        ({"voice_list": [{"voice_id": "1"}], "prompt": "<<< voice_2 >>>"}, True),
        ({"voice_list": [{"voice_id": "1"}], "prompt": "no voice"}, False),
        ({"voice_list": [{"voice_id": "1"}], "prompt": None}, False),
        ({"voice_list": [], "prompt": "<<<voice_1>>>"}, False),
        ({"prompt": "<<<voice_1>>>"}, False),
        (
            {"voice_list": [{}], "prompt": "", "multi_prompt": [{"prompt": "<<<voice_1>>>"}, 5]},
            True,
        ),
    ],
    ids=str,
)
def test_voice_control_is_billed_when_set_and_referred_to(
    body: dict[str, Any],
    voice: bool,  # noqa: FBT001 (a case)
) -> None:
    """docs/kling-api.md 10, "Other rules"."""
    assert wanted(TEXT, **body).voice is voice


@pytest.mark.parametrize(
    ("videos", "video_input", "seconds"),
    [
        ([], False, 8),
        (None, False, 8),
        ([{"video_url": "u"}], True, None),
        ([{"video_url": "u", "refer_type": "base"}], True, None),
        ([{"video_url": "u", "refer_type": None}], True, None),
        ([{"video_url": "u", "refer_type": ""}], True, None),
        ([{"video_url": "u", "refer_type": "feature"}], True, 8),
    ],
    ids=str,
)
def test_a_base_video_gives_the_result_its_length(
    videos: object,
    video_input: bool,  # noqa: FBT001 (a case)
    seconds: int | None,
) -> None:
    """`base` is the default (section 4.4); `duration` then says nothing."""
    found = wanted(OMNI, video_list=videos, duration="8")

    assert (found.video_input, found.seconds) == (video_input, seconds)


def test_what_is_wanted_is_spelt_as_the_operator_types_it() -> None:
    """`relay price missing` shows it, `relay price set` takes it."""
    assert str(wanted(OMNI, video_list=[{}])) == (
        "omni-video model=kling-video-o1 mode=pro sound=off video-input=on duration=open"
    )


def test_a_nested_endpoint_is_priced_like_any() -> None:
    """The columns that the new generation needs are there."""
    assert wanted(NESTED, duration=7).seconds == 7


@pytest.mark.parametrize("item", [b"{}", b"[]", b"0", b'""', b"[[[[[[]]]]]]"])
@pytest.mark.parametrize("opening", [b'{"voice_list":[%b]}', b'{"contents":{"a":[%b]}}'])
def test_a_body_of_more_values_than_anybody_needs_is_refused(opening: bytes, item: bytes) -> None:
    """Each costs memory and time many times its bytes; a large image or prompt is one value."""
    many = opening % b",".join([item] * 200_000)
    names = b"{%b}" % b",".join(b'"%d":0' % number for number in range(200_000))
    prompt = b'{"prompt":"%b","image":"%b"}' % (b"a, b; " * 2000, b"A" * 5_000_000)

    for body in (many, names):
        with pytest.raises(BadRequest, match="too many values"):
            read_fields(bytearray(body))
    assert len(read_fields(bytearray(prompt))) == 2


def test_one_value_more_than_the_most_is_refused() -> None:
    """100,000 marks of values pass, in the shortest body that holds as many; one more does not."""
    most = b'{"a":[0%b]}' % (b",0" * (VALUES_MAX - 2))

    assert list(read_fields(most)) == ["a"]
    with pytest.raises(BadRequest, match="too many values"):
        read_fields(most.replace(b"]", b",0]"))


@pytest.mark.parametrize("before", [b"", rb'"half":"\ud800",'])
def test_one_field_more_than_the_most_is_refused(before: bytes) -> None:
    """500 at the top, however the body is read; what a name says twice is one."""
    names = [b'"f%d":0' % number for number in range(FIELDS_MAX)]
    fields = len(read_fields(b"{%b%b,%b}" % (before, b",".join(names[1:]), names[1])))

    assert fields == FIELDS_MAX - (not before)
    with pytest.raises(BadRequest, match="more than 500 fields"):
        read_fields(b'{%b%b,"more":0}' % (before, b",".join(names)))


def test_objects_that_are_split_are_bounded_too() -> None:
    """`options` of a create, where our own fields stand: 500 pass, and one more does not."""
    path = ("options", "external_task_id")
    inner = {f"f{number}": 0 for number in range(FIELDS_MAX)}
    most, more = (
        read_fields(json.dumps({"options": options}).encode())
        for options in (inner, inner | {"more": 0})
    )

    assert take_text(most, path, chars_max=10) is None
    with pytest.raises(BadRequest, match="more than 500 fields"):
        take_text(more, path, chars_max=10)


def test_many_small_fields_are_few_writes() -> None:
    """249 before an image and 249 behind it: two writes beside the image's own, and all bytes."""
    small = ["".join(f'"{side}{number}":[],' for number in range(249)) for side in "ab"]
    body = f'{{{small[0]}"image":"{"A" * JOIN_BYTES_MAX}",{small[1][:-1]}}}'.encode()
    parts = join_fields(read_fields(body))

    writes = list(cut_into_writes(parts, count_bytes(parts)))

    assert b"".join(writes) == body
    assert len(writes) == 4
    assert max(len(write) for write in writes) <= JOIN_BYTES_MAX


def test_a_body_is_spelt_at_once_up_to_what_a_write_copies_anyway() -> None:
    """256 KB of values: one byte more, and they are passed on as views of the tenant's body."""
    for size, kind in ((JOIN_BYTES_MAX, bytes), (JOIN_BYTES_MAX + 1, list)):
        body = b'{"a":1,"image":"%b"}' % (b"A" * (size - len('1""')))

        assert type(join_fields(read_fields(body))) is kind
